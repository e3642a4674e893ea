/* The column of what an observer reads of prompts, from measures of what leaks and from recorded tasks. */
#include <stdio.h>

#include "tests/unit/report/made.h"

#define HASH "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LEAK "(model, format, channel, level, split, attack, tokens, seeds, found, version, measured_utc)"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
/* A known model behind a channel that erases; coding 0 is fp16, coding 1 int8. */
#define KNOWN "channel:\n  mode: erasure\nmodel:\n  file: m.bin\n  hash: " HASH "\naction:\n  formats: int8\n"
#define ABOUT                                                                                                \
    "tokens read: of the tokens of all recorded prompts, how many an observer recovers from what crossed "   \
    "who knows the model's weights (leak, attack search). A task that stays on its device gives nothing "    \
    "away, split 0 all."

/* Of 64 tokens with 2 seeds. */
static void measure(struct made *made, const char *model, const char *format, const char *attack,
                    double level, unsigned split, unsigned found)
{
    made_sql(made,
             "INSERT INTO leak " LEAK
             " VALUES ('%s', '%s', 'erasure, fill zero', %.17g, %u, '%s', 64, 2, %u, '', '');",
             model, format, level, split, attack, found);
}

/* A test of greedy; its tasks have 100 tokens each. */
static int64_t play(struct made *made, const char *policy, uint64_t seed, const char *scenario)
{
    const struct made_result one = {.policy = policy, .seed = seed, .cost = 1.0, .scenario = scenario};
    return made_result(made, &one);
}

static void add_task(struct made *made, int64_t run, unsigned slot, int server, unsigned split,
                     const char *said)
{
    made_task(made, run,
              &(struct made_task){.slot = slot, .split = split, .server = server, .latency_s = 1.0});
    made_sql(made, "UPDATE task SET %s WHERE run_id = %lld AND slot = %u;", said, (long long) run, slot);
}

static void print_page(struct made *made, struct buf *ret_text)
{
    made_read(made);
    made_print_page(made, ret_text);
}

/* That a policy's row ends with the cell, behind that of missed deadlines. */
static void expect_read(const struct buf *text, const char *policy, const char *cell)
{
    char begin[32], end[64];
    (void) snprintf(begin, sizeof begin, "\n%s | ", policy);
    (void) snprintf(end, sizeof end, " | 10.00 | %s", cell);
    const char *line = strstr((const char *) text->data, begin);
    assert_non_null(line);
    size_t size = strcspn(line + 1, "\n"), tail = strlen(end);
    if (size < tail || strncmp(line + 1 + size - tail, end, tail) != 0)
        fail_msg("%.*s does not end with %s", (int) size, line + 1, end);
}

static void what_crossed_is_weighed_with_what_was_measured_of_it(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    int64_t run = play(made, "greedy", 1, KNOWN), second = play(made, "greedy", 2, KNOWN);
    (void) play(made, "greedy", 3, KNOWN);          /* recorded no task: no seed of this column */
    add_task(made, run, 0, -1, 32, "tokens = 100"); /* nothing crossed */
    add_task(made, run, 1, 0, 0, "channel = 0.9");  /* all is read */
    add_task(made, run, 2, 0, 3, "channel = 0.1");  /* a half */
    add_task(made, run, 3, 0, 3,
             "channel = 0.2, coding = 1, tokens = 200"); /* a quarter, between two measures */
    add_task(made, second, 0, -1, 32, "tokens = 50");
    measure(made, HASH, "fp16", "search", 0.1, 3, 64);
    measure(made, HASH, "int8", "search", 0.1, 3, 48);
    measure(made, HASH, "int8", "search", 0.3, 3, 16);
    measure(made, HASH, "fp16", "nearest", 0.1, 3,
            7); /* another attack, another model, a format that nobody has */
    measure(made, OTHER, "fp16", "search", 0.1, 3, 9);
    measure(made, HASH, "a format whose name is longer than any of ours", "search", 0.1, 3, 9);
    print_page(made, &text);
    assert_non_null(strstr((const char *) text.data, "missed (%) | tokens read (%)\n"));
    expect_read(&text, "greedy", "36.36 [0.000, 40.00]"); /* 200 of 550, 200 of 500, 0 of 50 */
    made_expect_lines(&text, ABOUT
                      " Shares were measured on 64 tokens at least; linear between measured conditions.\n");
    buf_finish(&text);
}

static void a_reliable_channel_has_the_measure_of_none(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    int64_t run = play(made, "greedy", 1, "model:\n  file: m.bin\n  hash: " HASH "\n");
    add_task(made, run, 0, 0, 2, "channel = NULL");
    made_sql(made,
             "INSERT INTO leak " LEAK " VALUES ('%s', 'fp16', 'none', 0, 2, 'search', 10, 1, 7, '', '');",
             HASH);
    print_page(made, &text);
    expect_read(&text, "greedy", "70.00");
    buf_finish(&text);
}

static void what_is_not_measured_is_said_with_the_command_that_measures_it(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    int64_t greedy = play(made, "greedy", 1, KNOWN), optimum = play(made, "optimum", 1, KNOWN);
    add_task(made, greedy, 0, 0, 3, "channel = 0.1");
    add_task(made, optimum, 0, 0, 3, "channel = 0.1");
    add_task(made, optimum, 1, 0, 7, "channel = 0.1, coding = 1");
    measure(made, HASH, "fp16", "search", 0.1, 3, 64);
    print_page(made, &text);
    expect_read(&text, "greedy", "50.00");
    expect_read(&text, "optimum", "not measured");
    made_expect_lines(&text, ABOUT
                      " Shares were measured on 64 tokens at least; linear between measured conditions. What "
                      "is not measured, this measures into the database FILE: handoff-orchestrator leak --db "
                      "FILE --model m.bin --attack=search --splits=7-7 --mode=erasure --format=int8 ");
    buf_finish(&text);
}

static void a_coding_that_the_scenario_has_not_is_not_measured_by_any_command(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    int64_t run = play(made, "greedy", 1, KNOWN);
    add_task(made, run, 0, 0, 3, "channel = 0.1, coding = 2");
    print_page(made, &text);
    expect_read(&text, "greedy", "not measured");
    made_expect_lines(&text, ABOUT "\n");
    buf_finish(&text);
}

static void without_a_model_or_without_tasks_there_is_no_column(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    static const char *const scenarios[] = {KNOWN, "channel:\n  mode: erasure\n", NULL};
    static const char *const names[] = {"known", "nameless", "unread"};
    for (size_t i = 0; i < 3; i++) {
        int64_t run = made_result(made, &(struct made_result){.experiment = names[i],
                                                              .policy = "greedy",
                                                              .seed = 1,
                                                              .cost = 1.0,
                                                              .scenario = scenarios[i]});
        if (i > 0)
            add_task(made, run, 0, -1, 3, "channel = 0.1");
    }
    print_page(made, &text);
    made_expect_nothing_of(&text, "tokens read");
    buf_finish(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(what_crossed_is_weighed_with_what_was_measured_of_it),
        TEST(a_reliable_channel_has_the_measure_of_none),
        TEST(what_is_not_measured_is_said_with_the_command_that_measures_it),
        TEST(a_coding_that_the_scenario_has_not_is_not_measured_by_any_command),
        TEST(without_a_model_or_without_tasks_there_is_no_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
