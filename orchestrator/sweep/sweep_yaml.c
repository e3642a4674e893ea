#include "orchestrator/sweep/sweep_yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

/* The library has a word for each error but for some lacks of memory. */
static int fail_parser(const yaml_parser_t *parser, const char *name, struct diag *diag)
{
    if (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL)
        return diag_fail(diag, -ENOMEM, "%s: out of memory", name);
    if (parser->error == YAML_READER_ERROR)
        return diag_fail(diag, ERR_SYNTAX, "%s: byte %zu: %s", name, parser->problem_offset + 1,
                         parser->problem);
    return diag_fail(diag, ERR_SYNTAX, "%s:%lu: not valid YAML: %s", name,
                     (unsigned long) parser->problem_mark.line + 1, parser->problem);
}

/* Nothing may come behind the document. */
static int check_end(struct sweep_yaml *yaml, yaml_parser_t *parser)
{
    yaml_document_t second;
    if (yaml_parser_load(parser, &second) != 1)
        return fail_parser(parser, yaml->name, yaml->diag);
    const yaml_node_t *root = yaml_document_get_root_node(&second);
    int rc = root == NULL
                 ? 0
                 : sweep_yaml_fail(yaml, root, ERR_SYNTAX, "a second document starts here, one is allowed");
    yaml_document_delete(&second);
    return rc;
}

int sweep_yaml_read(struct sweep_yaml *ret_yaml, const char *text, size_t size, const char *name,
                    struct diag *diag)
{
    yaml_parser_t parser;
    *ret_yaml = (struct sweep_yaml){.name = name, .diag = diag};
    if (yaml_parser_initialize(&parser) != 1)
        return diag_fail(diag, -ENOMEM, "%s: out of memory", name);
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, size);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    ret_yaml->loaded = yaml_parser_load(&parser, &ret_yaml->document) == 1;
    int rc = ret_yaml->loaded ? 0 : fail_parser(&parser, name, diag);
    if (rc == 0 && sweep_yaml_root(ret_yaml) == NULL)
        rc = diag_fail(diag, ERR_SYNTAX, "%s: is empty: expected keys such as `name: ...`", name);
    if (rc == 0)
        rc = check_end(ret_yaml, &parser);
    yaml_parser_delete(&parser);
    return rc;
}

void sweep_yaml_finish(struct sweep_yaml *yaml)
{
    if (yaml->loaded)
        yaml_document_delete(&yaml->document);
    yaml->loaded = false;
}

yaml_node_t *sweep_yaml_root(struct sweep_yaml *yaml)
{
    assert(yaml->loaded);
    return yaml_document_get_root_node(&yaml->document);
}

static unsigned long line_of(const yaml_node_t *node)
{
    return (unsigned long) node->start_mark.line + 1;
}

int sweep_yaml_fail(struct sweep_yaml *yaml, const yaml_node_t *node, int code, const char *format, ...)
{
    char sentence[DIAG_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    (void) vsnprintf(sentence, sizeof sentence, format, args); /* a cut sentence is still a sentence */
    va_end(args);
    return diag_fail(yaml->diag, code, "%s:%lu: %s", yaml->name, line_of(node), sentence);
}

int sweep_yaml_blame(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key, int code)
{
    diag_prefix(yaml->diag, "%s:%lu: %s", yaml->name, line_of(node), key);
    return code;
}

int sweep_yaml_scalar(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key,
                      const char **ret_text)
{
    const char *text = node->type == YAML_SCALAR_NODE ? (const char *) node->data.scalar.value : NULL;
    if (text == NULL || strlen(text) != node->data.scalar.length)
        return sweep_yaml_fail(yaml, node, ERR_TYPE,
                               "%s: expected one value, not a list, a mapping or a zero byte", key);
    *ret_text = text;
    return 0;
}

int sweep_yaml_list(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key, size_t limit,
                    int (*item)(void *user, const yaml_node_t *node), void *user)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return sweep_yaml_fail(yaml, node, ERR_TYPE, "%s: expected a list, as [a, b]", key);
    const yaml_node_item_t *first = node->data.sequence.items.start;
    size_t count = (size_t) (node->data.sequence.items.top - first);
    if (count == 0 || count > limit)
        return sweep_yaml_fail(yaml, node, ERR_RANGE, "%s: a list of %zu, allowed 1 to %zu", key, count,
                               limit);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = item(user, yaml_document_get_node(&yaml->document, first[i]));
    return rc;
}

