/* A folder of texts to train on and to evaluate with:
 *
 *     DIR/train/NAME.txt        works, each a document of its own
 *     DIR/evaluation/KIND.txt   held-out text of one kind
 *
 * The tokenizer is learned from the works. All works become one row of tokens, in byte order of their names, each
 * ended by the end of a text. */
#ifndef HANDOFF_CORE_TRAIN_CORPUS_H
#define HANDOFF_CORE_TRAIN_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/train/bpe.h"

#define CORPUS_FILES_MAX 4096u
#define CORPUS_FILE_BYTES_MAX (256u << 20)
#define CORPUS_KINDS_MAX 16u
#define CORPUS_KIND_MAX 64u

struct corpus_kind {
    char name[CORPUS_KIND_MAX]; /* the file's, without .txt */
    uint64_t bytes;
    struct bpe_tokens tokens;
};

/* Owned; a zeroed struct is empty. */
struct corpus {
    struct bpe *bpe;
    uint64_t bytes; /* of all works */
    size_t works;
    struct bpe_tokens tokens;
    struct corpus_kind kind[CORPUS_KINDS_MAX];
    size_t kinds;
};

/* Reads both folders. ERR_TOO_BIG, ERR_RANGE, ERR_NOT_FOUND, and what file_read says. */
int corpus_read(const char *folder, uint32_t vocabulary, struct corpus *ret_corpus, struct diag *diag);
void corpus_finish(struct corpus *corpus);

#endif
