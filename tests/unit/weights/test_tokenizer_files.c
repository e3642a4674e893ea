/* Tokenizers in files: GGUF, tokenizer.json and llama2.c's; what is read, and what is refused with which words. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "files.h"

#define MARK "\xe2\x96\x81"

static void assert_refused(const void *bytes, size_t size, uint32_t vocab, int code, const char *sentence)
{
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int rc = tokenizer_open_bytes(copy, size, vocab, &tokenizer, &diag);
    free(copy);
    assert_string_equal(diag.text, sentence);
    assert_int_equal(rc, code);
    assert_null(tokenizer);
}

static struct tokenizer *open_bytes(const void *bytes, size_t size, uint32_t vocab)
{
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    if (tokenizer_open_bytes(bytes, size, vocab, &tokenizer, &diag) != 0)
        fail_msg("%s", diag.text);
    return tokenizer;
}

static void assert_ids(const struct tokenizer *tokenizer, const char *text, const uint32_t *wanted,
                       size_t count)
{
    struct tokenizer_ids ids = {0};
    assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), false, &ids, NULL), 0);
    assert_int_equal(ids.count, count);
    assert_memory_equal(ids.id, wanted, count * sizeof *wanted);
    tokenizer_ids_finish(&ids);
}

static void assert_decodes(const struct tokenizer *tokenizer, uint32_t previous, uint32_t id,
                           const char *wanted)
{
    const char *bytes = NULL;
    size_t size = tokenizer_decode(tokenizer, previous, id, &bytes);
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(bytes, wanted, size);
}

/* --- llama2.c --- */

static struct buf llama2c_file(void)
{
    struct buf file = {0};
    int32_t size = 7;
    assert_int_equal(buf_push(&file, &size, 4), 0);
    for (uint32_t id = 0; id < 261; id++) {
        const char *const texts[] = {" ", "a"};
        char text[8] = "<unk>";
        float score = -(float) id;
        if (id >= 259)
            (void) snprintf(text, sizeof text, "%s", texts[id - 259]);
        else if (id >= 3)
            (void) snprintf(text, sizeof text, "<0x%02X>", id - 3);
        size = (int32_t) strlen(text);
        assert_int_equal(buf_push(&file, &score, 4), 0);
        assert_int_equal(buf_push(&file, &size, 4), 0);
        assert_int_equal(buf_push(&file, text, strlen(text)), 0);
    }
    return file;
}

static void a_llama2c_file_that_does_not_fit_is_refused(void **state)
{
    (void) state;
    struct buf file = llama2c_file();
    assert_refused(file.data, file.size, 262, ERR_TRUNCATED,
                   "token 261 of 262: ends too early: 0 bytes are left where 4 are announced");
    assert_refused(file.data, file.size, 260, ERR_MISMATCH,
                   "goes on behind the 260 tokens of the model's vocabulary");
    assert_refused(file.data, 200, 261, ERR_TRUNCATED,
                   "token 14 of 261: ends too early: 3 bytes are left where 4 are announced");
    file.data[4 + 3 * 13 + 8 + 3] = 'F'; /* of the byte 0 */
    assert_refused(file.data, file.size, 261, ERR_UNSUPPORTED,
                   "token 3 of 261: no name of a byte; <0x00> would be right");
    buf_finish(&file);
    file = llama2c_file();
    memcpy(file.data + file.size - 5, &(int32_t){-1}, 4);
    assert_refused(file.data, file.size, 261, ERR_RANGE,
                   "token 260 of 261: a token of -1 bytes; 0 to 65535 would be right");
    memcpy(file.data + file.size - 5, &(int32_t){1}, 4);
    memcpy(file.data + file.size - 9, &(float){NAN}, 4);
    assert_refused(file.data, file.size, 261, ERR_RANGE, "token 260 of 261: a score that is no number");
    memcpy(file.data + file.size - 9, &(float){0}, 4);
    file.data[file.size - 1] = ' ';
    assert_refused(file.data, file.size, 261, ERR_DUPLICATE, "tokens 259 and 260 have the same text");
    assert_refused(
        "\0\0\0\0", 4, 261, ERR_RANGE,
        "is no tokenizer, or one of llama2.c whose longest token has 0 bytes; 1 to 65535 would be right");
    buf_finish(&file);
}

