/* Rings of embedded links: no memory of their own. */
#ifndef HANDOFF_PROTO_WIRE_LINK_INTERNAL_H
#define HANDOFF_PROTO_WIRE_LINK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/wire/loop.h"

#define LINK_OWNER(link, type, member) ((type *) (void *) ((char *) (link) -offsetof(type, member)))

static inline void link_init(struct wire_link *link)
{
    link->previous = link->next = link;
}

/* Of a head: is the ring empty? Of a member: is it in no ring? */
static inline bool link_is_alone(const struct wire_link *link)
{
    return link->next == link;
}

static inline void link_append(struct wire_link *head, struct wire_link *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

static inline void link_remove(struct wire_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link_init(link);
}

#endif
