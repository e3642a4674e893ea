#include "core/weights/weights.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/array.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/weights/gguf_internal.h"
#include "core/weights/safetensors_internal.h"
#include "core/weights/weights_internal.h"

_Static_assert(WEIGHTS_HASH_SIZE == SHA256_SIZE, "a fingerprint is a SHA-256");

#define CONFIG_BYTES_MAX (1u << 20)

#define HASHED_AT_ONCE (UINT64_C(16) << 20)

void weights_close(struct weights *weights)
{
    if (weights == NULL)
        return;
    for (size_t i = 0; i < weights->files; i++)
        mapping_close(&weights->file[i]);
    gguf_close(weights->gguf);
    free(weights->file);
    free(weights->folder);
    free(weights->rope_divisor);
    free(weights->tensor);
    free(weights);
}

void weights_forget(const struct weights *weights, const struct weights_tensor *tensor)
{
    for (size_t i = 0; i < weights->files; i++)
        mapping_forget(&weights->file[i], tensor->at, tensor->bytes);
}

const struct weights_geometry *weights_geometry(const struct weights *weights)
{
    return &weights->geometry;
}

const char *weights_kind(const struct weights *weights)
{
    static const char *const names[] = {
        [WEIGHTS_KIND_LLAMA2C] = "llama2.c",
        [WEIGHTS_KIND_SAFETENSORS] = "safetensors",
        [WEIGHTS_KIND_GGUF] = "gguf",
    };
    return names[weights->kind];
}

int weights_find(const struct weights *weights, enum weights_role role, uint32_t layer,
                 struct weights_tensor *ret_tensor)
{
    assert((uint32_t) role < WEIGHTS_ROLES);
    assert(layer < (weights_is_of_layer(role) ? weights->geometry.layers : 1));
    if (role == WEIGHTS_HEAD && weights->geometry.is_tied)
        role = WEIGHTS_EMBEDDING;
    const struct weights_tensor *tensor = &weights->tensor[weights_index(role, layer)];
    if (tensor->at == NULL)
        return ERR_NOT_FOUND;
    *ret_tensor = *tensor;
    return 0;
}

uint64_t weights_bytes(const struct weights *weights)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < weights->files; i++)
        bytes += weights->file[i].size;
    return bytes;
}

/* Who hears how far the hashing is. */
struct listener {
    void (*tell)(void *user, uint64_t bytes);
    void *user;
    uint64_t bytes;
};

static void hash_file(const struct mapping *file, struct listener *listener,
                      uint8_t *ret_hash /* [SHA256_SIZE] */)
{
    struct sha256 sha;
    sha256_begin(&sha);
    for (uint64_t at = 0; at < file->size; at += HASHED_AT_ONCE) {
        uint64_t left = file->size - at, bytes = left < HASHED_AT_ONCE ? left : HASHED_AT_ONCE;
        sha256_add(&sha, file->at + at, (size_t) bytes);
        mapping_forget(file, file->at + at, bytes);
        listener->bytes += bytes;
        if (listener->tell != NULL)
            listener->tell(listener->user, listener->bytes);
    }
    sha256_end(&sha, ret_hash);
}

void weights_hash(const struct weights *weights, void (*tell)(void *user, uint64_t bytes), void *user,
                  uint8_t ret_hash[WEIGHTS_HASH_SIZE])
{
    struct listener listener = {.tell = tell, .user = user};
    struct sha256 all;
    uint8_t part[SHA256_SIZE];
    if (weights->kind != WEIGHTS_KIND_SAFETENSORS) {
        hash_file(weights->file, &listener, ret_hash);
        return;
    }
    sha256_begin(&all);
    sha256_add(&all, weights->config_hash, sizeof weights->config_hash);
    for (size_t i = 0; i < weights->files; i++) {
        hash_file(&weights->file[i], &listener, part);
        sha256_add(&all, part, sizeof part);
    }
    sha256_end(&all, ret_hash);
}

static void hash_bytes(const void *bytes, size_t size, uint8_t *ret_hash /* [SHA256_SIZE] */)
{
    struct sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, bytes, size);
    sha256_end(&sha, ret_hash);
}

/* From what the first file's bytes say. A safetensors file begins with the length of its header, which is JSON. */
static enum weights_kind kind_of(const struct mapping *file)
{
    if (file->size >= 4 && memcmp(file->at, "GGUF", 4) == 0)
        return WEIGHTS_KIND_GGUF;
    return safetensors_is(file) ? WEIGHTS_KIND_SAFETENSORS : WEIGHTS_KIND_LLAMA2C;
}

/* `config`: of a safetensors model. */
static int read_files(struct weights *weights, const struct buf *config, struct diag *diag)
{
    int rc = 0;
    weights->tokens = (struct weights_tokens){.begin = UINT32_MAX, .end = UINT32_MAX};
    if (weights->kind == WEIGHTS_KIND_SAFETENSORS) {
        hash_bytes(config->data, config->size, weights->config_hash);
        rc = safetensors_read(weights, (const char *) config->data, config->size, diag);
    } else {
        rc =
            weights->kind == WEIGHTS_KIND_GGUF ? gguf_read_model(weights, diag) : llama2c_read(weights, diag);
    }
    weights->geometry.rope_divisor = weights->rope_divisor;
    return rc;
}

