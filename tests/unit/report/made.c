#include "tests/unit/report/made.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/report/page.h"

int made_setup(void **state)
{
    struct made *made = calloc(1, sizeof *made);
    void *scratch = NULL;
    if (made == NULL || scratch_setup(&scratch) != 0) {
        free(made);
        return -1;
    }
    made->scratch = scratch;
    made->sweep = "made";
    made_sql(made, "INSERT INTO sweep (sweep_id, name, text, version, created_utc)"
                   " VALUES (1, 'made', 'name: made', '0.1', '2026-01-01T00:00:00Z');");
    *state = made;
    return 0;
}

int made_teardown(void **state)
{
    struct made *made = *state;
    void *scratch = made->scratch;
    report_finish(&made->report);
    buf_finish(&made->sql);
    int rc = experiment_file_close(&made->file, NULL);
    free(made);
    return scratch_teardown(&scratch) != 0 ? -1 : rc;
}

void made_sql(struct made *made, const char *format, ...)
{
    char statement[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(statement, sizeof statement, format, args);
    va_end(args);
    assert_true(length > 0 && (size_t) length < sizeof statement);
    assert_int_equal(buf_printf(&made->sql, "%s\n", statement), 0);
}

/* A number for SQL. */
#define NUMBER 32
static const char *number(double value, char text[static NUMBER])
{
    (void) snprintf(text, NUMBER, isnan(value) ? "NULL" : "%.17g", value);
    return text;
}

static const char *id(int64_t value, char text[static NUMBER])
{
    return number(value > 0 ? (double) value : (double) NAN, text);
}

static const char *sight_of(const char *policy)
{
    const struct policy_kind *kind;
    return catalog_find(policy, &kind, NULL) == 0 ? policy_sees_name(kind->sees) : "observations";
}

int64_t made_run(struct made *made, const struct made_run *run)
{
    const char *kind = run->kind != NULL ? run->kind : "test";
    char parent[NUMBER], checkpoint[NUMBER], updates[NUMBER];
    made_sql(
        made,
        "INSERT INTO run (run_id, kind, scenario_name, scenario, config_json, seed, policy, policy_sees,"
        " parent_run_id, checkpoint_episode, updates, phase, host, clock, time_scale, mode, version, cpu,"
        " started_utc, status, trusted) VALUES (%lld, '%s', 'dapo', '%s', '{}', %llu, '%s', '%s', %s, %s,"
        " %s, '%s', 'memory', 'virtual', 1, 'round', '0.1', 'a CPU', '2026-01-01T00:00:00Z', 'finished', 1);",
        (long long) ++made->runs, kind, run->scenario != NULL ? run->scenario : "?",
        (unsigned long long) run->seed, run->policy, sight_of(run->policy), id(run->parent, parent),
        number(run->checkpoint > 0 ? (double) run->checkpoint - 1.0 : (double) NAN, checkpoint),
        number(run->updates >= 0 ? (double) run->updates : (double) NAN, updates), kind);
    return made->runs;
}

static void add_episode(struct made *made, int64_t run, unsigned episode, unsigned slots, double cost,
                        double episode_return)
{
    char numbers[6][NUMBER];
    made_sql(made,
             "INSERT INTO episode (run_id, episode, slots, mean_latency_s, p50_latency_s, p95_latency_s,"
             " p99_latency_s, mean_energy_j, mean_cost, episode_return, optimum_cost, tasks, deadline_misses,"
             " failures, repairs, wall_s) VALUES (%lld, %u, %u, %s, %s, %s, %s, %s, %s, %s, NULL, 10, 1, %d, "
             "0, 1);",
             (long long) run, episode, slots, number(cost / 10.0, numbers[0]), numbers[0],
             number(cost / 2.0, numbers[1]), numbers[1], number(2.0 * cost, numbers[2]),
             number(cost, numbers[3]), number(episode_return, numbers[4]), isnan(cost) ? 10 : 0);
}

void made_episode(struct made *made, int64_t run, unsigned episode, unsigned slots, double episode_return)
{
    add_episode(made, run, episode, slots, 1.0, episode_return);
}

int64_t made_result(struct made *made, const struct made_result *result)
{
    const bool learns = result->train != 0 || result->never;
    const struct made_run run = {.policy = result->policy,
                                 .seed = result->seed,
                                 .scenario = result->scenario,
                                 .parent = result->train,
                                 .updates = result->never ? 0
                                            : learns      ? (int64_t) result->seed
                                                          : -1};
    int64_t run_id = made_run(made, &run);
    char train[NUMBER], p95[NUMBER];
    add_episode(made, run_id, 0, 10, result->cost, -10.0 * result->cost);
    made_sql(made,
             "INSERT INTO job (sweep_id, number, experiment, axis, value, policy, sees, seed, settings_json,"
             " status, attempts, train_run_id, test_run_id, p95_latency_s)"
             " VALUES (1, %lld, '%s', '%s', '%s', '%s', '%s', %llu, '{}', 'done', 1, %s, %lld, %s);",
             (long long) ++made->jobs, result->experiment != NULL ? result->experiment : "users",
             result->axis != NULL ? result->axis : "", result->value != NULL ? result->value : "",
             result->policy, sight_of(result->policy), (unsigned long long) result->seed,
             id(result->train, train), (long long) run_id, number(result->cost / 2.0, p95));
    return run_id;
}

void made_results(struct made *made, struct made_result result, const double *cost, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        result.seed = i + 1;
        result.cost = cost[i];
        (void) made_result(made, &result);
    }
}

