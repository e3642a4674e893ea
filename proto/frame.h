/* Framing: u32 big-endian body length, then the body. Incremental and without copies. */
#ifndef HANDOFF_PROTO_FRAME_H
#define HANDOFF_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum frame_state {
    FRAME_WHOLE,   /* a body was found */
    FRAME_PARTIAL, /* more bytes are needed */
    FRAME_BAD,     /* length is 0 or above the cap: the stream cannot be followed further */
};

/* Looks for one frame at the start of `bytes`. FRAME_WHOLE sets the body (inside `bytes`) and how many bytes
 * it took. */
enum frame_state frame_split(const uint8_t *bytes, size_t size, size_t body_max, const uint8_t **ret_body,
                             size_t *ret_body_size, size_t *ret_consumed);

#endif
