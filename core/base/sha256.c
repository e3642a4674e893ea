#include "core/base/sha256.h"

#include <assert.h>
#include <string.h>

/* The first 32 bits of the fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The same of the square roots of the first 8 primes (5.3.3). */
static const uint32_t first_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t turned(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

static void read_words(const uint8_t *block, uint32_t *word /* [64] */)
{
    for (size_t i = 0; i < 16; i++)
        word[i] = (uint32_t) block[4 * i] << 24 | (uint32_t) block[4 * i + 1] << 16 |
                  (uint32_t) block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = word[i - 15], b = word[i - 2];
        word[i] = word[i - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3) + word[i - 7] +
                  (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
    }
}

static void take_block(uint32_t *state /* [8] */, const uint8_t *block /* [64] */)
{
    uint32_t word[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    read_words(block, word);
    for (size_t i = 0; i < 64; i++) {
        uint32_t first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) +
                         round_constant[i] + word[i];
        uint32_t second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void sha256_begin(struct sha256 *sha)
{
    *sha = (struct sha256){0};
    memcpy(sha->state, first_state, sizeof sha->state);
}

void sha256_add(struct sha256 *sha, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    while (size > 0) {
        size_t used = sha->bytes % 64;
        size_t part = size < 64 - used ? size : 64 - used;
        if (part == 64) { /* no copy of whole blocks */
            take_block(sha->state, from);
        } else {
            memcpy(sha->block + used, from, part);
            if (used + part == 64)
                take_block(sha->state, sha->block);
        }
        sha->bytes += part;
        from += part;
        size -= part;
    }
}

void sha256_end(struct sha256 *sha, uint8_t ret_hash[SHA256_SIZE])
{
    uint8_t length[8];
    for (unsigned i = 0; i < 8; i++)
        length[i] = (uint8_t) ((sha->bytes * 8) >> (56 - 8 * i));
    sha256_add(sha, "\x80", 1);
    while (sha->bytes % 64 != 56)
        sha256_add(sha, "", 1); /* a zero byte */
    sha256_add(sha, length, sizeof length);
    assert(sha->bytes % 64 == 0);
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < 4; k++)
            ret_hash[4 * i + k] = (uint8_t) (sha->state[i] >> (24 - 8 * k));
}
