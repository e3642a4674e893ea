#include "core/model/outlook.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/units.h"
#include "core/model/cost.h"
#include "core/model/radio.h"
#include "core/model/transfer.h"

#define LEFT_OVER UINT64_MAX /* the job that stands for what is at the server already */

int outlook_init(struct outlook *ret_outlook, const struct world *world)
{
    struct outlook outlook = {.world = world};
    outlook.senders = calloc(world->servers, sizeof *outlook.senders);
    outlook.radio_s = calloc(world->devices, sizeof *outlook.radio_s);
    outlook.rate = calloc((size_t) world->devices * world->servers, sizeof *outlook.rate);
    outlook.arrival = calloc(world->devices, sizeof *outlook.arrival);
    outlook.finish_s = calloc(world->devices, sizeof *outlook.finish_s);
    station_init(&outlook.station, world->scenario.servers.discipline, 1.0, 0.0);
    const struct scenario *scenario = &world->scenario;
    outlook.down_s = transfer_expected_s(scenario, transfer_down_bits(scenario), transfer_down_bps(scenario));
    *ret_outlook = outlook;
    if (outlook.senders != NULL && outlook.radio_s != NULL && outlook.rate != NULL &&
        outlook.arrival != NULL && outlook.finish_s != NULL)
        return 0;
    outlook_finish(ret_outlook);
    return -ENOMEM;
}

void outlook_finish(struct outlook *outlook)
{
    free(outlook->senders);
    free(outlook->radio_s);
    free(outlook->rate);
    free(outlook->arrival);
    free(outlook->finish_s);
    station_finish(&outlook->station);
    *outlook = (struct outlook){0};
}

static double rate_bps(struct outlook *outlook, uint32_t n, uint32_t m, uint32_t load)
{
    const struct scenario *scenario = &outlook->world->scenario;
    size_t place = (size_t) n * outlook->world->servers + m;
    struct outlook_rate *rate = &outlook->rate[place];
    if (rate->load != load) {
        double bandwidth_hz = scenario->radio.bandwidth_mhz * UNITS_MHZ / load;
        rate->load = load;
        rate->bps = radio_rate_bps(scenario, bandwidth_hz, outlook->world->device[n].transmit_power_w,
                                   outlook->view->gain[place]);
    }
    return rate->bps;
}

void outlook_begin(struct outlook *outlook, const struct env_view *view)
{
    uint32_t devices = outlook->world->devices, servers = outlook->world->servers;
    outlook->view = view;
    memset(outlook->rate, 0, (size_t) devices * servers * sizeof *outlook->rate);
    for (uint32_t m = 0; m < servers; m++) {
        outlook->senders[m] = 0;
        for (uint32_t n = 0; n < devices; n++)
            outlook->senders[m] +=
                view->present[n] && view->unsent_bits[(size_t) n * servers + m] > 0.0 ? 1 : 0;
    }
    for (uint32_t n = 0; n < devices; n++) {
        outlook->radio_s[n] = 0.0;
        for (uint32_t m = 0; m < servers && view->present[n]; m++) {
            double bits = view->unsent_bits[(size_t) n * servers + m];
            if (bits > 0.0)
                outlook->radio_s[n] += radio_transmit_s(bits, rate_bps(outlook, n, m, outlook->senders[m]));
        }
    }
}

static double device_cost(const struct outlook *outlook, uint32_t n, double latency_s,
                          const struct task_joules *joules)
{
    const struct world *world = outlook->world;
    return cost_task(world, &world->device[n], outlook->view->tokens[n], latency_s,
                     cost_energy_j(&world->scenario, joules), false);
}

double outlook_local(const struct outlook *outlook, uint32_t n)
{
    const struct world *world = outlook->world;
    double local_s = cost_full_s(world, &world->device[n], outlook->view->tokens[n]);
    struct task_joules joules = {.compute_j = world->device[n].power_w * local_s};
    return device_cost(outlook, n, outlook->view->processor_s[n] + local_s, &joules);
}

double outlook_work(const struct outlook *outlook, uint32_t m, uint32_t n, uint32_t split)
{
    const struct world *world = outlook->world;
    return cost_edge_s(world, world->server[m].flops, 1.0, outlook->view->tokens[n], split) /
           world->scenario.run.slot_s;
}

