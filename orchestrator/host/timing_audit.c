#include "orchestrator/host/timing_audit.h"

#include <assert.h>
#include <string.h>

#include "core/base/err.h"

bool timing_audit_takes(const struct proto_message *message)
{
    return message->id == PROTO_LINK_AUDIT || message->id == PROTO_LOOP_AUDIT;
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
    int rc = 0;
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

int timing_audit_take(struct timing_audit *audit, const struct proto_message *message, const char *role,
                      uint32_t number, struct diag *diag)
{
    assert(timing_audit_takes(message));
    if (message->id == PROTO_LINK_AUDIT)
        return take_links(audit, &message->link_audit, strcmp(role, "server") == 0, diag);
    struct audit_loop sample = {
        .role = role,
        .number = number,
        .start_s = message->loop_audit.start_s,
        .duration_s = message->loop_audit.duration_s,
        .lag_max_s = message->loop_audit.lag_max_s,
        .lag_mean_s = message->loop_audit.lag_mean_s,
    };
    return timing_audit_loop(audit, &sample);
}
