#include "core/train/corpus.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"

struct works {
    struct file_names names;
    struct buf *file; /* [names.count] */
};

static void works_finish(struct works *works)
{
    for (size_t i = 0; works->file != NULL && i < works->names.count; i++)
        buf_finish(&works->file[i]);
    free(works->file);
    file_names_finish(&works->names);
}

static int works_read(const char *folder, const char *part, struct works *ret_works, struct diag *diag)
{
    struct works works = {0};
    struct buf path = {0};
    int rc = buf_printf(&path, "%s/%s", folder, part);
    if (rc == 0)
        rc = file_list((const char *) path.data, CORPUS_FILES_MAX, &works.names, diag);
    buf_finish(&path);
    if (rc == 0 && (works.file = calloc(works.names.count, sizeof *works.file)) == NULL)
        rc = diag_fail(diag, -ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < works.names.count; i++)
        rc = file_read(works.names.path[i], CORPUS_FILE_BYTES_MAX, &works.file[i], diag);
    if (rc != 0) {
        works_finish(&works);
        return rc;
    }
    *ret_works = works;
    return 0;
}

static struct bpe_text text_of(const struct works *works, size_t index)
{
    return (struct bpe_text){works->file[index].data, works->file[index].size};
}

static int learn(const struct works *works, uint32_t vocabulary, struct corpus *corpus, struct diag *diag)
{
    struct bpe_text *text = calloc(works->names.count, sizeof *text);
    if (text == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    for (size_t i = 0; i < works->names.count; i++)
        text[i] = text_of(works, i);
    int rc = bpe_train(text, works->names.count, vocabulary, &corpus->bpe, diag);
    free(text);
    return rc;
}

static int encode_works(const struct works *works, struct corpus *corpus, struct diag *diag)
{
    int rc = 0;
    corpus->works = works->names.count;
    for (size_t i = 0; i < works->names.count && rc == 0; i++) {
        const struct bpe_text text = text_of(works, i);
        corpus->bytes += text.size;
        rc = bpe_encode(corpus->bpe, &text, &corpus->tokens, diag);
        if (rc == 0 && bpe_append_end(corpus->bpe, &corpus->tokens) != 0)
            rc = diag_fail(diag, -ENOMEM, "out of memory");
        if (rc != 0)
            diag_prefix(diag, "%s", works->names.path[i]);
    }
    return rc;
}

/* The file's name without folder and ending. */
static int name_kind(const char *path, struct corpus_kind *kind, struct diag *diag)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t length = dot != NULL && dot != name ? (size_t) (dot - name) : strlen(name);
    if (length >= sizeof kind->name)
        return diag_fail(diag, ERR_TOO_BIG, "%s: a name of more than %zu characters", path,
                         sizeof kind->name - 1);
    memcpy(kind->name, name, length);
    return 0;
}

static int encode_kinds(const struct works *works, struct corpus *corpus, struct diag *diag)
{
    int rc = 0;
    if (works->names.count > CORPUS_KINDS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s: one of %zu kinds of text, and at most %u are evaluated",
                         works->names.path[0], works->names.count, CORPUS_KINDS_MAX);
    for (size_t i = 0; i < works->names.count && rc == 0; i++) {
        struct corpus_kind *kind = &corpus->kind[corpus->kinds++];
        const struct bpe_text text = text_of(works, i);
        kind->bytes = text.size;
        rc = name_kind(works->names.path[i], kind, diag);
        if (rc == 0 && (rc = bpe_encode(corpus->bpe, &text, &kind->tokens, diag)) != 0)
            diag_prefix(diag, "%s", works->names.path[i]);
    }
    return rc;
}

int corpus_read(const char *folder, uint32_t vocabulary, struct corpus *ret_corpus, struct diag *diag)
{
    struct corpus corpus = {0};
    struct works works = {0}, kinds = {0};
    int rc = works_read(folder, "train", &works, diag);
    if (rc == 0)
        rc = works_read(folder, "evaluation", &kinds, diag);
    if (rc == 0)
        rc = learn(&works, vocabulary, &corpus, diag);
    if (rc == 0)
        rc = encode_works(&works, &corpus, diag);
    if (rc == 0)
        rc = encode_kinds(&kinds, &corpus, diag);
    works_finish(&works);
    works_finish(&kinds);
    if (rc != 0) {
        corpus_finish(&corpus);
        return rc;
    }
    *ret_corpus = corpus;
    return 0;
}

void corpus_finish(struct corpus *corpus)
{
    bpe_destroy(corpus->bpe);
    free(corpus->tokens.id);
    for (size_t i = 0; i < corpus->kinds; i++)
        free(corpus->kind[i].tokens.id);
    *corpus = (struct corpus){0};
}
