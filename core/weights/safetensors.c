#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/weights/safetensors_internal.h"

#define LENGTH_BYTES 8u

/* The model's files while they are read: the names of tensors belong to the headers. */
struct reading {
    json_t **header; /* [headers]; owned */
    size_t headers;
    struct weights_entries entries;
};

bool safetensors_is(const struct mapping *file)
{
    return file->size > LENGTH_BYTES && memcmp(file->at + 4, "\0\0\0\0", 4) == 0 &&
           file->at[LENGTH_BYTES] == '{';
}

bool safetensors_is_index(const struct mapping *file)
{
    return file->size >= 4 && file->at[0] == '{' && memchr(file->at, '\0', 4) == NULL;
}

static json_t *parse(const char *what, const uint8_t *text, uint64_t size, int *ret_rc, struct diag *diag)
{
    json_error_t error;
    json_t *json = json_loadb((const char *) text, (size_t) size, JSON_REJECT_DUPLICATES, &error);
    if (json != NULL && json_is_object(json))
        return json;
    json_decref(json);
    *ret_rc = ERR_SYNTAX;
    if (json != NULL)
        (void) diag_fail(diag, ERR_SYNTAX, "%s: a JSON object would be right", what);
    else
        (void) diag_fail(diag, ERR_SYNTAX, "%s: not JSON: %s, line %d", what, error.text, error.line);
    return NULL;
}

static const struct {
    const char *name;
    enum weights_type type;
} types[] = {{"F32", WEIGHTS_F32}, {"F16", WEIGHTS_F16}, {"BF16", WEIGHTS_BF16}};

static int read_type(const char *name, const json_t *tensor, enum weights_type *ret_type, struct diag *diag)
{
    const char *type = json_string_value(json_object_get(tensor, "dtype"));
    for (size_t i = 0; type != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i].name) == 0) {
            *ret_type = types[i].type;
            return 0;
        }
    return diag_fail(diag, ERR_UNSUPPORTED, "tensor %s: dtype %s; F32, F16 or BF16 would be right", name,
                     type != NULL ? type : "is no text");
}

/* A number that counts bytes or elements. */
static int read_count(const char *name, const char *what, const json_t *json, uint64_t *ret_value,
                      struct diag *diag)
{
    json_int_t value = json_integer_value(json);
    if (!json_is_integer(json) || value < 0)
        return diag_fail(diag, ERR_TYPE, "tensor %s: %s holds what is no count", name, what);
    *ret_value = (uint64_t) value;
    return 0;
}

static int read_shape(const char *name, const json_t *tensor, struct weights_entry *entry, struct diag *diag)
{
    const json_t *shape = json_object_get(tensor, "shape");
    size_t dims = json_array_size(shape);
    int rc = 0;
    if (!json_is_array(shape) || dims > WEIGHTS_DIMS_MAX)
        return diag_fail(diag, ERR_TYPE, "tensor %s: shape; up to %u counts would be right", name,
                         WEIGHTS_DIMS_MAX);
    entry->dims = (uint32_t) dims;
    for (size_t i = 0; rc == 0 && i < dims; i++)
        rc = read_count(name, "shape", json_array_get(shape, i), &entry->shape[i], diag);
    return rc;
}

/* Where the tensor lies among `size` bytes of data. */
static int read_place(const char *name, const json_t *tensor, uint64_t size, uint64_t *ret_begin,
                      uint64_t *ret_end, struct diag *diag)
{
    const json_t *offsets = json_object_get(tensor, "data_offsets");
    if (json_array_size(offsets) != 2)
        return diag_fail(diag, ERR_TYPE, "tensor %s: data_offsets; two counts would be right", name);
    int rc = read_count(name, "data_offsets", json_array_get(offsets, 0), ret_begin, diag);
    rc = rc == 0 ? read_count(name, "data_offsets", json_array_get(offsets, 1), ret_end, diag) : rc;
    if (rc == 0 && (*ret_begin > *ret_end || *ret_end > size))
        return diag_fail(
            diag, ERR_CORRUPT, "tensor %s lies at %llu to %llu; the file has %llu bytes of tensors", name,
            (unsigned long long) *ret_begin, (unsigned long long) *ret_end, (unsigned long long) size);
    return rc;
}

