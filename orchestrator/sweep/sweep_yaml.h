/* A YAML document as a tree whose nodes know their lines: what a sweep file is read from. Aliases are
 * followed, so a list need not be written twice. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_YAML_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "core/base/diag.h"

struct sweep_yaml {
    yaml_document_t document; /* owned */
    bool loaded;
    const char *name; /* borrowed: the file's, for messages */
    struct diag *diag;
};

/* Reads text that holds exactly one document. Finish it also when this failed. */
int sweep_yaml_read(struct sweep_yaml *ret_yaml, const char *text, size_t size, const char *name,
                    struct diag *diag);
void sweep_yaml_finish(struct sweep_yaml *yaml);

yaml_node_t *sweep_yaml_root(struct sweep_yaml *yaml);

/* "FILE:LINE: ..."; returns `code`. */
__attribute__((format(printf, 4, 5))) int sweep_yaml_fail(struct sweep_yaml *yaml, const yaml_node_t *node,
                                                          int code, const char *format, ...);
/* Puts "FILE:LINE: key" before a diagnosis that was made without knowing them. Returns `code`. */
int sweep_yaml_blame(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key, int code);

/* The one value that a node is, valid as long as the document; ERR_TYPE for a list or a mapping. */
int sweep_yaml_scalar(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key,
                      const char **ret_text);

/* Calls `item` for each item of a list that must not be empty, nor longer than `limit`. A nonzero return
 * stops and is returned. */
int sweep_yaml_list(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key, size_t limit,
                    int (*item)(void *user, const yaml_node_t *node), void *user);

/* The same for the pairs of a mapping; a key that comes twice is refused. */
int sweep_yaml_pairs(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key, size_t limit,
                     int (*pair)(void *user, const yaml_node_t *at, const char *name,
                                 const yaml_node_t *value),
                     void *user);

/* A mapping with keys that are known: each is read by its own function. */
struct sweep_yaml_key {
    const char *name;
    bool required;
    int (*read)(void *user, const char *key, const yaml_node_t *value);
};
int sweep_yaml_mapping(struct sweep_yaml *yaml, const yaml_node_t *node, const char *what,
                       const struct sweep_yaml_key *keys, size_t count, void *user);

#endif
