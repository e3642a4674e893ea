/* Neurosurgeon: each device by itself enumerates every (split, server) with this slot's channel and the load
 * it saw last, and takes the one that costs itself least. There is no coordination: all may jump to the server
 * that was empty, and back in the next slot.
 *
 * The load that device n counts with is K = K_m(t-1) + [n was not at m itself in slot t-1], at least 1, and
 * its shares are 1/K. With radio.sharing: shared the band's share is 1/(all offloaders of slot t-1 + [n was
 * not one]). Under the proportional rules it does not know what others send, and counts with equal parts. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/own_cost.h"

struct neurosurgeon {
    uint32_t *server;  /* [N] where each was sent in the slot before; ENV_LOCAL: nowhere */
    struct slot_id at; /* of that decision */
    bool begun;        /* there was one */
};

static void destroy(struct policy *policy)
{
    struct neurosurgeon *own = policy->state;
    if (own == NULL)
        return;
    free(own->server);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    struct neurosurgeon *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->server = calloc(policy->world->devices, sizeof *own->server);
    return own->server == NULL ? diag_fail(diag, -ENOMEM, "out of memory") : 0;
}

/* What was decided counts only in the very next slot of the same episode. */
static void forget_what_is_old(struct neurosurgeon *own, const struct env_view *view)
{
    struct slot_id id = view->id;
    bool follows = own->begun && id.phase == own->at.phase && id.episode == own->at.episode && id.slot > 0 &&
                   id.slot - 1 == own->at.slot;
    for (uint32_t n = 0; n < view->world->devices && !follows; n++)
        own->server[n] = ENV_LOCAL;
    own->at = id;
    own->begun = true;
}

static double part_of(uint32_t load, bool was_there)
{
    uint32_t with_me = was_there ? load : load + 1;
    return 1.0 / (with_me > 0 ? with_me : 1);
}

static void choose(const struct env_view *view, uint32_t n, uint32_t last, struct env_decision *decision)
{
    const struct world *world = view->world;
    bool shared = world->scenario.radio.sharing == BANDWIDTH_SHARED;
    assert(last == ENV_LOCAL || last < world->servers);
    uint32_t everywhere = 0;
    double best = own_cost_local(view, n);
    for (uint32_t m = 0; m < world->servers; m++)
        everywhere += view->previous_load[m];
    for (uint32_t m = 0; m < world->servers; m++) {
        if (!view->covered[(size_t) n * world->servers + m])
            continue;
        struct task_plan plan = {.server = m, .compute_share = part_of(view->previous_load[m], last == m)};
        plan.bandwidth_share = shared ? part_of(everywhere, last != ENV_LOCAL) : plan.compute_share;
        double cost = own_cost_best_coded(view, n, &plan);
        if (cost < best) {
            best = cost;
            decision->split[n] = plan.split;
            decision->server[n] = m;
            decision->coding[n] = plan.coding;
        }
    }
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct neurosurgeon *own = policy->state;
    uint32_t devices = policy->world->devices;
    forget_what_is_old(own, view);
    for (uint32_t n = 0; n < devices; n++) {
        ret_decision->split[n] = policy->world->llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
        ret_decision->coding[n] = 0;
        if (view->present[n])
            choose(view, n, own->server[n], ret_decision);
    }
    env_repair(view, ret_decision);
    memcpy(own->server, ret_decision->server, devices * sizeof *own->server);
}

const struct policy_kind policy_neurosurgeon = {
    .name = "neurosurgeon",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .summary = "each device its own best (split, server) for the loads of the slot before, uncoordinated",
    .source =
        "Kang et al., ASPLOS 2017; on a chain Edgent, DNN surgery and JointDNN are the same enumeration",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
