/* The world of one run: the scenario, the seed and every node's parameters, drawn once. Both host programs
 * and the policies that may know the model read it; it never changes after world_init. */
#ifndef HANDOFF_CORE_MODEL_WORLD_H
#define HANDOFF_CORE_MODEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/classes.h"
#include "core/model/llm.h"
#include "core/model/coding.h"
#include "core/model/scenario.h"
#include "core/model/tiers.h"
#include "core/model/tracks.h"

#define WORLD_SERVERS_MAX 256u
#define WORLD_DEVICES_MAX 100000u

struct vec2 {
    double x, y; /* metres from the area's south-west corner */
};

struct device_params {
    double flops;            /* F_n, FLOP/s */
    double power_w;          /* P_n */
    double transmit_power_w; /* p_n */
    uint32_t max_split;      /* S_n, most layers its memory holds (C7); L when memory is not limited */
    bool has_home;           /* starts each episode at `home`; else anywhere in the area */
    struct vec2 home;
};

struct server_params {
    struct vec2 position;
    double flops;         /* F_m, FLOP/s */
    double power_w;       /* P_m */
    double memory_bytes;  /* V_m; 0: not limited */
    uint32_t tier;        /* TIERS_NONE: the scenario lists none */
    double bandwidth_mhz; /* B */
    double coverage_m;    /* R_cov */
    struct wan wan;       /* between the radio and the server */
    double full_share;    /* where tasks reserve: the part of it with which one is as fast as declared */
    double answer[CLASSES_MOST]; /* declared chance that its answer to a task of each class is right */
};

#define WORLD_LEVELS_MAX 8u
#define WORLD_PROMPT_MAX (1u << 20) /* tokens of the text that prompts are cut from */

/* Rows of data files, read by the orchestrator only. A zeroed struct means no files. */
struct dataset;
struct faults;
struct layer_times;
struct quality_table;

struct world {
    struct scenario scenario;      /* as given, but area and counts in effect */
    struct llm *llm;               /* owned; what the scenario's section `model` means */
    struct layer_times *times;     /* owned; NULL: FLOP say how long a layer takes */
    struct quality_table *quality; /* owned; NULL: a damaged channel costs no quality */
    /* By format, of those that are decided (quality.formats); NULL: quality.table holds. Owned. */
    struct quality_table *format_quality[COMPUTE_TOPK + 1];
    struct codings codings; /* among which decisions choose */
    struct task_classes classes;
    /* Where tasks reserve, the full shares among which rules choose (reserve.levels). */
    double level[WORLD_LEVELS_MAX];
    uint32_t levels; /* at least 1 */
    uint64_t seed;
    uint32_t devices;             /* N */
    uint32_t servers;             /* M */
    struct device_params *device; /* [N], owned */
    struct server_params *server; /* [M], owned */
    /* Real requests: device n's prompt lengths are tokens[n * token_rows .. +token_rows). Owned; NULL: all
     * alike. */
    uint32_t *tokens;
    uint32_t token_rows;
    /* The text of compute.text in tokens, from which prompts are cut (core/compute). Owned; NULL: none. */
    uint32_t *prompt; /* [prompt_tokens] */
    uint32_t prompt_tokens;
    uint8_t *prompt_bytes;      /* [prompt_tokens] of text that each stands for. Owned; NULL: not known */
    struct faults *faults;      /* owned; NULL: nothing ever breaks */
    struct tracks rate_tracks;  /* owned; none: path loss and fading make the channels */
    struct tracks place_tracks; /* owned; none: devices move as mobility.kind says */
};

/* Draws the node parameters: F_n and F_m uniform (stream RNG_PARAMETERS, entity n and N + m), servers on the
 * layout below or on sites drawn from the data set, homes likewise. `data` may be NULL when the scenario
 * names no files. Layout (issue's constants): (250, 250), (750, 250), (500, 750), (750, 750), (250, 750)
 * scaled to the area for M <= 5 in this order, a square grid beyond. */
int world_init(struct world *ret_world, const struct scenario *scenario, const struct dataset *data,
               struct diag *diag);

/* A world of N devices and M servers whose parameters the caller fills in (a node does, from WELCOME). What the scenario
 * says of each server (tier, band, coverage, network) is there. */
int world_init_empty(struct world *ret_world, const struct scenario *scenario, uint32_t devices,
                     uint32_t servers);

/* What is drawn of a server, in a world whose parameters the caller fills in. */
void world_tell_server(struct world *world, uint32_t server, struct vec2 position, double flops,
                       double power_w, double memory_bytes);

void world_finish(struct world *world);

/* Copies the tokens of compute.text into the world, in place of those it has; 0: none. How many bytes they are is not
 * known then. ERR_TOO_BIG: more than WORLD_PROMPT_MAX. ERR_RANGE: a token that is not in the model's vocabulary.
 * -ENOMEM. The world is changed on success only. */
int world_set_prompt(struct world *world, const uint32_t *token, size_t tokens, struct diag *diag);
/* And how many bytes each of them is: [prompt_tokens]; NULL: not known. -ENOMEM. */
int world_set_prompt_bytes(struct world *world, const uint8_t *bytes, struct diag *diag);

/* Guests are the last devices. They bring prompts of their own. */
static inline bool world_is_guest(const struct world *world, uint32_t device)
{
    return device < world->devices && device >= world->devices - world->scenario.devices.guests;
}

/* Do the run's tracks turn round at their ends? */
static inline bool world_tracks_turn(const struct world *world)
{
    return world->scenario.run.trace_end == TRACE_END_TURN;
}

/* The time in its track at which a device begins a slot. */
double world_track_s(const struct world *world, const struct track *track, uint32_t device,
                     enum rng_phase phase, uint32_t episode, uint32_t slot);

/* Whether the scenario names files that dataset_load has to read. */
bool dataset_is_named(const struct scenario *scenario);

/* Reads the files a scenario names (requests, device and server positions, traces). The area becomes the
 * sites' bounding box (with a margin), positions are projected to metres (equirectangular about the centre),
 * the scenario's area is set. */
int dataset_load(struct dataset **ret_data, struct scenario *scenario, struct diag *diag);
void dataset_destroy(struct dataset *data);

#endif