/* --- GGUF --- */

/* Three special tokens, the bytes, and pieces with marks. */
static const char *const pieces[] = {MARK, "a", "b", MARK "a", "ab", "<tool>"};
#define PIECES 6u
#define TOKENS (259u + PIECES)

static struct files_gguf *scored(void)
{
    struct files_gguf *gguf = calloc(1, sizeof *gguf);
    char names[TOKENS][8];
    const char *texts[TOKENS];
    float scores[TOKENS];
    int32_t types[TOKENS];
    assert_non_null(gguf);
    gguf->version = 3;
    gguf->alignment = 32;
    for (uint32_t id = 0; id < TOKENS; id++) {
        (void) snprintf(names[id], sizeof names[id], id < 3 ? "<%u>" : "<0x%02X>", id < 3 ? id : id - 3);
        texts[id] = id < 259 ? names[id] : pieces[id - 259];
        scores[id] = -(float) id;
        types[id] = id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : id == TOKENS - 1 ? 4 : 1;
    }
    files_set_text(gguf, "tokenizer.ggml.model", "llama");
    files_set_texts(gguf, "tokenizer.ggml.tokens", texts, TOKENS);
    files_set_numbers(gguf, "tokenizer.ggml.scores", GGUF_F32, scores, TOKENS);
    files_set_numbers(gguf, "tokenizer.ggml.token_type", GGUF_I32, types, TOKENS);
    return gguf;
}

