/* What a bad channel leaves of activations: rows (one a token) of columns (the hidden state), where a model is split.
 *
 *   kind      what happens to the payload                                            source
 *   ELEMENTS  each element is zeroed with probability `loss`, independent of others  the code of Chen et al.,
 *                                                                                    arXiv:2406.02616
 *   PACKETS   what lay in a missing packet is missing                                their equation (4), for packets
 *   ANALOG    y = h x + n: the elements are the symbols; neither coded nor            their equation (3); real numbers
 *             quantised
 *   BITS      each bit of the encoded elements turns over with probability            a hard decision without a code
 *             `bit_error`
 *
 * Damage is applied to the payload alone. The shape, top-k's numbers of columns, and the scales under BITS, are taken
 * to be sent reliably, as is the gain of ANALOG.
 *
 * Packets. An element is missing when any byte of it lay in a missing packet, or any byte of the scale that it needs.
 * Of top-k that is a kept element, with its number: it becomes zero, whatever the fill, since the receiver does not
 * know which column it was. A top-k row without any kept element is filled.
 *
 *   ROWS         packet p holds bytes p * packet_bytes and following: token after token
 *   INTERLEAVED  of n packets, word w (4 bytes) of the payload lies in packet w mod n
 *
 * ANALOG. The sender scales x by a gain g to mean power 1, and the receiver takes the gain away again. So n has the
 * standard deviation rms * 10^(-snr_db / 20), where rms is what the gain made 1:
 *
 *   FIXED        reference_rms, the same for all payloads
 *   PER_TOKEN    the row's root mean square
 *   PER_REQUEST  the payload's
 *
 * E[h^2] = 1, so snr_db is the mean over the fading. h is 1 (AWGN); Rayleigh, h^2 exponential; or Nakagami-m, h^2
 * gamma with shape m and mean 1, by Marsaglia and Tsang ("A simple method for generating gamma variables", ACM TOMS
 * 26(3), 2000). Nakagami's m = 1 is Rayleigh's law. An equalised receiver knows h: y / h = x + n / h.
 *
 * Draws are functions of `at`, whose stream is set here: RNG_DAMAGE_FADING for h, RNG_DAMAGE for all else. What is drawn
 * has a number in the whole payload: an element row * columns + column, a packet and a block of rows its own. So rows
 * that are handled in portions get the same bits as all at once. Number i takes word i mod 4 of Philox's block i / 4;
 * normals come in pairs of elements; the t-th try at h of block b is Philox's block 64 b + t; the 32 bits of unit u of
 * encoded elements are compared with the probability digit by digit, and digit d takes word d mod 4 of block
 * 2^29 (d / 4) + u.
 *
 * All sums are of doubles, in rising order. What comes out is finite. The functions are pure and keep nothing. */
#ifndef HANDOFF_CORE_DAMAGE_DAMAGE_H
#define HANDOFF_CORE_DAMAGE_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/base/rng.h"
#include "core/infer/activation.h"

#define DAMAGE_SNR_DB_MAX 200.0 /* of either sign */
#define DAMAGE_NAKAGAMI_MIN 0.5 /* and what the distribution allows */
#define DAMAGE_NAKAGAMI_MAX 1e6

enum damage_kind {
    DAMAGE_NONE,
    DAMAGE_ELEMENTS,
    DAMAGE_PACKETS,
    DAMAGE_ANALOG,
    DAMAGE_BITS,
};

enum damage_layout {
    DAMAGE_ROWS,
    DAMAGE_INTERLEAVED,
};

/* What the receiver puts where nothing arrived. */
enum damage_fill {
    DAMAGE_ZERO,
    DAMAGE_PREVIOUS, /* the same column of the token before, as received and filled; of the first token zero */
    DAMAGE_MEAN,     /* `mean`, or that of the column's elements that arrived; zero when none did */
};

enum damage_power {
    DAMAGE_FIXED,
    DAMAGE_PER_TOKEN,
    DAMAGE_PER_REQUEST,
};

