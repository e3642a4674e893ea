#include "orchestrator/policy/catalog/catalog.h"

#include <assert.h>
#include <string.h>

#include "core/base/err.h"

static const struct policy_kind *const kinds[] = {
#define POLICY(name) &policy_##name,
#include "orchestrator/policy/catalog/policies.def"
#undef POLICY
};

size_t catalog_count(void)
{
    return sizeof kinds / sizeof *kinds;
}

const struct policy_kind *catalog_at(size_t index)
{
    assert(index < catalog_count());
    return kinds[index];
}

int catalog_find(const char *name, const struct policy_kind **ret_kind, struct diag *diag)
{
    for (size_t i = 0; i < catalog_count(); i++)
        if (strcmp(kinds[i]->name, name) == 0) {
            *ret_kind = kinds[i];
            return 0;
        }
    char known[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < catalog_count(); i++) {
        size_t length = strlen(kinds[i]->name);
        if (used + length + 3 > sizeof known)
            break;
        if (used > 0) {
            memcpy(known + used, ", ", 2);
            used += 2;
        }
        memcpy(known + used, kinds[i]->name, length + 1);
        used += length;
    }
    return diag_fail(diag, ERR_UNKNOWN, "unknown policy '%s'; known are %s", name, known);
}