static void a_gguf_of_scored_pieces_marks_spaces(void **state)
{
    (void) state;
    struct files_gguf *gguf = scored();
    struct buf file = files_gguf_bytes(gguf);
    struct tokenizer *tokenizer = open_bytes(file.data, file.size, 0);
    assert_ids(tokenizer, "a b", (uint32_t[]){262, 259, 261}, 3);
    assert_ids(tokenizer, "ab", (uint32_t[]){262, 261}, 2); /* the mark and a come before ab */
    assert_ids(tokenizer, "x" MARK "a", (uint32_t[]){259, 3 + 'x', 262}, 3);
    assert_ids(tokenizer, "<1>", (uint32_t[]){259, 3 + '<', 3 + '1', 3 + '>'}, 4);
    assert_decodes(tokenizer, TOKENIZER_NONE, 262, "a");
    assert_decodes(tokenizer, 262, 262, " a");
    assert_decodes(tokenizer, 262, 3 + 10, "\n");
    assert_decodes(tokenizer, 262, 1, "");
    assert_decodes(tokenizer, 262, TOKENS - 1, "<tool>");
    tokenizer_close(tokenizer);
    buf_finish(&file);
    files_set_bool(gguf, "tokenizer.ggml.add_space_prefix", false);
    file = files_gguf_bytes(gguf);
    tokenizer = open_bytes(file.data, file.size, 0);
    assert_ids(tokenizer, "ab", (uint32_t[]){263}, 1);
    assert_decodes(tokenizer, TOKENIZER_NONE, 262, " a");
    tokenizer_close(tokenizer);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static void refuse_gguf(struct files_gguf *gguf, int code, const char *sentence)
{
    struct buf file = files_gguf_bytes(gguf);
    assert_refused(file.data, file.size, 0, code, sentence);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static void a_gguf_whose_tokenizer_does_not_fit_is_refused(void **state)
{
    (void) state;
    struct files_gguf *gguf = scored();
    files_set_text(gguf, "tokenizer.ggml.model", "bert");
    refuse_gguf(gguf, ERR_UNSUPPORTED, "tokenizer.ggml.model is bert; llama or gpt2 would be right");
    gguf = scored();
    files_remove_key(gguf, "tokenizer.ggml.model");
    refuse_gguf(gguf, ERR_NOT_FOUND, "tokenizer.ggml.model is missing");
    gguf = scored();
    files_set_numbers(gguf, "tokenizer.ggml.scores", GGUF_F32, (float[]){1, 2, 3}, 3);
    refuse_gguf(gguf, ERR_MISMATCH,
                "tokenizer.ggml.scores has 3 elements; 265, one for each token, would be right");
    gguf = scored();
    files_set_numbers(gguf, "tokenizer.ggml.scores", GGUF_U32, (uint32_t[]){1, 2, 3}, 3);
    refuse_gguf(gguf, ERR_TYPE, "tokenizer.ggml.scores is an array of u32; an array of f32 would be right");
    gguf = scored();
    files_set_text(gguf, "tokenizer.ggml.tokens", "all");
    refuse_gguf(gguf, ERR_TYPE, "tokenizer.ggml.tokens is a string; an array of a string would be right");
    gguf = scored();
    int32_t types[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++)
        types[i] = i < 258 ? 3 : 1;
    files_set_numbers(gguf, "tokenizer.ggml.token_type", GGUF_I32, types, TOKENS);
    refuse_gguf(gguf, ERR_NOT_FOUND, "no token for the byte 0x00; one for each byte would be right");
    gguf = scored();
    types[7] = 9;
    files_set_numbers(gguf, "tokenizer.ggml.token_type", GGUF_I32, types, TOKENS);
    refuse_gguf(gguf, ERR_RANGE, "tokenizer.ggml.token_type of token 7 is 9; 1 to 6 would be right");
    gguf = scored();
    files_set_text(gguf, "tokenizer.ggml.model", "gpt2");
    refuse_gguf(gguf, ERR_NOT_FOUND, "tokenizer.ggml.pre is missing");
    gguf = scored();
    files_set_text(gguf, "tokenizer.ggml.model", "gpt2");
    files_set_text(gguf, "tokenizer.ggml.pre", "deepseek-coder");
    refuse_gguf(gguf, ERR_UNSUPPORTED,
                "tokenizer.ggml.pre is deepseek-coder; gpt-2, llama-bpe, qwen2 or smollm would be right");
}

static void a_token_without_text_and_one_without_use_differ(void **state)
{
    (void) state;
    struct files_gguf *gguf = scored();
    struct files_key *tokens = files_find_key(gguf, "tokenizer.ggml.tokens");
    struct files_key *types = files_find_key(gguf, "tokenizer.ggml.token_type");
    const char *bytes = NULL;
    tokens->value.size -= 6; /* of <tool>, the last */
    memcpy(tokens->value.data + tokens->value.size - 8, &(uint64_t){0}, 8);
    memcpy(types->value.data + types->value.size - 4, &(int32_t){5}, 4);
    struct buf file = files_gguf_bytes(gguf);
    struct tokenizer *tokenizer = open_bytes(file.data, file.size, 0);
    assert_int_equal(tokenizer_decode(tokenizer, TOKENIZER_NONE, TOKENS - 1, &bytes), 0);
    tokenizer_close(tokenizer);
    buf_finish(&file);
    memcpy(types->value.data + types->value.size - 4, &(int32_t){1}, 4);
    refuse_gguf(gguf, ERR_RANGE, "token 264 has 0 bytes; 1 to 65535 would be right");
}

static void a_character_cut_off_stands_for_no_byte(void **state)
{
    (void) state;
    char *text = malloc(3), bytes[3];
    size_t size = 0;
    assert_non_null(text);
    memcpy(text, "a\xc4\xa0", 3);
    assert_int_equal(tokenizer_unmask(text, 3, bytes, &size), 0);
    assert_int_equal(size, 2);
    assert_memory_equal(bytes, "a ", 2);
    assert_int_equal(tokenizer_unmask(text, 2, bytes, &size), ERR_SYNTAX);
    assert_int_equal(tokenizer_unmask("\xc5\x84", 2, bytes, &size), ERR_SYNTAX); /* the first beyond the 68 */
    assert_int_equal(tokenizer_unmask("\xc5\x83", 2, bytes, &size), 0);
    assert_int_equal((uint8_t) bytes[0], 0xad);
    assert_int_equal(tokenizer_unmask(" ", 1, bytes, &size), ERR_SYNTAX);
    free(text);
}

/* GPT-2's character for a byte. */
static void mask(uint32_t byte, char *ret_text /* [3] */)
{
    uint32_t moved = 256, c = 0;
    for (uint32_t b = 0; b <= byte; b++) {
        bool prints = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        c = prints ? b : moved;
        moved += !prints;
    }
    memset(ret_text, 0, 3);
    ret_text[0] = (char) (c < 128 ? c : 0xc0 | c >> 6);
    if (c >= 128)
        ret_text[1] = (char) (0x80 | (c & 63));
}

static struct files_gguf *merged(const char *pattern, const char *const *merges, size_t count)
{
    struct files_gguf *gguf = calloc(1, sizeof *gguf);
    char names[256][3];
    const char *texts[259];
    int32_t types[259];
    assert_non_null(gguf);
    gguf->version = 3;
    gguf->alignment = 32;
    for (uint32_t id = 0; id < 256; id++) {
        mask(id, names[id]);
        texts[id] = names[id];
        types[id] = 1;
    }
    texts[256] = "\xc4\xa0"
                 "a"; /* a space and an a */
    texts[257] = "ab";
    texts[258] = "<|end|>";
    types[256] = types[257] = 1;
    types[258] = 3;
    files_set_text(gguf, "tokenizer.ggml.model", "gpt2");
    files_set_text(gguf, "tokenizer.ggml.pre", pattern);
    files_set_texts(gguf, "tokenizer.ggml.tokens", texts, 259);
    files_set_numbers(gguf, "tokenizer.ggml.token_type", GGUF_I32, types, 259);
    files_set_texts(gguf, "tokenizer.ggml.merges", merges, count);
    return gguf;
}

static void a_gguf_of_merges_is_read(void **state)
{
    (void) state;
    const char *const merges[] = {"\xc4\xa0 a", "a b"};
    struct files_gguf *gguf = merged("gpt-2", merges, 2);
    struct buf file = files_gguf_bytes(gguf);
    struct tokenizer *tokenizer = open_bytes(file.data, file.size, 0);
    assert_ids(tokenizer, "ab ab", (uint32_t[]){257, 256, 'b'}, 3);
    assert_ids(tokenizer, "<|end|>", (uint32_t[]){'<', '|', 'e', 'n', 'd', '|', '>'}, 7);
    assert_decodes(tokenizer, TOKENIZER_NONE, 256, " a");
    assert_decodes(tokenizer, TOKENIZER_NONE, 258, "");
    tokenizer_close(tokenizer);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static void merges_of_what_is_no_token_are_refused(void **state)
{
    (void) state;
    const char *const none[] = {"\xc4\xa0 a", "b a"}, *const one[] = {"ab"},
                      *const odd[] = {"\xe2\x96\x81 a"};
    refuse_gguf(merged("llama-bpe", none, 2), ERR_NOT_FOUND, "merge 2: ba is no token");
    refuse_gguf(merged("qwen2", one, 1), ERR_SYNTAX,
                "merge 1: two texts with a space between would be right");
    refuse_gguf(merged("qwen2", odd, 1), ERR_SYNTAX,
                "merge 1: malformed input; each character has to stand for one byte");
}

/* --- tokenizer.json --- */

/* LLaMA-2's kind: characters, marks, merges, bytes. */
static json_t *llama2_json(void)
{
    json_t *vocab = json_object();
    char name[8];
    for (int i = 0; i < 256; i++) {
        (void) snprintf(name, sizeof name, "<0x%02X>", (unsigned) i);
        json_object_set_new(vocab, name, json_integer(3 + i));
    }
    const char *const texts[] = {"<unk>", "<s>", "</s>"};
    for (int i = 0; i < 3; i++)
        json_object_set_new(vocab, texts[i], json_integer(i));
    for (uint32_t i = 0; i + 1 < PIECES; i++)
        json_object_set_new(vocab, pieces[i], json_integer(259 + i));
    return json_pack("{s:[{s:i,s:s,s:b},{s:i,s:s,s:b},{s:i,s:s,s:b}], "
                     "s:{s:s,s:[{s:s,s:s},{s:s,s:{s:s},s:s}]}, s:n, s:{s:s,s:b,s:o,s:[s,s]}}",
                     "added_tokens", "id", 0, "content", "<unk>", "special", 1, "id", 1, "content", "<s>",
                     "special", 1, "id", 2, "content", "</s>", "special", 1, "normalizer", "type", "Sequence",
                     "normalizers", "type", "Prepend", "prepend", MARK, "type", "Replace", "pattern",
                     "String", " ", "content", MARK, "pre_tokenizer", "model", "type", "BPE", "byte_fallback",
                     1, "vocab", vocab, "merges", MARK " a", "a b");
}

static struct tokenizer *open_json(json_t *json)
{
    char *text = json_dumps(json, 0);
    assert_non_null(text);
    struct tokenizer *tokenizer = open_bytes(text, strlen(text), 0);
    free(text);
    json_decref(json);
    return tokenizer;
}

static void a_json_of_characters_falls_back_to_bytes(void **state)
{
    (void) state;
    struct tokenizer *tokenizer = open_json(llama2_json());
    assert_ids(tokenizer, "a b", (uint32_t[]){262, 259, 261}, 3);
    assert_ids(tokenizer, "\xc3\xa9", (uint32_t[]){259, 3 + 0xc3, 3 + 0xa9}, 3);
    assert_ids(tokenizer, " a", (uint32_t[]){259, 262}, 2); /* a space is put in front all the same */
    assert_int_equal(tokenizer_begin_id(tokenizer), 1);
    assert_int_equal(tokenizer_end_id(tokenizer), 2);
    tokenizer_close(tokenizer);
    json_t *json = llama2_json();
    json_object_set_new(json, "normalizer", json_null());
    json_object_set_new(json, "pre_tokenizer",
                        json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", MARK,
                                  "prepend_scheme", "first", "split", 0));
    tokenizer = open_json(json);
    assert_ids(tokenizer, "a b", (uint32_t[]){262, 259, 261}, 3);
    assert_ids(tokenizer, " a", (uint32_t[]){262}, 1);
    tokenizer_close(tokenizer);
}

/* Sets one value, by the names on the way to it. */
static void assert_json_refused(const char *first, const char *second, json_t *value, int code,
                                const char *sentence)
{
    json_t *json = llama2_json();
    json_t *at = second != NULL ? json_object_get(json, first) : json;
    json_object_set_new(at, second != NULL ? second : first, value);
    char *text = json_dumps(json, 0);
    assert_refused(text, strlen(text), 0, code, sentence);
    free(text);
    json_decref(json);
}

static void what_a_json_asks_for_beyond_that_is_refused_by_name(void **state)
{
    (void) state;
    assert_json_refused("model", "type", json_string("Unigram"), ERR_UNSUPPORTED,
                        "model: type: Unigram; BPE would be right");
    assert_json_refused("model", "dropout", json_real(0.1), ERR_UNSUPPORTED,
                        "model: dropout is given; none would be right");
    assert_json_refused("model", "byte_fallback", json_false(), ERR_UNSUPPORTED,
                        "model: byte_fallback is off; true, or a ByteLevel pre_tokenizer, would be right");
    assert_json_refused("model", "vocab", json_array(), ERR_TYPE,
                        "model: vocab; an object of texts and ids would be right");
    assert_json_refused("model", "merges", json_pack("[s]", "a c"), ERR_NOT_FOUND, "merge 1: c is no token");
    assert_json_refused("model", "merges", json_pack("[[s]]", "a"), ERR_SYNTAX,
                        "merge 1: two texts, or one with a space between, would be right");
    assert_json_refused("model", "merges", json_pack("[[s,s,s]]", "a", "b", "c"), ERR_SYNTAX,
                        "merge 1: two texts, or one with a space between, would be right");
    assert_json_refused("model", "merges", json_pack("[[s,i]]", "a", 1), ERR_SYNTAX,
                        "merge 1: two texts, or one with a space between, would be right");
    assert_json_refused("model", "merges", json_pack("[[i,s]]", 1, "a"), ERR_SYNTAX,
                        "merge 1: two texts, or one with a space between, would be right");
    assert_json_refused("normalizer", "type", json_string("Lowercase"), ERR_UNSUPPORTED,
                        "normalizer: Lowercase; Prepend and Replace, or a pre_tokenizer would be right");
    assert_json_refused(
        "pre_tokenizer", NULL, json_pack("{s:s}", "type", "Whitespace"), ERR_UNSUPPORTED,
        "pre_tokenizer: Whitespace; ByteLevel, Split or Digits and ByteLevel, or Metaspace would be right");
    assert_json_refused(
        "pre_tokenizer", NULL,
        json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}]}", "type", "Sequence", "pretokenizers", "type",
                  "Split", "pattern", "Regex", "\\w+", "behavior", "Isolated", "type", "ByteLevel"),
        ERR_UNSUPPORTED, "pre_tokenizer: the pattern \\w+; that of GPT-2, LLaMA-3 or Qwen2 would be right");
    assert_json_refused("pre_tokenizer", NULL,
                        json_pack("{s:s, s:b}", "type", "ByteLevel", "add_prefix_space", 1), ERR_UNSUPPORTED,
                        "pre_tokenizer: add_prefix_space is true; false would be right");
    assert_json_refused("model", NULL, json_null(), ERR_NOT_FOUND, "is no tokenizer.json: it has no model");
    assert_json_refused("added_tokens", NULL, json_pack("[{s:i, s:s}]", "id", -1, "content", "x"), ERR_RANGE,
                        "added_tokens: its id; a whole number below 1048576 would be right");
}

