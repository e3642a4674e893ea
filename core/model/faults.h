/* What breaks in a run, and when: the scenario's script and the chaos drawn from its seed, as pure functions
 * of (phase, episode, slot). Nobody announces a fault; whoever has the scenario can ask.
 *
 *   slot 40 kill server 1; slot 60 rejoin server 1; slot 20 pause device 3 for 5;
 *   episode 2 slot 10 slow server 0 by 0.5 for 20; 12.5s partition device 2 server 1 for 3.5s;
 *   episode 5 slot 0 slow server 1 by 0.5; episode 5 slot 0 slow device 2 by 0.5 until episode 7 slot 50
 *
 *   script    = statement { ";" statement }
 *   statement = [ "episode" E ] ( "slot" T | SECONDS "s" ) what
 *   what      = "kill" node | "rejoin" node | "pause" node "for" span | "slow" node "by" FACTOR [ end ]
 *             | "partition" "device" N "server" M "for" span
 *   end       = "for" span | "until" "episode" E ( "slot" T | SECONDS "s" )
 *   node      = "device" N | "server" M
 *   span      = SLOTS | SECONDS "s"
 *
 * Slots and seconds count from an episode's start; a statement without an episode holds in every one. Each
 * episode begins with every node up, and a span ends with its episode. A slowdown without a span goes on: to
 * the end of each episode, or where the statement names an episode, through all later ones, until the end if
 * it has one.
 *
 * A node that is killed or paused in slot t strikes its tasks of that slot (they are under way), is down from
 * slot t + 1 on, and takes part again from the slot in which it rejoins (kill) or the one after its span
 * (pause: t + span). A slow node computes at FACTOR of its speed (0.5 doubles its times), a partitioned pair
 * exchanges nothing, in slots t to t + span - 1, or before the slot that `until` names.
 *
 * Chaos: with probability chaos.rate something happens to a node in a slot: it is killed and rejoins, is
 * paused, slowed down, or (a device) cut from a server; each for 1 to FAULTS_CHAOS_SLOTS slots, all equally
 * likely. */
#ifndef HANDOFF_CORE_MODEL_FAULTS_H
#define HANDOFF_CORE_MODEL_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/base/rng.h"
#include "core/model/scenario.h"

#define FAULTS_STATEMENTS_MAX 256u
#define FAULTS_CHAOS_SLOTS 10u
#define FAULTS_SLOW_MIN 0.01 /* a slower node is as good as paused */

struct slot_id;
struct faults;

/* Reads faults.script and chaos.rate for N devices and M servers. *ret is NULL when nothing can ever break.
 * An error names the statement and what was allowed. */
int faults_create(struct faults **ret, const struct scenario *scenario, uint32_t devices, uint32_t servers,
                  uint64_t seed, struct diag *diag);
void faults_destroy(struct faults *faults);

/* All take NULL, the world in which nothing breaks. */

/* Is the node down as the slot begins? */
bool faults_down(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number);

/* Does the node send its observation in the slot? The one that closes an episode (`closing`; id.slot is
 * one more than the last) comes from each node that was up to the end of the last slot. It brings no node
 * back. */
bool faults_speaks(const struct faults *faults, struct slot_id id, bool closing, bool is_server,
                   uint32_t number);

/* Why a node goes down while the slot is executed. FAULT_NONE also when it is down already. */
enum fault_kind { FAULT_NONE, FAULT_KILL, FAULT_PAUSE };
enum fault_kind faults_strikes(const struct faults *faults, struct slot_id id, bool is_server,
                               uint32_t number);

/* The first slot of the episode, after `id`, in which the node takes part again; UINT32_MAX: none. */
uint32_t faults_back_slot(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number);

/* The share of its speed that the node has in the slot: above 0, at most 1. For the cores and
 * cost_outcome_in; code that may only know declared speeds must not call it. */
double faults_speed(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number);

/* Is nothing exchanged between the two in the slot? */
bool faults_cut(const struct faults *faults, struct slot_id id, uint32_t device, uint32_t server);

#endif
