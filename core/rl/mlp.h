/* A network of three dense layers: ReLU or tanh twice, and a linear or tanh head. All parameters lie in one
 * flat block, layer after layer, weights [in][out] and then bias [out]; gradients, moments and targets are
 * blocks of the same shape. */
#ifndef HANDOFF_CORE_RL_MLP_H
#define HANDOFF_CORE_RL_MLP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/rng.h"
#include "core/rl/dense.h"

#define MLP_LAYERS 3
#define MLP_SIZE_MAX                                                                                         \
    65536u /* of any one layer: products of two sizes stay far inside size_t, sizes inside an int */

enum mlp_head { MLP_LINEAR, MLP_TANH };
enum mlp_hidden { MLP_RELU, MLP_SMOOTH }; /* SMOOTH: tanh, for what has to be smooth in its inputs */

struct mlp {
    struct dense layers[MLP_LAYERS];
    enum mlp_head head;
    enum mlp_hidden hidden; /* mlp_init makes it MLP_RELU; set it before anything else is done */
    size_t params;          /* floats in a block */
};

/* What a forward pass leaves for the backward pass. Owns `block`; the matrices point into it unless set
 * elsewhere. */
struct mlp_pass {
    size_t rows;                 /* 1 to rows_max, set by the caller with x: a decision is a batch of one */
    size_t rows_max;             /* the matrices' */
    struct view x;               /* [rows][in]: borrowed, set by the caller */
    struct matrix y[MLP_LAYERS]; /* activations [rows][out of the layer]; the last may be set elsewhere */
    /* gradients at each layer's output, the same shapes; used by mlp_backward */
    struct matrix dy[MLP_LAYERS];
    float *block;
};

/* What mlp_backward is to compute beyond the deltas. */
struct mlp_wanted {
    float *grads; /* [params], overwritten; NULL: no parameter gradients */
    /* Gradient at inputs first .. first + count - 1: dx[rows][count]; count 0: none. */
    size_t first, count;
    struct matrix dx;
};

/* Sizes in, hidden 1, hidden 2, out: each 1 to MLP_SIZE_MAX, else ERR_RANGE. */
int mlp_init(struct mlp *ret_mlp, const size_t sizes[static MLP_LAYERS + 1], enum mlp_head head);

int mlp_pass_init(struct mlp_pass *ret_pass, const struct mlp *mlp, size_t rows);
void mlp_pass_finish(struct mlp_pass *pass);

/* Weights and biases uniform in +-1/sqrt(fan-in), the last layer's in +-final_init: draws at `at`, whose slot
 * this sets to the layer. */
void mlp_draw(const struct mlp *mlp, float *params, struct rng_at at, float final_init);

/* pass->y from pass->x. */
void mlp_forward(const struct mlp *mlp, const float *params, struct mlp_pass *pass);

/* From the loss's gradient at the network's output, which the caller has put into pass->dy[MLP_LAYERS - 1]
 * (at the tanh head: after tanh; it is overwritten), what is wanted. */
void mlp_backward(const struct mlp *mlp, const float *params, struct mlp_pass *pass,
                  const struct mlp_wanted *wanted);

#endif
