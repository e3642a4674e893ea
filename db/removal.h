/* Removes runs from an experiment's file with all that is their own. A plan says first what would go: the runs that
 * were asked for, those that were built on them (their parent_run_id leads there), and the jobs of sweeps that name one
 * of these. Then all of it goes in one transaction, or nothing does. */
#ifndef HANDOFF_DB_REMOVAL_H
#define HANDOFF_DB_REMOVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "db/claim.h"

#define REMOVAL_WORD_MAX 64u

struct db;

struct removal_run {
    int64_t run_id;
    bool asked;                  /* by its number; else it was built on another one */
    char kind[REMOVAL_WORD_MAX]; /* empty: its row is missing, its rows in other tables alone are there */
    char policy[REMOVAL_WORD_MAX];
    uint64_t episodes, tasks;
};

/* A job that names one of the runs. */
struct removal_job {
    int64_t sweep_id;
    char sweep[REMOVAL_WORD_MAX];
    uint32_t number;
};

struct removal {
    struct db *db; /* borrowed */
    struct removal_run *run;
    size_t runs, run_capacity;
    struct removal_job *job;
    size_t jobs, job_capacity;
    struct buf ids;      /* the runs' numbers as a JSON array */
    struct claim *claim; /* [claims] on runs and sweeps: none is in use by another process */
    size_t claims, claim_capacity;
};

/* ERR_STATE when a running process records one of the runs. Asked before the file is opened: a busy file would be waited
 * for first, and then said to be locked. What the file itself has to say, opening it says. */
int removal_look(const char *path, const int64_t *run_id, size_t count, struct diag *diag);

/* What would be removed with these runs. ERR_NOT_FOUND: the file has nothing of one of them. */
int removal_plan(struct removal *ret_removal, struct db *db, const int64_t *run_id, size_t count,
                 struct diag *diag);

/* ERR_STATE: something depends on the runs and was not asked for, or a running process records one of them or plays
 * one of the sweeps. `flag` is what allows the former. */
int removal_check(struct removal *removal, bool with_dependents, const char *flag, struct diag *diag);

/* Removes the runs' rows; the jobs become waiting jobs, which the same sweep plays again. The caller has begun the
 * transaction before the plan was made, and commits it. `tell` may be NULL; it hears how many task rows are gone,
 * and a result other than 0 ends the work. */
int removal_carry_out(struct removal *removal, int (*tell)(void *user, uint64_t tasks), void *user,
                      uint64_t *ret_rows, struct diag *diag);

/* Call it when the database is closed (see claim.h). Takes a zeroed one too. */
void removal_finish(struct removal *removal);

#endif
