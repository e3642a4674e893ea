#include "orchestrator/policy/plus/learned_price.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
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
    return elementary_log1p(price / LINEAR_BELOW);
}

static double price_at(double place)
{
    return LINEAR_BELOW * elementary_expm1(fabs(place));
}

static bool was_dear(const struct learned_price *price)
{
    const struct response_surface *surface = &price->surface;
    if (surface->seen == 0)
        return true; /* there were random decisions before the first */
    return surface->trial[(surface->seen - 1) % RESPONSE_SURFACE_TRIALS].y >
           surface->least + elementary_log(DEAR);
}

static void begin_trial(struct learned_price *price)
{
    price->trial = price->surface.next;
    assert(price->trial >= price->surface.config.low && price->trial <= price->surface.config.high);
    price->wait = was_dear(price) ? WAIT_MOST * price->block : 0;
    price->skip = price->settle;
    price->counted = price->tasks = 0;
    price->sum = 0.0;
}

void learned_price_init(struct learned_price *price, const struct world *world,
                        const struct plus_settings *settings)
{
    double most = settings->plus.price_most;
    uint64_t part = world->scenario.run.slots / SETTLE_PART;
    struct response_surface_config config = {
        .low = -scale_of(KEPT_PART * most),
        .high = scale_of(most),
        .start = 0.0,
        .length = LENGTH,
        .noise = NOISE,
    };
    *price = (struct learned_price){.block = settings->plus.price_block,
                                    .settle = settings->plus.price_settle,
                                    .devices = world->devices};
    assert(price->block > 0 && price->devices > 0.0);
    if (part > 0 && part < price->settle)
        price->settle = part;
    response_surface_init(&price->surface, &config);
    begin_trial(price);
}

struct slot_prices learned_price_prices(const struct learned_price *price, bool training)
{
    double place = training && price->wait == 0 ? price->trial : price->surface.best;
    return place > 0.0 ? (struct slot_prices){.sent = price_at(place)}
                       : (struct slot_prices){.kept = price_at(place)};
}

bool learned_price_is_settling(const struct learned_price *price)
{
    return price->wait > 0 || price->skip > price->settle / 2;
}

void learned_price_begin_episode(struct learned_price *price)
{
    price->wait = 0; /* nothing is left over from before */
    price->skip = price->settle;
}

void learned_price_observe(struct learned_price *price, double reward, uint32_t tasks)
{
    uint64_t *uncounted = price->wait > 0 ? &price->wait : &price->skip;
    if (*uncounted > 0) {
        (*uncounted)--;
        return;
    }
    price->sum -= reward * price->devices; /* a reward is a mean over them */
    price->tasks += tasks;
    price->counted++;
    if (price->counted < price->block || price->tasks == 0)
        return;
    assert(price->wait == 0 && price->skip == 0);
    double cost = price->sum / (double) price->tasks;
    response_surface_observe(&price->surface, price->trial, elementary_log(fmax(cost, COST_LEAST)));
    begin_trial(price);
}

/* ---- bytes: f64 best; full: the trials, u64 seen; u64 x 4, f64 x 2 of the block ---- */

int learned_price_save(const struct learned_price *price, bool full, struct buf *bytes)
{
    const struct response_surface *surface = &price->surface;
    int rc = buf_push(bytes, &surface->best, sizeof surface->best);
    if (rc != 0 || !full)
        return rc;
    const uint64_t count[] = {surface->seen, price->wait, price->skip, price->counted, price->tasks};
    const double real[] = {price->trial, price->sum};
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

static bool is_possible(const struct learned_price *price)
{
    const struct response_surface *surface = &price->surface;
    bool possible = is_place(surface, price->trial) && isfinite(price->sum) &&
                    (price->counted < price->block || price->tasks == 0) && price->skip <= price->settle;
    for (uint32_t i = 0; i < RESPONSE_SURFACE_TRIALS; i++)
        possible = possible && is_place(surface, surface->trial[i].x) && isfinite(surface->trial[i].y);
    return possible;
}

static int take_all(struct learned_price *price, const uint8_t **bytes, size_t *size, struct diag *diag)
{
    struct response_surface *surface = &price->surface;
    uint64_t count[5] = {0};
    double real[2] = {0.0};
    int rc = take(bytes, size, surface->trial, sizeof surface->trial, diag);
    if (rc == 0)
        rc = take(bytes, size, count, sizeof count, diag);
    if (rc == 0)
        rc = take(bytes, size, real, sizeof real, diag);
    surface->seen = count[0];
    price->wait = count[1];
    price->skip = count[2];
    price->counted = count[3];
    price->tasks = count[4];
    price->trial = real[0];
    price->sum = real[1];
    return rc != 0 || is_possible(price) ? rc : diag_fail(diag, ERR_CORRUPT, "a learned price is none");
}

int learned_price_load(struct learned_price *price, bool full, const uint8_t **bytes, size_t *size,
                       struct diag *diag)
{
    double best = 0.0;
    int rc = take(bytes, size, &best, sizeof best, diag);
    if (rc == 0 && !is_place(&price->surface, best))
        rc = diag_fail(diag, ERR_CORRUPT, "a learned price is none");
    if (rc == 0 && full)
        rc = take_all(price, bytes, size, diag);
    if (rc != 0)
        return rc;
    response_surface_settle(&price->surface);
    price->surface.best = best;
    return 0;
}
