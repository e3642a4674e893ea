/* Settings of a channel to be measured: every combination of the words that were given. A mode takes the words that
 * concern it and leaves the others out:
 *
 *   mode     levels      and
 *   none     -           format
 *   erasure  loss        format, fill
 *   packets  loss        format, layout, fill
 *   analog   SNR in dB   power, fading; the format is fp32, since the elements are the symbols
 *   bits     bit error   format
 *
 * Words are those of the scenario's section `channel`, where it has them. */
#ifndef HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_GRID_H
#define HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/damage/damage.h"

#define CHANNEL_SETTINGS_MAX 10000u
#define CHANNEL_NAME_MAX 128u

enum channel_mode {
    CHANNEL_MODE_NONE,
    CHANNEL_MODE_ERASURE,
    CHANNEL_MODE_PACKETS,
    CHANNEL_MODE_ANALOG,
    CHANNEL_MODE_BITS,
    CHANNEL_MODES
};

/* Lists have commas and no blanks. NULL: the default that channel_grid.c has. */
struct channel_words {
    const char *modes;
    const char *losses, *snrs, *bit_errors;
    const char *formats, *layouts, *fills, *powers, *fadings; /* formats NULL: a default of each mode */
    const char *splits;                                       /* "1-3,6"; NULL: all between two layers */
    uint32_t packet_bytes, block_rows, protected_bits;        /* 0 packet_bytes: the default */
    bool unequalised;
};

struct channel_setting {
    enum channel_mode mode;
    double level; /* the mode's; NAN of none */
    enum activation_format format;
    uint32_t k;
    struct damage damage; /* without mean and reference_rms: those are of a model */
};

/* Owned; a zeroed struct is empty. */
struct channel_grid {
    struct channel_setting *setting;
    size_t settings, capacity;
    uint32_t *split; /* rising */
    size_t splits;
};

/* ERR_SYNTAX and ERR_RANGE name the flag and what would be right; -ENOMEM. */
int channel_grid_make(const struct channel_words *words, uint32_t layers, uint32_t hidden,
                      struct channel_grid *ret_grid, struct diag *diag);
void channel_grid_finish(struct channel_grid *grid);

const char *channel_mode_word(enum channel_mode mode);
/* Those that the setting has, or "" */
const char *channel_power_word(const struct channel_setting *setting);
const char *channel_fading_word(const struct channel_setting *setting);
const char *channel_layout_word(const struct channel_setting *setting);
const char *channel_fill_word(const struct channel_setting *setting);

/* "erasure 0.1, fp32, fill zero" and so on. */
void channel_setting_name(const struct channel_setting *setting, char ret_name[CHANNEL_NAME_MAX]);

/* Whether they differ in their level alone. */
bool channel_same_but_level(const struct channel_setting *a, const struct channel_setting *b);

#endif