enum damage_fading {
    DAMAGE_AWGN,
    DAMAGE_RAYLEIGH,
    DAMAGE_NAKAGAMI,
};

/* All zeros is DAMAGE_NONE. What a kind does not name is not looked at. */
struct damage {
    enum damage_kind kind;
    double loss;               /* ELEMENTS, PACKETS: 0 .. 1, in steps of 2^-32 */
    enum damage_fill fill;     /* ELEMENTS, PACKETS */
    const float *mean;         /* MEAN: [columns], borrowed; NULL: of what arrived of the payload */
    enum damage_layout layout; /* PACKETS */
    uint32_t packet_bytes;     /* PACKETS: > 0 */
    const uint8_t
        *missing_packets; /* PACKETS: [damage_packets], borrowed, not 0: missing; NULL: drawn with `loss` */
    double snr_db;        /* ANALOG: 10 log10 of the mean SNR, within DAMAGE_SNR_DB_MAX */
    enum damage_fading fading; /* ANALOG */
    double nakagami_m;         /* NAKAGAMI */
    uint32_t block_rows;       /* ANALOG: rows under one h; 0: all */
    bool equalised;            /* ANALOG */
    enum damage_power power;   /* ANALOG */
    double reference_rms;      /* FIXED: > 0; PER_REQUEST: the payload's, or 0: of the rows that are given */
    double bit_error;          /* BITS: 0 .. 1, in steps of 2^-32 */
    uint32_t protected_bits;   /* BITS: the highest bits of each element that never turn over */
};

/* What became of a payload. A function adds to it, so that portions add up; start it with zeros. */
struct damage_result {
    uint64_t elements; /* that were sent; of top-k those that were kept */
    uint64_t missing;  /* elements that did not arrive, or became no finite number and were zeroed */
    uint64_t bits;     /* BITS: that could turn over */
    uint64_t turned;   /* BITS: that did */
};

/* ERR_RANGE with a sentence: a number is out of its range, or the format does not go with the kind. ANALOG wants fp32.
 * BITS wants at most 2 GiB of encoded elements. */
int damage_check(const struct damage *damage, const struct activation_shape *shape, struct diag *diag);

/* Packets of a payload. */
uint64_t damage_packets(const struct damage *damage, const struct activation_shape *shape);

/* What a receiver decodes: bytes as sent (activation_encode's) become ret_x [rows * columns]. Errors: damage_check's,
 * activation_decode's of the bytes as sent, -ENOMEM. */
int damage_receive(const struct damage *damage, const struct activation_shape *shape, const struct rng_at *at,
                   const uint8_t *bytes, size_t size, float *ret_x, struct damage_result *result,
                   struct diag *diag);

/* The same on finite floats that were never encoded: NONE, ELEMENTS and ANALOG. x [rows * columns] are rows first_row and
 * following of the payload; `before` is the row before them as received (PREVIOUS), or NULL: none. -ENOMEM.
 *
 * MEAN without a `mean`, and PER_REQUEST without reference_rms, know the given rows alone. `damage` is one that
 * damage_check accepts. */
int damage_rows(const struct damage *damage, const struct rng_at *at, uint32_t first_row, uint32_t rows,
                uint32_t columns, const float *before, float *x, struct damage_result *result);

/* The law in words, all but how bad it is (loss, snr_db, bit_error) and `mean`: "none", "erasure, fill zero", "packets of 1500
 * bytes, rows, fill mean", "analog, power fixed at 2.5, nakagami:2 over 4 rows, not equalised", "bits, 2 protected". */
#define DAMAGE_LAW_MAX 128u
void damage_law(const struct damage *damage, char ret_law[static DAMAGE_LAW_MAX]);

/* Root mean square of x [count]; 0 of nothing. */
double damage_rms(const float *x, size_t count);

/* The h of one block of rows, >= 0 and finite. */
double damage_gain(const struct damage *damage, const struct rng_at *at, uint32_t block);

#endif
