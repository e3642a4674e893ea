/* What the files of this room share. */
#ifndef HANDOFF_CORE_COMPUTE_COMPUTE_INTERNAL_H
#define HANDOFF_CORE_COMPUTE_COMPUTE_INTERNAL_H

#include "core/compute/compute.h"
#include "core/compute/compute_damage.h"
#include "core/infer/activation.h"
#include "core/infer/layers.h"

struct compute {
    const struct world *world; /* borrowed */
    struct weights *weights;
    struct infer_model *model;
    struct infer_workspace workspace;
    uint32_t rows_max; /* that go through a layer in one call */
    float *x;          /* [rows][hidden] */
    size_t x_capacity;
    float *last; /* [steps][hidden]: last rows of prompts */
    size_t last_capacity;
    float *logits; /* [some of these][vocab] */
    size_t logits_capacity;
    /* Of compute_answer: */
    uint32_t *ids; /* the prompt */
    size_t ids_capacity;
    uint8_t *rows; /* what crosses, there and back */
    size_t rows_capacity;
};

struct compute_pass {
    struct compute *compute; /* borrowed */
    struct compute_part part;
    struct compute_origin origin; /* that part.origin pointed to */
    struct infer_cache *cache;
    uint32_t rows; /* that have gone through */
    bool is_damaged;
    float *received;         /* [tokens][hidden] that arrived; NULL: not yet */
    uint32_t *prompt;        /* [tokens], which are scored; NULL: they are not */
    struct likelihood score; /* of the rows that have gone through */
    struct compute_answer answer;
};

/* Final norm and head on rows [rows][hidden], some at a time: the answers' tokens. */
int compute_tokens(struct compute *compute, const float *x, size_t rows, uint32_t *ret_token,
                   struct diag *diag);

/* The same on rows that are followed by these tokens [rows]: adds how well the model foretells them, row by row.
 * ERR_RANGE: a logit is not finite. */
int compute_score(struct compute *compute, const float *x, size_t rows, const uint32_t *token,
                  struct likelihood *score, struct diag *diag);

/* What a pass's whole payload is at the receiver, at the first step of a damaged one: pass->received. `in`: all encoded
 * rows. */
int compute_receive(struct compute_pass *pass, const uint8_t *in, size_t size, struct diag *diag);

#endif
