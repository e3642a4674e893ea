#include "core/model/forecast.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/cost.h"

#define LEFT_OVER UINT64_MAX /* the job that stands for what is at the server already */

#define ROWS_AT_FIRST 64u

/* A row's key: device:24 | server:16 | load:24. */
_Static_assert(WORLD_DEVICES_MAX < 1u << 24 && WORLD_SERVERS_MAX < 1u << 16,
               "a key holds every row's numbers");
_Static_assert((ROWS_AT_FIRST & (ROWS_AT_FIRST - 1)) == 0, "places are taken modulo a power of two");

/* ---- rows ---- */

static void rows_finish(struct forecast_rows *rows)
{
    free(rows->spent);
    free(rows->key);
    free(rows->row);
    *rows = (struct forecast_rows){0};
}

/* Where the key is, or would be. */
static uint32_t place_of(const struct forecast_rows *rows, uint64_t key)
{
    uint32_t place = (uint32_t) (key * 0x9e3779b97f4a7c15u >> 32) & (rows->places - 1);
    while (rows->row[place] != 0 && rows->key[place] != key)
        place = (place + 1) & (rows->places - 1);
    return place;
}

static int rows_resize(struct forecast_rows *rows, uint32_t max, size_t width)
{
    struct forecast_rows grown = {.count = rows->count, .max = max, .places = 4 * max};
    assert(rows->count < max && (grown.places & (grown.places - 1)) == 0); /* place_of ends */
    grown.spent = calloc(max * width, sizeof *grown.spent);
    grown.key = calloc(grown.places, sizeof *grown.key);
    grown.row = calloc(grown.places, sizeof *grown.row);
    bool whole = grown.spent != NULL && grown.key != NULL && grown.row != NULL;
    for (uint32_t from = 0; from < rows->places && whole; from++) {
        if (rows->row[from] == 0)
            continue;
        uint32_t place = place_of(&grown, rows->key[from]);
        grown.key[place] = rows->key[from];
        grown.row[place] = rows->row[from];
    }
    if (whole && rows->count > 0)
        memcpy(grown.spent, rows->spent, rows->count * width * sizeof *grown.spent);
    rows_finish(whole ? rows : &grown);
    if (!whole)
        return -ENOMEM;
    *rows = grown;
    return 0;
}

/* Of a row. */
static size_t width_of(const struct world *world)
{
    return (size_t) world->codings.count * world->llm->layers;
}

/* ---- life ---- */

int forecast_init(struct forecast *ret_forecast, const struct world *world,
                  const struct forecast_source *source)
{
    struct forecast forecast = {.world = world, .source = *source};
    size_t devices = world->devices, layers = world->llm->layers;
    forecast.senders = calloc(world->servers, sizeof *forecast.senders);
    forecast.radio_s = calloc(devices, sizeof *forecast.radio_s);
    forecast.device = calloc(devices * (layers + 1), sizeof *forecast.device);
    forecast.arrival = calloc(devices, sizeof *forecast.arrival);
    forecast.finish_s = calloc(devices, sizeof *forecast.finish_s);
    station_init(&forecast.station, world->scenario.servers.discipline, 1.0, 0.0);
    int rc = rows_resize(&forecast.rows, ROWS_AT_FIRST, width_of(world));
    *ret_forecast = forecast;
    if (rc == 0 && forecast.senders != NULL && forecast.radio_s != NULL && forecast.device != NULL &&
        forecast.arrival != NULL && forecast.finish_s != NULL)
        return 0;
    forecast_finish(ret_forecast);
    return -ENOMEM;
}

void forecast_finish(struct forecast *forecast)
{
    free(forecast->senders);
    free(forecast->radio_s);
    free(forecast->device);
    rows_finish(&forecast->rows);
    free(forecast->arrival);
    free(forecast->finish_s);
    station_finish(&forecast->station);
    *forecast = (struct forecast){0};
}

/* ---- what the source says ---- */

static struct forecast_spent *device_row(const struct forecast *forecast, uint32_t n)
{
    return forecast->device + (size_t) n * (forecast->world->llm->layers + 1);
}

static uint64_t key_of(uint32_t n, uint32_t m, uint32_t load)
{
    return ((uint64_t) n << 40) | ((uint64_t) m << 24) | load;
}

