#include "orchestrator/setup/model_file.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "core/compute/compute_keys.h"
#include "core/weights/tokenizer.h"

int model_file_read(const char *path, struct llm *ret_llm, struct diag *diag)
{
    struct weights *weights = NULL;
    int rc = weights_open(path, &weights, diag);
    if (rc != 0)
        return rc;
    *ret_llm = compute_keys_llm(weights_geometry(weights));
    weights_close(weights);
    return 0;
}

int model_file_hash(const char *path, char ret_hash[COMPUTE_HASH_DIGITS + 1], struct diag *diag)
{
    struct weights *weights = NULL;
    int rc = weights_open(path, &weights, diag);
    if (rc != 0)
        return rc;
    compute_keys_hash(weights, ret_hash);
    weights_close(weights);
    return 0;
}

int model_file_text(const struct tokenizer *tokenizer, const char *path, const char *key,
                    struct tokenizer_ids *ret_ids, struct diag *diag)
{
    struct diag said = {{0}};
    struct buf text = {0};
    int rc = file_read(path, TOKENIZER_TEXT_MAX, &text, &said);
    if (rc == 0 && text.size == 0)
        rc = diag_fail(&said, ERR_RANGE, "'%s' is empty", path);
    if (rc == 0)
        rc = tokenizer_encode(tokenizer, (const char *) text.data, text.size, false, ret_ids, &said);
    buf_finish(&text);
    return rc != 0 ? diag_fail(diag, rc, "%s: %s", key, diag_text(&said, rc)) : 0;
}

/* Bytes of text that each token stands for: [count], the caller's. NULL where one stands for more than 255. */
static int count_bytes(const struct tokenizer *tokenizer, const struct tokenizer_ids *ids,
                       uint8_t **ret_bytes, struct diag *diag)
{
    uint8_t *bytes = malloc(ids->count);
    if (bytes == NULL && ids->count > 0)
        return diag_fail(diag, -ENOMEM, "compute.text: out of memory");
    for (size_t i = 0; i < ids->count; i++) {
        const char *text = NULL;
        size_t size = tokenizer_decode(tokenizer, i > 0 ? ids->id[i - 1] : TOKENIZER_NONE, ids->id[i], &text);
        if (size > UINT8_MAX) {
            free(bytes);
            return 0;
        }
        bytes[i] = (uint8_t) size;
    }
    *ret_bytes = bytes;
    return 0;
}

/* Before the vocabulary is looked at, which is world_set_prompt's. */
static int read_text(const struct scenario *scenario, struct tokenizer_ids *ids, uint8_t **ret_bytes,
                     struct diag *diag)
{
    struct diag said = {{0}};
    struct weights *weights = NULL;
    struct tokenizer *tokenizer = NULL;
    int rc = weights_open(scenario->model.file, &weights, &said);
    if (rc == 0)
        rc = tokenizer_open(weights, NULL, &tokenizer, &said);
    rc = rc != 0 ? diag_fail(diag, rc, "compute.text: %s", diag_text(&said, rc))
                 : model_file_text(tokenizer, scenario->compute.text, "compute.text", ids, diag);
    if (rc == 0)
        rc = count_bytes(tokenizer, ids, ret_bytes, diag);
    tokenizer_close(tokenizer);
    weights_close(weights);
    return rc;
}

int model_file_prompt(struct world *world, struct diag *diag)
{
    const struct scenario *scenario = &world->scenario;
    struct tokenizer_ids ids = {0};
    if (scenario->compute.kind != COMPUTE_MODEL || scenario->compute.text[0] == '\0')
        return 0;
    uint8_t *bytes = NULL;
    int rc = read_text(scenario, &ids, &bytes, diag);
    if (rc == 0)
        rc = world_set_prompt(world, ids.id, ids.count, diag);
    if (rc == 0)
        rc = world_set_prompt_bytes(world, bytes, diag);
    free(bytes);
    tokenizer_ids_finish(&ids);
    return rc;
}
