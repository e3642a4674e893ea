/* Tiers of servers: a cloud behind a wide area network, edges beside the radio. A scenario lists them (`tiers`); the
 * servers of the first have the lowest numbers. Without a list all servers are one tier without a name, and
 * `servers.*`, `radio.*` and `link.*` say all of them.
 *
 * Nodes read them from the scenario's text: what a tier says of its servers needs no message of its own. Speeds are drawn
 * by the orchestrator (world_init), and told. */
#ifndef HANDOFF_CORE_MODEL_TIERS_H
#define HANDOFF_CORE_MODEL_TIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/scenario.h"

/* The wide area network between a radio and a server. Zeroed: there is none. */
struct wan {
    double delay_s;  /* one way */
    double jitter_s; /* uniform on [0, jitter_s) */
    double up_bps;   /* of all that is sent to the server, divided as the band is; 0: no limit */
    double down_bps; /* of one RESULT; 0: no limit */
};

#define TIERS_NONE UINT32_MAX
#define TIER_NAME_MAX 32u /* bytes */
_Static_assert(sizeof((struct scenario_tier *) NULL)->name == TIER_NAME_MAX + 1, "the key holds a name");

/* How many servers the scenario has: of all tiers, or servers.count. */
uint64_t tiers_servers(const struct scenario *scenario);
/* The tier of a server, which is below tiers_servers; TIERS_NONE: the scenario lists none. */
uint32_t tiers_of(const struct scenario *scenario, uint32_t server);
/* Its name; "": none. Borrowed from the scenario. */
const char *tiers_name(const struct scenario *scenario, uint32_t tier);
/* TIERS_NONE: no tier is called so. */
uint32_t tiers_find(const struct scenario *scenario, const char *name);
/* The servers before those of a tier. */
uint32_t tiers_first(const struct scenario *scenario, uint32_t tier);

/* What holds for each server of a tier; TIERS_NONE: for all servers. */
double tiers_bandwidth_mhz(const struct scenario *scenario, uint32_t tier);
double tiers_coverage_m(const struct scenario *scenario, uint32_t tier);
double tiers_tflops_min(const struct scenario *scenario, uint32_t tier);
double tiers_tflops_max(const struct scenario *scenario, uint32_t tier);
double tiers_full_share(const struct scenario *scenario, uint32_t tier);
/* Declared chance that an answer to a task of a class is right; 1 without tiers. */
double tiers_answer(const struct scenario *scenario, uint32_t tier, uint32_t task_class);
struct wan tiers_wan(const struct scenario *scenario, uint32_t tier);

/* The largest band of all. */
double tiers_bandwidth_most_mhz(const struct scenario *scenario);
/* Slowest and fastest speed that a server may have. */
double tiers_tflops_least(const struct scenario *scenario);
double tiers_tflops_most(const struct scenario *scenario);

/* The place of a tier's server, by its number within the tier. False: the tier names no places. */
bool tiers_place(const struct scenario *scenario, uint32_t tier, uint32_t within, double *ret_x_m,
                 double *ret_y_m);

/* What must hold of the list. */
int tiers_check(const struct scenario *scenario, struct diag *diag);

#endif
