/* 16-bit floats: IEEE's binary16 (F16), and the upper half of a float (BF16). */
#ifndef HANDOFF_CORE_BASE_HALF_H
#define HANDOFF_CORE_BASE_HALF_H

#include <stdint.h>

/* Exact. A NaN stays a NaN. */
float half_to_float(uint16_t bits);
float half_brain_to_float(uint16_t bits);

/* The nearest, ties to even. What is too large becomes an infinity; a NaN becomes a quiet NaN. */
uint16_t half_of_float(float value);
uint16_t half_brain_of_float(float value);

#endif
