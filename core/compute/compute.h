/* What a node really computes for a task: its layers, on the task's prompt or on activations that another node has
 * computed.
 *
 *   device    prompt ---> layers [0, split) ---> encoded rows, one a token ---.
 *   server    .---------------------------------------------------------------'
 *             '---> layers [split, L) ---> final norm, head ---> the answer, one token
 *
 * Where nothing is the device's (split 0), the prompt's tokens cross; where all is (split L), nothing does. With
 * compute.head `device` the server encodes the last row and returns it, and the device applies final norm and head.
 *
 * What crosses at a split between layers may be damaged on its way up (section `channel`, core/damage): a server computes
 * with what arrived. Tokens (split 0), and the row that a server returns, always arrive whole.
 *
 * With compute.nll whoever has all rows behind layer L tells how well the model foretells the prompt: the summed negative
 * log-likelihood of each token but the first, given those before it. A prompt that is not the world's is not scored.
 *
 * An answer is a function of the model file, the world's text and seed, the device, the slot, the prompt's length, the
 * split, the coding, the channel's condition, and of the sections `channel` and `compute` without its batch and chunks.
 * Each row is encoded by itself, and no row's result depends on the rows beside it (core/infer). So which tasks go
 * together, in how many steps a prompt comes, and who computes which part changes no bit.
 *
 * Pure but for the model file, which is read. No thread and no clock: one thread at a time uses an engine and its
 * passes. */
#ifndef HANDOFF_CORE_COMPUTE_COMPUTE_H
#define HANDOFF_CORE_COMPUTE_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/device_slot.h"
#include "core/model/world.h"
#include "core/stats/likelihood.h"

#define COMPUTE_ANSWER_MAX 64u /* tokens of an answer; a task gives one */
#define COMPUTE_STEPS_MAX 256u /* of one compute_run, as compute.batch */

struct compute_answer {
    uint32_t count;
    uint32_t token[COMPUTE_ANSWER_MAX];
    struct likelihood score; /* compute.nll: of the prompt; no tokens: it was not scored */
};

/* ---- pure functions of the world ---- */

/* The prompt of a device's task: ret_token [tokens]. A part of the world's text whose begin is drawn, uniformly; a text
 * that is shorter begins anew at its end. Without a text, tokens drawn uniformly from the vocabulary. */
void compute_prompt(const struct world *world, uint32_t device, struct slot_id id, uint32_t tokens,
                    uint32_t *ret_token);

/* Bytes of text that the prompt's tokens behind the first stand for; 0: not known, as of drawn tokens. */
uint64_t compute_prompt_bytes(const struct world *world, uint32_t device, struct slot_id id, uint32_t tokens);

/* Bytes that cross for `tokens` tokens at a split: 4 for each token at split 0, rows between layers, encoded as the coding
 * says (core/model/coding.h), none at split L. Those of a prompt are the sum of those of its pieces. */
size_t compute_bytes(const struct world *world, uint32_t split, uint32_t tokens, uint32_t coding);

/* Bytes of one encoded row: what a server returns with compute.head `device`. */
size_t compute_row_bytes(const struct world *world, uint32_t coding);

/* ---- an engine: one node's model ---- */

struct compute;

/* The engine of a node. `path`: its model file; NULL: model.file. It loads layers when they are first used, and keeps
 * them. `world` is borrowed, and is one whose compute.kind is `model`.
 *
 * ERR_MISMATCH: the file's geometry or hash contradicts the scenario (which may have no hash). ERR_RANGE: a prompt is
 * longer than its context. ERR_UNSUPPORTED: compute.weights does not fit its widths. Others are those of weights_open. */
int compute_open(struct compute **ret_compute, const struct world *world, const char *path,
                 struct diag *diag);
/* NULL is allowed. Its passes have been destroyed. */
void compute_close(struct compute *compute);

/* Tokens of the longest prompt that the model takes: its context. */
uint32_t compute_context(const struct compute *compute);

/* Loads layers [first, last) ahead of their first use, with last = L also the head: so that no first task is late.
 * Errors are those of infer_model_load. */
int compute_load(struct compute *compute, uint32_t first, uint32_t last, struct diag *diag);

/* ---- a pass: one task's way through layers at one node ---- */

/* Whose prompt goes through layers, and how its activations came. */
struct compute_origin {
    uint32_t device;
    struct slot_id id; /* the task's own slot */
    /* From the device to a server: behind layer 1, what arrives is what the channel leaves. */
    bool has_crossed;
    double channel; /* its condition (core/model/channel.h) */
    /* channel.mode bounded: who serves the task, and the rate at which it crossed. With its coding they say which packets
     * are missing (core/model/channel_missing.h). */
    uint32_t server;
    double rate_bps;
    bool is_own_prompt; /* and not the world's: it is not scored */
};

