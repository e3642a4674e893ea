#include "core/damage/draws_internal.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/simd_clones.h"

#define DIGITS 32u     /* of a probability */
#define DIGIT_SHIFT 29 /* where in a block's number the digits' block is */

#define TRIES_SHIFT 6 /* tries at one gamma variable: 2^6. At most 5 in 100 fail, so all of them never do. */
#define TRIES (1u << TRIES_SHIFT)

uint64_t draws_threshold(double probability)
{
    assert(probability >= 0.0 && probability <= 1.0);
    return (uint64_t) (probability * 0x1p32 + 0.5);
}

/* ---- words ---- */

/* Philox 4x32-10 on LANES blocks at once: rng_block's, of which only the index differs. Salmon et al., SC11. */
#define LANES 32u
#define LANES_WORDS (4u * LANES)
#define ROUNDS 10
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u

struct counter {
    uint32_t key_0, key_1;
    uint32_t slot, episode, what; /* words 1 to 3; word 0 is the index */
};

static struct counter counter_of(const struct rng_at *at)
{
    assert(at->entity < (1u << 20));
    return (struct counter){
        .key_0 = (uint32_t) at->seed,
        .key_1 = (uint32_t) (at->seed >> 32),
        .slot = at->slot,
        .episode = at->episode,
        .what = (uint32_t) at->phase << 28 | (uint32_t) at->stream << 20 | at->entity,
    };
}

/* Blocks index .. index + groups * LANES - 1. */
SIMD_CLONES static void draw_groups(const struct counter *counter, uint32_t index, size_t groups,
                                    uint32_t *restrict ret_words)
{
    for (size_t g = 0; g < groups; g++) {
        uint32_t v0[LANES], v1[LANES], v2[LANES], v3[LANES];
        for (uint32_t i = 0; i < LANES; i++) {
            v0[i] = index + (uint32_t) g * LANES + i;
            v1[i] = counter->slot;
            v2[i] = counter->episode;
            v3[i] = counter->what;
        }
        uint32_t key_0 = counter->key_0, key_1 = counter->key_1;
        for (int round = 0; round < ROUNDS; round++) {
            for (uint32_t i = 0; i < LANES; i++) {
                uint64_t p0 = (uint64_t) MULTIPLIER_0 * v0[i], p1 = (uint64_t) MULTIPLIER_1 * v2[i];
                v0[i] = (uint32_t) (p1 >> 32) ^ v1[i] ^ key_0;
                v1[i] = (uint32_t) p1;
                v2[i] = (uint32_t) (p0 >> 32) ^ v3[i] ^ key_1;
                v3[i] = (uint32_t) p0;
            }
            key_0 += WEYL_0;
            key_1 += WEYL_1;
        }
        uint32_t *words = ret_words + g * LANES_WORDS;
        for (uint32_t i = 0; i < LANES; i++) {
            words[4 * i] = v0[i];
            words[4 * i + 1] = v1[i];
            words[4 * i + 2] = v2[i];
            words[4 * i + 3] = v3[i];
        }
    }
}

/* One by one: what is left beside whole groups. */
static void draw_some(const struct rng_at *at, uint64_t first, size_t count, uint32_t *ret_words)
{
    for (size_t i = 0; i < count;) {
        struct rng_block block = rng_block(at, (uint32_t) ((first + i) / 4));
        for (size_t w = (first + i) % 4; w < 4 && i < count; w++)
            ret_words[i++] = block.v[w];
    }
}

void draws_words(const struct rng_at *at, uint64_t first, size_t count, uint32_t *ret_words)
{
    size_t lead = (size_t) (-first % 4), groups = count > lead ? (count - lead) / LANES_WORDS : 0;
    if (groups > 0) {
        struct counter counter = counter_of(at);
        draw_groups(&counter, (uint32_t) ((first + lead) / 4), groups, ret_words + lead);
    } else {
        lead = 0;
    }
    size_t done = lead + groups * LANES_WORDS;
    draw_some(at, first, lead, ret_words);
    draw_some(at, first + done, count - done, ret_words + done);
}

