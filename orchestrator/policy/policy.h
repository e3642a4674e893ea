/* A policy maps one slot's observations to one decision for each device. Each policy has one file and one row in the
 * table (catalog/policies.def); a scenario names it.
 *
 * What a policy may know is declared in its row and printed with every comparison:
 *
 *   observations  what a deployment could know: positions, gains, tasks, the nodes' declared speeds, and the loads
 *                 of the last slot
 *   model         also how delay, energy and cost come about (core/model/cost)
 *   world         everything, to compute the yardstick */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_POLICY_H
#define HANDOFF_ORCHESTRATOR_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/model/cost.h"
#include "core/model/env.h"
#include "proto/message.h"

enum policy_sees { POLICY_SEES_OBSERVATIONS, POLICY_SEES_MODEL, POLICY_SEES_WORLD };

/* What a policy is made for: splits in any run.mode or in one of them, or whole tasks that reserve (env_reserves). */
enum policy_modes { POLICY_ANY_MODE, POLICY_MODE_ROUND, POLICY_MODE_QUEUE, POLICY_MODE_RESERVED };

struct policy;

/* A learner's experience, as bytes that it alone understands: transitions first .. first + count - 1, counted
 * from the beginning of its training. */
struct policy_experience {
    uint64_t first, count;
    uint64_t oldest; /* earlier ones are no longer needed */
};

/* What is heard of a whole task beside that, when it ends: at its deadline, if it is late. */
struct whole_outcome {
    bool refused;    /* it never began: the latency, and all that was measured, is NAN */
    uint32_t server; /* that was decided; ENV_LOCAL: none */
    uint32_t task_class;
    double deadline_s;   /* 0: none */
    double ended_s;      /* seconds of the episode */
    double served_s;     /* the server's seconds by then */
    double declared_s;   /* what a server as declared would have taken for the same */
    double answer_right; /* 1 or 0; NAN: no answer in time */
    double price;
};

/* How one task went, as its device reported it. */
struct policy_outcome {
    uint32_t slot; /* in which it was decided */
    uint32_t device;
    double latency_s, energy_j, cost;
    struct task_times times;   /* where each second went */
    struct task_joules joules; /* and each joule */
    double channel; /* condition of its channel (core/model/channel.h); NAN: reliable, or nothing was sent */
    double quality; /* log(perplexity / that of a clean channel), nats; NAN: not known */
    bool recovered; /* its server was lost or left: it did not go as decided */
    bool refused;   /* where tasks reserve, it was not begun: seconds, joules and cost are NAN */
    struct whole_outcome whole; /* where tasks reserve */
};

/* The outcome of a slot. */
struct policy_feedback {
    double reward;
    const struct env_view *next; /* the view that followed */
    bool truncated;              /* the time limit ended the episode here (the process itself goes on) */
    /* Tasks that were finished or refused since the last learn (mode round: those of the slot), by slot and device;
     * lost ones are not among them. */
    const struct policy_outcome *outcome; /* [outcomes] */
    size_t outcomes;
};

/* What is out of the ordinary about a decision, for an event row. */
#define POLICY_NOTES_MAX 2u
enum policy_note_kind {
    POLICY_NOTE_REFUSAL, /* the policy's remote gave no decision that could be used */
    POLICY_NOTE_REJOIN,  /* a remote is here again */
};
struct policy_note {
    enum policy_note_kind kind;
    const char *detail;
};

/* A remote's answer. */
struct policy_reply {
    const struct msg_action *action; /* of the round that was asked for, until the next ask; NULL: none */
    const char *why; /* why there is none; NULL: the remote is still absent, as was said before */
    bool is_back;    /* a remote is there again, after one was lost */
};

/* A remote that decides, for a policy that `asks`: the host provides it. Messages are those of
 * proto/messages.def. */
struct policy_remote {
    /* Sends a VIEW and waits for its ACTION, for a limited time. */
    void (*ask)(void *user, const struct proto_message *view, struct policy_reply *ret_reply);
    /* Sends a message that has no answer. */
    void (*tell)(void *user, const struct proto_message *message);
    /* The ACTION is not valid: the connection ends. */
    void (*refuse)(void *user, const char *why);
    void *user;
};

/* What a learner needs before its first update. */
struct policy_first_update {
    uint64_t slots;  /* it learns from before it, at the least */
    const char *key; /* of the scenario: what mostly decides that */
};

