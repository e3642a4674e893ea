/* Nodes that compute: worlds of a model file, engines, and parts of tasks. */
#ifndef HANDOFF_TESTS_UNIT_COMPUTE_NODE_H
#define HANDOFF_TESTS_UNIT_COMPUTE_NODE_H

#include "core/compute/compute.h"

#define NODE_PATH 64

/* Writes a small model (tests/unit/infer/small_model.h) into a new file; the caller unlinks it. */
void node_write_model(uint32_t seed, char ret_path[static NODE_PATH]);

/* A world whose nodes compute this model, with assignments on top (NULL ends). What the orchestrator writes stands in
 * its keys. Fails the test when the scenario does not hold. */
struct world node_world(const char *path, const char *const *set);

struct compute *node_open(const struct world *world);

/* One node's part of a task, in pieces of `piece` rows (0: at once). Rows `in` as they cross; `out` may be NULL. */
struct node_part {
    struct compute_part part;
    const uint8_t *in;
    uint8_t *out;
    uint32_t piece;
};

/* The next `rows` rows of a part as a step of a pass. */
struct compute_step node_step(const struct world *world, const struct node_part *part,
                              struct compute_pass *pass, uint32_t rows);

/* Fails the test when a step does. `ret_answer` may be NULL. */
void node_run(struct compute *compute, const struct world *world, const struct node_part *part,
              struct compute_answer *ret_answer);

/* A task's prompt as it crosses: 4 bytes a token. */
void node_prompt(const struct world *world, const struct compute_task *task, uint8_t *ret_bytes);

/* The task's answer another way, by core/infer's request, and the bytes that cross at its split (may be NULL). */
uint32_t node_oracle(const struct world *world, const char *path, const struct compute_task *task,
                     uint8_t *ret_bytes);

#endif
