/* A small decoder with drawn weights, written as a llama2.c file, and what it computes according to a plain program in
 * double precision. */
#ifndef HANDOFF_TESTS_UNIT_INFER_SMALL_MODEL_H
#define HANDOFF_TESTS_UNIT_INFER_SMALL_MODEL_H

#include <stdint.h>

#include "core/weights/weights.h"

#define SMALL_HIDDEN 64u
#define SMALL_FF 96u
#define SMALL_LAYERS 3u
#define SMALL_HEADS 4u
#define SMALL_KV_HEADS 2u
#define SMALL_VOCAB 70u
#define SMALL_CONTEXT 96u

/* Writes one to a file. Fails the test when that is not possible. */
void small_model_write(const char *path, uint32_t seed);

/* Opens a new one; the file is gone when this returns. Fails the test when that is not possible. */
struct weights *small_model_open(uint32_t seed);

/* A token for each place of a text. */
uint32_t small_model_token(uint32_t seed, uint32_t place);

/* ret_logits [tokens][vocab], by another way than the product's: double precision, one token after the other. */
void small_model_oracle(const struct weights *weights, const uint32_t *token, uint32_t tokens,
                        double *ret_logits);

#endif