struct policy_kind {
    const char *name;
    enum policy_sees sees;
    enum policy_modes modes;
    /* whose training makes the weights that it loads; NULL: its own, or it has none */
    const char *weights_of;
    bool reserves;       /* made for splits, it can decide whole tasks too */
    bool only_named;     /* slow, or of use in few scenarios: a list that names no policy leaves it out */
    bool asks;           /* decides through policy->remote */
    const char *summary; /* one line for `show policies` */
    const char *source;
    const struct scenario_part *settings; /* the sections of a scenario that are its room's; NULL: none */

    /* Sets policy->state. Says why when the scenario does not suit the policy (ERR_UNSUPPORTED). */
    int (*create)(struct policy *policy, struct diag *diag);
    void (*destroy)(struct policy *policy);
    /* Fills split, server and repaired for all devices with a valid decision (env_repair has the last word).
     * Shares are not a policy's business: env_allocate fills them. */
    void (*decide)(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision);

    /* What to say of the last decide, until the next one; returns how many. NULL: never anything. */
    size_t (*notes)(const struct policy *policy, struct policy_note ret_note[static POLICY_NOTES_MAX]);
    /* The outcome of every slot that was decided, training or not; NULL: it is not needed. */
    void (*hear)(struct policy *policy, const struct policy_feedback *feedback);

    /* Learners only, NULL otherwise. */
    /* Ends the transition that the last decide began. */
    void (*learn)(struct policy *policy, const struct policy_feedback *feedback);
    /* One update from what was learned so far; may run on a worker thread while nothing else is called. It does
     * nothing while too little was learned for one. */
    void (*update)(struct policy *policy);
    /* How many updates have changed it since training began, before a resume too. */
    uint64_t (*updates)(const struct policy *policy);
    /* `settings` as policy->settings, of a world with so many devices. */
    struct policy_first_update (*first_update)(const void *settings, uint32_t devices);
    /* Weights to deploy; with `full` also what training needs to go on. */
    int (*save)(const struct policy *policy, bool full, struct buf *bytes);
    int (*load)(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
    /* Beside save(full), so that training can be resumed: appends its experience since the last gather.
     * NULL, like recall: save(full) has all of it. */
    int (*gather)(struct policy *policy, struct policy_experience *ret_experience, struct buf *bytes);
    /* A fresh learner becomes the one that was saved, and goes on with the same bits: recall takes what was
     * gathered, oldest first, and then resume what save(full) wrote. A learner for which either
     * failed must not be used. */
    int (*recall)(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
    int (*resume)(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
};

/* What a policy is made for. All borrowed: it must outlive the policy. */
struct policy_options {
    const struct world *world;
    struct scenario_values settings; /* those of every policy (catalog/settings.h) */
    bool training;                   /* to explore and learn, if it learns */
};

struct policy {
    const struct policy_kind *kind;
    const struct world *world;           /* borrowed */
    const void *settings;                /* borrowed: the struct of kind->settings; NULL: it has none */
    struct scenario_values all_settings; /* borrowed: of every policy, for one that makes others */
    bool training;                       /* explore, and learn */
    void *state;                         /* the policy's own */
    const struct policy_remote *remote;  /* borrowed, set after policy_create; NULL: no remote */
};

const char *policy_sees_name(enum policy_sees sees);
const char *policy_modes_name(enum policy_modes modes); /* "any", "round", "queue", "reserved" */
/* What a scenario wants: not POLICY_ANY_MODE. */
enum policy_modes policy_mode_of(const struct scenario *scenario);
bool policy_suits(const struct policy_kind *kind, enum policy_modes mode);

/* ERR_UNSUPPORTED when it is not made for the scenario. */
int policy_create(struct policy *ret_policy, const struct policy_kind *kind,
                  const struct policy_options *options, struct diag *diag);
void policy_destroy(struct policy *policy);

/* Does nothing follow, for a learner? At an episode's end, where objective.horizon is `episode`. */
static inline bool policy_ends(const struct policy *policy, const struct policy_feedback *feedback)
{
    return feedback->truncated && policy->world->scenario.objective.horizon == HORIZON_EPISODE;
}

static inline bool policy_learns(const struct policy_kind *kind)
{
    return kind->learn != NULL;
}

/* What its training needs before the first update. An update runs while the next slot is played: training of no more
 * slots makes none. */
struct policy_first_update policy_first_update(const struct policy_kind *kind,
                                               struct scenario_values settings, uint32_t devices);

/* It decides with weights that a training run has made: its own, or another policy's (weights_of). */
static inline bool policy_is_trained(const struct policy_kind *kind)
{
    return kind->load != NULL;
}

static inline const char *policy_weights_of(const struct policy_kind *kind)
{
    return kind->weights_of != NULL ? kind->weights_of : kind->name;
}

#endif