void draws_normals(const struct rng_at *at, uint64_t first, size_t count, double *ret_normals)
{
    uint32_t words[DRAWS_PORTION];
    uint64_t low = first / 2 * 2, high = (first + count + 1) / 2 * 2;
    assert(high - low <= DRAWS_PORTION);
    draws_words(at, low, (size_t) (high - low), words);
    for (size_t i = 0; i < count;) {
        size_t w = (size_t) (first + i - low);
        double pair[2];
        rng_normal_pair(words[w / 2 * 2], words[w / 2 * 2 + 1], pair);
        for (size_t p = w % 2; p < 2 && i < count; p++)
            ret_normals[i++] = pair[p];
    }
}

/* 32 numbers below 1 are compared with the probability at once, digit after digit from the highest. The d-th word has
 * the d-th digit of each. A number is decided at the first digit in which it differs, after two on average. */
struct comparison {
    uint32_t below, equal; /* a bit for each number */
};

/* The four digits from number d on. */
static void compare_digits(uint32_t d, uint64_t threshold, const uint32_t *digits, struct comparison *c)
{
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t of_threshold = (threshold >> (DIGITS - 1 - d - i) & 1) != 0 ? UINT32_MAX : 0;
        c->below |= c->equal & ~digits[i] & of_threshold;
        c->equal &= ~(digits[i] ^ of_threshold);
    }
}

void draws_bits(const struct rng_at *at, uint32_t first, uint32_t count, uint64_t threshold,
                uint32_t *ret_bits)
{
    struct comparison of[DRAWS_UNITS];
    uint32_t words[4 * DRAWS_UNITS], open = UINT32_MAX;
    assert(count <= DRAWS_UNITS && (uint64_t) first + count <= (uint64_t) 1 << DIGIT_SHIFT);
    for (uint32_t u = 0; u < count; u++)
        of[u] = (struct comparison){.equal = UINT32_MAX};
    for (uint32_t d = 0; d < DIGITS && open != 0; d += 4) {
        draws_words(at, (uint64_t) 4 * ((d / 4) << DIGIT_SHIFT | first), (size_t) 4 * count, words);
        open = 0;
        for (uint32_t u = 0; u < count; u++) {
            compare_digits(d, threshold, words + (size_t) 4 * u, &of[u]);
            open |= of[u].equal;
        }
    }
    for (uint32_t u = 0; u < count; u++)
        ret_bits[u] = threshold >> DIGITS != 0 ? UINT32_MAX : of[u].below;
}

/* Marsaglia and Tsang: with d = a - 1/3, c = 1 / sqrt(9 d) and v = (1 + c x)^3, x normal and u uniform, d v is a gamma
 * variable with shape a >= 1 when log u < x^2 / 2 + d (1 - v + log v). A shape below 1 takes one of shape + 1, times
 * u^(1 / shape). */
double draws_gamma(const struct rng_at *at, uint32_t number, double shape)
{
    assert(shape >= 0.5 && number >> (32 - TRIES_SHIFT) == 0);
    double raised = shape < 1.0 ? shape + 1.0 : shape, d = raised - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (uint32_t t = 0; t < TRIES; t++) {
        struct rng_block block = rng_block(at, number << TRIES_SHIFT | t);
        double normal[2];
        rng_normal_pair(block.v[0], block.v[1], normal);
        double x = normal[0], base = 1.0 + c * x, v = base * base * base;
        if (base <= 0.0)
            continue;
        if (elementary_log(rng_u01(block.v[2])) >= 0.5 * x * x + d * (1.0 - v + elementary_log(v)))
            continue;
        double below_1 = shape < 1.0 ? elementary_pow(rng_u01(block.v[3]), 1.0 / shape) : 1.0;
        return d * v * below_1 / shape;
    }
    return 1.0; /* the mean */
}
