/* The columns of what damaged activations cost a model: which there are, their numbers, and what is said of them. */
#include <math.h>
#include <stdio.h>

#include "tests/unit/report/made.h"

#define HEAD "regret (%) | missed (%)"

/* A test of a policy whose tasks say so: columns of the table task, "quality = 1, nll = 2" and so on. */
static void play(struct made *made, const char *policy, uint64_t seed, const char *const *said)
{
    int64_t run = made_result(made, &(struct made_result){.policy = policy, .seed = seed, .cost = 1.0});
    for (unsigned slot = 0; said[slot] != NULL; slot++) {
        made_task(made, run, &(struct made_task){.slot = slot, .split = 8, .server = 0, .latency_s = 1.0});
        made_sql(made, "UPDATE task SET %s WHERE run_id = %lld AND slot = %u;", said[slot], (long long) run,
                 slot);
    }
}

#define PLAY(made, policy, seed, ...) play(made, policy, seed, (const char *const[]){__VA_ARGS__, NULL})

static void print_page(struct made *made, struct buf *ret_text)
{
    made_read(made);
    made_print_page(made, ret_text);
}

/* That a policy's row ends with these cells. */
static void expect_end(const struct buf *text, const char *policy, const char *cells)
{
    char begin[32];
    (void) snprintf(begin, sizeof begin, "\n%s | ", policy);
    const char *line = strstr((const char *) text->data, begin);
    assert_non_null(line);
    size_t size = strcspn(line + 1, "\n"), tail = strlen(cells);
    assert_true(size > tail);
    if (strncmp(line + 1 + size - tail, cells, tail) != 0)
        fail_msg("%.*s does not end with %s", (int) size, line + 1, cells);
}

static void without_such_tasks_there_is_no_column(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    PLAY(made, "local", 1, "quality = NULL");
    print_page(made, &text);
    assert_non_null(strstr((const char *) text.data, HEAD "\n"));
    made_expect_nothing_of(&text, "Of the tasks that were recorded and say so");
    buf_finish(&text);
}

static void each_column_is_of_all_tasks_together_and_seeds_give_its_interval(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    /* log 2, log 8, log 4: the geometric mean is 4. 9 nats of 3 tokens in 4 bytes. */
    PLAY(made, "greedy", 1, "quality = 0.6931471805599453, nll = 2, nll_tokens = 1, nll_bytes = 1",
         "quality = 2.0794415416798357, nll = 4, nll_tokens = 1, nll_bytes = 2");
    PLAY(made, "greedy", 2, "quality = 1.3862943611198906, nll = 3, nll_tokens = 1, nll_bytes = 1");
    PLAY(made, "greedy", 3, "quality = NULL"); /* says nothing: no seed of these columns */
    PLAY(made, "local", 1, "quality = NULL");
    print_page(made, &text);
    assert_non_null(
        strstr((const char *) text.data, HEAD " | perplexity &#247; clean | perplexity | bits per byte\n"));
    /* exp(3); 9 / log 2 / 4. Of one seed alone: exp(6 / 2), exp(3); 6 / log 2 / 3, 3 / log 2. */
    expect_end(&text, "greedy", "4.000 [4.000, 4.000] | 20.09 [20.09, 20.09] | 3.246 [2.885, 4.328]");
    expect_end(&text, "local", "&#8211; | &#8211; | &#8211;");
    made_expect_lines(
        &text,
        "Of the tasks that were recorded and say so, all together: perplexity &#247; clean is exp of the "
        "mean "
        "log(perplexity / that of a clean channel), the geometric mean over tasks; perplexity is exp of all "
        "nats / all tokens; bits per byte is all nats / log 2 / all bytes of text.\n");
    buf_finish(&text);
}

static void one_column_alone_has_its_own_sentence(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    PLAY(made, "greedy", 1, "quality = 0");
    print_page(made, &text);
    assert_non_null(strstr((const char *) text.data, HEAD " | perplexity &#247; clean\n"));
    expect_end(&text, "greedy", "10.00 | 1.000");
    made_expect_lines(&text, "Of the tasks that were recorded and say so, all together: perplexity &#247; "
                             "clean is exp of the mean "
                             "log(perplexity / that of a clean channel), the geometric mean over tasks.\n");
    buf_finish(&text);
}

static void tokens_without_bytes_have_a_perplexity_alone(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    PLAY(made, "greedy", 1, "nll = 4, nll_tokens = 2");
    print_page(made, &text);
    assert_non_null(strstr((const char *) text.data, HEAD " | perplexity\n"));
    expect_end(&text, "greedy", "10.00 | 7.389");
    made_expect_lines(
        &text,
        "Of the tasks that were recorded and say so, all together: perplexity is exp of all nats / all "
        "tokens.\n");
    buf_finish(&text);
}

static void a_column_that_one_policy_has_stands_for_all_and_seeds_without_it_give_no_interval(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    PLAY(made, "greedy", 1, "nll = 4, nll_tokens = 2, nll_bytes = 4");
    PLAY(made, "greedy", 2, "quality = 0");
    print_page(made, &text);
    /* A resample of the second seed alone has no perplexity: no interval. */
    expect_end(&text, "greedy", "1.000 | 7.389 | 1.443");
    buf_finish(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(without_such_tasks_there_is_no_column),
        TEST(each_column_is_of_all_tasks_together_and_seeds_give_its_interval),
        TEST(one_column_alone_has_its_own_sentence),
        TEST(tokens_without_bytes_have_a_perplexity_alone),
        TEST(a_column_that_one_policy_has_stands_for_all_and_seeds_without_it_give_no_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
