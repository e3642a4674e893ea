/* Elementary functions with the same bits on every processor and from every compiler: sums, products, quotients,
 * integer operations, and no fused product. Whatever reaches a recorded number, a decision or a weight uses
 * these. libm's last digit depends on the processor. (sqrt, fmod, floor and ceil are exact everywhere.)
 *
 * All finite arguments are right, and special values are those of C17, Annex F. Neither errno nor the exception
 * flags are set. Rounding is to nearest. A change of bits needs a new number: LINALG_ARITHMETIC in
 * core/linalg/product.h. The worst error found, in units of the last place, beside long double
 * with 64 bits (tests/unit/base/test_elementary.c, and 3 million arguments of each of its ranges): */
#ifndef HANDOFF_CORE_BASE_ELEMENTARY_H
#define HANDOFF_CORE_BASE_ELEMENTARY_H

double elementary_exp(double x);   /* 0.52; 0.76 where the result is denormal */
double elementary_expm1(double x); /* exp(x) - 1, whole near 0: 0.54 */
double elementary_tanh(double x);  /* 0.51 */

double elementary_log(double x);   /* 0.53 */
double elementary_log1p(double x); /* log(1 + x), whole near 0: 0.53 */
double elementary_log2(double x);  /* 0.52, and whole for powers of 2 */
double elementary_log10(double x); /* 0.52, and whole for powers of 10 */

double elementary_pow(double x, double y); /* 0.52; 0.76 where the result is denormal */

double elementary_sin(double x); /* 0.54 */
double elementary_cos(double x); /* 0.54 */
/* Both of one angle, in little more time than one: the same bits. */
void elementary_sincos(double x, double *ret_sin, double *ret_cos);
double elementary_atan2(double y, double x); /* 0.60 */

float elementary_expf(float x); /* these three: 0.501 of a float's */
float elementary_logf(float x);
float elementary_log1pf(float x);

#endif
