/* The readers of tokenizers on arbitrary bytes, and what they read on the same bytes as a text: no crash, no leak; what
 * is refused is refused with one line; what is accepted gives ids of its own, and where nothing is put in front of a
 * text, decoding gives the text back.
 *
 * The first two bytes are the model's vocabulary, for a tokenizer of llama2.c; the file follows. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/weights/tokenizer_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 4096u

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_text(const struct tokenizer *tokenizer, const char *text, size_t size)
{
    struct tokenizer_ids ids = {0};
    struct buf back = {0};
    uint32_t previous = TOKENIZER_NONE;
    require(tokenizer_encode(tokenizer, text, size, false, &ids, NULL) == 0);
    for (size_t i = 0; i < ids.count; i++) {
        const char *bytes = NULL;
        require(ids.id[i] < tokenizer_size(tokenizer));
        size_t count = tokenizer_decode(tokenizer, previous, ids.id[i], &bytes);
        require(buf_push(&back, bytes, count) == 0);
        previous = ids.id[i];
    }
    if (tokenizer->prefix == TOKENIZER_NO_PREFIX && !tokenizer->marks_spaces)
        require(back.size == size && (size == 0 || memcmp(back.data, text, size) == 0));
    buf_finish(&back);
    tokenizer_ids_finish(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    uint8_t hash[WEIGHTS_HASH_SIZE];
    uint16_t vocab = 0;
    if (size < sizeof vocab)
        return 0;
    memcpy(&vocab, data, sizeof vocab);
    const uint8_t *file = data + sizeof vocab;
    size_t bytes = size - sizeof vocab;
    if (tokenizer_open_bytes(file, bytes, vocab, &tokenizer, &diag) != 0) {
        require(tokenizer == NULL && diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
        return 0;
    }
    size_t text = bytes < TEXT_MAX ? bytes : TEXT_MAX;
    check_text(tokenizer, (const char *) file + bytes - text, text);
    tokenizer_hash(tokenizer, hash);
    tokenizer_close(tokenizer);
    return 0;
}
