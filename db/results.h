/* What is reported: the results of sweeps and evaluations, row by row, and what figures are drawn from. A
 * nonzero return of a row's function stops and is returned; texts are valid during the call. */
#ifndef HANDOFF_DB_RESULTS_H
#define HANDOFF_DB_RESULTS_H

#include "db/rows.h"
#include "db/store.h"

/* Sweeps' results in the order of their jobs; then evaluations that belong to no sweep, oldest first. */
int results_each_outcome(struct store *store, int (*row)(void *user, const struct db_outcome *outcome),
                         void *user, struct diag *diag);
int results_each_evaluation(struct store *store, int (*row)(void *user, const struct db_outcome *outcome),
                            void *user, struct diag *diag);

/* By sweep, job and training slots. */
int results_each_curve_point(struct store *store, int (*row)(void *user, const struct db_curve_point *point),
                             void *user, struct diag *diag);

int results_each_sweep(struct store *store, int (*row)(void *user, const struct db_sweep *sweep), void *user,
                       struct diag *diag);
int results_each_job_count(struct store *store, int (*row)(void *user, const struct db_job_count *count),
                           void *user, struct diag *diag);
int results_each_origin(struct store *store, int (*row)(void *user, const struct db_origin *origin),
                        void *user, struct diag *diag);

/* Every measure of what leaks, by model, format, channel, level and split. */
int results_each_leak(struct store *store, int (*row)(void *user, const struct db_leak *leak), void *user,
                      struct diag *diag);

/* Tests that are not finished, and so among no results. */
int results_each_unfinished(struct store *store, int (*row)(void *user, int64_t run_id), void *user,
                            struct diag *diag);

/* Rows of numbers of a run: `query` is one of returns, has_tasks, latencies, channels, qualities,
 * crossings, split_histogram, devices_of_servers, tracks and sites (db/queries), value[i] its column i, NAN where it is NULL or no
 * number. */
int results_each_numbers(struct store *store, const char *query, int64_t run_id,
                         int (*row)(void *user, const double *value, size_t columns), void *user,
                         struct diag *diag);

#endif
