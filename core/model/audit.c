#include "core/model/audit.h"

#include <math.h>

#include "core/base/text_format.h"

#define MBIT 1e6
#define MS 1e3

static double off_bits(const struct audit_link *sample)
{
    return fabs(sample->achieved_bps - sample->set_bps) * sample->duration_s;
}

static bool is_off(const struct audit_link *sample)
{
    double off = off_bits(sample);
    return off > AUDIT_LINK_TOLERANCE * sample->set_bps * sample->duration_s && off > AUDIT_PACKET_BITS;
}

void audit_add_link(struct audit *audit, const struct audit_link *sample)
{
    double bits = sample->set_bps * sample->duration_s;
    audit->link_bits += bits;
    if (!is_off(sample))
        return;
    audit->link_off_bits += bits;
    if (!audit->any_off || off_bits(sample) > off_bits(&audit->worst_link))
        audit->worst_link = *sample;
    audit->any_off = true;
}

void audit_add_loop(struct audit *audit, const struct audit_loop *sample)
{
    audit->loop_s += sample->duration_s;
    if (!(sample->lag_max_s > AUDIT_LATE_S))
        return;
    audit->loop_late_s += sample->duration_s;
    if (!audit->any_late || sample->lag_max_s > audit->worst_loop.lag_max_s)
        audit->worst_loop = *sample;
    audit->any_late = true;
}

void audit_add_jobs(struct audit *audit, const struct audit_jobs *sample)
{
    audit->computed_s += sample->computed_s;
    if (sample->late_jobs == 0)
        return;
    audit->computed_late_s += sample->late_s;
    if (!audit->any_job_late || sample->worst_s > audit->worst_jobs.worst_s)
        audit->worst_jobs = *sample;
    audit->any_job_late = true;
}

static bool judge_jobs(const struct audit *audit, char ret_reason[static AUDIT_TEXT])
{
    const struct audit_jobs *jobs = &audit->worst_jobs;
    if (!(audit->computed_late_s > AUDIT_JOB_LATE_SHARE * audit->computed_s))
        return true;
    (void) text_format(ret_reason, AUDIT_TEXT,
                       "layers were computed too late, by more than %.0f ms, for %.1f %% of the computed "
                       "time; worst: %s %u at "
                       "%.1f s, late by %.0f ms",
                       AUDIT_JOB_LATE_S * MS, 100.0 * audit->computed_late_s / audit->computed_s, jobs->role,
                       jobs->number, jobs->start_s, jobs->worst_s * MS); /* cut: still true */
    return false;
}

bool audit_is_trusted(const struct audit *audit, char ret_reason[static AUDIT_TEXT])
{
    const struct audit_link *link = &audit->worst_link;
    const struct audit_loop *loop = &audit->worst_loop;
    ret_reason[0] = '\0';
    if (audit->link_off_bits > AUDIT_LINK_SHARE * audit->link_bits) {
        (void) text_format(
            ret_reason, AUDIT_TEXT,
            "links could not keep their rates for %.1f %% of the bits; worst: %s %u to %s %u at "
            "%.1f s, set %.3f, achieved %.3f Mbit/s",
            100.0 * audit->link_off_bits / audit->link_bits, link->down ? "server" : "device",
            link->down ? link->server : link->device, link->down ? "device" : "server",
            link->down ? link->device : link->server, link->start_s, link->set_bps / MBIT,
            link->achieved_bps / MBIT); /* cut: still true */
        return false;
    }
    if (audit->loop_late_s > AUDIT_LATE_SHARE * audit->loop_s) {
        (void) text_format(
            ret_reason, AUDIT_TEXT,
            "processes were late by more than %.0f ms for %.1f %% of their time; worst: %s %u at %.1f s, "
            "late by %.0f ms",
            AUDIT_LATE_S * MS, 100.0 * audit->loop_late_s / audit->loop_s, loop->role, loop->number,
            loop->start_s, loop->lag_max_s * MS); /* cut: still true */
        return false;
    }
    return judge_jobs(audit, ret_reason);
}
