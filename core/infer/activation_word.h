/* The words for encodings of activations: "fp32", "fp16", "int8", "int4" (or "q4", as in scenarios), "topk:K". */
#ifndef HANDOFF_CORE_INFER_ACTIVATION_WORD_H
#define HANDOFF_CORE_INFER_ACTIVATION_WORD_H

#include <stdint.h>

#include "core/base/diag.h"
#include "core/infer/activation.h"

/* "int8" and so on; of top-k "topk", without its number. Static storage. */
const char *activation_word(enum activation_format format);

/* As scenarios and their users write it: "fp32", "fp16", "int8", "q4", "topk:K". */
#define ACTIVATION_NAME_MAX 32u
void activation_name(enum activation_format format, uint32_t k, char ret_name[static ACTIVATION_NAME_MAX]);

/* ERR_SYNTAX names all words. *ret_k is 0 but for top-k. */
int activation_word_parse(const char *word, enum activation_format *ret_format, uint32_t *ret_k,
                          struct diag *diag);

#endif
