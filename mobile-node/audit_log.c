#include "mobile-node/audit_log.h"

#include "core/base/units.h"

void audit_log_tell(struct audit_log *log)
{
    struct proto_message message = {
        .id = PROTO_LINK_AUDIT,
        .link_audit = {.device = log->device,
                       .server = log->server,
                       .start_s = {log->start_s, log->count},
                       .duration_s = {log->duration_s, log->count},
                       .set_bps = {log->set_bps, log->count},
                       .achieved_bps = {log->achieved_bps, log->count}},
    };
    if (log->count > 0)
        (void) wire_conn_send(log->link->conn, &message); /* a lost orchestrator shows in node_link */
    log->count = 0;
}

void audit_log_add(struct audit_log *log, const struct audit_link *window)
{
    if (log->count == AUDIT_LOG_WINDOWS || log->server != window->server)
        audit_log_tell(log);
    double since_s = window->start_s - (double) log->link->begin_ns / (double) UNITS_NS_PER_S;
    log->server = window->server;
    log->start_s[log->count] = since_s > 0.0 ? since_s : 0.0;
    log->duration_s[log->count] = window->duration_s;
    log->set_bps[log->count] = window->set_bps;
    log->achieved_bps[log->count++] = window->achieved_bps;
}
