/* A tokenizer as a tokenizer.json (github.com/huggingface/tokenizers). */
#include "core/train/bpe_internal.h"

/* A letter as JSON has it: all are below 0x200. */
static int push_letter(struct buf *json, uint32_t letter)
{
    if (letter == '"' || letter == '\\')
        return buf_printf(json, "\\%c", (char) letter);
    if (letter < 0x80)
        return buf_printf(json, "%c", (char) letter);
    const uint8_t utf8[2] = {(uint8_t) (0xc0 | letter >> 6), (uint8_t) (0x80 | (letter & 0x3f))};
    return buf_push(json, utf8, sizeof utf8);
}

static int push_token(struct buf *json, const struct bpe *bpe, uint16_t token)
{
    const uint8_t *bytes;
    size_t size = bpe_bytes(bpe, token, &bytes);
    int rc = 0;
    for (size_t i = 0; i < size && rc == 0; i++)
        rc = push_letter(json, bpe_letter(bytes[i]));
    return rc;
}

static int push_vocabulary(struct buf *json, const struct bpe *bpe)
{
    int rc = buf_printf(json, "    \"vocab\": {\n");
    for (uint16_t token = 0; token < bpe_end(bpe) && rc == 0; token++) {
        rc = buf_printf(json, "      \"");
        if (rc == 0)
            rc = push_token(json, bpe, token);
        if (rc == 0)
            rc = buf_printf(json, "\": %u,\n", token);
    }
    return rc == 0 ? buf_printf(json, "      \"%s\": %u\n    },\n", BPE_END, bpe_end(bpe)) : rc;
}

static int push_merges(struct buf *json, const struct bpe *bpe)
{
    int rc = buf_printf(json, "    \"merges\": [");
    for (uint32_t i = 0; i < bpe->merges && rc == 0; i++) {
        rc = buf_printf(json, i > 0 ? ",\n      \"" : "\n      \"");
        if (rc == 0)
            rc = push_token(json, bpe, bpe->merge[i].left);
        if (rc == 0)
            rc = buf_printf(json, " ");
        if (rc == 0)
            rc = push_token(json, bpe, bpe->merge[i].right);
        if (rc == 0)
            rc = buf_printf(json, "\"");
    }
    return rc == 0 ? buf_printf(json, "\n    ]\n  }\n}\n") : rc;
}

static const char byte_level[] =
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}";

int bpe_json(const struct bpe *bpe, struct buf *json)
{
    int rc = buf_printf(
        json,
        "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [\n"
        "    {\"id\": %u, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
        "\"normalized\": false, \"special\": true}\n  ],\n",
        bpe_end(bpe), BPE_END);
    if (rc == 0)
        rc = buf_printf(json,
                        "  \"normalizer\": null,\n  \"pre_tokenizer\": %s,\n  \"post_processor\": null,\n"
                        "  \"decoder\": %s,\n",
                        byte_level, byte_level);
    if (rc == 0)
        rc = buf_printf(
            json, "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
                  "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n"
                  "    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": false,\n");
    if (rc == 0)
        rc = push_vocabulary(json, bpe);
    return rc == 0 ? push_merges(json, bpe) : rc;
}
