#include "core/compute/compute_damage.h"

#include "core/base/err.h"
#include "core/model/channel.h"
#include "core/model/transfer.h"

static const enum damage_kind kinds[] = {
    [CHANNEL_RELIABLE] = DAMAGE_NONE,    [CHANNEL_BOUNDED] = DAMAGE_PACKETS, [CHANNEL_ANALOG] = DAMAGE_ANALOG,
    [CHANNEL_ERASURE] = DAMAGE_ELEMENTS, [CHANNEL_BITS] = DAMAGE_BITS,
};

static const enum damage_fill fills[] = {
    [FILL_ZERO] = DAMAGE_ZERO, [FILL_PREVIOUS] = DAMAGE_PREVIOUS, [FILL_MEAN] = DAMAGE_MEAN};

static const enum damage_layout layouts[] = {
    [LAYOUT_ROWS] = DAMAGE_ROWS, [LAYOUT_INTERLEAVED] = DAMAGE_INTERLEAVED};

static const enum damage_power powers[] = {[POWER_FIXED] = DAMAGE_FIXED,
                                           [POWER_PER_TOKEN] = DAMAGE_PER_TOKEN,
                                           [POWER_PER_REQUEST] = DAMAGE_PER_REQUEST};

static const enum damage_fading fadings[] = {
    [CHANNEL_AWGN] = DAMAGE_AWGN, [CHANNEL_RAYLEIGH] = DAMAGE_RAYLEIGH, [CHANNEL_NAKAGAMI] = DAMAGE_NAKAGAMI};

void compute_damage_of(const struct scenario *scenario, double condition, const float *mean,
                       struct damage *ret_damage)
{
    *ret_damage = (struct damage){
        .kind = kinds[scenario->channel.mode],
        .loss = condition,
        .fill = fills[scenario->channel.fill],
        .mean = mean,
        .layout = layouts[scenario->channel.layout],
        .packet_bytes = TRANSFER_PACKET_BYTES,
        .snr_db = condition,
        .fading = fadings[scenario->channel.fading],
        .nakagami_m = scenario->channel.nakagami_m,
        .block_rows = 1,
        .equalised = scenario->channel.equalised == SWITCH_ON,
        .power = powers[scenario->channel.power],
        .reference_rms = scenario->channel.power == POWER_FIXED ? scenario->channel.reference_rms : 0.0,
        .bit_error = condition,
        .protected_bits = (uint32_t) scenario->channel.protected_bits,
    };
}

void compute_damage(const struct world *world, double condition, const float *mean, struct damage *ret_damage)
{
    compute_damage_of(&world->scenario, condition, mean, ret_damage);
}

struct rng_at compute_damage_place(const struct world *world, uint32_t device, struct slot_id id)
{
    return (struct rng_at){
        .seed = world->seed,
        .phase = id.phase,
        .entity = device,
        .episode = id.episode,
        .slot = id.slot,
    };
}

int compute_damage_check(const struct world *world, struct diag *diag)
{
    struct diag why = {0};
    struct damage damage;
    double least, most;
    const struct activation_shape shape = compute_shape(world, 1, 0);
    channel_range(&world->scenario, &least, &most);
    compute_damage(world, most, NULL, &damage);
    int rc = damage_check(&damage, &shape, &why);
    if (rc == 0)
        return 0;
    return diag_fail(diag, ERR_UNSUPPORTED, "channel.mode: %s with compute.format: %s: %s",
                     scenario_channel_words[world->scenario.channel.mode],
                     scenario_compute_format_words[world->scenario.compute.format], diag_text(&why, rc));
}
