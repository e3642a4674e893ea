/* Whichever allocation fails: a report is read, its figures are made and its page is printed as with memory, or it is said
 * that memory ran out; and nothing is left behind. */
#include "core/base/err.h"
#include "orchestrator/report/page.h"
#include "orchestrator/report/plots.h"
#include "tests/lib/scarce.h"
#include "tests/unit/report/made.h"

#define HASH "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KNOWN "channel:\n  mode: erasure\nmodel:\n  file: m.bin\n  hash: " HASH "\n"

/* A result with two tasks that met a channel. */
static void add_tested(struct made *made, const struct made_result *result)
{
    int64_t run = made_result(made, result);
    made_sql(made,
             "INSERT INTO node (run_id, role, number, flops, power_w, x_m, y_m) VALUES (%lld, 'server', 0, "
             "1, 1, 2, 3);",
             (long long) run);
    for (unsigned e = 0; e < 2; e++)
        made_task(made, run,
                  &(struct made_task){.episode = e, .split = 3 + e, .server = 0, .latency_s = 1.0});
    made_sql(made, "UPDATE task SET channel = 0.1 * episode, quality = 1 WHERE run_id = %lld;",
             (long long) run);
}

/* Two values with a learner that was trained and validated, and a rule; and one where the objective is a reward. */
static void make(struct made *made)
{
    for (unsigned v = 0; v < 2; v++) {
        struct made_result one = {
            .axis = "devices.count", .value = v > 0 ? "4" : "2", .policy = "dapo", .seed = 1, .cost = 2.0};
        one.scenario = KNOWN;
        one.train =
            made_run(made, &(struct made_run){.kind = "train", .policy = "dapo", .seed = 1, .updates = 5});
        for (unsigned e = 0; e < 2; e++) {
            made_episode(made, one.train, e, 10, -1.0);
            int64_t validation = made_run(made, &(struct made_run){.kind = "validate",
                                                                   .policy = "dapo",
                                                                   .seed = 1,
                                                                   .parent = one.train,
                                                                   .checkpoint = e + 1,
                                                                   .updates = -1});
            made_episode(made, validation, 0, 5, -1.0);
        }
        add_tested(made, &one);
        one.policy = "local";
        one.train = 0;
        add_tested(made, &one);
    }
    int64_t run = made_result(
        made, &(struct made_result){
                  .experiment = "moves", .policy = "local", .seed = 1, .cost = 1.0, .scenario = MADE_REWARD});
    made_episode(made, run, 1, 10, -3.0);
    for (uint64_t seed = 1; seed <= 3; seed++) { /* evaluations of one scenario, and of another of its name */
        const struct made_run one = {
            .policy = "random", .seed = seed, .updates = -1, .scenario = seed < 3 ? KNOWN : MADE_REWARD};
        made_episode(made, made_run(made, &one), 0, 10, -1.0);
    }
    (void) made_run(
        made, &(struct made_run){.policy = "greedy", .seed = 1, .updates = -1}); /* one without an end */
    made_sql(made, "UPDATE run SET status = 'running' WHERE policy = 'greedy';");
}

/* ---- what is tried ---- */

struct trial {
    struct made *made;
    int (*plot)(struct report *report, const struct evidence_experiment *experiment, struct diag *diag);
};

static void open_file(void *user)
{
    struct trial *trial = user;
    assert_int_equal(experiment_file_open(&trial->made->file, trial->made->scratch->file, DB_READ, NULL), 0);
}

static void open_report(void *user)
{
    struct trial *trial = user;
    open_file(user);
    assert_int_equal(report_read(&trial->made->report, trial->made->file.store, NULL, NULL, NULL), 0);
}

static void close_all(void *user, int rc, struct scarce_text *given)
{
    struct trial *trial = user;
    (void) rc;
    (void) given;
    report_finish(&trial->made->report);
    assert_int_equal(experiment_file_close(&trial->made->file, NULL), 0);
}