void made_task(struct made *made, int64_t run, const struct made_task *task)
{
    char server[NUMBER], latency[NUMBER];
    (void) number(task->server >= 0 ? (double) task->server : (double) NAN, server);
    (void) number(task->latency_s, latency);
    made_sql(made,
             "INSERT INTO task (run_id, episode, slot, device, tokens, split, server, repaired, latency_s,"
             " energy_j, cost, x_m, y_m, end_slot, handovers, deadline_missed, status, served_by)"
             " VALUES (%lld, %u, %u, %u, 100, %u, %s, 0, %s, 1, 1, %u, %u, %u, 0, 0, '%s', %s);",
             (long long) run, task->episode, task->slot, task->device, task->split, server, latency,
             10 * task->device, task->slot, task->slot, isnan(task->latency_s) ? "device_lost" : "done",
             server);
}

void made_read(struct made *made)
{
    struct diag diag = {{0}};
    assert_int_equal(experiment_file_open(&made->file, made->scratch->file, DB_CREATE, NULL), 0);
    assert_int_equal(experiment_file_close(&made->file, NULL), 0);
    assert_int_equal(buf_printf(&made->sql, "COMMIT;"), 0);
    struct buf whole = {0};
    assert_int_equal(buf_printf(&whole, "BEGIN;\n%s", (const char *) made->sql.data), 0);
    scratch_exec(made->scratch->file, (const char *) whole.data);
    buf_finish(&whole);
    buf_clear(&made->sql);
    assert_int_equal(experiment_file_open(&made->file, made->scratch->file, DB_READ, NULL), 0);
    if (report_read(&made->report, made->file.store, NULL, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
}

const struct evidence_experiment *made_experiment(const struct made *made, size_t e)
{
    assert_true(e < made->report.evidence.experiments);
    return &made->report.evidence.experiment[e];
}

const struct figure *made_figure(const struct made *made, const char *stem)
{
    for (size_t i = 0; i < made->report.figures; i++)
        if (strcmp(made->report.figure[i]->stem, stem) == 0)
            return made->report.figure[i];
    for (size_t i = 0; i < made->report.figures; i++)
        print_error("# there is %s\n", made->report.figure[i]->stem);
    fail_msg("there is no figure %s", stem);
    return NULL;
}

void made_expect_csv(const struct made *made, const char *stem, const char *csv)
{
    assert_string_equal((const char *) made_figure(made, stem)->csv.data, csv);
}

void made_expect_head(const struct made *made, const char *stem, const char *line)
{
    const char *head = (const char *) made_figure(made, stem)->head.data;
    size_t size = strlen(line);
    for (const char *at = head; (at = strstr(at, line)) != NULL; at++)
        if ((at == head || at[-1] == '\n') && at[size] == '\n')
            return;
    fail_msg("the head of %s has no line\n%s\nbut is\n%s", stem, line, head);
}

void made_expect_gap(const struct made *made, const char *sentence)
{
    assert_int_equal(made->report.gaps, sentence != NULL ? 1 : 0);
    if (sentence != NULL)
        assert_string_equal(made->report.gap[0], sentence);
}

/* ---- what a page says ---- */

static bool is_one_of(const char *tag, size_t size, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strlen(*names) == size && strncmp(tag, *names, size) == 0)
            return true;
    return false;
}

/* The text so far without spaces at its end. */
static void trim(struct buf *text)
{
    while (text->size > 0 && text->data[text->size - 1] == ' ')
        text->size--;
}

/* What one character or tag of a page puts into its text; NULL: nothing. `*at` is moved to its end. */
static const char *take(const char **at, char own[static 2])
{
    static const char *const blocks[] = {"tr", "p",     "h1",  "h2",     "h3",  "li",      "section",
                                         "ul", "table", "pre", "figure", "div", "caption", NULL};
    static const char *const cells[] = {"td", "th", NULL};
    own[0] = **at;
    if (**at != '<')
        return isspace((unsigned char) **at) ? " " : own;
    const char *name = *at + 1;
    size_t size = strcspn(name, " >");
    if (strncmp(name, "style>", 6) == 0)
        *at = strstr(*at, "</style");
    *at = strchr(*at, '>');
    assert_non_null(*at);
    return is_one_of(name, size, blocks) ? "\n" : is_one_of(name, size, cells) ? "|" : NULL;
}

static void print_text(const char *page, struct buf *ret_text)
{
    bool begun = false; /* the line has something */
    for (const char *at = page; *at != '\0'; at++) {
        char own[2] = {0};
        const char *put = take(&at, own);
        if (put == NULL || (!begun && (*put == ' ' || *put == '\n')) ||
            (*put == ' ' && ret_text->data[ret_text->size - 1] == ' '))
            continue;
        if (*put == '\n' || *put == '|')
            trim(ret_text);
        put = *put != '|' ? put : begun ? " | " : "";
        assert_int_equal(buf_printf(ret_text, "%s", put), 0);
        begun = *put != '\n' && (begun || *put != '\0');
    }
    trim(ret_text);
    assert_int_equal(buf_printf(ret_text, "%s", ""), 0);
}

/* The number that an attribute of a tag has; 1: it has none. */
static unsigned attribute(const char *tag, const char *name)
{
    const char *at = strstr(tag, name);
    return at != NULL && at < strchr(tag, '>') ? (unsigned) strtoul(at + strlen(name) + 2, NULL, 10) : 1;
}

static void expect_equal_rows(const char *page)
{
    for (const char *table = page; (table = strstr(table, "<table")) != NULL; table++) {
        const char *end = strstr(table, "</table");
        unsigned columns = 0, from_above = 0;
        for (const char *row = table; (row = strstr(row, "<tr>")) != NULL && row < end; row++) {
            unsigned own = from_above;
            from_above = 0;
            for (const char *cell = row, *last = strstr(row, "</tr>"); cell < last; cell++) {
                if (strncmp(cell, "<t", 2) != 0 || (cell[2] != 'd' && cell[2] != 'h') ||
                    isalpha((unsigned char) cell[3]))
                    continue;
                own += attribute(cell, "colspan");
                from_above += attribute(cell, "rowspan") - 1;
            }
            if (columns != 0 && own != columns)
                fail_msg("%u columns, and %u in %.200s", columns, own, row);
            columns = own;
        }
    }
}

static void expect_links_to_lead_somewhere(const char *page)
{
    for (const char *link = page; (link = strstr(link, "href=\"#")) != NULL; link++) {
        char id[64];
        const char *name = link + 7;
        (void) snprintf(id, sizeof id, "id=\"%.*s\"", (int) strcspn(name, "\""), name);
        if (strstr(page, id) == NULL)
            fail_msg("nothing has %s", id);
    }
}

void made_print_page(struct made *made, struct buf *ret_text)
{
    static const struct page_about about = {"<some>.db", "0.3", "2026-02-03T04:05:06Z"};
    struct buf page = {0};
    struct diag diag = {{0}};
    if (page_print(&made->report, &about, &page, &diag) != 0)
        fail_msg("%s", diag.text);
    expect_equal_rows((const char *) page.data);
    expect_links_to_lead_somewhere((const char *) page.data);
    print_text((const char *) page.data, ret_text);
    buf_finish(&page);
}

void made_expect_lines(const struct buf *text, const char *lines)
{
    const char *whole = (const char *) text->data;
    size_t size = strlen(lines);
    for (const char *at = whole; (at = strstr(at, lines)) != NULL; at++)
        if ((at == whole || at[-1] == '\n') &&
            (at[size] == '\n' || at[size] == '\0' || isspace((unsigned char) lines[size - 1])))
            return;
    (void) fprintf(stderr, "The page says\n%s\n", whole);
    fail_msg("and not\n%s", lines);
}

void made_expect_nothing_of(const struct buf *text, const char *words)
{
    if (strstr((const char *) text->data, words) != NULL)
        fail_msg("the page says %s", words);
}
