#include "core/model/station.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"

#define ROUNDING 1e-12 /* a job is done when less than this share of its work is missing */

void station_init(struct station *station, enum scenario_discipline discipline, double rate, double now_s)
{
    assert(rate >= 0.0);
    *station = (struct station){.discipline = discipline, .rate = rate, .now_s = now_s};
}

void station_finish(struct station *station)
{
    free(station->job);
    station->job = NULL;
    station->count = station->capacity = 0;
}

void station_clear(struct station *station, double now_s)
{
    station->count = 0;
    station->now_s = now_s;
}

/* How many of the first jobs are being served. */
static size_t served(const struct station *station)
{
    size_t at_once = station->discipline == DISCIPLINE_FIFO ? 1 : station->count;
    return station->count < at_once ? station->count : at_once;
}

static void begin(struct station *station)
{
    for (size_t i = 0; i < served(station); i++)
        if (isnan(station->job[i].begun_s))
            station->job[i].begun_s = station->now_s;
}

void station_count(struct station *station, double now_s)
{
    double passed_s = now_s > station->now_s ? now_s - station->now_s : 0.0;
    size_t jobs = station->rate > 0.0 ? served(station) : 0;
    for (size_t i = 0; i < jobs; i++) {
        struct station_job *job = &station->job[i];
        double busy_s = passed_s / (double) jobs;
        double done = job->done + station->rate * busy_s;
        job->busy_s += busy_s;
        job->done = done < job->work ? done : job->work;
    }
    station->now_s = passed_s > 0.0 ? now_s : station->now_s; /* now_s itself: a sum may be an ulp later */
}

int station_add(struct station *station, double now_s, uint64_t id, double work)
{
    int rc = array_reserve(&station->job, &station->capacity, station->count + 1);
    if (rc != 0)
        return rc;
    assert(!(work < 0.0));
    station_count(station, now_s);
    station->job[station->count++] =
        (struct station_job){.id = id, .work = work, .arrived_s = station->now_s, .begun_s = (double) NAN};
    begin(station);
    return 0;
}

void station_set_rate(struct station *station, double now_s, double rate)
{
    assert(rate >= 0.0);
    station_count(station, now_s);
    station->rate = rate;
}

static double missing(const struct station_job *job)
{
    double work = job->work - job->done;
    return work > ROUNDING * job->work ? work : 0.0;
}

/* The served job of which least is missing; of several the one that came first. */
static size_t next(const struct station *station)
{
    size_t best = 0;
    for (size_t i = 1; i < served(station); i++)
        if (missing(&station->job[i]) < missing(&station->job[best]))
            best = i;
    return best;
}

const struct station_job *station_next(const struct station *station)
{
    return station->count > 0 ? &station->job[next(station)] : NULL;
}

double station_due_s(const struct station *station)
{
    if (station->count == 0)
        return (double) INFINITY;
    double work = missing(&station->job[next(station)]);
    if (work <= 0.0)
        return station->now_s;
    return station->rate > 0.0 ? station->now_s + work * (double) served(station) / station->rate
                               : (double) INFINITY;
}

static struct station_job take_out(struct station *station, size_t place)
{
    assert(place < station->count);
    struct station_job job = station->job[place];
    station->count--;
    memmove(station->job + place, station->job + place + 1, (station->count - place) * sizeof *station->job);
    begin(station);
    return job;
}

struct station_job station_take(struct station *station, double now_s)
{
    assert(station->count > 0);
    station_count(station, now_s);
    struct station_job job = take_out(station, next(station));
    job.done = job.work;
    return job;
}

bool station_remove(struct station *station, double now_s, uint64_t id, struct station_job *ret_job)
{
    station_count(station, now_s);
    for (size_t i = 0; i < station->count; i++)
        if (station->job[i].id == id) {
            *ret_job = take_out(station, i);
            return true;
        }
    return false;
}

struct station_job *station_find(struct station *station, uint64_t id)
{
    for (size_t i = 0; i < station->count; i++)
        if (station->job[i].id == id)
            return &station->job[i];
    return NULL;
}

double station_left(const struct station *station, double now_s)
{
    double left = 0.0, running = 0.0;
    for (size_t i = 0; i < station->count; i++)
        left += missing(&station->job[i]);
    if (now_s > station->now_s && station->count > 0)
        running = station->rate * (now_s - station->now_s);
    return left > running ? left - running : 0.0;
}

void station_account(struct station *station, double now_s,
                     void (*tell)(void *user, const struct station_job *job, double busy_s), void *user)
{
    station_count(station, now_s);
    for (size_t i = 0; i < station->count; i++) {
        struct station_job *job = &station->job[i];
        double busy_s = job->busy_s - job->accounted_s;
        assert(!(busy_s < 0.0));
        job->accounted_s = job->busy_s;
        if (busy_s > 0.0)
            tell(user, job, busy_s);
    }
}