static int read_report(void *user, struct scarce_text *given, struct diag *diag)
{
    struct trial *trial = user;
    struct report *report = &trial->made->report;
    int rc = report_read(report, trial->made->file.store, NULL, NULL, diag);
    for (size_t e = 0; e < report->evidence.experiments && rc == 0; e++) {
        const struct evidence_experiment *experiment = &report->evidence.experiment[e];
        for (size_t v = 0; v < experiment->values; v++)
            scarce_tell(given, "%s %s %zu %d %d\n", experiment->name, experiment->value[v].text,
                        experiment->value[v].policies, (int) experiment->value[v].reward,
                        (int) experiment->value[v].channel);
    }
    if (rc == 0)
        scarce_tell(given, "%zu points, %zu gaps", report->curve_points, report->gaps);
    return rc;
}

static int plot(void *user, struct scarce_text *given, struct diag *diag)
{
    struct trial *trial = user;
    struct report *report = &trial->made->report;
    int rc = 0;
    for (size_t e = 0; e < report->evidence.experiments && rc == 0; e++)
        rc = trial->plot(report, &report->evidence.experiment[e], diag);
    for (size_t i = 0; i < report->figures && rc == 0; i++) {
        const struct figure *figure = report->figure[i];
        rc = figure->code; /* what the writing of it says */
        if (rc == 0)
            scarce_tell(given, "%s\n%s\n%s\n%s\n%s\n", figure->stem, (const char *) figure->title.data,
                        (const char *) figure->caption.data, (const char *) figure->head.data,
                        (const char *) figure->csv.data);
    }
    for (size_t i = 0; i < report->figures && rc == 0; i++)
        rc = figure_write(report->figure[i], trial->made->scratch->directory, diag);
    for (size_t i = 0; i < report->gaps && rc == 0; i++)
        scarce_tell(given, "%s\n", report->gap[i]);
    return rc;
}

static int print_page(void *user, struct scarce_text *given, struct diag *diag)
{
    static const struct page_about about = {"x.db", "0.3", "2026-02-03T04:05:06Z"};
    struct trial *trial = user;
    struct buf page = {0};
    int rc = page_print(&trial->made->report, &about, &page, diag);
    if (rc == 0)
        scarce_tell(given, "%s", (const char *) page.data);
    buf_finish(&page);
    return rc;
}

static int make_wide(void *user, struct scarce_text *given, struct diag *diag)
{
    struct trial *trial = user;
    struct bootstrap *bootstrap = NULL;
    int rc = report_wide_bootstrap(&trial->made->report, 3, &bootstrap);
    if (rc == 0)
        scarce_tell(given, "of %zu", bootstrap->size_max);
    return rc != 0 ? diag_fail(diag, rc, "a wide bootstrap") : 0;
}

static int plot_latency(struct report *report, const struct evidence_experiment *experiment,
                        struct diag *diag)
{
    return plots_axis(report, experiment, EVIDENCE_LATENCY, diag);
}

static void a_report_is_made_or_it_is_said_that_memory_ran_out(void **state)
{
    struct trial trial = {.made = *state};
    struct scarce_work work = {.name = "reading",
                               .prepare = open_file,
                               .run = read_report,
                               .end = close_all,
                               .user = &trial,
                               .also = ERR_DATABASE,
                               .each = 24,
                               .least = 50};
    static const struct {
        const char *name;
        int (*plot)(struct report *report, const struct evidence_experiment *experiment, struct diag *diag);
    } plots[] = {
        {"an axis", plot_latency},  {"convergence", plots_convergence}, {"curves", plots_curve},
        {"returns", plots_returns}, {"the channel", plots_channel},     {"tasks", plots_tasks},
    };
    make(trial.made);
    made_read(trial.made);
    close_all(&trial, 0, NULL);
    scarce_try(&work);
    work.prepare = open_report;
    work.run = plot;
    work.least = 20;
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++) {
        work.name = plots[i].name;
        trial.plot = plots[i].plot;
        work.each = plots[i].plot == plots_channel ? 8 : 32; /* draws of its bootstrap take long */
        scarce_try(&work);
    }
    work.name = "a wide bootstrap";
    work.run = make_wide;
    work.least = 3;
    scarce_try(&work);
    work.least = 20;
    work.name = "a page";
    work.each = 32;
    work.run = print_page;
    scarce_try(&work);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_report_is_made_or_it_is_said_that_memory_ran_out, made_setup,
                                        made_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
