/* A trained model as files that others read: model.safetensors with half-precision numbers, and config.json
 * (github.com/huggingface/safetensors; Hugging Face's LlamaForCausalLM). */
#ifndef HANDOFF_CORE_TRAIN_EXPORT_H
#define HANDOFF_CORE_TRAIN_EXPORT_H

#include <stdint.h>

#include "core/base/diag.h"
#include "core/train/shape.h"

/* The nearest half-precision number (IEEE 754 binary16), of two the even one. Too large: infinite. */
uint16_t export_half(float value);
float export_from_half(uint16_t half);

/* Every parameter becomes the number that the file will hold. ERR_RANGE: one is too large for it. */
int export_round(size_t count, float *params, struct diag *diag);

/* `about` is a JSON object of texts for the file's metadata, e.g. {"seed": "1"}. */
int export_safetensors(const struct shape *shape, const float *params, const char *about, const char *path,
                       struct diag *diag);

/* `end`: the token that ends a text, and stands before one. */
int export_config(const struct shape *shape, uint16_t end, const char *path, struct diag *diag);

#endif
