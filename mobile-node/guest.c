#include "mobile-node/guest.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/weights/tokenizer.h"
#include "core/weights/unicode.h"

#define PROMPT_MAX 65536u /* tokens of REPORT.prompt */
#define UTF8_MAX 4u       /* bytes of a character */

struct guest {
    struct guest_options options; /* its text is NULL */
    struct weights *weights;
    struct tokenizer *tokenizer;
    struct tokenizer_ids text; /* the prompt, then what was answered */
    uint32_t limit;            /* tokens of a task's prompt, at most */
    uint32_t answered;
    bool is_ended; /* by the model's own last token */
    uint32_t told; /* tokens of the prompt that it told in this slot; 0: it has no task */
    bool is_open;  /* a task was decided, and has no answer yet; then: */
    uint64_t round;
    uint32_t split;  /* as decided */
    uint32_t tokens; /* of its prompt */
    struct buf held; /* bytes of a character whose rest has not come */
};

/* ---- its text ---- */

static int read_text(struct guest *guest, const char *text, const char *path, struct diag *diag)
{
    int rc = weights_open(path, &guest->weights, diag);
    if (rc == 0)
        rc = tokenizer_open(guest->weights, NULL, &guest->tokenizer, diag);
    if (rc == 0)
        rc = tokenizer_encode(guest->tokenizer, text, strlen(text), tokenizer_wants_begin(guest->tokenizer),
                              &guest->text, diag);
    if (rc != 0)
        return rc;
    if (guest->text.count == 0)
        return diag_fail(diag, ERR_RANGE, "--prompt: has no token; a model needs one to begin with");
    uint32_t context = weights_geometry(guest->weights)->context;
    guest->limit = context < PROMPT_MAX ? context : PROMPT_MAX;
    return 0;
}

