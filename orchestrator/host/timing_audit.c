#include "orchestrator/host/timing_audit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#define WINDOWS_PER_S 50.0 /* paced_payload.c: none is shorter than 20 ms */
#define LOOPS_PER_S 1.0    /* WIRE_LOOP_LAG_INTERVAL_NS; of layers, too */
/* More than the time says: what a node has gathered comes at once, and clocks start apart. */
#define WINDOWS_SPARE 512.0
#define LOOPS_SPARE 16.0

int timing_audit_init(struct timing_audit *ret_audit, const struct session_sinks *sinks,
                      const struct world *world)
{
    *ret_audit = (struct timing_audit){
        .sinks = sinks,
        .in_real_time = world->scenario.run.clock == CLOCK_REAL,
        .devices = world->devices,
        .servers = world->servers,
        .windows = calloc(2 * (size_t) world->devices, sizeof *ret_audit->windows),
        .loops = calloc((size_t) world->devices + world->servers, sizeof *ret_audit->loops),
        .jobs = calloc((size_t) world->devices + world->servers, sizeof *ret_audit->jobs),
    };
    bool whole = ret_audit->windows != NULL && ret_audit->loops != NULL && ret_audit->jobs != NULL;
    return whole ? 0 : -ENOMEM;
}

void timing_audit_finish(struct timing_audit *audit)
{
    free(audit->windows);
    free(audit->loops);
    free(audit->jobs);
    audit->windows = audit->loops = audit->jobs = NULL;
}

/* Counts `more` samples, unless the time since the run began has no place for them. */
static int count_samples(const struct timing_audit *audit, uint64_t *told, size_t more, double per_s,
                         double spare)
{
    if ((double) *told + (double) more > spare + per_s * audit->elapsed_s)
        return ERR_RANGE;
    *told += more;
    return 0;
}

bool timing_audit_takes(const struct proto_message *message)
{
    return message->id == PROTO_LINK_AUDIT || message->id == PROTO_LOOP_AUDIT ||
           message->id == PROTO_COMPUTE_AUDIT;
}

static int take_link(struct timing_audit *audit, const struct audit_link *sample)
{
    audit_add_link(&audit->audit, sample);
    return session_sinks_link(audit->sinks, sample);
}

static int take_links(struct timing_audit *audit, const struct msg_link_audit *links, bool down,
                      struct diag *diag)
{
    size_t count = links->start_s.count;
    if (links->duration_s.count != count || links->set_bps.count != count ||
        links->achieved_bps.count != count)
        return diag_fail(diag, ERR_RANGE, "LINK_AUDIT: its four lists differ in length");
    assert(links->device < audit->devices);
    uint64_t *told = &audit->windows[(down ? audit->devices : 0) + links->device];
    int rc = count_samples(audit, told, count, WINDOWS_PER_S, WINDOWS_SPARE);
    if (rc != 0)
        return diag_fail(diag, rc, "LINK_AUDIT: more windows of 20 ms than there can be since the run began");
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct audit_link sample = {
            .device = (uint32_t) links->device,
            .server = (uint32_t) links->server,
            .down = down,
            .start_s = links->start_s.data[i],
            .duration_s = links->duration_s.data[i],
            .set_bps = links->set_bps.data[i],
            .achieved_bps = links->achieved_bps.data[i],
        };
        rc = take_link(audit, &sample);
    }
    return rc;
}

int timing_audit_loop(struct timing_audit *audit, const struct audit_loop *sample)
{
    audit_add_loop(&audit->audit, sample);
    return session_sinks_loop(audit->sinks, sample);
}

/* Counts one interval more of a process. */
static int count_interval(const struct timing_audit *audit, uint64_t *told, const char *name,
                          struct diag *diag)
{
    int rc = count_samples(audit, told, 1, LOOPS_PER_S, LOOPS_SPARE);
    if (rc != 0)
        return diag_fail(diag, rc, "%s: more intervals of a second than there can be since the run began",
                         name);
    return 0;
}

static int take_loop(struct timing_audit *audit, const struct msg_loop_audit *loop, const char *role,
                     uint32_t number)
{
    const struct audit_loop sample = {
        .role = role,
        .number = number,
        .start_s = loop->start_s,
        .duration_s = loop->duration_s,
        .lag_max_s = loop->lag_max_s,
        .lag_mean_s = loop->lag_mean_s,
    };
    return timing_audit_loop(audit, &sample);
}

static int take_jobs(struct timing_audit *audit, const struct msg_compute_audit *jobs, const char *role,
                     uint32_t number, struct diag *diag)
{
    const struct audit_jobs sample = {
        .role = role,
        .number = number,
        .start_s = jobs->start_s,
        .duration_s = jobs->duration_s,
        .jobs = (uint32_t) jobs->jobs,
        .late_jobs = (uint32_t) jobs->late_jobs,
        .computed_s = jobs->computed_s,
        .late_s = jobs->late_s,
        .worst_s = jobs->worst_s,
    };
    if (sample.late_jobs > sample.jobs || sample.late_s > sample.computed_s)
        return diag_fail(diag, ERR_RANGE, "COMPUTE_AUDIT: %u of %u jobs are late, with %.9g of %.9g s",
                         sample.late_jobs, sample.jobs, sample.late_s, sample.computed_s);
    audit_add_jobs(&audit->audit, &sample);
    return session_sinks_jobs(audit->sinks, &sample);
}

int timing_audit_take(struct timing_audit *audit, const struct proto_message *message, const char *role,
                      uint32_t number, struct diag *diag)
{
    assert(timing_audit_takes(message));
    if (!audit->in_real_time)
        return diag_fail(diag, ERR_STATE, "in virtual time no link, no loop and no layer is audited");
    bool is_server = strcmp(role, "server") == 0;
    if (message->id == PROTO_LINK_AUDIT)
        return take_links(audit, &message->link_audit, is_server, diag);
    assert(number < (is_server ? audit->servers : audit->devices));
    size_t place = (is_server ? audit->devices : 0) + (size_t) number;
    bool is_loop = message->id == PROTO_LOOP_AUDIT;
    int rc =
        count_interval(audit, &(is_loop ? audit->loops : audit->jobs)[place], proto_name(message->id), diag);
    if (rc != 0)
        return rc;
    return is_loop ? take_loop(audit, &message->loop_audit, role, number)
                   : take_jobs(audit, &message->compute_audit, role, number, diag);
}
