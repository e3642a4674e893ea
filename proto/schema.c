#include "proto/schema.h"

#include <assert.h>
#include <stdbool.h>

#define MSG(i, N, n, d, s, m) static const struct schema_field n##_fields[] = {
#define U(n, f, lo, hi, m)                                                                                   \
    {.name = #f,                                                                                             \
     .kind = SCHEMA_UINT,                                                                                    \
     .offset = offsetof(struct msg_##n, f),                                                                  \
     .low = lo,                                                                                              \
     .high = hi,                                                                                             \
     .meaning = m},
#define R(n, f, lo, hi, m)                                                                                   \
    {.name = #f,                                                                                             \
     .kind = SCHEMA_REAL,                                                                                    \
     .offset = offsetof(struct msg_##n, f),                                                                  \
     .real_low = lo,                                                                                         \
     .real_high = hi,                                                                                        \
     .meaning = m},
#define S(n, f, most, m)                                                                                     \
    {.name = #f, .kind = SCHEMA_TEXT, .offset = offsetof(struct msg_##n, f), .limit = most, .meaning = m},
#define B(n, f, most, m)                                                                                     \
    {.name = #f, .kind = SCHEMA_BYTES, .offset = offsetof(struct msg_##n, f), .limit = most, .meaning = m},
#define UV(n, f, most, lo, hi, m)                                                                            \
    {.name = #f,                                                                                             \
     .kind = SCHEMA_UINT_LIST,                                                                               \
     .offset = offsetof(struct msg_##n, f),                                                                  \
     .limit = most,                                                                                          \
     .low = lo,                                                                                              \
     .high = hi,                                                                                             \
     .meaning = m},
#define RV(n, f, most, lo, hi, m)                                                                            \
    {.name = #f,                                                                                             \
     .kind = SCHEMA_REAL_LIST,                                                                               \
     .offset = offsetof(struct msg_##n, f),                                                                  \
     .limit = most,                                                                                          \
     .real_low = lo,                                                                                         \
     .real_high = hi,                                                                                        \
     .meaning = m},
/* The closing row keeps a message without fields a valid array; it is not counted. */
#define END_MSG(n)                                                                                           \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }                                                                                                        \
    }                                                                                                        \
    ;
#include "proto/messages.def"
#undef MSG
#undef U
#undef R
#undef S
#undef B
#undef UV
#undef RV
#undef END_MSG

#define U(n, f, lo, hi, m)
#define R(n, f, lo, hi, m)
#define S(n, f, most, m)
#define B(n, f, most, m)
#define UV(n, f, most, lo, hi, m)
#define RV(n, f, most, lo, hi, m)
#define END_MSG(n)

static const struct schema_row rows[SCHEMA_ID_END] = {
#define MSG(i, N, n, d, s, m)                                                                                \
    [i] = {PROTO_##N, #N, PROTO_##d, s, m, n##_fields, sizeof n##_fields / sizeof *n##_fields - 1},
#include "proto/messages.def"
#undef MSG
};

#undef U
#undef R
#undef S
#undef B
#undef UV
#undef RV
#undef END_MSG

/* Most bytes of each message's body: an array's head, the id, then each field as msgpack, whose heads and
 * numbers have at most 9 bytes. A message within its limits is never too long for a frame. */
#define HEAD 9
#define MSG(i, N, n, d, s, m) _Static_assert(2 * HEAD
#define U(n, f, lo, hi, m) +HEAD
#define R(n, f, lo, hi, m) +HEAD
#define S(n, f, most, m) +HEAD + (most)
#define B(n, f, most, m) +HEAD + (most)
#define UV(n, f, most, lo, hi, m) +HEAD + (most) * sizeof(uint32_t)
#define RV(n, f, most, lo, hi, m) +HEAD + (most) * sizeof(double)
#define END_MSG(n) <= PROTO_BODY_MAX, #n " fits a frame");
#include "proto/messages.def"
#undef MSG
#undef U
#undef R
#undef S
#undef B
#undef UV
#undef RV
#undef END_MSG

const struct schema_row *schema_row(uint64_t id)
{
    if (id >= SCHEMA_ID_END || rows[id].name == NULL)
        return NULL;
    assert((uint64_t) rows[id].id == id);
    return &rows[id];
}

const char *schema_direction_name(enum proto_direction direction)
{
    switch (direction) {
    case PROTO_NODE_TO_ORCH: return "node to orchestrator";
    case PROTO_ORCH_TO_NODE: return "orchestrator to node";
    case PROTO_ORCH_TO_MOBILE: return "orchestrator to mobile node";
    case PROTO_ORCH_TO_SERVER: return "orchestrator to edge server";
    case PROTO_MOBILE_TO_ORCH: return "mobile node to orchestrator";
    case PROTO_SERVER_TO_ORCH: return "edge server to orchestrator";
    case PROTO_MOBILE_TO_SERVER: return "mobile node to edge server";
    case PROTO_SERVER_TO_MOBILE: return "edge server to mobile node";
    case PROTO_DATA: return "mobile node to edge server, and back";
    case PROTO_AGENT_TO_ORCH: return "agent to orchestrator";
    case PROTO_ORCH_TO_AGENT: return "orchestrator to agent";
    case PROTO_TO_ORCH: return "node or agent to orchestrator";
    case PROTO_FROM_ORCH: return "orchestrator to node or agent";
    case PROTO_ANY: return "any";
    }
    assert(false);
    return "unknown";
}
