#include "proto/scan.h"

#include <assert.h>

#include "core/base/err.h"

/* One of the type bytes 0xc0..0xdf: `width` bytes of count or length follow the type byte, then `fixed`
 * bytes. */
struct shape {
    enum scan_type type;
    uint8_t width;
    uint8_t fixed;
    uint8_t is_valid;
};

/* https://github.com/msgpack/msgpack/blob/master/spec.md, "Formats". 0xc1 is never used. */
static const struct shape shapes[32] = {
    [0x00] = {SCAN_NIL, 0, 0, 1},       [0x02] = {SCAN_BOOL, 0, 0, 1},
    [0x03] = {SCAN_BOOL, 0, 0, 1},      [0x04] = {SCAN_BYTES, 1, 0, 1},
    [0x05] = {SCAN_BYTES, 2, 0, 1},     [0x06] = {SCAN_BYTES, 4, 0, 1},
    [0x07] = {SCAN_EXTENSION, 1, 1, 1}, [0x08] = {SCAN_EXTENSION, 2, 1, 1},
    [0x09] = {SCAN_EXTENSION, 4, 1, 1}, [0x0a] = {SCAN_REAL32, 0, 4, 1},
    [0x0b] = {SCAN_REAL64, 0, 8, 1},    [0x0c] = {SCAN_INTEGER, 0, 1, 1},
    [0x0d] = {SCAN_INTEGER, 0, 2, 1},   [0x0e] = {SCAN_INTEGER, 0, 4, 1},
    [0x0f] = {SCAN_INTEGER, 0, 8, 1},   [0x10] = {SCAN_INTEGER, 0, 1, 1},
    [0x11] = {SCAN_INTEGER, 0, 2, 1},   [0x12] = {SCAN_INTEGER, 0, 4, 1},
    [0x13] = {SCAN_INTEGER, 0, 8, 1},   [0x14] = {SCAN_EXTENSION, 0, 2, 1},
    [0x15] = {SCAN_EXTENSION, 0, 3, 1}, [0x16] = {SCAN_EXTENSION, 0, 5, 1},
    [0x17] = {SCAN_EXTENSION, 0, 9, 1}, [0x18] = {SCAN_EXTENSION, 0, 17, 1},
    [0x19] = {SCAN_TEXT, 1, 0, 1},      [0x1a] = {SCAN_TEXT, 2, 0, 1},
    [0x1b] = {SCAN_TEXT, 4, 0, 1},      [0x1c] = {SCAN_ARRAY, 2, 0, 1},
    [0x1d] = {SCAN_ARRAY, 4, 0, 1},     [0x1e] = {SCAN_MAP, 2, 0, 1},
    [0x1f] = {SCAN_MAP, 4, 0, 1},
};

/* Big-endian number of `width` bytes. */
static uint64_t load_count(const uint8_t *bytes, size_t width)
{
    uint64_t count = 0;
    assert(width <= sizeof(uint32_t));
    for (size_t i = 0; i < width; i++)
        count = count << 8 | bytes[i];
    return count;
}

/* `number` is the declared count (arrays, maps) or length (the rest): is there enough behind the head? */
static int finish_item(enum scan_type type, size_t head, uint64_t number, size_t size,
                       struct scan_item *ret_item)
{
    assert(head <= size && number <= (uint64_t) UINT32_MAX + UINT8_MAX);
    uint64_t needed = type == SCAN_MAP ? 2 * number : number;
    if (needed > size - head)
        return ERR_TRUNCATED;
    int is_container = type == SCAN_ARRAY || type == SCAN_MAP;
    *ret_item = (struct scan_item){
        .type = type,
        .head = head,
        .payload = is_container ? 0 : (size_t) needed,
        .items = is_container ? (size_t) needed : 0,
    };
    return 0;
}

int scan_head(const uint8_t *bytes, size_t size, struct scan_item *ret_item)
{
    if (size == 0)
        return ERR_TRUNCATED;
    uint8_t first = bytes[0];
    if (first <= 0x7f || first >= 0xe0)
        return finish_item(SCAN_INTEGER, 1, 0, size, ret_item);
    if (first <= 0x8f)
        return finish_item(SCAN_MAP, 1, first & 0x0fu, size, ret_item);
    if (first <= 0x9f)
        return finish_item(SCAN_ARRAY, 1, first & 0x0fu, size, ret_item);
    if (first <= 0xbf)
        return finish_item(SCAN_TEXT, 1, first & 0x1fu, size, ret_item);
    const struct shape *shape = &shapes[first - 0xc0];
    if (!shape->is_valid)
        return ERR_SYNTAX;
    size_t head = 1u + shape->width;
    if (head > size)
        return ERR_TRUNCATED;
    return finish_item(shape->type, head, load_count(bytes + 1, shape->width) + shape->fixed, size, ret_item);
}

int scan_skip(const uint8_t *bytes, size_t size, size_t *ret_size)
{
    size_t left[SCAN_DEPTH_MAX + 1] = {1}; /* values still to come at each depth */
    size_t depth = 0;
    size_t at = 0;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0) {
                *ret_size = at;
                return 0;
            }
            depth--;
        }
        left[depth]--;
        struct scan_item item;
        int rc = scan_head(bytes + at, size - at, &item);
        if (rc != 0)
            return rc;
        at += item.head + item.payload;
        assert(at <= size);
        if (item.items == 0)
            continue;
        if (depth == SCAN_DEPTH_MAX)
            return ERR_TOO_BIG;
        left[++depth] = item.items;
    }
}
