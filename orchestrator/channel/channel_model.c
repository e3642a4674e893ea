#include "orchestrator/channel/channel_model.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/file.h"

#define FILES_MAX 4096u

static int open_tokenizer(struct channel_model *m, const char *tokenizer, struct diag *diag)
{
    return tokenizer_open(m->weights, tokenizer, &m->tokenizer, diag);
}

static int find_text(struct channel_model *m, const char *model, const char *text, struct diag *diag)
{
    struct stat found;
    int rc = text != NULL ? buf_printf(&m->text_path, "%s", text)
                          : buf_printf(&m->text_path, "%s/evaluation", model);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    if (text != NULL || (stat((const char *) m->text_path.data, &found) == 0 && S_ISDIR(found.st_mode)))
        return 0;
    return diag_fail(diag, ERR_NOT_FOUND,
                     "--text FILE is needed: '%s' has no folder of texts, named evaluation", model);
}

int channel_model_open(const char *model, const char *text, const char *tokenizer,
                       struct channel_model *ret_model, struct diag *diag)
{
    const char *path = model != NULL ? model : CHANNEL_MODEL_DEFAULT;
    struct channel_model m = {0};
    int rc = weights_open(path, &m.weights, diag);
    if (rc != 0 && model == NULL)
        diag_prefix(diag, "--model FILE is needed where the project's own is not");
    if (rc == 0)
        rc = open_tokenizer(&m, tokenizer, diag);
    if (rc == 0)
        rc = find_text(&m, path, text, diag);
    if (rc != 0) {
        channel_model_close(&m);
        return rc;
    }
    *ret_model = m;
    return 0;
}

void channel_model_close(struct channel_model *model)
{
    tokenizer_close(model->tokenizer);
    weights_close(model->weights);
    buf_finish(&model->text_path);
    *model = (struct channel_model){0};
}

static int read_file(const struct channel_model *m, const char *path, struct tokenizer_ids *ids,
                     struct diag *diag)
{
    struct buf bytes = {0};
    struct tokenizer_ids own = {0};
    int rc = file_read(path, TOKENIZER_TEXT_MAX, &bytes, diag);
    if (rc == 0)
        rc = tokenizer_encode(m->tokenizer, (const char *) bytes.data, bytes.size,
                              tokenizer_wants_begin(m->tokenizer), &own, diag);
    if (rc == 0 && array_reserve(&ids->id, &ids->capacity, ids->count + own.count) != 0)
        rc = diag_fail(diag, -ENOMEM, "'%s': out of memory", path);
    if (rc == 0 && own.count > 0)
        memcpy(ids->id + ids->count, own.id, own.count * sizeof *own.id);
    if (rc == 0)
        ids->count += own.count;
    tokenizer_ids_finish(&own);
    buf_finish(&bytes);
    return rc;
}

int channel_model_read(const struct channel_model *model, const char *path, struct tokenizer_ids *ids,
                       struct diag *diag)
{
    struct file_names names = {0};
    int rc = file_list(path, FILES_MAX, &names, diag);
    for (size_t i = 0; i < names.count && rc == 0; i++)
        rc = read_file(model, names.path[i], ids, diag);
    file_names_finish(&names);
    return rc;
}
