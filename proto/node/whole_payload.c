#include "proto/node/whole_payload.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proto/node/piece.h"

struct whole_payload_waiting {
    struct whole_payload_waiting *next;
    struct proto_message task;
    struct shared_slice rest; /* of its activations */
};

int whole_payload_add(struct whole_payload *payload, const struct proto_message *task,
                      const struct shared_slice *activation)
{
    struct whole_payload_waiting *waiting = malloc(sizeof *waiting);
    assert(task->id == PROTO_TASK);
    if (waiting == NULL)
        return -ENOMEM;
    *waiting = (struct whole_payload_waiting){.task = *task, .rest = *activation};
    shared_bytes_take(activation->bytes);
    if (payload->first == NULL)
        payload->first = waiting;
    else
        payload->last->next = waiting;
    payload->last = waiting;
    return 0;
}

static void pop(struct whole_payload *payload)
{
    struct whole_payload_waiting *done = payload->first;
    payload->first = done->next;
    shared_bytes_give(done->rest.bytes);
    free(done);
}

bool whole_payload_pump(struct whole_payload *payload, struct wire_conn *conn)
{
    while (payload->first != NULL && wire_conn_queued(conn) < WHOLE_PAYLOAD_QUEUE) {
        struct whole_payload_waiting *front = payload->first;
        const struct msg_task *task = &front->task.task;
        struct shared_slice *rest = &front->rest;
        if (rest->size > 0) {
            size_t size = rest->size < PIECE_BYTES_MAX ? rest->size : PIECE_BYTES_MAX;
            piece_send(conn, task->device, task->round,
                       (struct proto_bytes){rest->bytes->data + rest->at, size});
            rest->at += size;
            rest->size -= size;
        } else {
            (void) wire_conn_send(conn, &front->task); /* a lost peer shows in the connection's on_close */
            pop(payload);
        }
    }
    return payload->first != NULL;
}

void whole_payload_drop(struct whole_payload *payload)
{
    while (payload->first != NULL)
        pop(payload);
}