int guest_create(struct guest **ret_guest, const struct guest_options *options, const char *path,
                 struct diag *diag)
{
    assert(options->prompt != NULL && options->answer > 0);
    struct guest *guest = calloc(1, sizeof *guest);
    if (guest == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    guest->options = *options;
    guest->options.prompt = NULL;
    int rc = read_text(guest, options->prompt, path, diag);
    if (rc != 0) {
        guest_destroy(guest);
        return rc;
    }
    *ret_guest = guest;
    return 0;
}

void guest_destroy(struct guest *guest)
{
    if (guest == NULL)
        return;
    tokenizer_ids_finish(&guest->text);
    tokenizer_close(guest->tokenizer);
    weights_close(guest->weights);
    buf_finish(&guest->held);
    free(guest);
}

static uint32_t prompt_length(const struct guest *guest)
{
    return guest->text.count < guest->limit ? (uint32_t) guest->text.count : guest->limit;
}

struct device_own guest_own(struct guest *guest, bool follows)
{
    guest->is_open = guest->is_open && follows;
    guest->told = guest->is_open ? 0 : prompt_length(guest);
    return (struct device_own){
        .is_own = true,
        .tokens = guest->told,
        .wish = guest->options.split == GUEST_SPLIT_NONE ? 0 : guest->options.split + 1,
    };
}

void guest_prompt(const struct guest *guest, uint32_t tokens, uint32_t *ret_token)
{
    assert(tokens <= guest->text.count);
    memcpy(ret_token, guest->text.id + guest->text.count - tokens, tokens * sizeof *ret_token);
}

bool guest_is_cut(const struct guest *guest)
{
    return guest->text.count > guest->limit;
}

bool guest_is_done(const struct guest *guest)
{
    return guest->is_ended || guest->answered == guest->options.answer;
}

uint32_t guest_answered(const struct guest *guest)
{
    return guest->answered;
}

/* ---- its tasks ---- */

void guest_decided(struct guest *guest, const struct msg_decision *decision)
{
    if (guest->told == 0)
        return;
    guest->is_open = true;
    guest->round = decision->round;
    guest->split = (uint32_t) decision->split;
    guest->tokens = guest->told;
}

void guest_complete(const struct guest *guest, struct msg_report *report)
{
    if (!guest->is_open || report->round != guest->round)
        return;
    report->overridden = guest->split == guest->options.split ? 1 : 0;
    report->prompt = (struct proto_u32s){guest->text.id + guest->text.count - guest->tokens, guest->tokens};
}

/* ---- what is printed ---- */

/* Bytes at the end that may be the beginning of a character. */
static size_t unfinished(const struct buf *text)
{
    for (size_t back = 1; back < UTF8_MAX && back <= text->size; back++) {
        uint8_t byte = text->data[text->size - back];
        if ((byte & 0xc0u) == 0x80u)
            continue; /* not the first of its character */
        size_t whole = byte >= 0xf0u ? 4 : byte >= 0xe0u ? 3 : byte >= 0xc0u ? 2 : 1;
        return whole > back ? back : 0;
    }
    return 0;
}

/* Moves whole characters from `held`; `all`: what is no character, too. */
static int let_out(struct guest *guest, bool all, struct buf *text)
{
    size_t size = guest->held.size - (all ? 0 : unfinished(&guest->held));
    int rc = buf_push(text, guest->held.data, size);
    if (rc == 0)
        buf_consume(&guest->held, size);
    return rc;
}

/* The inside of a JSON string. */
static int push_escaped(struct buf *said, const struct buf *text)
{
    int rc = 0;
    for (size_t at = 0, bytes; at < text->size && rc == 0; at += bytes) {
        const char *from = (const char *) text->data + at;
        uint32_t character = unicode_decode(from, text->size - at, &bytes);
        if (character == UNICODE_NONE)
            rc = buf_printf(said, "\\ufffd");
        else if (character < 0x20u)
            rc = buf_printf(said, "\\u%04x", (unsigned) character);
        else if (character == '"' || character == '\\')
            rc = buf_printf(said, "\\%c", (char) character);
        else
            rc = buf_push(said, from, bytes);
    }
    return rc;
}

static int push_line(const struct guest *guest, const struct msg_report *report, uint32_t token,
                     const struct buf *text, struct buf *said)
{
    int rc = buf_printf(said, "{\"number\":%u,\"token\":%u,\"text\":\"", guest->answered - 1, token);
    if (rc == 0)
        rc = push_escaped(said, text);
    if (rc == 0)
        rc =
            buf_printf(said, "\",\"prompt_tokens\":%u,\"split\":%u,\"server\":", guest->tokens, guest->split);
    if (rc == 0)
        rc = report->served_by == PROTO_SERVER_NONE ? buf_printf(said, "null")
                                                    : buf_printf(said, "%u", (unsigned) report->served_by);
    if (rc == 0)
        rc = buf_printf(said, ",\"overridden\":%s,\"latency_s\":%.9g",
                        report->overridden != 0 ? "true" : "false", report->latency_s);
#define TASK_TIME(name, meaning)                                                                             \
    if (rc == 0)                                                                                             \
        rc = buf_printf(said, ",\"" #name "\":%.9g", report->name);
#include "core/model/cost.def"
    if (rc == 0)
        rc = buf_printf(said,
                        ",\"device_compute_s\":%.9g,\"server_compute_s\":%.9g,\"activation_bytes\":%llu}\n",
                        report->device_compute_s, report->server_compute_s,
                        (unsigned long long) report->activation_bytes);
    return rc;
}

static int say(struct guest *guest, const struct msg_report *report, uint32_t previous, struct buf *said)
{
    uint32_t token = guest->text.id[guest->text.count - 1];
    const char *bytes;
    size_t size = tokenizer_decode(guest->tokenizer, previous, token, &bytes);
    int rc = buf_push(&guest->held, bytes, size);
    struct buf text = {0};
    if (rc == 0)
        rc = let_out(guest, guest_is_done(guest), guest->options.json ? &text : said);
    if (rc == 0 && guest->options.json)
        rc = push_line(guest, report, token, &text, said);
    buf_finish(&text);
    return rc;
}

/* The model has ended its answer: what is held back will get no rest. */
static int end(struct guest *guest, struct buf *said)
{
    guest->is_ended = true;
    return guest->options.json ? 0 : let_out(guest, true, said);
}

int guest_take(struct guest *guest, const struct msg_report *report, struct buf *said)
{
    int rc = 0;
    if (!guest->is_open || report->round != guest->round || report->answer.count == 0)
        return 0;
    for (size_t i = 0; i < report->answer.count && rc == 0 && !guest_is_done(guest); i++) {
        uint32_t token = report->answer.data[i], previous = guest->text.id[guest->text.count - 1];
        if (token == tokenizer_end_id(guest->tokenizer)) {
            rc = end(guest, said);
            continue;
        }
        rc = array_reserve(&guest->text.id, &guest->text.capacity, guest->text.count + 1);
        if (rc != 0)
            break;
        guest->text.id[guest->text.count++] = token;
        guest->answered++;
        rc = say(guest, report, previous, said);
    }
    guest->is_open = false;
    return rc;
}
