/* What a task takes: delays (A8, A9, A11), energies (A12) and cost (A13, A15). The cores, the policies and
 * the exact optimum all call these functions; no other code computes the same. Sums run in the order of the
 * fields. */
#ifndef HANDOFF_CORE_MODEL_COST_H
#define HANDOFF_CORE_MODEL_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model/chunks.h"
#include "core/model/device_slot.h"
#include "core/model/world.h"

/* Where each second and each joule went: the parts of cost.def. In virtual time the seconds are the model's
 * durations; on the real clock they are measured. */
struct task_times {
#define TASK_TIME(name, meaning) double name;
#include "core/model/cost.def"
};

struct task_joules {
#define TASK_JOULES(name, meaning) double name;
#include "core/model/cost.def"
};

double cost_latency_s(const struct task_times *times);
/* As the objective counts it: the server's part times objective.server_energy. */
double cost_energy_j(const struct scenario *scenario, const struct task_joules *joules);

/* FLOP of one layer for a prompt, as model.work and model.attention count them; with model.times the seconds that were
 * measured, times the speed of the node that was measured. */
double cost_layer_flop(const struct world *world, uint32_t tokens);
/* FLOP that layers split+1..L are for a server, chunk by chunk. With model.times few rows are slow, and the chunks of
 * a prompt are more work than the whole of it. */
double cost_server_flop(const struct world *world, uint32_t tokens, uint32_t split);

/* Durations of the parts for a given split, of a prompt that is computed whole. */
double cost_local_s(const struct world *world, const struct device_params *device, uint32_t tokens,
                    uint32_t split);
double cost_edge_s(const struct world *world, uint32_t server, double compute_share, uint32_t tokens,
                   uint32_t split);
/* The same of some rows of a prompt, behind those before them. model.attention counts the scores that these rows add.
 * Measured times (model.times) are those of a prompt of that many rows: what is looked at before them adds nothing. */
double cost_local_rows_s(const struct world *world, const struct device_params *device,
                         struct chunk_rows rows, uint32_t split);
double cost_edge_rows_s(const struct world *world, uint32_t server, double compute_share,
                        struct chunk_rows rows, uint32_t split);

/* Joules for given times of work. A local task: server_power_w 0, and no transmit or edge time. */
struct task_joules cost_joules(const struct device_params *device, double server_power_w,
                               double compute_share, const struct task_times *times);

/* T_full and E_full (A8). */
double cost_full_s(const struct world *world, const struct device_params *device, uint32_t tokens);
double cost_full_j(const struct world *world, const struct device_params *device, uint32_t tokens);

/* What the objective counts of a task's activations, beside its seconds and joules. */
struct task_quality {
    uint32_t split;    /* after which they crossed; L: they did not */
    double log_ratio;  /* q = log(perplexity / that of a clean channel), nats; 0: nothing was damaged */
    double reference;  /* the same of what a gain is relative to (objective.gain_reference) */
    double answer;     /* chance that the answer is right: that of the server's tier */
    double deadline_s; /* of the task; 0: none */
    double price;      /* of it, in units of a right answer in time */
};

/* No latency is worth more than this one: nodes report them, and 1 / 0 is nothing that a row could hold. */
#define COST_LEAST_S 1e-3

/* Does the objective count any of it? */
static inline bool cost_counts_quality(const struct world *world)
{
    return world->scenario.objective.reward != REWARD_COST || world->scenario.objective.quality_weight > 0.0;
}

/* Of a task after `split` layers, in a coding, over a channel of that condition (channel.h), by the world's table of
 * quality. */
struct task_quality cost_quality(const struct world *world, uint32_t device, struct slot_id id,
                                 uint32_t split, double condition, uint32_t coding);

/* One device's term of -r_t. The slot's cost J is the mean over devices in order of device number; the reward is -J.
 * With q and s of `quality`, objective.reward is
 *
 *   cost     omega T/T_full + (1-omega) E/E_full + beta max(0, T/T_max - 1) + beta_v [repaired] + w_q q     (A15, A16)
 *   shaped   -(w_g (1 - exp(q - reference)) + (s_max - s) / s_max), s_max = model.max_split                 (B1)
 *   paper    exp(q) + lambda s / L                                                                          (B2)
 *   completed  -(1 / T + P) where T is at most T_max, else 0; P of `quality`                                (C6)
 *   printed    -(1 / T + P) of all                                                                          (C7)
 *              with T at least a millisecond
 *   utility    price - P of tasks in time, price of late ones
 *
 * and T_max of the last three is the task's own (task_quality).
 *
 * `quality` may be NULL where the objective counts none. */
