/* tokenizer.json of Hugging Face's tokenizers: BPE over bytes (ByteLevel), and BPE over characters that falls back to
 * bytes (LLaMA-2). Whatever else would change the ids is refused by name. Source: github.com/huggingface/tokenizers. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/weights/tokenizer_internal.h"

#define MARK "\xe2\x96\x81" /* U+2581, in place of a space */

static const json_t *value_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static bool is_text(const json_t *value, const char *right)
{
    const char *text = json_string_value(value);
    return text != NULL && strcmp(text, right) == 0;
}

static bool is_type(const json_t *part, const char *type)
{
    return is_text(value_of(part, "type"), type);
}

static int refuse(const char *what, const json_t *found, const char *right, struct diag *diag)
{
    const char *type = json_string_value(json_is_object(found) ? value_of(found, "type") : found);
    return diag_fail(diag, ERR_UNSUPPORTED, "%s: %s; %s would be right", what,
                     type != NULL ? type : "something else", right);
}

/* What of a model's options has to be off, empty or absent. */
static int check_options(const json_t *model, struct diag *diag)
{
    static const char *const keys[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = value_of(model, keys[i]);
        if (value != NULL && !is_text(value, "") &&
            !(json_is_number(value) && json_number_value(value) == 0.0))
            return diag_fail(diag, ERR_UNSUPPORTED, "model: %s is given; none would be right", keys[i]);
    }
    return 0;
}

/* {"type": "Split", "pattern": {"Regex": ...}}, which cuts out what matches. */
static int read_split(struct tokenizer *tokenizer, const json_t *split, struct diag *diag)
{
    const char *expression = json_string_value(value_of(value_of(split, "pattern"), "Regex"));
    tokenizer->pattern = expression != NULL ? tokenizer_pattern_of(expression) : TOKENIZER_UNCUT;
    if (tokenizer->pattern == TOKENIZER_UNCUT)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "pre_tokenizer: the pattern %.200s; that of GPT-2, LLaMA-3 or Qwen2 would be right",
                         expression != NULL ? expression : "(no Regex)");
    if (!is_text(value_of(split, "behavior"), "Isolated") || json_is_true(value_of(split, "invert")))
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "pre_tokenizer: Split; behavior Isolated, invert false would be right");
    return 0;
}

/* `is_cutting`: it has to cut by GPT-2's pattern itself. */
static int read_byte_level(const json_t *part, bool is_cutting, struct diag *diag)
{
    const json_t *cuts = value_of(part, "use_regex");
    if (json_is_true(value_of(part, "add_prefix_space")))
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "pre_tokenizer: add_prefix_space is true; false would be right");
    if ((cuts == NULL || json_is_true(cuts)) != is_cutting)
        return diag_fail(diag, ERR_UNSUPPORTED, "pre_tokenizer: ByteLevel; use_regex %s would be right",
                         is_cutting ? "true" : "false, behind a Split,");
    return 0;
}

/* Split or Digits, then ByteLevel. */
static int read_pair(struct tokenizer *tokenizer, const json_t *first, const json_t *second,
                     struct diag *diag)
{
    bool is_digits = is_type(first, "Digits");
    if (!is_type(second, "ByteLevel") || (!is_digits && !is_type(first, "Split")))
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "pre_tokenizer: a sequence; Split or Digits, then ByteLevel would be right");
    if (!is_digits) {
        int rc = read_split(tokenizer, first, diag);
        return rc == 0 ? read_byte_level(second, false, diag) : rc;
    }
    if (!json_is_true(value_of(first, "individual_digits")))
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "pre_tokenizer: Digits; individual_digits true would be right");
    tokenizer->pattern = TOKENIZER_SMOLLM;
    return read_byte_level(second, true, diag);
}

/* Metaspace, in newer files of LLaMA-2's kind: marks spaces, and puts one in front. */
static int read_metaspace(struct tokenizer *tokenizer, const json_t *part, struct diag *diag)
{
    const json_t *scheme = value_of(part, "prepend_scheme");
    if (!is_text(value_of(part, "replacement"), MARK) || !json_is_false(value_of(part, "split")))
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "pre_tokenizer: Metaspace; replacement U+2581 and split false would be right");
    if (!is_text(scheme, "first") && !is_text(scheme, "always") && !is_text(scheme, "never"))
        return refuse("pre_tokenizer: prepend_scheme", scheme, "first, always or never", diag);
    tokenizer->by_character = tokenizer->marks_spaces = true;
    tokenizer->prefix = is_text(scheme, "never") ? TOKENIZER_NO_PREFIX : TOKENIZER_PREFIX_IF_NONE;
    return 0;
}

