#include "proto/node/paced_payload.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "proto/node/piece.h"

#define WINDOW_LEAST_NS UINT64_C(20000000) /* the rest of a transfer is not sampled when it is shorter */
#define BITS 8.0

static const uint8_t zeros[PIECE_BYTES_MAX];

/* ---- windows ---- */

void paced_payload_tell_windows(struct paced_payload *paced)
{
    struct proto_message message = {
        .id = PROTO_LINK_AUDIT,
        .link_audit = {.device = paced->device,
                       .server = paced->server,
                       .start_s = {paced->start_s, paced->windows},
                       .duration_s = {paced->duration_s, paced->windows},
                       .set_bps = {paced->set_bps, paced->windows},
                       .achieved_bps = {paced->achieved_bps, paced->windows}},
    };
    if (paced->windows > 0 && paced->control->conn != NULL)
        (void) wire_conn_send(paced->control->conn, &message); /* a lost orchestrator shows in control.c */
    paced->windows = 0;
}

/* Bytes handed over, without those that the kernel has not taken yet. What it has taken counts as left:
 * acknowledgements come only some time later. */
static double has_left(const struct paced_payload *paced)
{
    double waiting = (double) wire_conn_queued(paced->conn);
    return (double) paced->crossed > waiting ? (double) paced->crossed - waiting : 0.0;
}

static void open_window(struct paced_payload *paced, uint64_t now_ns)
{
    paced->window_ns = now_ns;
    paced->window_allowed = wire_pacer_allowed_bits(&paced->pacer);
    paced->window_left = has_left(paced);
}

static void close_window(struct paced_payload *paced, uint64_t least_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - paced->window_ns < least_ns || isinf(paced->pacer.rate_bps))
        return;
    if (paced->windows == PACED_PAYLOAD_WINDOWS)
        paced_payload_tell_windows(paced);
    assert(paced->windows < PACED_PAYLOAD_WINDOWS);
    size_t i = paced->windows++;
    double asked_bits = BITS * ((double) paced->bytes - paced->window_left);
    double set_bits = wire_pacer_allowed_bits(&paced->pacer) - paced->window_allowed;
    double start_s = units_ns_to_s(paced->window_ns) - units_ns_to_s(paced->control->begin_ns);
    paced->start_s[i] = fmax(start_s, 0.0);
    paced->duration_s[i] = units_ns_to_s(now_ns - paced->window_ns);
    paced->set_bps[i] = fmax(fmin(set_bits, asked_bits), 0.0) / paced->duration_s[i]; /* no more was asked */
    paced->achieved_bps[i] = fmax(BITS * (has_left(paced) - paced->window_left), 0.0) / paced->duration_s[i];
    open_window(paced, now_ns);
}

/* ---- sending ---- */

static void send_piece(struct paced_payload *paced, const uint8_t *data, size_t size)
{
    piece_send(paced->conn, paced->device, paced->round, (struct proto_bytes){data, size});
}

static void send_content(struct paced_payload *paced, struct shared_slice *content, uint64_t bytes)
{
    while (bytes > 0) {
        size_t size = bytes < PIECE_BYTES_MAX ? (size_t) bytes : PIECE_BYTES_MAX;
        send_piece(paced, content->bytes->data + content->at, size);
        content->at += size;
        content->size -= size;
        bytes -= size;
    }
}

/* Sends the next bytes of the first part as PIECEs: of its content, which may be shorter than what was declared, or
 * zeros. */
static void send_pieces(struct paced_payload *paced, uint64_t bytes)
{
    struct shared_slice *content = &paced->part[0].content;
    if (content->bytes != NULL) {
        send_content(paced, content, bytes < content->size ? bytes : content->size);
        return;
    }
    while (bytes > 0) {
        size_t size = bytes < PIECE_BYTES_MAX ? (size_t) bytes : PIECE_BYTES_MAX;
        send_piece(paced, zeros, size);
        bytes -= size;
    }
}

static bool has_more_chunks(const struct proto_message *message)
{
    return message->id == PROTO_TASK && message->task.chunk + 1 < message->task.chunks;
}

/* The message behind the first of the parts. Returns whether the payload ends with it. */
static bool end_part(struct paced_payload *paced)
{
    struct paced_part *part = &paced->part[0];
    assert(paced->parts > 0 && paced->crossed == part->end);
    bool more = has_more_chunks(&part->message);
    send_content(paced, &part->content, part->content.size); /* what is left of it: see paced_payload.h */
    (void) wire_conn_send(paced->conn, &part->message);      /* a lost peer shows in on_close */
    shared_bytes_give(part->content.bytes);
    paced->parts--;
    memmove(paced->part, paced->part + 1, paced->parts * sizeof *paced->part);
    return !more;
}

