/* A tokenizer's tables, and what fills and reads them. */
#ifndef HANDOFF_CORE_WEIGHTS_TOKENIZER_INTERNAL_H
#define HANDOFF_CORE_WEIGHTS_TOKENIZER_INTERNAL_H

#include "core/base/buf.h"
#include "core/weights/gguf_internal.h"
#include "core/weights/mapping_internal.h"
#include "core/weights/tokenizer.h"
#include "core/weights/weights_internal.h"

#define TOKENIZER_IDS_MAX WEIGHTS_VOCAB_MAX
#define TOKENIZER_MERGES_MAX (4u << 20)
#define TOKENIZER_PIECE_MAX 65535u /* bytes of one token */
#define TOKENIZER_FILE_MAX (64u << 20)

/* How a text is cut into words, none of which shares a token with the next. */
enum tokenizer_pattern {
    TOKENIZER_UNCUT,
    TOKENIZER_GPT2,
    TOKENIZER_LLAMA3,
    TOKENIZER_QWEN2,
    TOKENIZER_SMOLLM, /* each digit alone, then GPT-2's */
};

/* Where a space is put in front of a text. */
enum tokenizer_prefix {
    TOKENIZER_NO_PREFIX,
    TOKENIZER_PREFIX,         /* always */
    TOKENIZER_PREFIX_IF_NONE, /* unless it begins with one */
};

enum tokenizer_kind {
    TOKENIZER_ABSENT,  /* an id without a token */
    TOKENIZER_TEXT,    /* what texts are made of */
    TOKENIZER_BYTE,    /* one byte of what has no other token */
    TOKENIZER_CONTROL, /* no text, and never made from one */
    TOKENIZER_ADDED,   /* text, but never made from one: a model's special words */
};

struct tokenizer_piece {
    enum tokenizer_kind kind;
    uint32_t text, text_size;   /* in `bytes`: as encoding looks it up */
    uint32_t bytes, bytes_size; /* in `bytes`: what it decodes to */
    float score;
};

/* Two tokens beside one another become one; the lowest rank first. */
struct tokenizer_merge {
    uint32_t left, right, into, rank;
};

struct tokenizer {
    struct tokenizer_piece *piece; /* [pieces], by id */
    uint32_t pieces;
    struct buf bytes;  /* all texts */
    uint32_t *by_text; /* [texts]: ids of TOKENIZER_TEXT, sorted by their texts */
    size_t texts;
    size_t text_max;               /* bytes of the longest of them */
    struct tokenizer_merge *merge; /* [merges], sorted by left and right */
    size_t merges, merges_capacity;
    uint32_t byte_id[256]; /* TOKENIZER_NONE: none */
    bool has_scores;       /* the best score first, whatever the two parts are; else merges */
    bool by_character;     /* begins from characters, else from bytes */
    bool marks_spaces;     /* a space is U+2581 in the tokens' texts */
    bool takes_words;      /* a word that is a token is not merged */
    enum tokenizer_prefix prefix;
    enum tokenizer_pattern pattern;
    uint32_t begin, end; /* or TOKENIZER_NONE */
    bool wants_begin;
};

/* Makes room for that many ids, all absent. Once. */
int tokenizer_make(struct tokenizer *tokenizer, uint64_t pieces, struct diag *diag);

/* Sets an absent id's token. `text` is borrowed for the call. It decodes to the same bytes; but TOKENIZER_BYTE decodes
 * to the byte that "<0x0A>" names, TOKENIZER_CONTROL to none, and marked spaces to spaces. */
int tokenizer_set(struct tokenizer *tokenizer, uint32_t id, enum tokenizer_kind kind, const char *text,
                  size_t size, struct diag *diag);

/* Sorts the texts; refuses two tokens of one text. Then tokenizer_find works. */
int tokenizer_index(struct tokenizer *tokenizer, struct diag *diag);

/* The token of a text, or TOKENIZER_NONE. */
uint32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t size);

/* Adds the next merge, of two texts to the token of both. Refuses what is no token. */
int tokenizer_add_merge(struct tokenizer *tokenizer, const char *left, size_t left_size, const char *right,
                        size_t right_size, struct diag *diag);

/* After the last merge. Of two alike the first holds. Refuses a tokenizer that has no token for some byte. */
int tokenizer_finish(struct tokenizer *tokenizer, struct diag *diag);

/* The merge of two tokens, or NULL. */
const struct tokenizer_merge *tokenizer_find_merge(const struct tokenizer *tokenizer, uint32_t left,
                                                   uint32_t right);

/* "<0x0A>": 10; anything else: -1. */
int tokenizer_named_byte(const char *text, size_t size);

/* Byte-level files write each byte as a character of its own. From such a text to the bytes; ERR_SYNTAX: a character
 * that stands for no byte. `ret_bytes` holds `size` bytes. */
int tokenizer_unmask(const char *text, size_t size, char *ret_bytes, size_t *ret_size);

/* The bytes of the word that the text begins with. size > 0; the answer is positive. */
size_t tokenizer_word(enum tokenizer_pattern pattern, const char *text, size_t size);

/* The pattern of a regular expression in a tokenizer.json, or of a name in a GGUF file. TOKENIZER_UNCUT: unknown. */
enum tokenizer_pattern tokenizer_pattern_of(const char *expression);
enum tokenizer_pattern tokenizer_pattern_named(struct gguf_text name);

/* Symbols and candidates while one text is encoded. Zeroed before the first use. */
struct tokenizer_work {
    struct tokenizer_symbol *symbol;
    size_t symbols, symbols_capacity;
    struct tokenizer_candidate *candidate; /* a heap */
    size_t candidates, candidates_capacity;
};

/* Appends a word's tokens to `ids`. */
int tokenizer_merge_word(const struct tokenizer *tokenizer, const char *text, size_t size,
                         struct tokenizer_work *work, struct tokenizer_ids *ids);
void tokenizer_work_finish(struct tokenizer_work *work);

/* The readers. `tokenizer` is zeroed but for its ids. */
int tokenizer_read_llama2c(struct tokenizer *tokenizer, const struct mapping *file, uint32_t vocab,
                           struct diag *diag);
int tokenizer_read_gguf(struct tokenizer *tokenizer, const struct gguf *gguf, struct diag *diag);
int tokenizer_read_json(struct tokenizer *tokenizer, const char *text, size_t size, struct diag *diag);

/* A tokenizer that lies in memory, as one file would. `vocab`: the model's, for one of llama2.c. */
int tokenizer_open_bytes(const void *bytes, uint64_t size, uint32_t vocab, struct tokenizer **ret_tokenizer,
                         struct diag *diag);

#endif
