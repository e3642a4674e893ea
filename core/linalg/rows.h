/* What a transformer does to rows of numbers between its products. Single precision, IEEE operations in the order that
 * is written here: the same bits on every vector path and processor, whatever the length and whoever stands beside.
 * (Of a result that is no number, neither sign nor payload is promised, but for the conversions.)
 *
 * A sum of values x[0..n-1] runs in 16 parts: part r takes x[r], x[r + 16], x[r + 32] and so on, from 0. Then
 * part[r] += part[r + 8] for r < 8, so again with 4, 2 and 1, and part[0] is the sum.
 *
 * Nothing is allocated. Results may take the place of their operands where the parameter is said to be in place, or
 * equal to it; otherwise they do not overlap. */
#ifndef HANDOFF_CORE_LINALG_ROWS_H
#define HANDOFF_CORE_LINALG_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* y[i] = exp(x[i]), with an error below 0.9 units in the last place: of all arguments, the worst has 0.892.
 * exp(-infinity) is 0, exp(infinity) infinite, exp(0) 1, and results may be denormal. y may be x. */
void linalg_exp(size_t count, const float *x, float *y);

/* Root mean square normalisation of each row (B. Zhang and R. Sennrich, 2019):
 *
 *     y[i] = (x[i] * (1 / sqrt(sum / columns + epsilon))) * gain[i]
 *
 * where each part of the sum is a chain of part = fma(x, x, part). */
struct linalg_rms_norm {
    size_t rows, columns; /* columns >= 1, below 2^24 */
    const float *x;       /* [rows][x_stride >= columns] */
    size_t x_stride;
    const float *gain; /* [columns] */
    float epsilon;     /* > 0 */
    float *y;          /* [rows][y_stride >= columns]; may be x with its stride */
    size_t y_stride;
};

void linalg_rms_norm(const struct linalg_rms_norm *norm);

/* In place: e[i] = exp(s[i] - max s), and s[i] = e[i] * (1 / sum of e). At least one score is finite, and none is
 * positive infinite; otherwise all results are no numbers, as they are when one score is none. Scores of -infinity
 * become 0, and those appended change no bit of the others: a causal mask can pad. count >= 1 */
void linalg_softmax(size_t count, float *scores);

/* In place: gate[i] = (gate[i] / (1 + exp(-gate[i]))) * up[i]; without `up` (NULL), the quotient. An infinite gate
 * gives infinity or no number. */
void linalg_silu_product(size_t count, float *gate, const float *up);

/* So with GELU in the form with tanh (D. Hendrycks and K. Gimpel, 2016), which is the same as a quotient:
 * (gate / (1 + exp(-gate * fma(gate * gate, C, B)))) * up, with B = 2 sqrt(2 / pi) and C = 0.044715 B. */
void linalg_gelu_product(size_t count, float *gate, const float *up);

/* Exact, no numbers included: of half precision (IEEE binary16) ones the payload becomes the float's leading bits, and
 * they become quiet; of bfloat16 ones every bit stays. */
void linalg_floats_of_halves(size_t count, const uint16_t *halves, float *ret_floats);
void linalg_floats_of_bfloats(size_t count, const uint16_t *bfloats, float *ret_floats);

/* To the nearest, to even between two; from 65520 on infinite. What is no number stays none, with the leading bits of
 * its payload. */
void linalg_halves_of_floats(size_t count, const float *floats, uint16_t *ret_halves);

#endif