/* A vocabulary of the bytes' characters, "12" and "ab". */
static json_t *byte_vocab(void)
{
    json_t *vocab = json_object();
    char name[3];
    for (int i = 0; i < 256; i++) {
        mask((uint32_t) i, name);
        json_object_set_new(vocab, name, json_integer(i));
    }
    json_object_set_new(vocab, "12", json_integer(256));
    json_object_set_new(vocab, "ab", json_integer(257));
    return vocab;
}

static void a_split_by_llama_3s_pattern_comes_before_the_bytes(void **state)
{
    (void) state;
    static const char expression[] =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
        "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    json_t *json = json_pack(
        "{s:{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, {s:s, s:b, s:b}]}, s:{s:s, s:b, s:o, s:[]}}", "pre_tokenizer",
        "type", "Sequence", "pretokenizers", "type", "Split", "pattern", "Regex", expression, "behavior",
        "Isolated", "invert", 0, "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 0, "model", "type",
        "BPE", "ignore_merges", 1, "vocab", byte_vocab(), "merges");
    json_t *parts = json_object_get(json_object_get(json, "pre_tokenizer"), "pretokenizers");
    json_incref(json);
    struct tokenizer *tokenizer = open_json(json);
    /* Words that are tokens are taken whole, without merges; the third digit makes a word of no token. */
    assert_ids(tokenizer, "ab 12123", (uint32_t[]){257, ' ', '1', '2', '1', '2', '3'}, 7);
    assert_ids(tokenizer, "12", (uint32_t[]){256}, 1);
    tokenizer_close(tokenizer);
    json_object_set_new(json_array_get(parts, 1), "use_regex", json_true());
    char *text = json_dumps(json, 0);
    assert_refused(text, strlen(text), 0, ERR_UNSUPPORTED,
                   "pre_tokenizer: ByteLevel; use_regex false, behind a Split, would be right");
    free(text);
    json_object_set_new(json_array_get(parts, 0), "behavior", json_string("Removed"));
    text = json_dumps(json, 0);
    assert_refused(text, strlen(text), 0, ERR_UNSUPPORTED,
                   "pre_tokenizer: Split; behavior Isolated, invert false would be right");
    free(text);
    json_decref(json);
}

