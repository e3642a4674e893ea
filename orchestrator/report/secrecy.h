/* What an observer who has a model's weights reads of prompts, where it was measured (table `leak`). */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_SECRECY_H
#define HANDOFF_ORCHESTRATOR_REPORT_SECRECY_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/damage/damage.h"
#include "core/infer/activation_word.h"
#include "core/model/scenario.h"

/* What crossed. */
struct secrecy_crossing {
    char format[ACTIVATION_NAME_MAX]; /* activation_name */
    char law[DAMAGE_LAW_MAX];         /* damage_law */
    uint32_t split;
    double level; /* of the law: a loss, an SNR in dB, a bit error rate; 0 of "none" */
};

struct secrecy_measure {
    struct secrecy_crossing of;
    double share;    /* of the tokens, 0 .. 1 */
    uint64_t tokens; /* that it is a share of */
};

/* Owned; a zeroed struct is empty. */
struct secrecy {
    struct secrecy_measure *measure;
    size_t measures, capacity;
};

/* In any order. -ENOMEM. */
int secrecy_add(struct secrecy *secrecy, const struct secrecy_measure *measure);
void secrecy_finish(struct secrecy *secrecy);

/* The share that is read of what crosses so: as measured at that level, or linear between the nearest levels of the same
 * format, law and split. NAN: it was not measured there, or on one side of the level alone. */
double secrecy_share(const struct secrecy *secrecy, const struct secrecy_crossing *crossing);

/* The fewest tokens that a measure is of; 0: there are none. */
uint64_t secrecy_tokens(const struct secrecy *secrecy);

/* What crossed and was not measured, together. */
struct secrecy_gap {
    uint32_t first, last; /* splits */
    double low, high;     /* levels */
    struct buf formats;   /* owned; with commas between; empty: there is no gap */
};
int secrecy_gap_add(struct secrecy_gap *gap, const struct secrecy_crossing *crossing);

/* The command that measures it, for a shell. Appended. */
int secrecy_print_command(const struct secrecy_gap *gap, const struct scenario *scenario, struct buf *text);

#endif
