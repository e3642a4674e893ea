/* What the scenario's keys say of a model file. */
#ifndef HANDOFF_CORE_COMPUTE_COMPUTE_KEYS_H
#define HANDOFF_CORE_COMPUTE_COMPUTE_KEYS_H

#include "core/base/diag.h"
#include "core/model/llm.h"
#include "core/model/scenario.h"
#include "core/weights/weights.h"

#define COMPUTE_HASH_DIGITS (2 * WEIGHTS_HASH_SIZE)

/* A file's geometry as core/model counts with it, without a name. */
struct llm compute_keys_llm(const struct weights_geometry *geometry);

/* A file's weights_hash, as model.hash has it. */
void compute_keys_hash(const struct weights *weights, char ret_hash[COMPUTE_HASH_DIGITS + 1]);

/* Is it the file that model.hash names? 0 where it names none. ERR_MISMATCH. */
int compute_keys_check_hash(const struct scenario *scenario, const struct weights *weights, const char *path,
                            struct diag *diag);

/* Writes what compute.format makes of model.bits_per_element, where compute.kind is `model`; the geometry stands in the
 * keys. ERR_MISMATCH: another value than that and the default was given. ERR_RANGE: fewer bits than the key takes. */
int compute_keys_write_bits(struct scenario *scenario, struct diag *diag);

#endif