static void digits_alone_before_the_bytes_are_a_pattern_of_their_own(void **state)
{
    (void) state;
    json_t *json = json_pack("{s:{s:s, s:[{s:s, s:b}, {s:s, s:b}]}, s:{s:s, s:o, s:[s, s]}}", "pre_tokenizer",
                             "type", "Sequence", "pretokenizers", "type", "Digits", "individual_digits", 1,
                             "type", "ByteLevel", "add_prefix_space", 0, "model", "type", "BPE", "vocab",
                             byte_vocab(), "merges", "1 2", "a b");
    json_t *digits =
        json_array_get(json_object_get(json_object_get(json, "pre_tokenizer"), "pretokenizers"), 0);
    json_incref(json);
    struct tokenizer *tokenizer = open_json(json);
    assert_ids(tokenizer, "ab12 3", (uint32_t[]){257, '1', '2', ' ', '3'}, 5);
    tokenizer_close(tokenizer);
    json_object_set_new(digits, "individual_digits", json_false());
    char *text = json_dumps(json, 0);
    assert_refused(text, strlen(text), 0, ERR_UNSUPPORTED,
                   "pre_tokenizer: Digits; individual_digits true would be right");
    free(text);
    json_decref(json);
}

static void ids_given_twice_or_far_away_are_refused(void **state)
{
    (void) state;
    json_t *json = llama2_json();
    json_object_set_new(json_object_get(json_object_get(json, "model"), "vocab"), "zz", json_integer(260));
    char *text = json_dumps(json, 0);
    assert_refused(text, strlen(text), 0, ERR_DUPLICATE, "token 260 is there twice");
    free(text);
    json_object_set_new(json_object_get(json_object_get(json, "model"), "vocab"), "zz",
                        json_integer(1 << 20));
    text = json_dumps(json, 0);
    assert_refused(text, strlen(text), 0, ERR_RANGE,
                   "zz: its id; a whole number below 1048576 would be right");
    free(text);
    json_decref(json);
    assert_refused("[1, 2]", 6, 0, ERR_SYNTAX, "is no tokenizer; a JSON object would be right");
}

