/* Queueing mode: what one slot's tasks will cost by the model, given what earlier slots have left over, if
 * nothing came after them and rates stayed as they are now. What the cores then do differs by what does come.
 *
 * The processor and the radio of a device serve what is left over first (the radio at this slot's rates); a
 * server first what is there or on its way, then this slot's tasks as its discipline says, in order of
 * arrival. */
#ifndef HANDOFF_CORE_MODEL_OUTLOOK_H
#define HANDOFF_CORE_MODEL_OUTLOOK_H

#include "core/model/env.h"
#include "core/model/station.h"

struct outlook_arrival {
    double s;       /* since the slot's start */
    double sent_s;  /* of it on the radio */
    double work_s;  /* of the whole server */
    uint32_t place; /* in the caller's list */
};

/* A rate once asked for: the logarithm is most of a search's time. */
struct outlook_rate {
    uint32_t load; /* 0: not asked for in this slot */
    double bps;
};

struct outlook {
    const struct world *world;       /* borrowed */
    const struct env_view *view;     /* borrowed, from outlook_begin on */
    double down_s;                   /* a RESULT's way, expected */
    uint32_t *senders;               /* [M] devices that have something left over for the server */
    double *radio_s;                 /* [N] until the radio is free, at the loads so far */
    struct outlook_rate *rate;       /* [N][M] the last */
    struct outlook_arrival *arrival; /* [N] scratch */
    double *finish_s;                /* [N] likewise */
    struct station station;          /* likewise */
};

int outlook_init(struct outlook *ret_outlook, const struct world *world);
void outlook_finish(struct outlook *outlook);

/* A slot is to be decided; the view stays as it is until the next. */
void outlook_begin(struct outlook *outlook, const struct env_view *view);

/* cost_task of device n's task if all of it runs there. */
double outlook_local(const struct outlook *outlook, uint32_t n);

/* Sum of cost_task over the tasks of devices who[0..count) if just these, of this slot's, go to server m
 * after split[..] layers. -ENOMEM leaves *ret_cost at infinity. */
int outlook_server(struct outlook *outlook, uint32_t m, const uint32_t *who, const uint32_t *split,
                   uint32_t count, double *ret_cost);

/* Work that a task sends, as a part of what the server can do in a slot. */
double outlook_work(const struct outlook *outlook, uint32_t m, uint32_t n, uint32_t split);

#endif
