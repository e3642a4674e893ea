/* Made by unicode_tables.py, which says how. Unicode 14.0.0. */
#ifndef HANDOFF_CORE_WEIGHTS_UNICODE_TABLES_H
#define HANDOFF_CORE_WEIGHTS_UNICODE_TABLES_H

#include <stdint.h>

#define UNICODE_RANGES 792

/* In rising order, without overlap. `class` is an enum unicode_class. */
struct unicode_range {
    uint32_t first, last, class;
};

extern const struct unicode_range unicode_range[UNICODE_RANGES];

#endif