static int read_tensor(const char *name, const json_t *tensor, const uint8_t *data, uint64_t size,
                       struct weights_entry *ret_entry, struct diag *diag)
{
    struct weights_entry entry = {.name = name, .name_size = (uint32_t) strlen(name)};
    uint64_t begin = 0, end = 0;
    int rc = read_type(name, tensor, &entry.type, diag);
    rc = rc == 0 ? read_shape(name, tensor, &entry, diag) : rc;
    rc = rc == 0 ? weights_entry_bytes(&entry, &entry.bytes, diag) : rc;
    rc = rc == 0 ? read_place(name, tensor, size, &begin, &end, diag) : rc;
    if (rc == 0 && end - begin != entry.bytes)
        rc = diag_fail(diag, ERR_CORRUPT, "tensor %s has %llu bytes; its shape asks for %llu", name,
                       (unsigned long long) (end - begin), (unsigned long long) entry.bytes);
    if (rc != 0)
        return rc;
    entry.at = data + begin;
    *ret_entry = entry;
    return 0;
}

static int check_metadata(const json_t *metadata, struct diag *diag)
{
    const char *key = NULL;
    const json_t *value = NULL;
    json_t *borrowed = (json_t *) (uintptr_t) metadata; /* jansson's loop takes no const */
    if (!json_is_object(metadata))
        return diag_fail(diag, ERR_TYPE, "__metadata__: an object of texts would be right");
    json_object_foreach(borrowed, key, value) if (!json_is_string(value)) return diag_fail(
        diag, ERR_TYPE, "__metadata__: %s is no text", key);
    return 0;
}

static int read_tensors(struct reading *reading, json_t *header, const uint8_t *data, uint64_t size,
                        struct diag *diag)
{
    const char *name = NULL;
    const json_t *value = NULL;
    uint64_t used = 0;
    int rc = 0;
    json_object_foreach(header, name, value)
    {
        struct weights_entries *entries = &reading->entries;
        if (strcmp(name, "__metadata__") == 0) {
            rc = check_metadata(value, diag);
        } else {
            rc = array_reserve(&entries->entry, &entries->capacity, entries->count + 1);
            if (rc == 0)
                rc = read_tensor(name, value, data, size, &entries->entry[entries->count], diag);
            if (rc == 0)
                used += entries->entry[entries->count++].bytes;
        }
        if (rc != 0)
            return rc;
    }
    /* With no two that overlap, this leaves no gap. */
    if (used != size)
        return diag_fail(diag, ERR_CORRUPT, "has %llu bytes of tensors; its header accounts for %llu",
                         (unsigned long long) size, (unsigned long long) used);
    return 0;
}

static int read_file(struct reading *reading, const struct mapping *file, struct diag *diag)
{
    uint64_t length = 0;
    int rc = 0;
    if (!safetensors_is(file))
        return diag_fail(diag, ERR_CORRUPT, "is no safetensors file");
    memcpy(&length, file->at, LENGTH_BYTES);
    if (length > file->size - LENGTH_BYTES)
        return diag_fail(diag, ERR_TRUNCATED, "has %llu bytes; its header alone asks for %llu",
                         (unsigned long long) file->size, (unsigned long long) length + LENGTH_BYTES);
    if (length > SAFETENSORS_HEADER_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "header of %llu bytes; up to %u would be right",
                         (unsigned long long) length, SAFETENSORS_HEADER_MAX);
    json_t *header = parse("header", file->at + LENGTH_BYTES, length, &rc, diag);
    array_resize(&reading->header, reading->headers + 1, &rc);
    if (rc != 0) {
        json_decref(header);
        return rc;
    }
    reading->header[reading->headers++] = header;
    return read_tensors(reading, header, file->at + LENGTH_BYTES + length, file->size - LENGTH_BYTES - length,
                        diag);
}

