#include "proto/frame.h"

#include <assert.h>

#define LENGTH_SIZE 4u

enum frame_state frame_split(const uint8_t *bytes, size_t size, size_t body_max, const uint8_t **ret_body,
                             size_t *ret_body_size, size_t *ret_consumed)
{
    if (size < LENGTH_SIZE)
        return FRAME_PARTIAL;
    size_t length = (size_t) bytes[0] << 24 | (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];
    if (length == 0 || length > body_max)
        return FRAME_BAD;
    if (size - LENGTH_SIZE < length)
        return FRAME_PARTIAL;
    *ret_body = bytes + LENGTH_SIZE;
    *ret_body_size = length;
    *ret_consumed = LENGTH_SIZE + length;
    assert(*ret_consumed <= size);
    return FRAME_WHOLE;
}
