/* Queueing mode: what one slot's tasks will cost, given the work left over from earlier slots. The forecast
 * assumes that no later task comes and that rates stay as they are; what the cores report differs by that.
 *
 * The processor and the radio of a device serve what is left over first (the radio at this slot's rates); a
 * server first what is there or on its way, then this slot's tasks as its discipline says, in order of
 * arrival. An operator knows that much of its own system. How long each part takes comes from a source: the
 * true model (forecast_model.c) or a learned one. What is left over counts as of coding 0 (coding.h): a view has its bits
 * alone. */
#ifndef HANDOFF_CORE_MODEL_FORECAST_H
#define HANDOFF_CORE_MODEL_FORECAST_H

#include "core/model/env.h"
#include "core/model/station.h"

/* What a part of a task takes without any waiting. */
struct forecast_spent {
    double s, j;
};

/* How a task goes to a server: after so many layers, in a coding (coding.h). */
struct forecast_way {
    uint32_t split, coding;
};

/* Parts of device n's present task, for every split. */
struct forecast_source {
    /* Layers 1..split on the device: ret[L + 1]. */
    void (*device)(void *user, const struct env_view *view, uint32_t n, struct forecast_spent *ret);
    /* The activations' way to server m when `load` devices divide its band: ret[codings][L]. */
    void (*link)(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                 struct forecast_spent *ret);
    /* Layers split + 1..L on the whole of server m: ret[L]. */
    void (*server)(void *user, const struct env_view *view, uint32_t n, uint32_t m,
                   struct forecast_spent *ret);
    /* What device n still has to send there of earlier tasks: seconds. */
    double (*rest_s)(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                     double bits);
    /* What the damage to its activations adds to the task's cost when it goes there that way and `load` devices divide
     * the band (cost_damage); NULL: nothing. */
    double (*damage)(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                     struct forecast_way way);
    /* A RESULT's way from server m, seconds; NULL: `link` contains it. */
    double (*down_s)(void *user, const struct env_view *view, uint32_t m);
    void *user;
};

struct forecast_arrival {
    double s;      /* since the slot's start */
    double work_s; /* of the whole server */
    double energy_j;
    double damage;  /* cost */
    uint32_t place; /* in the caller's list */
};

/* Rows of [codings][L] by (device, server, load), made when they are asked for; load 0: the server itself, for which coding
 * 0 stands. A hash table with linear probing. */
struct forecast_rows {
    struct forecast_spent *spent; /* [max][codings][L]; owned */
    uint64_t *key;                /* [places], a power of two; owned, as is the next */
    uint32_t *row;                /* [places] 1 + its row; 0: the place is free */
    uint32_t count, max, places;
};

struct forecast {
    const struct world *world;        /* borrowed */
    const struct env_view *view;      /* borrowed, from forecast_begin on */
    struct forecast_source source;    /* its `user` is borrowed */
    uint32_t *senders;                /* [M] devices that have something left over for the server */
    double *radio_s;                  /* [N] until the radio is free, at the loads so far */
    struct forecast_spent *device;    /* [N][L + 1] of tasks, as the source has said for this slot */
    struct forecast_rows rows;        /* of servers and links, likewise */
    struct forecast_arrival *arrival; /* [N] scratch */
    double *finish_s;                 /* [N] likewise */
    struct station station;           /* likewise */
};

/* What the true model says; `user` is not used. */
struct forecast_source forecast_model(const struct world *world);

/* -ENOMEM. */
int forecast_init(struct forecast *ret_forecast, const struct world *world,
                  const struct forecast_source *source);
void forecast_finish(struct forecast *forecast);

/* A slot is to be decided; the view stays as it is until the next. */
void forecast_begin(struct forecast *forecast, const struct env_view *view);

/* cost_task of device n's task if all of it runs there. */
double forecast_local(const struct forecast *forecast, uint32_t n);

/* Sum of cost_task over the tasks of devices who[0..count) if just these, of this slot's, go to server m, each its
 * way[..]. -ENOMEM leaves *ret_cost at infinity. */
int forecast_server(struct forecast *forecast, uint32_t m, const uint32_t *who,
                    const struct forecast_way *way, uint32_t count, double *ret_cost);

/* Work that a task sends, as a part of what the server can do in a slot; infinite when out of memory. */
double forecast_work(struct forecast *forecast, uint32_t m, uint32_t n, uint32_t split);
/* Work that stays on the device, as a part of what that can do in a slot. */
double forecast_kept(const struct forecast *forecast, uint32_t n, uint32_t split);

#endif
