#include <math.h>

#include "core/base/err.h"
#include "core/damage/turned_internal.h"

static int check_share(const char *what, double share, struct diag *diag)
{
    if (!(share >= 0.0 && share <= 1.0))
        return diag_fail(diag, ERR_RANGE, "damage: %s is %g, allowed 0 to 1", what, share);
    return 0;
}

static int check_packets(const struct damage *damage, struct diag *diag)
{
    if (damage->packet_bytes == 0)
        return diag_fail(diag, ERR_RANGE, "damage: packets of 0 bytes");
    if (damage->layout != DAMAGE_ROWS && damage->layout != DAMAGE_INTERLEAVED)
        return diag_fail(diag, ERR_RANGE, "damage: layout %u is not known", (unsigned) damage->layout);
    return 0;
}

static int check_fill(const struct damage *damage, struct diag *diag)
{
    if ((unsigned) damage->fill > DAMAGE_MEAN)
        return diag_fail(diag, ERR_RANGE, "damage: fill %u is not known", (unsigned) damage->fill);
    return 0;
}

static int check_power(const struct damage *damage, struct diag *diag)
{
    double rms = damage->reference_rms;
    if ((unsigned) damage->power > DAMAGE_PER_REQUEST)
        return diag_fail(diag, ERR_RANGE, "damage: power %u is not known", (unsigned) damage->power);
    if (damage->power == DAMAGE_FIXED && !(rms > 0.0 && isfinite(rms)))
        return diag_fail(diag, ERR_RANGE,
                         "damage: a fixed gain needs the root mean square that it makes 1, not %g", rms);
    if (damage->power == DAMAGE_PER_REQUEST && !(rms >= 0.0 && isfinite(rms)))
        return diag_fail(diag, ERR_RANGE, "damage: the payload's root mean square is %g", rms);
    return 0;
}

static int check_fading(const struct damage *damage, struct diag *diag)
{
    double m = damage->nakagami_m;
    if ((unsigned) damage->fading > DAMAGE_NAKAGAMI)
        return diag_fail(diag, ERR_RANGE, "damage: fading %u is not known", (unsigned) damage->fading);
    if (damage->fading == DAMAGE_NAKAGAMI && !(m >= DAMAGE_NAKAGAMI_MIN && m <= DAMAGE_NAKAGAMI_MAX))
        return diag_fail(diag, ERR_RANGE, "damage: Nakagami's m is %g, allowed %g to %g", m,
                         DAMAGE_NAKAGAMI_MIN, DAMAGE_NAKAGAMI_MAX);
    return 0;
}

static int check_analog(const struct damage *damage, const struct activation_shape *shape, struct diag *diag)
{
    int rc = 0;
    if (shape->format != ACTIVATION_FP32)
        return diag_fail(diag, ERR_RANGE,
                         "damage: uncoded transmission sends elements as they are: the format must be fp32");
    if (!(fabs(damage->snr_db) <= DAMAGE_SNR_DB_MAX))
        return diag_fail(diag, ERR_RANGE, "damage: a mean SNR of %g dB, allowed %g to %g", damage->snr_db,
                         -DAMAGE_SNR_DB_MAX, DAMAGE_SNR_DB_MAX);
    if ((rc = check_power(damage, diag)) != 0)
        return rc;
    return check_fading(damage, diag);
}

static int check_bits(const struct damage *damage, const struct activation_shape *shape, struct diag *diag)
{
    uint32_t width = turned_width(shape->format);
    uint64_t elements = turned_elements(shape);
    if (damage->protected_bits > width)
        return diag_fail(diag, ERR_RANGE, "damage: %u protected bits, but an element has %u",
                         damage->protected_bits, width);
    if (turned_units(shape) > TURNED_UNITS_MAX)
        return diag_fail(diag, ERR_RANGE,
                         "damage: %llu elements of %u bits are more than the 2 GiB whose bits can turn over",
                         (unsigned long long) elements, width);
    return check_share("the share of bits that turn over", damage->bit_error, diag);
}

int damage_check(const struct damage *damage, const struct activation_shape *shape, struct diag *diag)
{
    int rc = activation_check(shape, diag);
    if (rc != 0)
        return rc;
    switch (damage->kind) {
    case DAMAGE_NONE: return 0;
    case DAMAGE_PACKETS:
        if ((rc = check_packets(damage, diag)) != 0)
            return rc;
        break;
    case DAMAGE_ELEMENTS: break;
    case DAMAGE_ANALOG: return check_analog(damage, shape, diag);
    case DAMAGE_BITS: return check_bits(damage, shape, diag);
    default: return diag_fail(diag, ERR_RANGE, "damage: kind %u is not known", (unsigned) damage->kind);
    }
    if ((rc = check_fill(damage, diag)) != 0)
        return rc;
    return check_share("the loss", damage->loss, diag);
}
