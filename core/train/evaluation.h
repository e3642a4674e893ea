/* How well a model foretells a text: bits per byte, which compares models with different tokenizers.
 *
 * Windows of the whole context begin half a context apart, and of each only the last half is scored: every scored token
 * has at least half a context before it. The first half of the text's first window is not scored. */
#ifndef HANDOFF_CORE_TRAIN_EVALUATION_H
#define HANDOFF_CORE_TRAIN_EVALUATION_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/stats/likelihood.h"
#include "core/train/bpe.h"
#include "core/train/shape.h"

struct evaluation {
    const struct shape *shape;
    const float *params;    /* [shape_parameters] */
    const struct bpe *bpe;  /* of the tokens */
    const uint16_t *tokens; /* [count] */
    size_t count;
    size_t windows; /* at most so many, evenly spread; 0: all */
    size_t threads;
};

/* ERR_RANGE: the text is not longer than the context. -ENOMEM. */
int evaluation_run(const struct evaluation *evaluation, struct likelihood *ret_likelihood, struct diag *diag);

#endif