/* Not inlined: row_of is asked millions of times, and most of its rows are there. */
__attribute__((noinline)) static const struct forecast_spent *add_row(struct forecast *forecast, uint32_t n,
                                                                      uint32_t m, uint32_t load)
{
    struct forecast_rows *rows = &forecast->rows;
    const struct forecast_source *source = &forecast->source;
    size_t width = width_of(forecast->world);
    assert(n < forecast->world->devices && m < forecast->world->servers && load <= forecast->world->devices);
    if (rows->count == rows->max && rows_resize(rows, 2 * rows->max, width) != 0)
        return NULL;
    struct forecast_spent *spent = rows->spent + rows->count * width;
    uint32_t place = place_of(rows, key_of(n, m, load));
    assert(rows->count < rows->max && rows->row[place] == 0);
    rows->key[place] = key_of(n, m, load);
    rows->row[place] = ++rows->count;
    if (load > 0)
        source->link(source->user, forecast->view, n, m, load, spent);
    else
        source->server(source->user, forecast->view, n, m, spent);
    return spent;
}

/* Load 0: the server itself. NULL: out of memory. Valid until another row is asked for. */
static const struct forecast_spent *row_of(struct forecast *forecast, uint32_t n, uint32_t m, uint32_t load)
{
    const struct forecast_rows *rows = &forecast->rows;
    uint32_t row = rows->row[place_of(rows, key_of(n, m, load))];
    if (row == 0)
        return add_row(forecast, n, m, load);
    return rows->spent + (row - 1) * width_of(forecast->world);
}

/* ---- a slot ---- */

void forecast_begin(struct forecast *forecast, const struct env_view *view)
{
    const struct forecast_source *source = &forecast->source;
    uint32_t devices = forecast->world->devices, servers = forecast->world->servers;
    assert(view->world == forecast->world);
    forecast->view = view;
    forecast->rows.count = 0;
    memset(forecast->rows.row, 0, forecast->rows.places * sizeof *forecast->rows.row);
    for (uint32_t m = 0; m < servers; m++) {
        forecast->senders[m] = 0;
        for (uint32_t n = 0; n < devices; n++)
            forecast->senders[m] +=
                view->present[n] && view->unsent_bits[(size_t) n * servers + m] > 0.0 ? 1 : 0;
    }
    for (uint32_t n = 0; n < devices; n++) {
        forecast->radio_s[n] = 0.0;
        for (uint32_t m = 0; m < servers && view->present[n]; m++) {
            double bits = view->unsent_bits[(size_t) n * servers + m];
            if (bits > 0.0)
                forecast->radio_s[n] += source->rest_s(source->user, view, n, m, forecast->senders[m], bits);
        }
        if (env_has_task(view, n))
            source->device(source->user, view, n, device_row(forecast, n));
    }
}

/* cost_task, measured by what all of the task would take on its device. */
static double task_cost(const struct forecast *forecast, uint32_t n, double latency_s, double energy_j)
{
    const struct scenario *scenario = &forecast->world->scenario;
    struct forecast_spent full = device_row(forecast, n)[forecast->world->llm->layers];
    return cost_normalised(scenario, latency_s, energy_j, full.s, full.j) +
           cost_lateness(scenario, latency_s);
}

double forecast_local(const struct forecast *forecast, uint32_t n)
{
    struct forecast_spent full = device_row(forecast, n)[forecast->world->llm->layers];
    return task_cost(forecast, n, forecast->view->processor_s[n] + full.s, full.j);
}

double forecast_work(struct forecast *forecast, uint32_t m, uint32_t n, uint32_t split)
{
    assert(split < forecast->world->llm->layers);
    const struct forecast_spent *server = row_of(forecast, n, m, 0);
    return server != NULL ? server[split].s / forecast->world->scenario.run.slot_s : (double) INFINITY;
}

double forecast_kept(const struct forecast *forecast, uint32_t n, uint32_t split)
{
    assert(split <= forecast->world->llm->layers);
    return device_row(forecast, n)[split].s / forecast->world->scenario.run.slot_s;
}

