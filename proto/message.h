/* Messages as C structs, made from messages.def. Text, bytes and lists are borrowed: in a decoded message they
 * point into the frame's bytes or the decoder's scratch, and are valid as long as these. */
#ifndef HANDOFF_PROTO_MESSAGE_H
#define HANDOFF_PROTO_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

#define PROTO_MAJOR 2u
#define PROTO_MINOR 5u

/* Longest frame body. Every message within its limits is shorter (schema.c asserts it). */
#define PROTO_BODY_MAX (4u * 1024u * 1024u)

#define PROTO_REAL_MAX 1e30        /* of times, sizes, energies and costs */
#define PROTO_DATA_TIME_MAX_S 1e24 /* of times between devices and servers */

#define PROTO_SERVER_NONE 256u /* DECISION.server: the task stays local */

enum proto_id {
#define MSG(id, NAME, name, direction, since, meaning) PROTO_##NAME = id,
#define U(name, field, min, max, meaning)
#define R(name, field, min, max, meaning)
#define S(name, field, max_bytes, meaning)
#define B(name, field, max_bytes, meaning)
#define UV(name, field, max_count, min, max, meaning)
#define RV(name, field, max_count, min, max, meaning)
#define END_MSG(name)
#include "proto/messages.def"
#undef MSG
#undef U
#undef R
#undef S
#undef B
#undef UV
#undef RV
#undef END_MSG
};

struct proto_text {
    const char *data; /* not zero-terminated */
    size_t size;
};
struct proto_bytes {
    const uint8_t *data;
    size_t size;
};
struct proto_u32s {
    const uint32_t *data;
    size_t count;
};
struct proto_reals {
    const double *data;
    size_t count;
};

#define MSG(id, NAME, name, direction, since, meaning) struct msg_##name {
#define U(name, field, min, max, meaning) uint64_t field;
#define R(name, field, min, max, meaning) double field;
#define S(name, field, max_bytes, meaning) struct proto_text field;
#define B(name, field, max_bytes, meaning) struct proto_bytes field;
#define UV(name, field, max_count, min, max, meaning) struct proto_u32s field;
#define RV(name, field, max_count, min, max, meaning) struct proto_reals field;
#define END_MSG(name)                                                                                        \
    uint8_t end_; /* keeps a message without fields a valid struct */                                        \
    }                                                                                                        \
    ;
#include "proto/messages.def"
#undef MSG
#undef END_MSG
#undef U
#undef R
#undef S
#undef B
#undef UV
#undef RV

struct proto_message {
    enum proto_id id;
    union {
#define MSG(id, NAME, name, direction, since, meaning) struct msg_##name name;
#define U(name, field, min, max, meaning)
#define R(name, field, min, max, meaning)
#define S(name, field, max_bytes, meaning)
#define B(name, field, max_bytes, meaning)
#define UV(name, field, max_count, min, max, meaning)
#define RV(name, field, max_count, min, max, meaning)
#define END_MSG(name)
#include "proto/messages.def"
#undef MSG
#undef U
#undef R
#undef S
#undef B
#undef UV
#undef RV
#undef END_MSG
    };
};

enum proto_refusal {
#define REFUSAL(NAME, code, text) PROTO_REFUSE_##NAME = code,
#include "proto/refusals.def"
#undef REFUSAL
};

enum proto_direction {
    PROTO_NODE_TO_ORCH,
    PROTO_ORCH_TO_NODE,
    PROTO_ORCH_TO_MOBILE,
    PROTO_ORCH_TO_SERVER,
    PROTO_MOBILE_TO_ORCH,
    PROTO_SERVER_TO_ORCH,
    PROTO_MOBILE_TO_SERVER,
    PROTO_SERVER_TO_MOBILE,
    PROTO_DATA,
    PROTO_AGENT_TO_ORCH,
    PROTO_ORCH_TO_AGENT,
    PROTO_TO_ORCH,
    PROTO_FROM_ORCH,
    PROTO_ANY,
};

/* The message's name ("DECISION"), or NULL. */
const char *proto_name(enum proto_id id);
/* Who sends it to whom. A shell refuses (OUT_OF_STATE) what comes from the wrong side. `id` must be in the
 * table. */
enum proto_direction proto_direction_of(enum proto_id id);
/* The refusal's text for people; never NULL. */
const char *proto_refusal_text(enum proto_refusal reason);
/* FNV-1a over the table's text: ids, names, kinds and limits. */
uint64_t proto_schema_hash(void);

/* Scratch memory that a decoder fills with aligned copies of lists. It grows to the largest message seen. */
struct proto_scratch {
    struct buf lists;
};
void proto_scratch_finish(struct proto_scratch *scratch);

/* Appends one whole frame (u32 big-endian body length, then a msgpack array [id, fields...]). Refuses what a
 * decoder would refuse: ERR_RANGE with the field's name in `diag`. */
int proto_encode(const struct proto_message *message, struct buf *frame, struct diag *diag);

/* Decodes one frame body. On failure returns the error code, names message and field in `diag`, and sets
 * *ret_refusal. Never reads outside the body. Allocates for lists only, in proportion to the body's own size. */
int proto_decode(const uint8_t *body, size_t size, struct proto_scratch *scratch,
                 struct proto_message *ret_message, enum proto_refusal *ret_refusal, struct diag *diag);

/* One line for logs and traces: "DECISION device=3 slot=0 split=16 ...". Lists and texts are shortened. */
int proto_print(const struct proto_message *message, struct buf *text);

#endif
