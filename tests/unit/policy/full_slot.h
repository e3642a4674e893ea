/* One slot, and the policies that decide it, as they are set. */
#ifndef HANDOFF_TESTS_UNIT_POLICY_FULL_SLOT_H
#define HANDOFF_TESTS_UNIT_POLICY_FULL_SLOT_H

#include "orchestrator/policy/catalog/catalog.h"
#include "tests/unit/policy/full_world.h"
#include "tests/unit/policy/slot.h"

/* The assignments may also be of policies' keys. */
static inline void slot_open(struct slot *slot, const char *const *assignments)
{
    struct world world = full_world(assignments, &slot->settings);
    slot_open_world(slot, &world);
}

static inline struct policy_options slot_options(const struct slot *slot, bool training)
{
    return full_options(&slot->world, &slot->settings, training);
}

static inline struct policy slot_policy(const struct slot *slot, const char *name)
{
    const struct policy_options options = slot_options(slot, false);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct diag diag = {{0}};
    if (catalog_find(name, &kind, &diag) != 0 || policy_create(&policy, kind, &options, &diag) != 0)
        fail_msg("%s", diag.text);
    return policy;
}

#endif