int safetensors_read(struct weights *weights, const char *config, size_t config_size, struct diag *diag)
{
    struct reading reading = {0};
    int rc = safetensors_read_config(weights, config, config_size, diag);
    for (size_t i = 0; rc == 0 && i < weights->files; i++) {
        rc = read_file(&reading, &weights->file[i], diag);
        if (rc != 0 && weights->files > 1)
            diag_prefix(diag, "file %zu of %zu", i + 1, weights->files);
    }
    rc = rc == 0 ? weights_check_overlap(&reading.entries, diag) : rc;
    rc = rc == 0 ? weights_sort_entries(&reading.entries, diag) : rc;
    rc = rc == 0 ? weights_bind(weights, &reading.entries, diag) : rc;
    for (size_t i = 0; i < reading.headers; i++)
        json_decref(reading.header[i]);
    free(reading.header);
    free(reading.entries.entry);
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool is_plain_name(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL &&
           strlen(name) < 256;
}

/* Every tensor's file, in any order and often. */
static int collect(const json_t *map, const char **name, struct diag *diag)
{
    const char *tensor = NULL;
    const json_t *value = NULL;
    json_t *borrowed = (json_t *) (uintptr_t) map;
    size_t count = 0;
    json_object_foreach(borrowed, tensor, value)
    {
        const char *file = json_string_value(value);
        if (!is_plain_name(file))
            return diag_fail(
                diag, ERR_SYNTAX,
                "weight_map: tensor %s lies in %s; a file's name without a folder would be right", tensor,
                file != NULL ? file : "no text");
        name[count++] = file;
    }
    return 0;
}

/* Sorted names, each once. */
static int copy_names(const char *const *sorted, size_t count, struct safetensors_names *names,
                      struct diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        int rc = 0;
        if (i > 0 && strcmp(sorted[i - 1], sorted[i]) == 0)
            continue;
        if (names->count == SAFETENSORS_FILES_MAX)
            return diag_fail(diag, ERR_TOO_BIG, "weight_map: more than %u files", SAFETENSORS_FILES_MAX);
        array_resize(&names->name, names->count + 1, &rc);
        char *copy = rc == 0 ? strdup(sorted[i]) : NULL;
        if (copy == NULL)
            return diag_fail(diag, -ENOMEM, "out of memory");
        names->name[names->count++] = copy;
    }
    return 0;
}

int safetensors_read_index(const struct mapping *file, struct safetensors_names *ret_names, struct diag *diag)
{
    struct safetensors_names names = {0};
    const char **name = NULL;
    int rc = file->size <= SAFETENSORS_HEADER_MAX
                 ? 0
                 : diag_fail(diag, ERR_TOO_BIG, "an index of more than %u bytes", SAFETENSORS_HEADER_MAX);
    json_t *index = rc == 0 ? parse("index", file->at, file->size, &rc, diag) : NULL;
    const json_t *map = json_object_get(index, "weight_map");
    size_t count = json_object_size(map);
    if (rc == 0 && count == 0)
        rc = diag_fail(diag, ERR_SYNTAX, "is JSON without a weight_map: no index of safetensors files");
    array_resize(&name, count, &rc);
    rc = rc == 0 ? collect(map, name, diag) : rc;
    if (rc == 0) {
        qsort(name, count, sizeof *name, by_bytes);
        rc = copy_names(name, count, &names, diag);
    }
    free(name);
    json_decref(index);
    if (rc != 0) {
        safetensors_names_finish(&names);
        return rc;
    }
    *ret_names = names;
    return 0;
}

void safetensors_names_finish(struct safetensors_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
    *names = (struct safetensors_names){0};
}