static void on_bytes(void *user, uint64_t bytes)
{
    struct paced_payload *paced = user;
    assert(paced->crossed + bytes <= paced->bytes);
    while (bytes > 0) {
        if (paced->crossed == paced->part[0].end)
            (void) end_part(paced); /* others are behind it */
        uint64_t left = paced->part[0].end - paced->crossed;
        uint64_t most = bytes < left ? bytes : left;
        send_pieces(paced, most);
        paced->crossed += most;
        bytes -= most;
    }
    wire_conn_flush(paced->conn);
    close_window(paced, PACED_PAYLOAD_WINDOW_NS);
}

static void drop_content(struct paced_payload *paced)
{
    shared_bytes_give(paced->content.bytes);
    paced->content = (struct shared_slice){0};
}

static void drop_parts(struct paced_payload *paced)
{
    for (size_t i = 0; i < paced->parts; i++)
        shared_bytes_give(paced->part[i].content.bytes);
    paced->parts = 0;
}

static void on_done(void *user)
{
    struct paced_payload *paced = user;
    assert(!paced_payload_is_sending(paced));
    bool ends = false;
    close_window(paced, WINDOW_LEAST_NS);
    while (paced->parts > 0)
        ends = end_part(paced);
    wire_conn_flush(paced->conn);
    if (ends)
        paced->hooks->on_sent(paced->user);
}

static bool is_full(void *user)
{
    const struct paced_payload *paced = user;
    return (double) wire_conn_unread(paced->conn) > paced->queue_bytes;
}

static const struct wire_pacer_hooks pacer_hooks = {
    .on_bytes = on_bytes, .on_done = on_done, .is_full = is_full};

void paced_payload_init(struct paced_payload *paced, struct node_control *control, uint32_t device,
                        uint32_t server, const struct paced_payload_hooks *hooks, void *user)
{
    struct link_params none = {.rate_bps = 0.0};
    assert(hooks->on_sent != NULL);
    *paced = (struct paced_payload){
        .control = control, .device = device, .server = server, .hooks = hooks, .user = user};
    wire_pacer_init(&paced->pacer, &control->alarms, &none, &pacer_hooks, paced);
}

void paced_payload_finish(struct paced_payload *paced)
{
    wire_pacer_finish(&paced->pacer);
    drop_parts(paced);
    drop_content(paced);
    free(paced->part);
    paced->part = NULL;
}

void paced_payload_fill(struct paced_payload *paced, const struct shared_slice *content)
{
    drop_content(paced);
    paced->content = *content;
    shared_bytes_take(content->bytes);
}

static int add_part(struct paced_payload *paced, const struct proto_message *last, uint64_t bytes)
{
    assert(last->id == PROTO_TASK || last->id == PROTO_RESULT);
    int rc = array_reserve(&paced->part, &paced->part_capacity, paced->parts + 1);
    if (rc != 0)
        return rc;
    paced->bytes += bytes;
    paced->part[paced->parts++] = (struct paced_part){paced->bytes, *last, paced->content};
    paced->content = (struct shared_slice){0};
    return 0;
}

int paced_payload_send(struct paced_payload *paced, struct wire_conn *conn, const struct proto_message *last,
                       uint64_t round, uint64_t bytes, const struct link_params *params)
{
    paced->conn = conn;
    paced->round = round;
    paced->bytes = paced->crossed = 0;
    drop_parts(paced);
    if (paced->content.bytes != NULL) /* what came of it before, and was stopped, does not count */
        piece_send(conn, paced->device, round, (struct proto_bytes){0});
    paced->queue_bytes = params->queue_bytes;
    int rc = add_part(paced, last, bytes);
    if (rc == 0)
        rc = wire_pacer_begin(&paced->pacer, params, bytes);
    open_window(paced, clock_monotonic_ns());
    return rc;
}

int paced_payload_add(struct paced_payload *paced, const struct proto_message *last, uint64_t bytes)
{
    assert(paced->conn != NULL && bytes > 0);
    bool rests = !paced_payload_is_sending(paced);
    int rc = add_part(paced, last, bytes);
    if (rc == 0)
        rc = wire_pacer_send(&paced->pacer, bytes);
    if (rests)
        open_window(paced, clock_monotonic_ns());
    return rc;
}

void paced_payload_set_rate(struct paced_payload *paced, double rate_bps)
{
    wire_pacer_set_rate(&paced->pacer, rate_bps);
}

void paced_payload_stop(struct paced_payload *paced)
{
    wire_pacer_stop(&paced->pacer);
    drop_parts(paced);
    drop_content(paced);
}

bool paced_payload_is_sending(const struct paced_payload *paced)
{
    return wire_pacer_is_active(&paced->pacer);
}
