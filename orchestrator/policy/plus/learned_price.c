#include "orchestrator/policy/plus/learned_price.h"

#include <math.h>
#include <string.h>

#include "core/base/err.h"

/* Prices are tried on a scale that is linear below this one and logarithmic above [house]. */
#define LINEAR_BELOW 0.3
#define LENGTH 0.5      /* on that scale: a price 1.65 times as high may cost much more or less [house] */
#define NOISE 0.1       /* of a block's logarithm: `dapo-queue`, 40 slots */
#define COST_LEAST 1e-6 /* of a task, for its logarithm */
#define SETTLE_PART 4u  /* of an episode at most this part of its slots is left out */
#define DEAR 1.5        /* times the least cost: its queues will not drain soon [house] */
#define WAIT_MOST 5u    /* blocks, where no new episode comes before [house] */
#define KEPT_PART 0.1   /* of the highest price of sent work, that of kept work: about F_n / F_m [house] */

static double scale_of(double price)
{
    return log1p(price / LINEAR_BELOW);
}

static double price_at(double place)
{
    return LINEAR_BELOW * expm1(fabs(place));
}

static bool was_dear(const struct learned_price *toll)
{
    const struct response_surface *surface = &toll->surface;
    if (surface->seen == 0)
        return true; /* there were random decisions before the first */
    return surface->trial[(surface->seen - 1) % RESPONSE_SURFACE_TRIALS].y > surface->least + log(DEAR);
}

static void begin_trial(struct learned_price *toll)
{
    toll->trial = toll->surface.next;
    toll->wait = was_dear(toll) ? WAIT_MOST * toll->block : 0;
    toll->skip = toll->settle;
    toll->counted = toll->tasks = 0;
    toll->sum = 0.0;
}

void learned_price_init(struct learned_price *toll, const struct world *world)
{
    const struct scenario *scenario = &world->scenario;
    double most = scenario->plus.price_most;
    uint64_t part = scenario->run.slots / SETTLE_PART;
    struct response_surface_config config = {
        .low = -scale_of(KEPT_PART * most),
        .high = scale_of(most),
        .start = 0.0,
        .length = LENGTH,
        .noise = NOISE,
    };
    *toll = (struct learned_price){.block = scenario->plus.price_block,
                                   .settle = scenario->plus.price_settle,
                                   .devices = world->devices};
    if (part > 0 && part < toll->settle)
        toll->settle = part;
    response_surface_init(&toll->surface, &config);
    begin_trial(toll);
}

struct slot_prices learned_price_prices(const struct learned_price *toll, bool training)
{
    double place = training && toll->wait == 0 ? toll->trial : toll->surface.best;
    return place > 0.0 ? (struct slot_prices){.sent = price_at(place)}
                       : (struct slot_prices){.kept = price_at(place)};
}

bool learned_price_is_settling(const struct learned_price *toll)
{
    return toll->wait > 0 || toll->skip > toll->settle / 2;
}

void learned_price_begin_episode(struct learned_price *toll)
{
    toll->wait = 0; /* nothing is left over from before */
    toll->skip = toll->settle;
}

void learned_price_observe(struct learned_price *toll, double reward, uint32_t tasks)
{
    uint64_t *uncounted = toll->wait > 0 ? &toll->wait : &toll->skip;
    if (*uncounted > 0) {
        (*uncounted)--;
        return;
    }
    toll->sum -= reward * toll->devices; /* a reward is a mean over them */
    toll->tasks += tasks;
    toll->counted++;
    if (toll->counted < toll->block || toll->tasks == 0)
        return;
    double cost = toll->sum / (double) toll->tasks;
    response_surface_observe(&toll->surface, toll->trial, log(fmax(cost, COST_LEAST)));
    begin_trial(toll);
}

/* ---- bytes: f64 best; full: the trials, u64 seen; u64 x 4, f64 x 2 of the block ---- */

int learned_price_save(const struct learned_price *toll, bool full, struct buf *bytes)
{
    const struct response_surface *surface = &toll->surface;
    int rc = buf_push(bytes, &surface->best, sizeof surface->best);
    if (rc != 0 || !full)
        return rc;
    const uint64_t count[] = {surface->seen, toll->wait, toll->skip, toll->counted, toll->tasks};
    const double real[] = {toll->trial, toll->sum};
    rc = buf_push(bytes, surface->trial, sizeof surface->trial);
    if (rc == 0)
        rc = buf_push(bytes, count, sizeof count);
    return rc != 0 ? rc : buf_push(bytes, real, sizeof real);
}

static int take(const uint8_t **bytes, size_t *size, void *ret, size_t wanted, struct diag *diag)
{
    if (*size < wanted)
        return diag_fail(diag, ERR_TRUNCATED, "a learned price ends too early");
    memcpy(ret, *bytes, wanted);
    *bytes += wanted;
    *size -= wanted;
    return 0;
}

static bool is_place(const struct response_surface *surface, double place)
{
    return place >= surface->config.low && place <= surface->config.high; /* NaN is not */
}

static bool is_possible(const struct learned_price *toll)
{
    const struct response_surface *surface = &toll->surface;
    bool possible = is_place(surface, toll->trial) && isfinite(toll->sum) &&
                    (toll->counted < toll->block || toll->tasks == 0) && toll->skip <= toll->settle;
    for (uint32_t i = 0; i < RESPONSE_SURFACE_TRIALS; i++)
        possible = possible && is_place(surface, surface->trial[i].x) && isfinite(surface->trial[i].y);
    return possible;
}

static int take_all(struct learned_price *toll, const uint8_t **bytes, size_t *size, struct diag *diag)
{
    struct response_surface *surface = &toll->surface;
    uint64_t count[5] = {0};
    double real[2] = {0.0};
    int rc = take(bytes, size, surface->trial, sizeof surface->trial, diag);
    if (rc == 0)
        rc = take(bytes, size, count, sizeof count, diag);
    if (rc == 0)
        rc = take(bytes, size, real, sizeof real, diag);
    surface->seen = count[0];
    toll->wait = count[1];
    toll->skip = count[2];
    toll->counted = count[3];
    toll->tasks = count[4];
    toll->trial = real[0];
    toll->sum = real[1];
    return rc != 0 || is_possible(toll) ? rc : diag_fail(diag, ERR_CORRUPT, "a learned price is none");
}

int learned_price_load(struct learned_price *toll, bool full, const uint8_t **bytes, size_t *size,
                       struct diag *diag)
{
    double best = 0.0;
    int rc = take(bytes, size, &best, sizeof best, diag);
    if (rc == 0 && !is_place(&toll->surface, best))
        rc = diag_fail(diag, ERR_CORRUPT, "a learned price is none");
    if (rc == 0 && full)
        rc = take_all(toll, bytes, size, diag);
    if (rc != 0)
        return rc;
    response_surface_settle(&toll->surface);
    toll->surface.best = best;
    return 0;
}