static int by_arrival(const struct forecast_arrival *x, const struct forecast_arrival *y)
{
    if (x->s != y->s)
        return x->s < y->s ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* A few tasks: inserted in order of arrival, then of place. */
static void insert(struct forecast *forecast, uint32_t count, struct forecast_arrival arrival)
{
    uint32_t place = count;
    for (; place > 0 && by_arrival(&forecast->arrival[place - 1], &arrival) > 0; place--)
        forecast->arrival[place] = forecast->arrival[place - 1];
    forecast->arrival[place] = arrival;
}

/* -ENOMEM. */
static int foresee(struct forecast *forecast, uint32_t m, uint32_t n, struct forecast_way way, uint32_t load,
                   struct forecast_arrival *ret_arrival)
{
    const struct forecast_spent *row = row_of(forecast, n, m, 0);
    struct forecast_spent device = device_row(forecast, n)[way.split], server = {0}, link = {0};
    if (row != NULL) {
        server = row[way.split];
        row = row_of(forecast, n, m, load);
    }
    if (row == NULL)
        return -ENOMEM;
    link = row[(size_t) way.coding * forecast->world->llm->layers + way.split];
    struct task_joules joules = {.compute_j = device.j, .transmit_j = link.j, .server_j = server.j};
    const struct forecast_source *source = &forecast->source;
    *ret_arrival = (struct forecast_arrival){
        .s = fmax(forecast->view->processor_s[n] + device.s, forecast->radio_s[n]) + link.s,
        .work_s = server.s,
        .energy_j = cost_energy_j(&forecast->world->scenario, &joules),
        .damage =
            source->damage != NULL ? source->damage(source->user, forecast->view, n, m, load, way) : 0.0,
    };
    return 0;
}

/* When each arrival is finished, in forecast->finish_s by place. */
static void serve_in_order(struct forecast *forecast, uint32_t m, uint32_t count)
{
    double free_s = forecast->view->backlog_s[m] + forecast->view->coming_s[m];
    for (uint32_t i = 0; i < count; i++) {
        const struct forecast_arrival *arrival = &forecast->arrival[i];
        free_s = fmax(free_s, arrival->s) + arrival->work_s;
        forecast->finish_s[arrival->place] = free_s;
    }
}

static void finish_until(struct forecast *forecast, double end_s)
{
    struct station *station = &forecast->station;
    while (station->count > 0 && station_due_s(station) <= end_s) {
        double due_s = station_due_s(station);
        struct station_job job = station_take(station, due_s);
        if (job.id == LEFT_OVER)
            continue;
        assert(job.id < forecast->world->devices);
        forecast->finish_s[job.id] = due_s;
    }
}

static int serve_together(struct forecast *forecast, uint32_t m, uint32_t count)
{
    station_clear(&forecast->station, 0.0);
    int rc = station_add(&forecast->station, 0.0, LEFT_OVER,
                         forecast->view->backlog_s[m] + forecast->view->coming_s[m]);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        const struct forecast_arrival *arrival = &forecast->arrival[i];
        finish_until(forecast, arrival->s);
        rc = station_add(&forecast->station, arrival->s, arrival->place, arrival->work_s);
    }
    finish_until(forecast, (double) INFINITY);
    assert(rc != 0 || forecast->station.count == 0); /* every task has its finish */
    return rc;
}

int forecast_server(struct forecast *forecast, uint32_t m, const uint32_t *who,
                    const struct forecast_way *way, uint32_t count, double *ret_cost)
{
    const struct world *world = forecast->world;
    uint32_t load = forecast->senders[m];
    int rc = 0;
    assert(count <= world->devices);
    *ret_cost = (double) INFINITY;
    for (uint32_t i = 0; i < count; i++)
        load += forecast->view->unsent_bits[(size_t) who[i] * world->servers + m] > 0.0 ? 0 : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct forecast_arrival arrival;
        assert(way[i].split < world->llm->layers && way[i].coding < world->codings.count);
        rc = foresee(forecast, m, who[i], way[i], load, &arrival);
        if (rc != 0)
            return rc;
        arrival.place = i;
        insert(forecast, i, arrival);
    }
    if (world->scenario.servers.discipline == DISCIPLINE_FIFO)
        serve_in_order(forecast, m, count);
    else
        rc = serve_together(forecast, m, count);
    if (rc != 0)
        return rc;
    double sum = 0.0, down_s = 0.0;
    if (forecast->source.down_s != NULL)
        down_s = forecast->source.down_s(forecast->source.user, forecast->view, m);
    for (uint32_t i = 0; i < count; i++) {
        const struct forecast_arrival *arrival = &forecast->arrival[i];
        double latency_s = forecast->finish_s[arrival->place] + down_s;
        sum += task_cost(forecast, who[arrival->place], latency_s, arrival->energy_j) + arrival->damage;
    }
    *ret_cost = sum;
    return 0;
}
