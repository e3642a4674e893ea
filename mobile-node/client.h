/* The mobile node's libuv shell: the control connection, one data connection for each server in use, and the
 * device cores that this process plays. Completes jobs and transfers for them: in virtual time, at once. */
#ifndef HANDOFF_MOBILE_NODE_CLIENT_H
#define HANDOFF_MOBILE_NODE_CLIENT_H

#include "proto/node/options.h"

/* Runs the whole life of the process; returns its exit status. */
int client_run(const struct node_options *options);

#endif
