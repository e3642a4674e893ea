/* Bounded look at msgpack bytes: every declared count and length is compared with the bytes that are really
 * there before it is used. Allocates nothing, never reads outside [bytes, bytes + size). */
#ifndef HANDOFF_PROTO_SCAN_H
#define HANDOFF_PROTO_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum scan_type {
    SCAN_NIL,
    SCAN_BOOL,
    SCAN_INTEGER, /* signed or unsigned: its sign is in the value */
    SCAN_REAL32,
    SCAN_REAL64,
    SCAN_TEXT,
    SCAN_BYTES,
    SCAN_EXTENSION,
    SCAN_ARRAY,
    SCAN_MAP,
};

struct scan_item {
    enum scan_type type;
    size_t head;    /* bytes of type, count and length */
    size_t payload; /* bytes that follow the head and belong to it; 0 for arrays and maps */
    size_t items;   /* values that follow an array's or a map's head (two for each pair) */
};

/* Looks at the value that starts at `bytes`. ERR_TRUNCATED: it declares more than follows (an item needs at
 * least one byte). ERR_SYNTAX: no msgpack value starts like this. */
int scan_head(const uint8_t *bytes, size_t size, struct scan_item *ret_item);

/* Length of the whole value at `bytes`. ERR_TOO_BIG: arrays and maps nested deeper than SCAN_DEPTH_MAX. */
#define SCAN_DEPTH_MAX 8
int scan_skip(const uint8_t *bytes, size_t size, size_t *ret_size);

#endif
