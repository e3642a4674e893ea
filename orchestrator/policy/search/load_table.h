/* What each device would cost at each server under each load, its best split there included: with shares that
 * depend on a server's load alone, this is all that a joint decision needs to know of a slot. Filled by the
 * true model (load_table_model) or by a learned one (outcome_table.c). Searched by `optimum` and load_search. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_LOAD_TABLE_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_LOAD_TABLE_H

#include "core/model/env.h"

struct load_table;

/* Fills the columns of servers first .. last under one load, for the devices in table->who. */
typedef void load_table_fill(void *user, struct load_table *table, uint32_t load, uint32_t first,
                             uint32_t last);

struct load_table {
    uint32_t devices, servers;
    uint32_t *who; /* [count] devices that have something to decide, ascending */
    uint32_t count;
    double *local_cost; /* [N] */
    /* Columns, filled when they are needed: [loads][M][N], by device. HUGE_VAL: not possible. */
    double *cost;
    uint32_t *split;             /* that attains it */
    uint32_t *coding;            /* and the coding (coding.h); 0 unless `fill` says otherwise */
    bool *filled;                /* [loads][M] */
    uint32_t loads;              /* capacity of the columns */
    const struct env_view *view; /* borrowed, from load_table_begin on */
    load_table_fill *fill;
    void *user;
};

/* -ENOMEM. `loads`: the capacity at first, at least 1. */
int load_table_init(struct load_table *ret_table, const struct world *world, uint32_t loads);
void load_table_finish(struct load_table *table);

/* A slot is to be decided: sets `who`; no column is filled yet. The caller fills `local_cost`. */
void load_table_begin(struct load_table *table, const struct env_view *view, load_table_fill *fill,
                      void *user);

/* Fills a server's column under a load, unless it is filled; load 0 needs nothing. False: out of memory, the
 * table is as it was. */
bool load_table_need(struct load_table *table, uint32_t server, uint32_t load);
/* The same for all servers at once; load > 0. */
bool load_table_need_all(struct load_table *table, uint32_t load);

static inline size_t load_table_at(const struct load_table *table, uint32_t device, uint32_t server,
                                   uint32_t load)
{
    return ((size_t) (load - 1) * table->servers + server) * table->devices + device;
}

/* Begins with the true model, equal shares, 1 / load: with the nodes' declared speeds, or with those that
 * they really have in the slot, which is for policies that see the world. */
void load_table_model(struct load_table *table, const struct env_view *view);
void load_table_truth(struct load_table *table, const struct env_view *view);

/* Enters a device's place into a decision: a server under `load`, or ENV_LOCAL. Then the caller repairs. */
void load_table_enter(const struct load_table *table, uint32_t device, uint32_t server, uint32_t load,
                      struct env_decision *decision);

/* Stands for the cost of staying local where that is not allowed (env_splits_allow_local): far above every other, and
 * still a number that sums can hold. */
#define LOAD_TABLE_BARRED 1e9

#endif
