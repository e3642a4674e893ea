/* Made by elementary_tables.py, which says how. */
#ifndef HANDOFF_CORE_BASE_ELEMENTARY_TABLES_H
#define HANDOFF_CORE_BASE_ELEMENTARY_TABLES_H

#include <stdint.h>

/* 128 / ln 2 */
#define ELEMENTARY_STEPS_PER_LN_2 0x1.71547652b82fep+7
/* ln 2 / 128 */
#define ELEMENTARY_LN_2_STEP_1 0x1.62e42fef80000p-8
#define ELEMENTARY_LN_2_STEP_2 0x1.1cf79abc9e3b4p-43
/* ln 2; the first part is a multiple of 2^-42 */
#define ELEMENTARY_LN_2_1 0x1.62e42fefa3800p-1
#define ELEMENTARY_LN_2_2 0x1.ef35793c76730p-45
/* 1 / ln 2; the first part has 26 bits */
#define ELEMENTARY_LOG2_E_1 0x1.7154760000000p+0
#define ELEMENTARY_LOG2_E_2 0x1.4ae0bf85ddf44p-26
/* 1 / ln 10; the first part has 26 bits */
#define ELEMENTARY_LOG10_E_1 0x1.bcb7b10000000p-2
#define ELEMENTARY_LOG10_E_2 0x1.49b9438ca9aaep-28
/* 128 / pi */
#define ELEMENTARY_STEPS_PER_PI 0x1.45f306dc9c883p+5
/* pi / 128; the first two parts have 38 bits */
#define ELEMENTARY_PI_STEP_1 0x1.921fb54440000p-6
#define ELEMENTARY_PI_STEP_2 0x1.68c234c4c0000p-45
#define ELEMENTARY_PI_STEP_3 0x1.98a2e03707345p-83
/* pi */
#define ELEMENTARY_PI_1 0x1.921fb54442d18p+1
#define ELEMENTARY_PI_2 0x1.1a62633145c07p-53

/* Bits of the least argument to which a logarithm reduces. */
#define ELEMENTARY_LOG_LEAST UINT64_C(0x3fe6900000000000)

/* Row j: 2^(j / 128) = value (1 + tail). */
struct elementary_power {
    double value, tail;
};
extern const struct elementary_power elementary_power[128];

/* Row j: a step of the logarithm: its centre, 1 / centre, ln(centre) = high + low; high is a multiple of 2^-42. */
struct elementary_log_step {
    double centre, inverse, high, low;
};
extern const struct elementary_log_step elementary_log_step[128];

/* Row j: sine + sine_low = sin((j - 64) pi / 128), and the cosine less 1. */
struct elementary_circle {
    double sine, sine_low, cosine_less_1;
};
extern const struct elementary_circle elementary_circle[128];

/* Row j: angle + low = atan(j / 64). */
struct elementary_arc {
    double angle, low;
};
extern const struct elementary_arc elementary_arc[65];

/* 128 / pi in base 2^32: 0, its whole part, then the digits after the point. */
extern const uint32_t elementary_steps_per_pi[39];

#endif