double cost_task(const struct world *world, const struct device_params *device, uint32_t tokens,
                 double latency_s, double energy_j, bool repaired, const struct task_quality *quality);

/* w_q q, what quality adds to a task's cost; reward cost alone. */
double cost_damage(const struct scenario *scenario, double log_ratio);

/* The objective without penalties (A13): omega T/T_full + (1-omega) E/E_full. T_full and E_full, of the
 * all-local task, may come from the model or from a learned estimate. */
double cost_normalised(const struct scenario *scenario, double latency_s, double energy_j, double full_s,
                       double full_j);

/* What some seconds and joules of a task add to that. cost_task is the sum of these parts and the
 * penalties. */
double cost_accrued(const struct world *world, const struct device_params *device, uint32_t tokens,
                    double seconds, double joules);
/* The penalty for lateness alone; 0 where the deadline is kept. */
double cost_lateness(const struct scenario *scenario, double latency_s);

bool cost_deadline_missed(const struct scenario *scenario, double latency_s);
/* The same of a task's own deadline; 0: none. */
static inline bool cost_is_late(double latency_s, double deadline_s)
{
    return deadline_s > 0.0 && latency_s > deadline_s;
}
/* Seconds that a server takes for an answer's tokens with such a share of its compute, as declared. */
double cost_answer_s(const struct world *world, uint32_t server, double compute_share, double answer_tokens);
/* Expected seconds of a RESULT's way back from a server. */
double cost_result_s(const struct world *world, uint32_t server);
/* What a task at a server costs that makes so many tokens of its answer. */
double cost_price(const struct world *world, uint32_t server, double answer_tokens);
/* Tokens of its answer that are made by the deadline, of a task that would have taken latency_s. */
double cost_tokens_made(double answer_tokens, double latency_s, double deadline_s);

/* The whole path composed, as the cores compose it: a task of device n with split s at server m (ignored when
 * s = L), given shares of the server's bandwidth and speed, a gain, and no queue. Losses and jitter of
 * packets are not known in advance: transmit_s is its expected value (transfer.h), and so is `missing`.
 *
 * In k > 1 chunks (chunks.h) each part is what its stage adds behind the one before: local_s = L_k, transmit_s =
 * A_k - L_k and the RESULT's way, edge_s = E_k - A_k. Energies count the seconds of work: the sums of what the chunks
 * take, and for the radio A_k - S_k and the RESULT's way, as with one chunk. */
struct task_outcome {
    struct task_times times;
    struct task_joules joules;
    double rate_bps;
    double payload_bits; /* D_s */
    double missing;      /* expected share of its packets (channel.mode bounded); else 0 */
    double latency_s;
    double energy_j;
};
struct task_plan {
    uint32_t split;
    uint32_t server;
    double bandwidth_share; /* of B, 0..1 */
    double compute_share;   /* of F_m, 0..1 */
    uint32_t coding;        /* of what is sent (coding.h); 0: the scenario's own */
    /* Of whole tasks (classes.h): */
    double answer_tokens; /* that the server makes of it, or is expected to; 0: they take no time */
    uint32_t task_class;
    double deadline_s; /* 0: none */
};
void cost_outcome(const struct world *world, uint32_t device, uint32_t tokens, double gain,
                  const struct task_plan *plan, struct task_outcome *ret);

/* cost_quality of a plan in slot `id` over a link of that gain, with the outcome that it has there. Its condition is
 * channel_condition; in mode bounded the share of packets that will be missing, which knows the deadline too. */
struct task_quality cost_quality_planned(const struct world *world, uint32_t device, struct slot_id id,
                                         double gain, const struct task_plan *plan,
                                         const struct task_outcome *outcome);

/* Seconds of that when the device has computed its layers, and sends everything to another server after a loss: whole,
 * since no chunk has to wait for another. */
double cost_resent_s(const struct world *world, uint32_t device, uint32_t tokens, double gain,
                     const struct task_plan *plan);

/* The same outcome in slot `id`, at the speeds that the scenario's faults leave the nodes there (faults_speed).
 * cost_outcome takes the declared speeds, which are all that policies and nodes are told. */
void cost_outcome_in(const struct world *world, struct slot_id id, uint32_t device, uint32_t tokens,
                     double gain, const struct task_plan *plan, struct task_outcome *ret);

#endif