/* Layers [first, last) on a prompt of that length. */
struct compute_part {
    uint32_t first, last;                /* first < last <= L */
    uint32_t tokens;                     /* 1 .. the model's context */
    uint32_t coding;                     /* of all its rows that cross a split (core/model/coding.h) */
    const struct compute_origin *origin; /* copied; NULL: nothing is damaged or scored */
};

/* Owns the task's keys and values at this node. */
struct compute_pass;

/* ERR_RANGE: a part that the model does not have, or a channel's condition that is none. -ENOMEM. */
int compute_pass_create(struct compute_pass **ret_pass, struct compute *compute,
                        const struct compute_part *part, struct diag *diag);
/* Before its engine is closed. NULL is allowed. */
void compute_pass_destroy(struct compute_pass *pass);

/* Rows of the prompt that have gone through. */
uint32_t compute_pass_rows(const struct compute_pass *pass);

/* The answer: after the last rows, where the head was applied here. ERR_STATE: it is not there. */
int compute_pass_answer(const struct compute_pass *pass, struct compute_answer *ret_answer);

/* ---- steps: rows that go through ---- */

/* The next rows of one pass. All is borrowed.
 *
 *   in    first = 0: token ids, u32 little-endian; else encoded rows. compute_bytes(world, first, rows, coding) of them
 *   out   last < L: becomes encoded rows, compute_bytes(world, last, rows, coding) of them
 *         last = L: NULL, and the head is applied here after the last rows; or compute_row_bytes(world, coding) bytes, which
 *         become the prompt's last row, encoded, with the last rows (before, they stay as they are)
 *
 * Where the channel damages, the first step of a pass brings all rows (compute.chunks 1): ERR_STATE.
 *
 * A device that goes on with a task whose server is lost gives its own encoded rows as `in` to a pass of the layers that
 * the server had, with `out` as the server had it: the answer is the same. */
struct compute_step {
    struct compute_pass *pass;
    uint32_t from; /* the first row's number in the prompt: as many as have gone through */
    uint32_t rows;
    const uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_size;
    int code;           /* becomes 0, or why the step failed, */
    struct diag reason; /* and then its sentence */
};

/* Takes all steps [COMPUTE_STEPS_MAX at most, each of another pass] through their layers together, layer by layer; a
 * step joins at its pass's first layer. Returns 0 when each step has ended, well or not.
 *
 * A step fails alone: ERR_STATE (its rows are not the next), ERR_RANGE (rows that the pass has no room for, a token
 * that is not in the vocabulary, a value that is not finite or too large for the format), ERR_CORRUPT (bytes of another
 * size, or that do not decode). Its pass is as before then, and its `out` undefined.
 * Other returns: no step has been taken, and all passes are as before. -ENOMEM; ERR_CORRUPT: the model file has a number
 * that is not finite. */
int compute_run(struct compute *compute, struct compute_step *step, size_t steps, struct diag *diag);

/* One encoded row. */
struct compute_row {
    const uint8_t *bytes;
    size_t size;
    uint32_t coding;
};

/* Final norm and head on a row, for a device whose server returned it. Errors as a step's. */
int compute_head(struct compute *compute, const struct compute_row *row, struct compute_answer *ret_answer,
                 struct diag *diag);

/* ---- a whole task ---- */

struct compute_task {
    uint32_t device;
    struct slot_id id;
    uint32_t tokens, split;
    const uint32_t *prompt; /* [tokens] in place of the world's; NULL: the world's */
    double channel;         /* the condition that the activations of a split between layers crossed */
    uint32_t server;        /* as of its origin */
    double rate_bps;
    uint32_t coding; /* as of its parts */
    bool stays;      /* the device went on alone behind its split: nothing of it arrived anywhere */
};

/* What device and server compute together, in one process: the reference. Errors as above. */
int compute_answer(struct compute *compute, const struct compute_task *task,
                   struct compute_answer *ret_answer, struct diag *diag);

/* The same in two halves, for those who measure each: the device's layers, where it has any, then the rest, where there
 * is one. What crosses stays with the engine between the two. The half that applies the head writes the answer. */
int compute_answer_device(struct compute *compute, const struct compute_task *task,
                          struct compute_answer *ret_answer, struct diag *diag);
int compute_answer_server(struct compute *compute, const struct compute_task *task,
                          struct compute_answer *ret_answer, struct diag *diag);

#endif