/* --- beside a model --- */

static void a_tokenizer_is_found_beside_its_model_or_in_it(void **state)
{
    const struct files *files = *state;
    struct weights_geometry geometry = files_geometry();
    struct weights *weights = NULL;
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    char path[128];
    geometry.vocab = 261;
    struct buf model = files_llama2c(&geometry), own = llama2c_file();
    files_write(files, "m.bin", model.data, model.size);
    files_path(files, "m.bin", path);
    assert_int_equal(weights_open(path, &weights, &diag), 0);
    assert_int_equal(tokenizer_open(weights, NULL, &tokenizer, &diag), -ENOENT);
    assert_non_null(
        strstr(diag.text, "tokenizer.bin: No such file or directory; it would hold the tokenizer"));
    files_write(files, "tokenizer.bin", own.data, own.size);
    diag.text[0] = '\0';
    assert_int_equal(tokenizer_open(weights, NULL, &tokenizer, &diag), 0);
    assert_int_equal(tokenizer_size(tokenizer), 261);
    assert_int_equal(tokenizer_begin_id(tokenizer), 1);
    assert_true(tokenizer_wants_begin(tokenizer));
    tokenizer_close(tokenizer);
    tokenizer = NULL;
    /* One with more tokens than the model has. */
    struct files_gguf *gguf = scored();
    struct buf file = files_gguf_bytes(gguf);
    files_write(files, "t.gguf", file.data, file.size);
    files_path(files, "t.gguf", path);
    assert_int_equal(tokenizer_open(weights, path, &tokenizer, &diag), ERR_MISMATCH);
    assert_string_equal(diag.text, "the tokenizer has 265 tokens, and the model's vocabulary 261");
    assert_null(tokenizer);
    weights_close(weights);
    files_gguf_finish(gguf);
    buf_finish(&file);
    buf_finish(&model);
    buf_finish(&own);
}

