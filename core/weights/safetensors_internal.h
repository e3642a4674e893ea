/* Safetensors files, and what lies beside them. Source: github.com/huggingface/safetensors, README: eight bytes of
 * length, that much JSON, then the tensors without gaps. */
#ifndef HANDOFF_CORE_WEIGHTS_SAFETENSORS_INTERNAL_H
#define HANDOFF_CORE_WEIGHTS_SAFETENSORS_INTERNAL_H

#include "core/weights/weights_internal.h"

#define SAFETENSORS_INDEX_NAME "model.safetensors.index.json"
#define SAFETENSORS_HEADER_MAX                                                                               \
    (16u << 20) /* bytes; a model of 405 billion parameters has under one megabyte */
#define SAFETENSORS_FILES_MAX 1024u

/* Names of files. Owned. */
struct safetensors_names {
    char **name; /* [count], in byte order, each once */
    size_t count;
};

/* By the first bytes: is it a file of tensors, is it JSON? */
bool safetensors_is(const struct mapping *file);
bool safetensors_is_index(const struct mapping *file);

/* The files that an index names: plain names, in the index's own folder. */
int safetensors_read_index(const struct mapping *file, struct safetensors_names *ret_names,
                           struct diag *diag);
void safetensors_names_finish(struct safetensors_names *names);

/* Reads config.json into weights->geometry, ->rope_divisor and ->tokens, and checks them. */
int safetensors_read_config(struct weights *weights, const char *text, size_t size, struct diag *diag);

#endif
