/* The mobile node's libuv shell. It has the control connection, one data connection to each server in use, and
 * the cores of the devices that this process plays. It runs their jobs and transfers; in virtual time they end
 * at once. */
#ifndef HANDOFF_MOBILE_NODE_CLIENT_H
#define HANDOFF_MOBILE_NODE_CLIENT_H

#include "proto/node/options.h"

/* Runs the whole life of the process; returns its exit status. */
int client_run(const struct node_options *options);

#endif