static void a_gguf_model_brings_its_tokenizer_and_its_special_tokens(void **state)
{
    (void) state;
    struct weights_geometry geometry = files_geometry();
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    geometry.vocab = TOKENS + 3; /* padded */
    struct files_gguf *model = files_gguf_model(&geometry, "llama"), *words = scored();
    for (size_t i = 0; i < words->keys; i++)
        model->key[model->keys++] = words->key[i];
    words->keys = 0;
    files_set_u32(model, "tokenizer.ggml.bos_token_id", 2);
    files_set_u32(model, "tokenizer.ggml.eos_token_id", 1);
    files_set_bool(model, "tokenizer.ggml.add_bos_token", false);
    struct buf file = files_gguf_bytes(model);
    struct weights *weights = files_open(&file, NULL);
    if (tokenizer_open(weights, NULL, &tokenizer, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(tokenizer_begin_id(tokenizer), 2);
    assert_int_equal(tokenizer_end_id(tokenizer), 1);
    assert_false(tokenizer_wants_begin(tokenizer));
    assert_int_equal(tokenizer_size(tokenizer), TOKENS);
    tokenizer_close(tokenizer);
    weights_close(weights);
    buf_finish(&file);
    files_set_u32(model, "tokenizer.ggml.eos_token_id", TOKENS);
    file = files_gguf_bytes(model);
    weights = files_open(&file, NULL);
    tokenizer = NULL;
    assert_int_equal(tokenizer_open(weights, NULL, &tokenizer, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "the token that ends a text is 265; ids are below 265");
    assert_null(tokenizer);
    weights_close(weights);
    buf_finish(&file);
    files_gguf_finish(words);
    files_gguf_finish(model);
}

static void a_json_is_opened_alone(void **state)
{
    const struct files *files = *state;
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    char path[128];
    json_t *json = llama2_json();
    char *text = json_dumps(json, 0);
    files_write(files, "tokenizer.json", text, strlen(text));
    files_path(files, "tokenizer.json", path);
    assert_int_equal(tokenizer_open_json(path, &tokenizer, &diag), 0);
    assert_ids(tokenizer, "a b", (uint32_t[]){262, 259, 261}, 3);
    tokenizer_close(tokenizer);
    free(text);
    json_decref(json);
    files_path(files, "nowhere.json", path);
    assert_int_equal(tokenizer_open_json(path, &tokenizer, &diag), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_llama2c_file_that_does_not_fit_is_refused),
        cmocka_unit_test(a_gguf_of_scored_pieces_marks_spaces),
        cmocka_unit_test(a_gguf_whose_tokenizer_does_not_fit_is_refused),
        cmocka_unit_test(a_token_without_text_and_one_without_use_differ),
        cmocka_unit_test(a_character_cut_off_stands_for_no_byte),
        cmocka_unit_test(a_gguf_of_merges_is_read),
        cmocka_unit_test(merges_of_what_is_no_token_are_refused),
        cmocka_unit_test(a_json_of_characters_falls_back_to_bytes),
        cmocka_unit_test(what_a_json_asks_for_beyond_that_is_refused_by_name),
        cmocka_unit_test(a_split_by_llama_3s_pattern_comes_before_the_bytes),
        cmocka_unit_test(digits_alone_before_the_bytes_are_a_pattern_of_their_own),
        cmocka_unit_test(ids_given_twice_or_far_away_are_refused),
        cmocka_unit_test(a_tokenizer_is_found_beside_its_model_or_in_it),
        cmocka_unit_test(a_gguf_model_brings_its_tokenizer_and_its_special_tokens),
        cmocka_unit_test(a_json_is_opened_alone),
    };
    return cmocka_run_group_tests_name("tokenizer files", tests, files_setup, files_teardown);
}
