/* Units and constants. Every physical quantity's name ends in its unit (_s, _j, _w, _m, _hz, _bps, _bits,
 * _flops). */
#ifndef HANDOFF_CORE_BASE_UNITS_H
#define HANDOFF_CORE_BASE_UNITS_H

#include <stdint.h>

#define UNITS_PI 3.14159265358979323846
#define UNITS_NS_PER_S 1000000000ULL
#define UNITS_MHZ 1e6
#define UNITS_TFLOP 1e12
#define UNITS_GB 1e9
#define UNITS_KB 1024u
#define UNITS_MB (1024u * 1024u)

static inline double units_ns_to_s(uint64_t ns)
{
    return (double) ns * 1e-9;
}

#endif
