/* Windows of a device's uplinks, gathered and told to the orchestrator together (LINK_AUDIT). */
#ifndef HANDOFF_MOBILE_NODE_AUDIT_LOG_H
#define HANDOFF_MOBILE_NODE_AUDIT_LOG_H

#include "core/model/audit.h"
#include "core/node/link.h"

#define AUDIT_LOG_WINDOWS 32u

struct audit_log {
    struct node_link *link; /* borrowed */
    uint32_t device, server;
    size_t count;
    double start_s[AUDIT_LOG_WINDOWS], duration_s[AUDIT_LOG_WINDOWS];
    double set_bps[AUDIT_LOG_WINDOWS], achieved_bps[AUDIT_LOG_WINDOWS];
};

/* `window->start_s` counts from the wall clock's zero. */
void audit_log_add(struct audit_log *log, const struct audit_link *window);
void audit_log_tell(struct audit_log *log);

#endif
