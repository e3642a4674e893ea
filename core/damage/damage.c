#include "core/damage/damage.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/damage/draws_internal.h"
#include "core/damage/losses_internal.h"
#include "core/damage/turned_internal.h"

static struct rng_at with_stream(const struct rng_at *at, enum rng_stream stream)
{
    struct rng_at own = *at;
    own.stream = stream;
    return own;
}

/* ---- ANALOG ---- */

double damage_rms(const float *x, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double) x[i] * (double) x[i];
    return count > 0 ? sqrt(sum / (double) count) : 0.0;
}

double damage_gain(const struct damage *damage, const struct rng_at *at, uint32_t block)
{
    struct rng_at own = with_stream(at, RNG_DAMAGE_FADING);
    switch (damage->fading) {
    case DAMAGE_AWGN: break;
    case DAMAGE_RAYLEIGH: return sqrt(rng_exponential(rng_block(&own, block).v[0]));
    case DAMAGE_NAKAGAMI: return sqrt(draws_gamma(&own, block, damage->nakagami_m));
    }
    return 1.0;
}

/* y = scale x + sigma n; what a float does not hold did not arrive. */
static void add_noise(const struct rng_at *at, uint64_t first, uint32_t count, double scale, double sigma,
                      float *x, struct damage_result *result)
{
    double normal[DRAWS_PORTION - 2];
    for (uint32_t done = 0, portion; done < count; done += portion) {
        portion = count - done < DRAWS_PORTION - 2 ? count - done : DRAWS_PORTION - 2;
        draws_normals(at, first + done, portion, normal);
        for (uint32_t i = 0; i < portion; i++) {
            double y = scale * (double) x[done + i] + sigma * normal[i];
            bool fits = fabs(y) <= (double) FLT_MAX;
            x[done + i] = fits ? (float) y : 0.0f;
            result->missing += fits ? 0 : 1;
        }
    }
}

static void receive_symbols(const struct damage *damage, const struct rng_at *at, uint32_t first_row,
                            uint32_t rows, uint32_t columns, float *x, struct damage_result *result)
{
    struct rng_at noise = with_stream(at, RNG_DAMAGE);
    double ratio = elementary_pow(10.0, -damage->snr_db / 20.0), rms = damage->reference_rms, gain = 1.0;
    uint32_t block = UINT32_MAX;
    if (damage->power == DAMAGE_PER_REQUEST && !(rms > 0.0))
        rms = damage_rms(x, (size_t) rows * columns);
    for (uint32_t r = 0; r < rows; r++) {
        float *row = x + (size_t) r * columns;
        uint32_t of_row = damage->block_rows > 0 ? (first_row + r) / damage->block_rows : 0;
        if (of_row != block)
            gain = damage_gain(damage, at, block = of_row);
        if (damage->power == DAMAGE_PER_TOKEN)
            rms = damage_rms(row, columns);
        add_noise(&noise, (uint64_t) (first_row + r) * columns, columns, damage->equalised ? 1.0 : gain,
                  damage->equalised ? rms * ratio / gain : rms * ratio, row, result);
    }
    result->elements += (uint64_t) rows * columns;
}

/* ---- all kinds ---- */

int damage_rows(const struct damage *damage, const struct rng_at *at, uint32_t first_row, uint32_t rows,
                uint32_t columns, const float *before, float *x, struct damage_result *result)
{
    switch (damage->kind) {
    case DAMAGE_ELEMENTS: {
        struct rng_at own = with_stream(at, RNG_DAMAGE);
        return losses_elements(damage, &own, first_row, rows, columns, before, x, result);
    }
    case DAMAGE_ANALOG: receive_symbols(damage, at, first_row, rows, columns, x, result); return 0;
    case DAMAGE_PACKETS:
    case DAMAGE_BITS: assert(false); break; /* they need bytes */
    case DAMAGE_NONE: break;
    }
    result->elements += (uint64_t) rows * columns;
    return 0;
}

static int receive_bits(const struct damage *damage, const struct activation_shape *shape,
                        const struct rng_at *at, const uint8_t *bytes, size_t size, float *ret_x,
                        struct damage_result *result, struct diag *diag)
{
    struct rng_at own = with_stream(at, RNG_DAMAGE);
    uint8_t *received = malloc(size);
    if (received == NULL)
        return -ENOMEM;
    memcpy(received, bytes, size);
    turned_bits(damage, shape, &own, received, result);
    int rc = activation_decode(shape, received, size, ret_x, diag);
    free(received);
    return rc;
}

int damage_receive(const struct damage *damage, const struct activation_shape *shape, const struct rng_at *at,
                   const uint8_t *bytes, size_t size, float *ret_x, struct damage_result *result,
                   struct diag *diag)
{
    int rc = damage_check(damage, shape, diag);
    if (rc == 0)
        rc = activation_decode(shape, bytes, size, ret_x, diag);
    if (rc != 0)
        return rc;
    struct rng_at own = with_stream(at, RNG_DAMAGE);
    switch (damage->kind) {
    case DAMAGE_BITS: return receive_bits(damage, shape, at, bytes, size, ret_x, result, diag);
    case DAMAGE_PACKETS: return losses_packets(damage, shape, &own, bytes, ret_x, result);
    case DAMAGE_NONE: result->elements += turned_elements(shape); return 0;
    case DAMAGE_ELEMENTS:
    case DAMAGE_ANALOG: break;
    }
    return damage_rows(damage, at, 0, shape->rows, shape->columns, NULL, ret_x, result);
}