int weights_open_bytes(const void *bytes, uint64_t size, const char *config, struct weights **ret_weights,
                       struct diag *diag)
{
    const struct mapping file = {.at = bytes, .size = size};
    struct buf text = {.data = (uint8_t *) (uintptr_t) config, .size = config != NULL ? strlen(config) : 0};
    struct weights *weights = calloc(1, sizeof *weights);
    int rc = weights != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        array_resize(&weights->file, 1, &rc);
    if (rc == 0) {
        weights->file[weights->files++] = file;
        weights->kind = kind_of(&file);
        rc = read_files(weights, &text, diag);
    }
    if (rc != 0) {
        weights_close(weights);
        return diag_fail(diag, rc, "%s", err_text(rc));
    }
    *ret_weights = weights;
    return 0;
}

/* The part of a path before its last name, with the slash; empty for a name alone. */
static int set_folder(struct weights *weights, const char *path)
{
    const char *slash = strrchr(path, '/');
    weights->folder = strndup(path, slash != NULL ? (size_t) (slash - path) + 1 : 0);
    return weights->folder != NULL ? 0 : -ENOMEM;
}

/* Of a folder, the file in it to begin with. */
static int find_first(const char *path, struct buf *ret_first, struct diag *diag)
{
    static const char *const names[] = {"model.safetensors", SAFETENSORS_INDEX_NAME};
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return buf_printf(ret_first, "%s", path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        buf_clear(ret_first);
        int rc = buf_printf(ret_first, "%s/%s", path, names[i]);
        if (rc != 0 || stat((const char *) ret_first->data, &info) == 0)
            return rc;
    }
    return diag_fail(diag, ERR_NOT_FOUND,
                     "%s: a folder without %s or %s; a GGUF or llama2.c model is one file", path, names[0],
                     names[1]);
}

static int add_file(struct weights *weights, const char *path, struct diag *diag)
{
    int rc = 0;
    struct mapping file;
    array_resize(&weights->file, weights->files + 1, &rc);
    rc = rc == 0 ? mapping_open(path, &file, diag) : rc;
    if (rc == 0)
        weights->file[weights->files++] = file;
    return rc;
}

static int add_named(struct weights *weights, const char *name, struct diag *diag)
{
    struct buf path = {0};
    int rc = buf_printf(&path, "%s%s", weights->folder, name);
    rc = rc == 0 ? add_file(weights, (const char *) path.data, diag) : rc;
    buf_finish(&path);
    return rc;
}

/* An index in place of a model: maps the files that it names, in their order. */
static int open_parts(struct weights *weights, const char *path, struct diag *diag)
{
    struct safetensors_names names = {0};
    int rc = safetensors_read_index(&weights->file[0], &names, diag);
    if (rc != 0) {
        diag_prefix(diag, "%s", path);
        return rc;
    }
    mapping_close(&weights->file[0]);
    weights->files = 0;
    for (size_t i = 0; rc == 0 && i < names.count; i++)
        rc = add_named(weights, names.name[i], diag);
    for (size_t i = 0; rc == 0 && i < weights->files; i++)
        if (!safetensors_is(&weights->file[i]))
            rc = diag_fail(diag, ERR_CORRUPT, "%s%s: is no safetensors file", weights->folder, names.name[i]);
    safetensors_names_finish(&names);
    weights->kind = WEIGHTS_KIND_SAFETENSORS;
    return rc;
}

static int read_config(const struct weights *weights, struct buf *ret_config, struct diag *diag)
{
    struct buf path = {0};
    int rc = buf_printf(&path, "%sconfig.json", weights->folder);
    rc = rc == 0 ? file_read((const char *) path.data, CONFIG_BYTES_MAX, ret_config, diag) : rc;
    if (rc == -ENOENT)
        diag_add(diag, "; a safetensors model needs it for its shape");
    buf_finish(&path);
    return rc;
}

static int open_model(struct weights *weights, const char *path, struct diag *diag)
{
    struct buf config = {0};
    int rc = set_folder(weights, path);
    rc = rc == 0 ? add_file(weights, path, diag) : rc;
    if (rc != 0)
        return rc;
    weights->kind = kind_of(weights->file);
    if (safetensors_is_index(weights->file))
        rc = open_parts(weights, path, diag);
    if (rc == 0 && weights->kind == WEIGHTS_KIND_SAFETENSORS)
        rc = read_config(weights, &config, diag);
    if (rc == 0) {
        rc = read_files(weights, &config, diag);
        if (rc != 0)
            diag_prefix(diag, "%s", path);
    }
    buf_finish(&config);
    return rc;
}

int weights_open(const char *path, struct weights **ret_weights, struct diag *diag)
{
    struct buf first = {0};
    struct weights *weights = calloc(1, sizeof *weights);
    int rc = weights != NULL ? find_first(path, &first, diag) : -ENOMEM;
    rc = rc == 0 ? open_model(weights, (const char *) first.data, diag) : rc;
    buf_finish(&first);
    if (rc != 0) {
        weights_close(weights);
        return diag_fail(diag, rc, "%s: %s", path, err_text(rc));
    }
    *ret_weights = weights;
    return 0;
}
