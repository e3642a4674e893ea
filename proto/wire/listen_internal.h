/* What loop.c knows of listeners. */
#ifndef HANDOFF_PROTO_WIRE_LISTEN_INTERNAL_H
#define HANDOFF_PROTO_WIRE_LISTEN_INTERNAL_H

#include "proto/wire/loop.h"

void listen_close_all(struct wire_loop *loop);

#endif