/* Was the key of pair `index` there before? */
static bool is_repeated(struct sweep_yaml *yaml, const yaml_node_pair_t *first, size_t index,
                        const char *name)
{
    for (size_t i = 0; i < index; i++) {
        const yaml_node_t *key = yaml_document_get_node(&yaml->document, first[i].key);
        assert(key->type == YAML_SCALAR_NODE); /* sweep_yaml_pairs refuses others first */
        if (strcmp((const char *) key->data.scalar.value, name) == 0)
            return true;
    }
    return false;
}

int sweep_yaml_pairs(struct sweep_yaml *yaml, const yaml_node_t *node, const char *key, size_t limit,
                     int (*pair)(void *user, const yaml_node_t *at, const char *name,
                                 const yaml_node_t *value),
                     void *user)
{
    if (node->type != YAML_MAPPING_NODE)
        return sweep_yaml_fail(yaml, node, ERR_TYPE, "%s: expected a mapping, as {key: value}", key);
    const yaml_node_pair_t *first = node->data.mapping.pairs.start;
    size_t count = (size_t) (node->data.mapping.pairs.top - first);
    if (count > limit)
        return sweep_yaml_fail(yaml, node, ERR_RANGE, "%s: %zu keys, allowed at most %zu", key, count, limit);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const yaml_node_t *at = yaml_document_get_node(&yaml->document, first[i].key);
        const char *name = NULL;
        rc = sweep_yaml_scalar(yaml, at, key, &name);
        if (rc == 0 && is_repeated(yaml, first, i, name))
            rc = sweep_yaml_fail(yaml, at, ERR_DUPLICATE, "%.63s: given twice", name);
        if (rc == 0)
            rc = pair(user, at, name, yaml_document_get_node(&yaml->document, first[i].value));
    }
    return rc;
}

struct mapping {
    struct sweep_yaml *yaml;
    const struct sweep_yaml_key *keys;
    size_t count;
    void *user;
    bool given[32];
};

static int fail_unknown(const struct mapping *own, const yaml_node_t *at, const char *name)
{
    char known[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < own->count && used < sizeof known; i++)
        used += (size_t) snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                  own->keys[i].name);
    return sweep_yaml_fail(own->yaml, at, ERR_UNKNOWN, "%.63s: unknown key; known are %s", name, known);
}

static int take_pair(void *user, const yaml_node_t *at, const char *name, const yaml_node_t *value)
{
    struct mapping *own = user;
    for (size_t i = 0; i < own->count; i++)
        if (strcmp(own->keys[i].name, name) == 0) {
            assert(!own->given[i]); /* a key that comes twice is refused */
            own->given[i] = true;
            return own->keys[i].read(own->user, name, value);
        }
    return fail_unknown(own, at, name);
}

int sweep_yaml_mapping(struct sweep_yaml *yaml, const yaml_node_t *node, const char *what,
                       const struct sweep_yaml_key *keys, size_t count, void *user)
{
    struct mapping own = {.yaml = yaml, .keys = keys, .count = count, .user = user};
    assert(count <= sizeof own.given / sizeof *own.given);
    int rc = sweep_yaml_pairs(yaml, node, what, sizeof own.given, take_pair, &own);
    for (size_t i = 0; i < count && rc == 0; i++)
        if (keys[i].required && !own.given[i])
            rc = sweep_yaml_fail(yaml, node, ERR_NOT_FOUND, "%s: `%s:` is missing", what, keys[i].name);
    return rc;
}
