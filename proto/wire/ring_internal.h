/* Rings of embedded members: no memory of their own. */
#ifndef HANDOFF_PROTO_WIRE_RING_INTERNAL_H
#define HANDOFF_PROTO_WIRE_RING_INTERNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/wire/loop.h"

#define RING_OWNER(ring, type, member) ((type *) (void *) ((char *) (ring) -offsetof(type, member)))

static inline void ring_init(struct wire_ring *ring)
{
    ring->previous = ring->next = ring;
}

/* Of a head: is the ring empty? Of a member: is it in no ring? */
static inline bool ring_is_alone(const struct wire_ring *ring)
{
    return ring->next == ring;
}

static inline void ring_append(struct wire_ring *head, struct wire_ring *ring)
{
    assert(head->previous->next == head);
    ring->previous = head->previous;
    ring->next = head;
    head->previous->next = ring;
    head->previous = ring;
}

static inline void ring_remove(struct wire_ring *ring)
{
    assert(ring->previous->next == ring && ring->next->previous == ring);
    ring->previous->next = ring->next;
    ring->next->previous = ring->previous;
    ring_init(ring);
}

#endif
