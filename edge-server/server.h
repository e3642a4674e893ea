/* The edge server's libuv shell: the control connection, a listener for devices, and the server core. */
#ifndef HANDOFF_EDGE_SERVER_SERVER_H
#define HANDOFF_EDGE_SERVER_SERVER_H

#include "proto/node/options.h"

/* Runs the whole life of the process; returns its exit status. */
int server_run(const struct node_options *options);

#endif
