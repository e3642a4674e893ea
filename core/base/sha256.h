/* SHA-256: a fingerprint of bytes. Source: FIPS 180-4. */
#ifndef HANDOFF_CORE_BASE_SHA256_H
#define HANDOFF_CORE_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;    /* taken so far */
    uint8_t block[64]; /* what of them waits for a whole block */
};

void sha256_begin(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *bytes, size_t size);
/* Afterwards the struct begins anew with sha256_begin. */
void sha256_end(struct sha256 *sha, uint8_t ret_hash[SHA256_SIZE]);

#endif
