/* What damaged activations cost a model: the likelihood of a text when the activations behind a layer cross a bad
 * channel, and the layers after it compute on what has arrived.
 *
 *   opened once     windows of the text -> layers [0, L) and head; the clean activations of each split are kept
 *   each measure    clean activations of a split -> encoded -> damaged -> decoded -> layers [split, L), head -> nats
 *
 * So a measure at split s costs L - s layers and the head, whatever the damage, and the layers below it nothing.
 *
 * A window is `window` adjacent tokens of the text, which go in together; each foretells the next one. Windows begin
 * `stride` tokens apart. The last one moves back to the text's end; what others scored is not scored again. All but the
 * first `skip` tokens of a window are asked, so with the defaults every token of the text is scored once, but the first.
 * With `skip` of half a context every scored token has at least so much before it.
 *
 * One window is one payload, as a device would send its prompt: window w draws at entity `at->entity` + w.
 *
 * Sums run by rows and windows in rising order. The same text, options, crossing and draws give the same bits, whatever
 * was measured before (core/infer/layers.h, core/damage/damage.h).
 *
 * No clock, no draws of its own. One thread at a time uses a struct perplexity; several may share a struct weights. */
#ifndef HANDOFF_CORE_PERPLEXITY_PERPLEXITY_H
#define HANDOFF_CORE_PERPLEXITY_PERPLEXITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/base/rng.h"
#include "core/damage/damage.h"
#include "core/infer/model.h"
#include "core/stats/likelihood.h"
#include "core/weights/tokenizer.h"
#include "core/weights/weights.h"

#define PERPLEXITY_BYTES_MAX (UINT64_C(4) << 30) /* of clean activations */
#define PERPLEXITY_WINDOWS_MAX (1u << 19)        /* an rng_at has as many entities, twice */

/* All zeros are the defaults. */
struct perplexity_options {
    enum infer_weights weights; /* the format computed in */
    uint32_t window;            /* tokens; 0: the model's context, INFER_ROWS_MAX at most */
    uint32_t skip;              /* tokens at a window's begin that are not asked; below `window` */
    uint32_t stride;            /* 1 .. window - skip; 0: window - skip */
    size_t windows;             /* at most so many, evenly spread over the text; 0: all */
    uint32_t first, last;       /* splits whose activations are kept, 0 .. L; both 0: 1 .. L - 1 */
    /* Hears how many windows are done, of how many; false stops with -EINTR. May be NULL. */
    bool (*tell)(void *user, size_t done, size_t windows);
    void *user;
};

/* Borrowed while it is opened. */
struct perplexity_text {
    const uint32_t *token; /* [tokens], at least 2 */
    size_t tokens;
    const struct tokenizer *tokenizer; /* for the bytes of scored tokens; NULL: all counts of bytes are 0 */
};

struct perplexity;

/* Loads all layers and computes the clean activations of every window. `weights` is borrowed until the end.
 *
 * ERR_RANGE: a text of fewer than 2 tokens, a token that is not in the vocabulary, options that the model does not
 * have, or a value in the clean activations that is not finite. ERR_TOO_BIG: more than PERPLEXITY_BYTES_MAX or
 * PERPLEXITY_WINDOWS_MAX. -ENOMEM, -EINTR; others are those of infer_model_load. */
int perplexity_open(struct perplexity **ret_perplexity, const struct weights *weights,
                    const struct perplexity_text *text, const struct perplexity_options *options,
                    struct diag *diag);
/* NULL is allowed. */
void perplexity_close(struct perplexity *perplexity);

/* ---- what was opened ---- */

/* Without any channel; and that of one window. */
struct likelihood perplexity_clean(const struct perplexity *perplexity);
struct likelihood perplexity_clean_window(const struct perplexity *perplexity, size_t window);

size_t perplexity_windows(const struct perplexity *perplexity);
uint32_t perplexity_rows(const struct perplexity *perplexity); /* of a window */
const struct weights_geometry *perplexity_geometry(const struct perplexity *perplexity);

/* Of a window: its tokens [rows], and its clean activations at a kept split [rows][hidden]. Borrowed. */
const uint32_t *perplexity_tokens(const struct perplexity *perplexity, size_t window);
const float *perplexity_activations(const struct perplexity *perplexity, size_t window, uint32_t split);

/* Of the clean activations at a kept split, over all windows: the root mean square of all elements, and the mean of
 * each column [hidden], borrowed. For struct damage: reference_rms and mean. */
double perplexity_rms(const struct perplexity *perplexity, uint32_t split);
const float *perplexity_mean(const struct perplexity *perplexity, uint32_t split);

/* FLOP of one measure at a split 0 .. L: products and attention. The seconds of measures are nearly proportional to
 * it, so one measure that was timed tells what the others will take. */
double perplexity_flop(const struct perplexity *perplexity, uint32_t split);

/* ---- measuring ---- */

/* Where the text is cut, and how it crosses. At split 0 embeddings cross, at L what the head reads; in a run tokens
 * and answers cross there, undamaged. */
struct perplexity_crossing {
    uint32_t split; /* one that was kept */
    enum activation_format format;
    uint32_t k; /* of top-k, else 0 */
    struct damage damage;
};

struct perplexity_result {
    struct likelihood likelihood;
    struct damage_result damage;
    size_t failed; /* windows that became no finite number */
};

/* Damages every window at the crossing and scores what follows. ret_window [windows] (may be NULL) is the likelihood of
 * each. The counts of tokens and bytes are always those of perplexity_clean.
 *
 * A window whose numbers overflow in a layer foretells nothing: each of its tokens counts log(vocab) nats, and
 * `failed` counts it.
 *
 * ERR_RANGE: a split that was not kept, a damage or a format that is none, or an activation too large for the format.
 * -ENOMEM. */
int perplexity_measure(struct perplexity *perplexity, const struct perplexity_crossing *crossing,
                       const struct rng_at *at, struct perplexity_result *ret_result,
                       struct likelihood *ret_window, struct diag *diag);

/* ret_x [rows][hidden]: one window's activations as the receiver has them in that measure. Adds to `damage`. Errors as
 * above. */
int perplexity_receive(struct perplexity *perplexity, const struct perplexity_crossing *crossing,
                       const struct rng_at *at, size_t window, float *ret_x, struct damage_result *damage,
                       struct diag *diag);

#endif
