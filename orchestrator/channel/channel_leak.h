/* How many tokens of a prompt three attacks (core/leak) recover from what crossed each split, by setting of a channel. */
#ifndef HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_LEAK_H
#define HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_LEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/leak/leak.h"
#include "core/perplexity/perplexity.h"
#include "orchestrator/channel/channel_grid.h"

enum channel_attack { CHANNEL_NEAREST, CHANNEL_PROBE, CHANNEL_SEARCH, CHANNEL_ATTACKS };

struct channel_leak {
    const struct channel_grid *grid; /* borrowed, as all that follows; both texts keep its splits */
    struct perplexity *prompts;      /* each window is a prompt */
    struct perplexity *lessons;      /* other text, of which the probe learns; NULL: no probe */
    struct leak *leak;
    bool attack[CHANNEL_ATTACKS]; /* those that are made */
    uint32_t seeds;
    uint64_t first_seed;
    double reference_rms;
    double ridge;
    /* Progress of the attack that is made, in its own steps; false stops with -EINTR. May be NULL. */
    bool (*tell)(void *user, enum channel_attack attack, size_t done, size_t all);
    void *user;
    /* Made here: */
    uint32_t *found;  /* [settings][splits][seeds][attacks] tokens */
    uint32_t guessed; /* tokens of the prompts that are the commonest of the lessons */
};

/* "nearest", "probe", "search". */
const char *channel_attack_word(enum channel_attack attack);
/* A list with commas. ERR_SYNTAX. */
int channel_attack_parse(const char *list, bool ret_attack[CHANNEL_ATTACKS], struct diag *diag);

int channel_leak_open(struct channel_leak *leak, struct diag *diag);
void channel_leak_close(struct channel_leak *leak);

/* Tokens of all prompts: what is recovered is a share of them. */
uint32_t channel_leak_tokens(const struct channel_leak *leak);

/* Settings without draws have one seed. */
uint32_t channel_leak_seeds(const struct channel_leak *leak, size_t setting);

int channel_leak_run(struct channel_leak *leak, struct diag *diag);

uint32_t channel_leak_found(const struct channel_leak *leak, size_t setting, size_t split, uint32_t seed,
                            enum channel_attack attack);
/* The mean over seeds of the share of tokens, 0 .. 1: 1 only where every token was found with every seed. */
double channel_leak_share(const struct channel_leak *leak, size_t setting, size_t split,
                          enum channel_attack attack);

/* One row for each setting, split, seed and attack, as the man page has the columns. */
int channel_leak_csv(const struct channel_leak *leak, struct buf *text);

#endif
