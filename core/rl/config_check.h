/* What a learner's configuration must hold, as tables of rows. The first row that is out of range is refused with
 * ERR_RANGE: "learner's warm-up is 9, allowed is 0 to 8". */
#ifndef HANDOFF_CORE_RL_CONFIG_CHECK_H
#define HANDOFF_CORE_RL_CONFIG_CHECK_H

#include <stddef.h>

#include "core/base/diag.h"

struct config_check_size {
    const char *name;
    size_t value, low, high;
};

enum config_check_range {
    CONFIG_SHARE,    /* 0 to 1 */
    CONFIG_DISCOUNT, /* 0 to below 1: the learner divides by 1 - discount */
    CONFIG_AMOUNT,   /* 0 or more, finite */
    CONFIG_POSITIVE  /* above 0, finite */
};

struct config_check_number {
    const char *name;
    float value;
    enum config_check_range allowed;
};

int config_check_sizes(const struct config_check_size *size, size_t count, struct diag *diag);
int config_check_numbers(const struct config_check_number *number, size_t count, struct diag *diag);

#endif
