#include "core/rl/config_check.h"

#include <math.h>
#include <stdbool.h>

#include "core/base/err.h"

static const char *const range_texts[] = {[CONFIG_SHARE] = "0 to 1",
                                          [CONFIG_DISCOUNT] = "0 to below 1",
                                          [CONFIG_AMOUNT] = "0 or more",
                                          [CONFIG_POSITIVE] = "above 0"};

static bool is_allowed(float value, enum config_check_range allowed)
{
    if (!isfinite(value))
        return false;
    switch (allowed) {
    case CONFIG_SHARE: return value >= 0.0f && value <= 1.0f;
    case CONFIG_DISCOUNT: return value >= 0.0f && value < 1.0f;
    case CONFIG_AMOUNT: return value >= 0.0f;
    case CONFIG_POSITIVE: return value > 0.0f;
    default: return false;
    }
}

int config_check_sizes(const struct config_check_size *size, size_t count, struct diag *diag)
{
    for (size_t i = 0; i < count; i++)
        if (size[i].value < size[i].low || size[i].value > size[i].high)
            return diag_fail(diag, ERR_RANGE, "learner's %s is %zu, allowed is %zu to %zu", size[i].name,
                             size[i].value, size[i].low, size[i].high);
    return 0;
}

int config_check_numbers(const struct config_check_number *number, size_t count, struct diag *diag)
{
    for (size_t i = 0; i < count; i++)
        if (!is_allowed(number[i].value, number[i].allowed))
            return diag_fail(diag, ERR_RANGE, "learner's %s is %g, allowed is %s", number[i].name,
                             (double) number[i].value, range_texts[number[i].allowed]);
    return 0;
}
