/* A listener. Port 0 lets the system choose; the real port is read back. */
#ifndef HANDOFF_PROTO_WIRE_LISTEN_H
#define HANDOFF_PROTO_WIRE_LISTEN_H

#include "proto/wire/conn.h"

struct wire_listener;

/* Binds and listens. A port in use is -EADDRINUSE and a sentence naming host and port. `on_accept` gets a new
 * connection with no handlers yet and must call wire_conn_set_handlers and wire_conn_set_user. */
int wire_listen(struct wire_loop *loop, const char *host, uint16_t port, unsigned connections_max,
                void (*on_accept)(void *user, struct wire_conn *conn), void *user,
                struct wire_listener **ret_listener, struct diag *diag);
uint16_t wire_listener_port(const struct wire_listener *listener);
void wire_listener_close(struct wire_listener *listener); /* NULL-safe; frees itself */

/* "HOST:PORT", ":PORT" or "PORT" -> parts; the host defaults to 127.0.0.1. IPv6 as [::1]:PORT. */
int wire_parse_address(const char *text, char ret_host[static 256], uint16_t *ret_port, struct diag *diag);

#endif