static int read_pre_tokenizer(struct tokenizer *tokenizer, const json_t *part, struct diag *diag)
{
    const json_t *parts = value_of(part, "pretokenizers");
    if (part == NULL) { /* the normalizer marks spaces */
        tokenizer->by_character = true;
        return 0;
    }
    if (is_type(part, "ByteLevel")) {
        tokenizer->pattern = TOKENIZER_GPT2;
        return read_byte_level(part, true, diag);
    }
    if (is_type(part, "Metaspace"))
        return read_metaspace(tokenizer, part, diag);
    if (!is_type(part, "Sequence"))
        return refuse("pre_tokenizer", part, "ByteLevel, Split or Digits and ByteLevel, or Metaspace", diag);
    if (json_array_size(parts) != 2)
        return diag_fail(diag, ERR_UNSUPPORTED, "pre_tokenizer: a sequence of %zu; two steps would be right",
                         json_array_size(parts));
    return read_pair(tokenizer, json_array_get(parts, 0), json_array_get(parts, 1), diag);
}

/* [Prepend U+2581, Replace " " by U+2581]: LLaMA-2's. */
static bool is_marking(const json_t *normalizer)
{
    const json_t *parts = value_of(normalizer, "normalizers");
    const json_t *prepend = json_array_get(parts, 0), *replace = json_array_get(parts, 1);
    return is_type(normalizer, "Sequence") && json_array_size(parts) == 2 && is_type(prepend, "Prepend") &&
           is_text(value_of(prepend, "prepend"), MARK) && is_type(replace, "Replace") &&
           is_text(value_of(value_of(replace, "pattern"), "String"), " ") &&
           is_text(value_of(replace, "content"), MARK);
}

/* NFC leaves nearly every text as it is, and is not done. */
static int read_normalizer(struct tokenizer *tokenizer, const json_t *part, struct diag *diag)
{
    if (is_marking(part) && tokenizer->by_character && !tokenizer->marks_spaces) {
        tokenizer->marks_spaces = true;
        tokenizer->prefix = TOKENIZER_PREFIX;
        return 0;
    }
    if (tokenizer->by_character && !tokenizer->marks_spaces)
        return refuse("normalizer", part, "Prepend and Replace, or a pre_tokenizer", diag);
    return part == NULL || is_type(part, "NFC") ? 0 : refuse("normalizer", part, "none or NFC", diag);
}

/* A token of the model. `bytes` is for texts that are unmasked. */
static int set_token(struct tokenizer *tokenizer, uint32_t id, const char *text, struct buf *bytes,
                     struct diag *diag)
{
    size_t size = strlen(text);
    if (tokenizer->by_character) {
        bool is_byte = tokenizer_named_byte(text, size) >= 0;
        return tokenizer_set(tokenizer, id, is_byte ? TOKENIZER_BYTE : TOKENIZER_TEXT, text, size, diag);
    }
    buf_clear(bytes);
    int rc = size <= TOKENIZER_PIECE_MAX ? buf_reserve(bytes, size + 1) : ERR_TOO_BIG;
    rc = rc == 0 ? tokenizer_unmask(text, size, (char *) bytes->data, &size) : rc;
    if (rc != 0)
        return diag_fail(diag, rc, "vocab: %.100s: %s; each character has to stand for one byte", text,
                         err_text(rc));
    return tokenizer_set(tokenizer, id, TOKENIZER_TEXT, (const char *) bytes->data, size, diag);
}

static int read_id(const char *what, const json_t *value, uint32_t *ret_id, struct diag *diag)
{
    json_int_t id = json_integer_value(value);
    if (!json_is_integer(value) || id < 0 || id >= TOKENIZER_IDS_MAX)
        return diag_fail(diag, ERR_RANGE, "%.100s: its id; a whole number below %u would be right", what,
                         TOKENIZER_IDS_MAX);
    *ret_id = (uint32_t) id;
    return 0;
}

/* Tokens that texts are not cut into. Their ids may also be among the model's. */
static int set_added(struct tokenizer *tokenizer, const json_t *added, struct diag *diag)
{
    const char *text = json_string_value(value_of(added, "content"));
    bool is_special = json_is_true(value_of(added, "special"));
    uint32_t id = 0;
    if (text == NULL)
        return diag_fail(diag, ERR_TYPE, "added_tokens: content; a text would be right");
    int rc = read_id(text, value_of(added, "id"), &id, diag);
    if (rc != 0)
        return rc;
    return tokenizer_set(tokenizer, id, is_special ? TOKENIZER_CONTROL : TOKENIZER_ADDED, text, strlen(text),
                         diag);
}

