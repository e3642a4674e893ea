#include "db/results.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#include <sqlite3.h>

#include "core/base/err.h"
#include "db/sql.h"
#include "db/store_internal.h"

#define COLUMNS_MAX 16

/* Calls `take` for each row of a named query. */
static int each(struct store *store, const char *query, int64_t parameter,
                int (*take)(sqlite3_stmt *row, void *user), void *user, struct diag *diag)
{
    struct binder binder;
    const char *sql = sql_find_query(query);
    assert(sql != NULL);
    int rc = store_start_query(store, sql, parameter, &binder, diag);
    if (rc != 0)
        return rc;
    while (rc == 0 && (rc = store_step(store, &binder, "read results", diag)) == 1)
        rc = take(binder.statement, user);
    (void) sqlite3_finalize(binder.statement); /* repeats the code of the step */
    return rc == -ENOMEM ? diag_fail(diag, rc, "results: out of memory") : rc;
}

static double real_of(sqlite3_stmt *row, int column)
{
    int type = sqlite3_column_type(row, column);
    bool number = type == SQLITE_FLOAT || type == SQLITE_INTEGER;
    return number ? sqlite3_column_double(row, column) : (double) NAN;
}

/* NULL of a column that is never NULL: out of memory. */
static const char *text_of(sqlite3_stmt *row, int column)
{
    return (const char *) sqlite3_column_text(row, column);
}

struct outcome_reader {
    int (*row)(void *user, const struct db_outcome *outcome);
    void *user;
};

/* In the order of outcomes.sql and evaluations.sql. */
static int take_outcome(sqlite3_stmt *row, void *user)
{
    struct outcome_reader *reader = user;
    assert(sqlite3_column_count(row) == 20);
    struct db_outcome outcome = {
        .sweep = text_of(row, 0),
        .experiment = text_of(row, 1),
        .axis = text_of(row, 2),
        .value = text_of(row, 3),
        .policy = text_of(row, 4),
        .sees = text_of(row, 5),
        .seed = (uint64_t) sqlite3_column_int64(row, 6),
        .train_slots = real_of(row, 7),
        .mean_cost = real_of(row, 8),
        .mean_latency_s = real_of(row, 9),
        .p95_latency_s = real_of(row, 10),
        .mean_energy_j = real_of(row, 11),
        .deadline_miss_share = real_of(row, 12),
        .regret_pct = real_of(row, 13),
        .train_run_id = sqlite3_column_int64(row, 14),
        .test_run_id = sqlite3_column_int64(row, 15),
        .scenario = text_of(row, 16),
        .updates = sqlite3_column_type(row, 17) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 17),
        .arithmetic = text_of(row, 18),
        .mean_return = real_of(row, 19),
    };
    bool whole = outcome.sweep != NULL && outcome.experiment != NULL && outcome.axis != NULL &&
                 outcome.value != NULL && outcome.policy != NULL;
    return whole ? reader->row(reader->user, &outcome) : -ENOMEM;
}

int results_each_outcome(struct store *store, int (*row)(void *user, const struct db_outcome *outcome),
                         void *user, struct diag *diag)
{
    return each(store, "outcomes", 0, take_outcome, &(struct outcome_reader){row, user}, diag);
}

int results_each_evaluation(struct store *store, int (*row)(void *user, const struct db_outcome *outcome),
                            void *user, struct diag *diag)
{
    return each(store, "evaluations", 0, take_outcome, &(struct outcome_reader){row, user}, diag);
}

struct curve_reader {
    int (*row)(void *user, const struct db_curve_point *point);
    void *user;
};

static int take_curve_point(sqlite3_stmt *row, void *user)
{
    struct curve_reader *reader = user;
    assert(sqlite3_column_count(row) == 10);
    struct db_curve_point point = {
        .sweep = text_of(row, 0),
        .experiment = text_of(row, 1),
        .axis = text_of(row, 2),
        .value = text_of(row, 3),
        .policy = text_of(row, 4),
        .seed = (uint64_t) sqlite3_column_int64(row, 5),
        .slots = real_of(row, 6),
        .mean_cost = real_of(row, 7),
        .regret_pct = real_of(row, 8),
        .mean_return = real_of(row, 9),
    };
    bool whole = point.sweep != NULL && point.experiment != NULL && point.axis != NULL &&
                 point.value != NULL && point.policy != NULL;
    return whole ? reader->row(reader->user, &point) : -ENOMEM;
}

int results_each_curve_point(struct store *store, int (*row)(void *user, const struct db_curve_point *point),
                             void *user, struct diag *diag)
{
    return each(store, "curves", 0, take_curve_point, &(struct curve_reader){row, user}, diag);
}

struct sweep_reader {
    int (*row)(void *user, const struct db_sweep *sweep);
    void *user;
};

