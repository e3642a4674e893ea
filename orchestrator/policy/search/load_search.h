/* The search for a slot's best joint assignment over a load_table: devices in turn move to where the sum of
 * all costs falls most, pairs of devices exchange places, until nothing helps; from all-local, from the
 * assignment given, and from random starts. Ends: every move lowers the sum. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_LOAD_SEARCH_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_LOAD_SEARCH_H

#include "orchestrator/policy/search/load_table.h"

struct load_search {
    uint32_t devices, servers;
    uint32_t *server, *best; /* [N] by device; ENV_LOCAL: local */
    uint32_t *load;          /* [M] of `server` */
    uint32_t *best_load;     /* [M] of `best` */
    double best_cost;        /* sum over the devices */
    double *group;           /* [M][3] what its devices cost together under its load - 1, load, load + 1 */
};

struct load_search_options {
    uint32_t starts;      /* all-local, then random ones */
    const uint32_t *warm; /* [N] one more to start from; NULL: none */
    bool swaps;           /* exchange pairs */
};

/* -ENOMEM. */
int load_search_init(struct load_search *ret_search, const struct world *world);
void load_search_finish(struct load_search *search);

/* Fills best, best_load and best_cost for table's slot. Random starts are draws at (seed, RNG_POLICY) of the
 * slot. */
void load_search_run(struct load_search *search, struct load_table *table,
                     const struct load_search_options *options);

/* From an assignment that is given, `rounds` and no more: each device may move, and once none does, pairs may
 * exchange. Fills best, best_load, best_cost. */
void load_search_polish(struct load_search *search, struct load_table *table, const uint32_t *server,
                        uint32_t rounds);

/* Enters `best` into a decision and repairs it. */
void load_search_decide(const struct load_search *search, const struct load_table *table,
                        struct env_decision *ret_decision);

#endif