/* Both lists of tokens. */
struct lists {
    const json_t *vocab; /* text: id */
    const json_t *added; /* of objects */
};

/* One more than the largest id. */
static int count_ids(const struct lists *lists, uint64_t *ret_count, struct diag *diag)
{
    json_t *vocab = (json_t *) (uintptr_t) lists->vocab; /* jansson's loop takes no const */
    const char *text = NULL;
    const json_t *value = NULL;
    uint64_t count = 0;
    uint32_t id = 0;
    json_object_foreach(vocab, text, value)
    {
        int rc = read_id(text, value, &id, diag);
        if (rc != 0)
            return rc;
        count = id >= count ? id + UINT64_C(1) : count;
    }
    for (size_t i = 0; i < json_array_size(lists->added); i++) {
        int rc = read_id("added_tokens", value_of(json_array_get(lists->added, i), "id"), &id, diag);
        if (rc != 0)
            return rc;
        count = id >= count ? id + UINT64_C(1) : count;
    }
    *ret_count = count;
    return 0;
}

static int set_tokens(struct tokenizer *tokenizer, const struct lists *lists, struct diag *diag)
{
    json_t *vocab = (json_t *) (uintptr_t) lists->vocab;
    struct buf bytes = {0};
    const char *text = NULL;
    const json_t *value = NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(lists->added); i++)
        rc = set_added(tokenizer, json_array_get(lists->added, i), diag);
    json_object_foreach(vocab, text, value)
    {
        uint32_t id = (uint32_t) json_integer_value(value);
        enum tokenizer_kind kind = tokenizer->piece[id].kind;
        if (rc == 0 && kind != TOKENIZER_CONTROL && kind != TOKENIZER_ADDED)
            rc = set_token(tokenizer, id, text, &bytes, diag);
    }
    buf_finish(&bytes);
    return rc == 0 ? tokenizer_index(tokenizer, diag) : rc;
}

static int read_tokens(struct tokenizer *tokenizer, const json_t *root, const json_t *model,
                       struct diag *diag)
{
    const struct lists lists = {value_of(model, "vocab"), value_of(root, "added_tokens")};
    uint64_t count = 0;
    if (!json_is_object(lists.vocab))
        return diag_fail(diag, ERR_TYPE, "model: vocab; an object of texts and ids would be right");
    if (lists.added != NULL && !json_is_array(lists.added))
        return diag_fail(diag, ERR_TYPE, "added_tokens; an array would be right");
    int rc = count_ids(&lists, &count, diag);
    rc = rc == 0 ? tokenizer_make(tokenizer, count, diag) : rc;
    return rc == 0 ? set_tokens(tokenizer, &lists, diag) : rc;
}

/* "left right" or ["left", "right"]. */
static int split_merge(const json_t *merge, size_t number, struct buf *ret_text, const char **ret_right,
                       struct diag *diag)
{
    const char *text = json_string_value(merge);
    const char *space = text != NULL ? strchr(text, ' ') : NULL;
    const char *left = json_string_value(json_array_get(merge, 0));
    const char *right = json_string_value(json_array_get(merge, 1));
    buf_clear(ret_text);
    if (space == NULL && (left == NULL || right == NULL || json_array_size(merge) != 2))
        return diag_fail(diag, ERR_SYNTAX,
                         "merge %zu: two texts, or one with a space between, would be right", number);
    size_t size = space != NULL ? (size_t) (space - text) : strlen(left);
    *ret_right = space != NULL ? space + 1 : right;
    int rc = buf_push(ret_text, space != NULL ? text : left, size);
    return rc == 0 ? buf_push(ret_text, "", 1) : rc;
}

static int add_merge(struct tokenizer *tokenizer, const char *left, const char *right, struct buf *bytes,
                     struct diag *diag)
{
    size_t left_size = strlen(left), right_size = strlen(right);
    if (tokenizer->by_character)
        return tokenizer_add_merge(tokenizer, left, left_size, right, right_size, diag);
    buf_clear(bytes);
    int rc = buf_reserve(bytes, left_size + right_size + 1);
    rc = rc == 0 ? tokenizer_unmask(left, left_size, (char *) bytes->data, &left_size) : rc;
    rc = rc == 0 ? tokenizer_unmask(right, right_size, (char *) bytes->data + left_size, &right_size) : rc;
    if (rc != 0)
        return diag_fail(diag, rc, "merge %zu: %s; each character has to stand for one byte",
                         tokenizer->merges + 1, err_text(rc));
    return tokenizer_add_merge(tokenizer, (const char *) bytes->data, left_size,
                               (const char *) bytes->data + left_size, right_size, diag);
}

