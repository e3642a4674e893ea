/* A LLaMA-like decoder, ready to compute: a model file's layers, repacked into the format computed in
 * (core/linalg/packed.h). A layer is loaded when it is first used, or when it is asked for, and stays. So a node's memory
 * holds the layers that it computes, and not the file.
 *
 * One thread at a time uses a model. Several models may share one struct weights. */
#ifndef HANDOFF_CORE_INFER_MODEL_H
#define HANDOFF_CORE_INFER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/linalg/packed.h"
#include "core/weights/weights.h"

/* The format of the weights computed in. */
enum infer_weights {
    INFER_STORED, /* the file's: F32, F16 and BF16 become float, the others stay what they are */
    INFER_F32,    /* all as floats */
    INFER_Q8,     /* all as Q8_0: what is stored otherwise is rounded to it (linalg_quantize_rows) */
    INFER_Q4,     /* all as Q4_0 */
};
#define INFER_WEIGHTS_FORMATS 4u

/* "stored", "f32", "q8", "q4"; and back. ERR_SYNTAX names all. */
const char *infer_weights_name(enum infer_weights format);
int infer_weights_parse(const char *word, enum infer_weights *ret_format, struct diag *diag);

/* A matrix of weights, packed: columns are its outputs. */
struct infer_matrix {
    enum linalg_weights format;
    uint32_t columns, depth;
    void *packed; /* owned */
    float *start; /* [columns] a bias, owned; NULL: none */
};

struct infer_layer {
    bool is_loaded;
    float *attention_norm, *ff_norm; /* [hidden] */
    struct infer_matrix query, key, value, output;
    struct infer_matrix gate, up, down;
};

struct infer_model {
    const struct weights *weights; /* borrowed */
    const struct weights_geometry *geometry;
    enum infer_weights format;
    struct infer_layer *layer; /* [layers] */
    float *final_norm;         /* [hidden]; with the head */
    struct infer_matrix head;
    double *frequency; /* [head_size / 2] radians a position */
    size_t bytes;      /* of all that is loaded */
};

/* Loads nothing yet. ERR_UNSUPPORTED: Q8 or Q4 of a model whose widths are no multiples of 32, with the tensor's name.
 * -ENOMEM. */
int infer_model_create(struct infer_model **ret_model, const struct weights *weights,
                       enum infer_weights format, struct diag *diag);
/* NULL is allowed. */
void infer_model_destroy(struct infer_model *model);

/* Loads layers [first, last), those that are not loaded. ERR_RANGE: not the model's; ERR_CORRUPT: a tensor has a number
 * that is not finite; -ENOMEM. What was loaded before stays. */
int infer_model_load(struct infer_model *model, uint32_t first, uint32_t last, struct diag *diag);
/* Loads the final norm and the head. */
int infer_model_load_head(struct infer_model *model, struct diag *diag);

#endif
