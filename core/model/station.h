/* A service station: jobs come, are served first come first served or all at once with equal shares, and
 * leave when their work is done. The rate may change at any time, also to 0. In queueing mode a device's
 * processor and its radio are stations, and so is a server; units of work are the owner's (seconds, bits,
 * FLOP).
 *
 * Pure: time comes in with every call and never runs backwards. In virtual time the owner takes each job at
 * the time that station_due_s gives; in real time when the job has ended. */
#ifndef HANDOFF_CORE_MODEL_STATION_H
#define HANDOFF_CORE_MODEL_STATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/scenario.h"

struct station_job {
    uint64_t id;        /* the owner's */
    double work;        /* > 0, or 0: done as soon as it is served */
    double done;        /* of it */
    double arrived_s;   /* when it came */
    double begun_s;     /* when its service began; NAN: not yet */
    double busy_s;      /* time of the whole station spent on it: with equal shares its part of each second */
    double accounted_s; /* of busy_s, what station_account has told of */
};

struct station {
    enum scenario_discipline discipline;
    double rate;             /* work per second, >= 0 */
    double now_s;            /* everything is counted up to here */
    struct station_job *job; /* [count] in order of arrival; owned */
    size_t count, capacity;
};

void station_init(struct station *station, enum scenario_discipline discipline, double rate, double now_s);
void station_finish(struct station *station);
/* Forgets every job, and begins at now_s. */
void station_clear(struct station *station, double now_s);

/* -ENOMEM: nothing has changed. */
int station_add(struct station *station, double now_s, uint64_t id, double work);
void station_set_rate(struct station *station, double now_s, double rate);
/* Counts the work done by now_s, before the owner looks at jobs. */
void station_count(struct station *station, double now_s);

/* When the next job leaves if nothing else happens; INFINITY: none ever will. */
double station_due_s(const struct station *station);
/* The job that leaves next; NULL: there is none. Valid until the station changes. */
const struct station_job *station_next(const struct station *station);
/* Takes that job as done at now_s, which the owner decides. There must be one. */
struct station_job station_take(struct station *station, double now_s);
/* Takes a job out, done or not. False: it is not here. */
bool station_remove(struct station *station, double now_s, uint64_t id, struct station_job *ret_job);

/* NULL: it is not here. The owner may change its `work` and `done`, as of station->now_s. */
struct station_job *station_find(struct station *station, uint64_t id);

/* Work that is left, of all jobs. */
double station_left(const struct station *station, double now_s);
/* Counts up to now_s, and hands out each job's busy seconds since the last time, in order of arrival; jobs
 * that have none are skipped. */
void station_account(struct station *station, double now_s,
                     void (*tell)(void *user, const struct station_job *job, double busy_s), void *user);

#endif
