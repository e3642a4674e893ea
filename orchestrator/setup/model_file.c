#include "orchestrator/setup/model_file.h"

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

/* Before the vocabulary is looked at, which is world_set_prompt's. */
static int read_text(const struct scenario *scenario, struct tokenizer_ids *ids, struct diag *diag)
{
    struct diag said = {{0}};
    struct weights *weights = NULL;
    struct tokenizer *tokenizer = NULL;
    int rc = weights_open(scenario->model.file, &weights, &said);
    if (rc == 0)
        rc = tokenizer_open(weights, NULL, &tokenizer, &said);
    rc = rc != 0 ? diag_fail(diag, rc, "compute.text: %s", diag_text(&said, rc))
                 : model_file_text(tokenizer, scenario->compute.text, "compute.text", ids, diag);
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
    int rc = read_text(scenario, &ids, diag);
    if (rc == 0)
        rc = world_set_prompt(world, ids.id, ids.count, diag);
    tokenizer_ids_finish(&ids);
    return rc;
}
