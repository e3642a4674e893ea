/* One slot to decide, with whatever may have happened to it: devices absent, servers down, no coverage. */
#ifndef HANDOFF_TESTS_UNIT_POLICY_SLOT_H
#define HANDOFF_TESTS_UNIT_POLICY_SLOT_H

#include "core/base/rng.h"
#include "orchestrator/policy/catalog/settings.h"
#include "orchestrator/policy/policy.h"
#include "tests/unit/model/check.h"

struct slot {
    struct world world;
    struct settings settings; /* of policies; only full_slot.h fills it */
    struct env_view view;
    struct env_decision decision;
    uint32_t load[WORLD_SERVERS_MAX];
};

/* Takes the world over. */
static inline void slot_open_world(struct slot *slot, struct world *world)
{
    slot->world = *world;
    assert_int_equal(env_view_init(&slot->view, &slot->world), 0);
    assert_int_equal(env_decision_init(&slot->decision, slot->world.devices), 0);
}

/* A slot of a world alone: nothing of how policies are set. */
static inline void slot_open_plain(struct slot *slot, const char *const *assignments)
{
    struct world world = check_world(assignments);
    slot_open_world(slot, &world);
}

static inline void slot_close(struct slot *slot)
{
    env_decision_finish(&slot->decision);
    env_view_finish(&slot->view);
    world_finish(&slot->world);
}

/* The device is not there, or the server is not up. */
static inline void slot_remove_device(struct slot *slot, uint32_t device)
{
    slot->view.present[device] = false;
    for (uint32_t m = 0; m < slot->world.servers; m++)
        slot->view.covered[(size_t) device * slot->world.servers + m] = false;
}

static inline void slot_remove_server(struct slot *slot, uint32_t server)
{
    slot->view.server_up[server] = false;
    for (uint32_t n = 0; n < slot->world.devices; n++)
        slot->view.covered[(size_t) n * slot->world.servers + server] = false;
}

/* The slot of an episode with one device in `absent` missing, one server in `down` down and one pair in
 * `uncovered` out of reach, drawn; 0: none. */
static inline void slot_draw(struct slot *slot, uint32_t episode, uint32_t absent, uint32_t down,
                             uint32_t uncovered)
{
    struct rng_at at = {.seed = 9, .phase = RNG_TEST, .stream = RNG_SAMPLING, .episode = episode};
    for (uint32_t m = 0; m < slot->world.servers; m++)
        slot->view.server_up[m] = true;
    check_observe_all(&slot->view, episode);
    for (uint32_t n = 0; n < slot->world.devices; n++) {
        at.entity = n;
        if (absent > 0 && rng_below(&at, 0, absent) == 0)
            slot_remove_device(slot, n);
        for (uint32_t m = 0; m < slot->world.servers; m++)
            if (uncovered > 0 && rng_below(&at, m + 1, uncovered) == 0)
                slot->view.covered[(size_t) n * slot->world.servers + m] = false;
    }
    for (uint32_t m = 0; m < slot->world.servers; m++) {
        at.entity = slot->world.devices + m;
        if (down > 0 && rng_below(&at, 0, down) == 0)
            slot_remove_server(slot, m);
        slot->view.previous_load[m] = rng_below(&at, 1, slot->world.devices + 1);
    }
}

/* J of the decision as it stands. */
static inline double slot_cost(struct slot *slot)
{
    env_allocate(&slot->view, &slot->decision, slot->load);
    return env_joint_cost(&slot->view, &slot->decision);
}

/* J of what a policy decides, starting from the last decision's leavings. */
static inline double slot_decide(struct slot *slot, struct policy *policy)
{
    policy->kind->decide(policy, &slot->view, &slot->decision);
    return slot_cost(slot);
}

#endif