static int take_sweep(sqlite3_stmt *row, void *user)
{
    struct sweep_reader *reader = user;
    assert(sqlite3_column_count(row) == 5);
    struct db_sweep sweep = {
        .sweep_id = sqlite3_column_int64(row, 0),
        .name = text_of(row, 1),
        .text = text_of(row, 2),
        .version = text_of(row, 3),
        .created_utc = text_of(row, 4),
    };
    bool whole =
        sweep.name != NULL && sweep.text != NULL && sweep.version != NULL && sweep.created_utc != NULL;
    return whole ? reader->row(reader->user, &sweep) : -ENOMEM;
}

int results_each_sweep(struct store *store, int (*row)(void *user, const struct db_sweep *sweep), void *user,
                       struct diag *diag)
{
    return each(store, "sweeps", 0, take_sweep, &(struct sweep_reader){row, user}, diag);
}

struct count_reader {
    int (*row)(void *user, const struct db_job_count *count);
    void *user;
};

static int take_count(sqlite3_stmt *row, void *user)
{
    struct count_reader *reader = user;
    assert(sqlite3_column_count(row) == 4);
    struct db_job_count count = {text_of(row, 0), text_of(row, 1), text_of(row, 2),
                                 sqlite3_column_int64(row, 3)};
    return count.sweep != NULL && count.status != NULL ? reader->row(reader->user, &count) : -ENOMEM;
}

int results_each_job_count(struct store *store, int (*row)(void *user, const struct db_job_count *count),
                           void *user, struct diag *diag)
{
    return each(store, "job_counts", 0, take_count, &(struct count_reader){row, user}, diag);
}

struct origin_reader {
    int (*row)(void *user, const struct db_origin *origin);
    void *user;
};

static int take_origin(sqlite3_stmt *row, void *user)
{
    struct origin_reader *reader = user;
    assert(sqlite3_column_count(row) == 5);
    struct db_origin origin = {text_of(row, 0), text_of(row, 1), sqlite3_column_int64(row, 2),
                               text_of(row, 3), text_of(row, 4)};
    bool whole =
        origin.version != NULL && origin.cpu != NULL && origin.first_utc != NULL && origin.last_utc != NULL;
    return whole ? reader->row(reader->user, &origin) : -ENOMEM;
}

int results_each_origin(struct store *store, int (*row)(void *user, const struct db_origin *origin),
                        void *user, struct diag *diag)
{
    return each(store, "origins", 0, take_origin, &(struct origin_reader){row, user}, diag);
}

struct leak_reader {
    int (*row)(void *user, const struct db_leak *leak);
    void *user;
};

static int take_leak(sqlite3_stmt *row, void *user)
{
    struct leak_reader *reader = user;
    assert(sqlite3_column_count(row) == 9);
    struct db_leak leak = {
        .model = text_of(row, 0),
        .format = text_of(row, 1),
        .channel = text_of(row, 2),
        .level = real_of(row, 3),
        .split = (uint32_t) sqlite3_column_int64(row, 4),
        .attack = text_of(row, 5),
        .tokens = (uint64_t) sqlite3_column_int64(row, 6),
        .seeds = (uint64_t) sqlite3_column_int64(row, 7),
        .found = (uint64_t) sqlite3_column_int64(row, 8),
    };
    bool whole = leak.model != NULL && leak.format != NULL && leak.channel != NULL && leak.attack != NULL;
    return whole ? reader->row(reader->user, &leak) : -ENOMEM;
}

int results_each_leak(struct store *store, int (*row)(void *user, const struct db_leak *leak), void *user,
                      struct diag *diag)
{
    return each(store, "leaks", 0, take_leak, &(struct leak_reader){row, user}, diag);
}

struct run_reader {
    int (*row)(void *user, int64_t run_id);
    void *user;
};

static int take_run(sqlite3_stmt *row, void *user)
{
    struct run_reader *reader = user;
    assert(sqlite3_column_count(row) == 1);
    return reader->row(reader->user, sqlite3_column_int64(row, 0));
}

int results_each_unfinished(struct store *store, int (*row)(void *user, int64_t run_id), void *user,
                            struct diag *diag)
{
    return each(store, "unfinished", 0, take_run, &(struct run_reader){row, user}, diag);
}

struct number_reader {
    int (*row)(void *user, const double *value, size_t columns);
    void *user;
};

static int take_numbers(sqlite3_stmt *row, void *user)
{
    struct number_reader *reader = user;
    double value[COLUMNS_MAX];
    int columns = sqlite3_column_count(row);
    if (columns > COLUMNS_MAX)
        return ERR_TOO_BIG;
    for (int i = 0; i < columns; i++)
        value[i] = real_of(row, i);
    return reader->row(reader->user, value, (size_t) columns);
}

int results_each_numbers(struct store *store, const char *query, int64_t run_id,
                         int (*row)(void *user, const double *value, size_t columns), void *user,
                         struct diag *diag)
{
    return each(store, query, run_id, take_numbers, &(struct number_reader){row, user}, diag);
}
