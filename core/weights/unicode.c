#include "core/weights/unicode.h"

#include "core/weights/unicode_tables.h"

/* By the first byte: how many bytes there are, its bits, and the least character of that length. */
static uint32_t begin(uint8_t first, size_t *ret_bytes, uint32_t *ret_least)
{
    if (first >= 0xc2 && first <= 0xdf) {
        *ret_bytes = 2, *ret_least = 0x80;
        return first & 0x1f;
    }
    if (first >= 0xe0 && first <= 0xef) {
        *ret_bytes = 3, *ret_least = 0x800;
        return first & 0x0f;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *ret_bytes = 4, *ret_least = 0x10000;
        return first & 0x07;
    }
    *ret_bytes = 1, *ret_least = 0;
    return first < 0x80 ? first : UNICODE_NONE;
}

uint32_t unicode_decode(const char *text, size_t size, size_t *ret_bytes)
{
    const uint8_t *at = (const uint8_t *) text;
    size_t bytes = 0;
    uint32_t least = 0;
    uint32_t character = begin(at[0], &bytes, &least);
    *ret_bytes = 1;
    if (bytes > size)
        return UNICODE_NONE;
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return UNICODE_NONE;
        character = character << 6 | (at[i] & 0x3fu);
    }
    if (character == UNICODE_NONE || character < least || character > 0x10ffff ||
        (character >= 0xd800 && character <= 0xdfff))
        return UNICODE_NONE;
    *ret_bytes = bytes;
    return character;
}

enum unicode_class unicode_class_of(uint32_t character)
{
    size_t low = 0, high = UNICODE_RANGES;
    while (low < high) { /* the first range that does not end before the character */
        size_t middle = low + (high - low) / 2;
        if (unicode_range[middle].last < character)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == UNICODE_RANGES || character < unicode_range[low].first)
        return UNICODE_OTHER;
    return (enum unicode_class) unicode_range[low].class;
}