static int read_merges(struct tokenizer *tokenizer, const json_t *model, struct diag *diag)
{
    const json_t *merges = value_of(model, "merges");
    struct buf left = {0}, bytes = {0};
    int rc = json_is_array(merges) ? 0 : diag_fail(diag, ERR_TYPE, "model: merges; an array would be right");
    for (size_t i = 0; rc == 0 && i < json_array_size(merges); i++) {
        const char *right = NULL;
        rc = split_merge(json_array_get(merges, i), i + 1, &left, &right, diag);
        rc = rc == 0 ? add_merge(tokenizer, (const char *) left.data, right, &bytes, diag) : rc;
    }
    buf_finish(&left);
    buf_finish(&bytes);
    return rc;
}

/* The id of an added token, by its content. */
static uint32_t added_id(const json_t *root, const char *content)
{
    const json_t *added = value_of(root, "added_tokens");
    for (size_t i = 0; i < json_array_size(added); i++)
        if (is_text(value_of(json_array_get(added, i), "content"), content))
            return (uint32_t) json_integer_value(value_of(json_array_get(added, i), "id"));
    return TOKENIZER_NONE;
}

/* The step that puts special tokens around a text, alone or in a sequence. */
static const json_t *template_of(const json_t *part)
{
    const json_t *parts = value_of(part, "processors");
    if (is_type(part, "TemplateProcessing"))
        return part;
    for (size_t i = 0; i < json_array_size(parts); i++)
        if (is_type(json_array_get(parts, i), "TemplateProcessing"))
            return json_array_get(parts, i);
    return NULL;
}

/* BOS is what the template puts in front; where there is none, the usual names are looked for. */
static void read_special(struct tokenizer *tokenizer, const json_t *root)
{
    static const char *const begins[] = {"<s>", "<|begin_of_text|>", "<|endoftext|>"};
    static const char *const ends[] = {"</s>", "<|end_of_text|>", "<|endoftext|>"};
    const json_t *single = value_of(template_of(value_of(root, "post_processor")), "single");
    const char *first =
        json_string_value(value_of(value_of(json_array_get(single, 0), "SpecialToken"), "id"));
    if (first != NULL)
        tokenizer->begin = added_id(root, first);
    tokenizer->wants_begin = tokenizer->begin != TOKENIZER_NONE;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        if (tokenizer->begin == TOKENIZER_NONE)
            tokenizer->begin = added_id(root, begins[i]);
        if (tokenizer->end == TOKENIZER_NONE)
            tokenizer->end = added_id(root, ends[i]);
    }
}

static int read_root(struct tokenizer *tokenizer, const json_t *root, struct diag *diag)
{
    const json_t *model = value_of(root, "model");
    const json_t *type = value_of(model, "type");
    if (model == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "is no tokenizer.json: it has no model");
    if (type != NULL && !is_text(type, "BPE"))
        return refuse("model: type", type, "BPE", diag);
    int rc = check_options(model, diag);
    rc = rc == 0 ? read_pre_tokenizer(tokenizer, value_of(root, "pre_tokenizer"), diag) : rc;
    rc = rc == 0 ? read_normalizer(tokenizer, value_of(root, "normalizer"), diag) : rc;
    if (rc == 0 && tokenizer->by_character && !json_is_true(value_of(model, "byte_fallback")))
        rc = diag_fail(diag, ERR_UNSUPPORTED,
                       "model: byte_fallback is off; true, or a ByteLevel pre_tokenizer, would be right");
    tokenizer->takes_words = json_is_true(value_of(model, "ignore_merges"));
    rc = rc == 0 ? read_tokens(tokenizer, root, model, diag) : rc;
    rc = rc == 0 ? read_merges(tokenizer, model, diag) : rc;
    rc = rc == 0 ? tokenizer_finish(tokenizer, diag) : rc;
    if (rc == 0)
        read_special(tokenizer, root);
    return rc;
}

int tokenizer_read_json(struct tokenizer *tokenizer, const char *text, size_t size, struct diag *diag)
{
    json_error_t error = {0};
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    int rc = 0;
    if (json_is_object(root))
        rc = read_root(tokenizer, root, diag);
    else if (root != NULL)
        rc = diag_fail(diag, ERR_SYNTAX, "is no tokenizer; a JSON object would be right");
    else
        rc = diag_fail(diag, ERR_SYNTAX, "is no tokenizer: not JSON: %s, line %d", error.text, error.line);
    json_decref(root);
    return rc;
}