static int by_arrival(const struct outlook_arrival *x, const struct outlook_arrival *y)
{
    if (x->s != y->s)
        return x->s < y->s ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* A few tasks: inserted in order of arrival, then of place. */
static void insert(struct outlook *outlook, uint32_t count, struct outlook_arrival arrival)
{
    uint32_t place = count;
    for (; place > 0 && by_arrival(&outlook->arrival[place - 1], &arrival) > 0; place--)
        outlook->arrival[place] = outlook->arrival[place - 1];
    outlook->arrival[place] = arrival;
}

static double transmit_s(struct outlook *outlook, uint32_t m, uint32_t n, uint32_t split, uint32_t load)
{
    double bits = llm_split_bits(outlook->world->llm, split, outlook->view->tokens[n],
                                 outlook->world->scenario.model.bits_per_element);
    return transfer_expected_s(&outlook->world->scenario, bits, rate_bps(outlook, n, m, load));
}

static struct outlook_arrival foresee(struct outlook *outlook, uint32_t m, uint32_t n, uint32_t split,
                                      uint32_t load)
{
    const struct world *world = outlook->world;
    uint32_t tokens = outlook->view->tokens[n];
    double computed_s = outlook->view->processor_s[n] + cost_local_s(world, &world->device[n], tokens, split);
    double sent_s = transmit_s(outlook, m, n, split, load);
    return (struct outlook_arrival){
        .s = fmax(computed_s, outlook->radio_s[n]) + sent_s,
        .sent_s = sent_s,
        .work_s = cost_edge_s(world, world->server[m].flops, 1.0, tokens, split),
    };
}

/* When each arrival is finished, in outlook->finish_s by place. */
static void serve_in_order(struct outlook *outlook, uint32_t m, uint32_t count)
{
    double free_s = outlook->view->backlog_s[m] + outlook->view->coming_s[m];
    for (uint32_t i = 0; i < count; i++) {
        const struct outlook_arrival *arrival = &outlook->arrival[i];
        free_s = fmax(free_s, arrival->s) + arrival->work_s;
        outlook->finish_s[arrival->place] = free_s;
    }
}

static void finish_until(struct outlook *outlook, double end_s)
{
    struct station *station = &outlook->station;
    while (station->count > 0 && station_due_s(station) <= end_s) {
        double due_s = station_due_s(station);
        struct station_job job = station_take(station, due_s);
        if (job.id != LEFT_OVER)
            outlook->finish_s[job.id] = due_s;
    }
}

static int serve_together(struct outlook *outlook, uint32_t m, uint32_t count)
{
    station_clear(&outlook->station, 0.0);
    int rc = station_add(&outlook->station, 0.0, LEFT_OVER,
                         outlook->view->backlog_s[m] + outlook->view->coming_s[m]);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        const struct outlook_arrival *arrival = &outlook->arrival[i];
        finish_until(outlook, arrival->s);
        rc = station_add(&outlook->station, arrival->s, arrival->place, arrival->work_s);
    }
    finish_until(outlook, (double) INFINITY);
    return rc;
}

int outlook_server(struct outlook *outlook, uint32_t m, const uint32_t *who, const uint32_t *split,
                   uint32_t count, double *ret_cost)
{
    const struct world *world = outlook->world;
    uint32_t load = outlook->senders[m];
    int rc = 0;
    *ret_cost = (double) INFINITY;
    for (uint32_t i = 0; i < count; i++)
        load += outlook->view->unsent_bits[(size_t) who[i] * world->servers + m] > 0.0 ? 0 : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct outlook_arrival arrival = foresee(outlook, m, who[i], split[i], load);
        arrival.place = i;
        insert(outlook, i, arrival);
    }
    if (world->scenario.servers.discipline == DISCIPLINE_FIFO)
        serve_in_order(outlook, m, count);
    else
        rc = serve_together(outlook, m, count);
    if (rc != 0)
        return rc;
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        const struct outlook_arrival *arrival = &outlook->arrival[i];
        uint32_t n = who[arrival->place];
        const struct device_params *device = &world->device[n];
        struct task_joules joules = {
            .compute_j = device->power_w *
                         cost_local_s(world, device, outlook->view->tokens[n], split[arrival->place]),
            .transmit_j = device->transmit_power_w * arrival->sent_s,
            .server_j = world->server[m].power_w * arrival->work_s,
        };
        sum += device_cost(outlook, n, outlook->finish_s[arrival->place] + outlook->down_s, &joules);
    }
    *ret_cost = sum;
    return 0;
}
