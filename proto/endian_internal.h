/* Little-endian list elements, whatever this machine's order. Spelled out, so that a compiler sees one load
 * or store. */
#ifndef HANDOFF_PROTO_ENDIAN_INTERNAL_H
#define HANDOFF_PROTO_ENDIAN_INTERNAL_H

#include <stdint.h>
#include <string.h>

static inline uint32_t endian_load_u32(const uint8_t *bytes)
{
    return (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 |
           (uint32_t) bytes[3] << 24;
}

static inline double endian_load_real(const uint8_t *bytes)
{
    uint64_t bits = (uint64_t) endian_load_u32(bytes) | (uint64_t) endian_load_u32(bytes + 4) << 32;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void endian_store_u32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t) value;
    bytes[1] = (uint8_t) (value >> 8);
    bytes[2] = (uint8_t) (value >> 16);
    bytes[3] = (uint8_t) (value >> 24);
}

static inline void endian_store_real(uint8_t *bytes, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    endian_store_u32(bytes, (uint32_t) bits);
    endian_store_u32(bytes + 4, (uint32_t) (bits >> 32));
}

#endif
