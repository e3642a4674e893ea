/* The framing on arbitrary streams: however a stream is cut into pieces, the same frames come out, and none
 * of them leaves the stream. The first byte says how large the pieces are, the rest is the stream. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small, so that a short input meets both sides of it. */
#define BODY_MAX 300u

static void require(int holds)
{
    if (!holds)
        abort();
}

struct tally {
    size_t frames;
    uint64_t hash; /* FNV-1a over the bodies */
    enum frame_state end;
};

/* Takes the whole frames at the start of `bytes`; returns how many bytes they took. */
static size_t take_frames(const uint8_t *bytes, size_t size, struct tally *tally)
{
    size_t at = 0;
    for (;;) {
        const uint8_t *body = NULL;
        size_t body_size = 0, consumed = 0;
        tally->end = frame_split(bytes + at, size - at, BODY_MAX, &body, &body_size, &consumed);
        if (tally->end != FRAME_WHOLE)
            return at;
        require(body_size >= 1 && body_size <= BODY_MAX && consumed == body_size + 4);
        require(body == bytes + at + 4 && consumed <= size - at);
        for (size_t i = 0; i < body_size; i++)
            tally->hash = (tally->hash ^ body[i]) * 0x100000001b3u;
        tally->frames++;
        at += consumed;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = 1 + data[0] % 64u;
    struct tally whole = {.end = FRAME_PARTIAL}, pieces = {.end = FRAME_PARTIAL};
    (void) take_frames(data + 1, size - 1, &whole); /* what is left is no frame */
    struct buf stream = {0};
    for (size_t at = 1; at < size && pieces.end != FRAME_BAD; at += piece) {
        require(buf_push(&stream, data + at, size - at < piece ? size - at : piece) == 0);
        buf_consume(&stream, take_frames(stream.data, stream.size, &pieces));
    }
    require(whole.frames == pieces.frames && whole.hash == pieces.hash && whole.end == pieces.end);
    buf_finish(&stream);
    return 0;
}
