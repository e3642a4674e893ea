/* Encodings of activations where a model is split: rows (one a token) of columns (the hidden state), as bytes.
 *
 * Every number is little-endian. Nothing lies between rows, and nothing is padded but where it is said. Let a be a
 * row's largest magnitude, and e = 2^-149 the smallest float. |error| is the most by which what is decoded differs from
 * the element that was encoded.
 *
 *   format  one row                                                  |error| of an element x
 *   FP32    columns x f32                                            0
 *   FP16    columns x f16, rounded to nearest, ties to even          |x| 2^-11 + 2^-25; |x| from 65,520 on is refused
 *   INT8    f32 a; columns x i8 q; x = q a / 127                     a (1/254 + 2^-23) + e
 *   INT4    for each 32 columns, or what is left of them:            b (1/14 + 2^-23) + e,
 *           bf16 b, their largest magnitude rounded up;              b <= a (1 + 2^-7) + 2^-133
 *           ceil(n / 2) bytes of 4-bit q, the even element low;
 *           x = q b / 7
 *   TOPK    k x f16, then k numbers of columns; zeros elsewhere      kept: as FP16; dropped: |x|, and no kept
 *                                                                    element is smaller in magnitude
 *
 * INT4 has a scale for each 32 columns. Hidden states have a few columns that are many times as large as the rest
 * (Dettmers et al., LLM.int8(), arXiv:2208.07339), and one scale a row would turn the rest to zeros. It costs half a
 * bit an element. The scale is a bf16, the upper half of a float, and thus has a float's range.
 *
 * TOPK keeps the k largest magnitudes of each row; of equal ones those of lower number. They stand in rising order of
 * number. A number takes as many bits as columns - 1 needs, the lowest bit first, and a row's last byte is filled with
 * zeros: 12 bits for 4,096 columns where 16 would take a seventh more.
 *
 * The functions are pure. The same row gives the same bytes, and the same bytes the same row, on every processor: all
 * arithmetic is sums, products and quotients of floats and doubles, rounded to nearest, and none is contracted. */
#ifndef HANDOFF_CORE_INFER_ACTIVATION_H
#define HANDOFF_CORE_INFER_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"

#define ACTIVATION_ROWS_MAX 131072u /* tokens of the longest prompt */
#define ACTIVATION_COLUMNS_MAX 65536u

#define ACTIVATION_INT4_BLOCK 32u /* columns of one scale */

enum activation_format {
    ACTIVATION_FP32,
    ACTIVATION_FP16,
    ACTIVATION_INT8,
    ACTIVATION_INT4,
    ACTIVATION_TOPK,
    ACTIVATION_FORMATS /* how many there are */
};

struct activation_shape {
    enum activation_format format;
    uint32_t rows;    /* 1 .. ACTIVATION_ROWS_MAX */
    uint32_t columns; /* 1 .. ACTIVATION_COLUMNS_MAX */
    uint32_t k;       /* TOPK: 1 .. columns; else 0 */
};

/* Whether a shape from outside is one: ERR_RANGE with a sentence. */
int activation_check(const struct activation_shape *shape, struct diag *diag);

/* Bytes of an encoding; the shape is one. At most 32 GiB. */
size_t activation_bytes(enum activation_format format, uint32_t rows, uint32_t columns, uint32_t k);

/* x [rows * columns] becomes bytes [activation_bytes]. ERR_RANGE: an element is not a number, infinite, or too large
 * for FP16 and TOPK. */
int activation_encode(const struct activation_shape *shape, const float *x, uint8_t *ret_bytes,
                      struct diag *diag);

/* The other way; nothing is believed. ERR_RANGE: the shape is none. ERR_CORRUPT: another size, a number or a scale that
 * is not finite, a scale below zero, columns that do not rise, bits where zeros belong. What comes out is always finite.
 *
 * A q that no encoder writes (-128, or -8 of INT4) is read as the one above it, so that bits which a channel has turned
 * over still make an activation. */
int activation_decode(const struct activation_shape *shape, const uint8_t *bytes, size_t size, float *ret_x,
                      struct diag *diag);

#endif
