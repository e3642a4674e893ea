/* An experiment's file that a test makes up, row by row, and the report that is read out of it. Every test of the file has
 * one episode of ten slots and ten tasks; what else a run did is added as SQL. */
#ifndef HANDOFF_TESTS_UNIT_REPORT_MADE_H
#define HANDOFF_TESTS_UNIT_REPORT_MADE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "db/experiment_file.h"
#include "orchestrator/report/report.h"
#include "tests/lib/scratch.h"

/* A scenario whose objective is a reward. */
#define MADE_REWARD                                                                                          \
    "servers:\n  discipline: reserved\nfaults:\n  recovery: none\nobjective:\n  reward: completed\n"         \
    "  deadline_s: 5\n"

struct made {
    struct scratch *scratch;
    struct buf sql;     /* not yet written */
    int64_t runs, jobs; /* so far */
    const char *sweep;  /* its only one; "" once made_evaluations was called */
    struct experiment_file file;
    struct report report; /* zeroed until made_read */
};

/* cmocka's setup and teardown: *state is a struct made with a sweep named "made". */
int made_setup(void **state);
int made_teardown(void **state);

/* Statements that are written with the rest. */
__attribute__((format(printf, 2, 3))) void made_sql(struct made *made, const char *format, ...);

struct made_run {
    const char *kind; /* NULL: "test" */
    const char *policy;
    uint64_t seed;
    const char *scenario; /* NULL: one that does not read */
    int64_t parent;       /* 0: none */
    int64_t checkpoint;   /* episode of the parent's learner, counted from 1; 0: none */
    int64_t updates;      /* -1: none learns */
};
/* A finished run without an episode; its id. */
int64_t made_run(struct made *made, const struct made_run *run);
void made_episode(struct made *made, int64_t run, unsigned episode, unsigned slots, double episode_return);

/* A test of the sweep. Latency is a tenth of the cost, its 95th percentile a half, energy the double; one task in ten misses
 * its deadline; the return is ten times the cost below 0. */
struct made_result {
    const char *experiment;   /* NULL: "users" */
    const char *axis, *value; /* NULL: "" */
    const char *policy;
    uint64_t seed;
    double cost;          /* NAN: no task was finished */
    const char *scenario; /* as of made_run */
    int64_t train;        /* the run that trained it; 0: none */
    int64_t updates;      /* as of made_run */
    bool never; /* learned: 0 updates. Else as many as the seed says, or none where nothing trained it */
};
/* The run of the test. */
int64_t made_result(struct made *made, const struct made_result *result);

/* Results of seeds from 1, one for each cost. */
#define MADE_RESULTS(made, result, ...)                                                                      \
    made_results(made, result, (const double[]){__VA_ARGS__},                                                \
                 sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
void made_results(struct made *made, struct made_result result, const double *cost, size_t n);

/* A finished task, of 100 tokens, computed in the cost's tenth of 1 s. server -1: on its device. */
struct made_task {
    unsigned episode, slot, device;
    unsigned split;
    int server;
    double latency_s; /* NAN: it was lost */
};
void made_task(struct made *made, int64_t run, const struct made_task *task);

/* Writes all rows and reads the report. */
void made_read(struct made *made);
const struct evidence_experiment *made_experiment(const struct made *made, size_t e);

/* The figure with a stem; fails when there is none. */
const struct figure *made_figure(const struct made *made, const char *stem);
void made_expect_csv(const struct made *made, const char *stem, const char *csv);
/* That the head says so, in a line of its own. */
void made_expect_head(const struct made *made, const char *stem, const char *line);
/* What is left out is this alone; NULL: nothing is. */
void made_expect_gap(const struct made *made, const char *sentence);

/* What the page says: without its tags and its style, cells apart by " | ", blocks in lines of their own, no empty ones. Fails
 * when rows of a table differ in how many columns they span, or a link leads nowhere. Finish with buf_finish. */
void made_print_page(struct made *made, struct buf *ret_text);
/* That there are these lines, one behind the other; of those that end with a space or a line feed the page goes on. */
void made_expect_lines(const struct buf *text, const char *lines);
void made_expect_nothing_of(const struct buf *text, const char *words);

#endif
