#include <assert.h>
#include <string.h>

#include "core/base/text_format.h"
#include "core/damage/damage.h"

#define WORD_MAX 48u

static const char *const fills[] = {
    [DAMAGE_ZERO] = "zero", [DAMAGE_PREVIOUS] = "previous", [DAMAGE_MEAN] = "mean"};
static const char *const layouts[] = {[DAMAGE_ROWS] = "rows", [DAMAGE_INTERLEAVED] = "interleaved"};

static bool print_power(const struct damage *damage, char *ret_law)
{
    if (damage->power == DAMAGE_FIXED)
        return text_format(ret_law, DAMAGE_LAW_MAX, "analog, power fixed at %.6g", damage->reference_rms);
    return text_format(ret_law, DAMAGE_LAW_MAX, "analog, power %s",
                       damage->power == DAMAGE_PER_TOKEN ? "per_token" : "per_request");
}

/* Without fading h is 1: blocks and the receiver's knowledge of it change nothing. */
static bool add_fading(const struct damage *damage, char *ret_law)
{
    char name[WORD_MAX] = "rayleigh", rows[WORD_MAX] = "";
    const size_t size = strlen(ret_law);
    bool fits = true;
    if (damage->fading == DAMAGE_AWGN)
        return true;
    if (damage->fading == DAMAGE_NAKAGAMI)
        fits = text_format(name, sizeof name, "nakagami:%.6g", damage->nakagami_m);
    if (damage->block_rows == 0)
        fits = fits && text_format(rows, sizeof rows, " over all rows");
    else if (damage->block_rows > 1)
        fits = fits && text_format(rows, sizeof rows, " over %u rows", damage->block_rows);
    return fits && text_format(ret_law + size, DAMAGE_LAW_MAX - size, ", %s%s%s", name, rows,
                               damage->equalised ? "" : ", not equalised");
}

void damage_law(const struct damage *damage, char ret_law[static DAMAGE_LAW_MAX])
{
    bool fits = false;
    switch (damage->kind) {
    case DAMAGE_NONE: fits = text_format(ret_law, DAMAGE_LAW_MAX, "none"); break;
    case DAMAGE_ELEMENTS:
        fits = text_format(ret_law, DAMAGE_LAW_MAX, "erasure, fill %s", fills[damage->fill]);
        break;
    case DAMAGE_PACKETS:
        fits = text_format(ret_law, DAMAGE_LAW_MAX, "packets of %u bytes, %s, fill %s", damage->packet_bytes,
                           layouts[damage->layout], fills[damage->fill]);
        break;
    case DAMAGE_ANALOG: fits = print_power(damage, ret_law) && add_fading(damage, ret_law); break;
    case DAMAGE_BITS:
        fits = damage->protected_bits == 0
                   ? text_format(ret_law, DAMAGE_LAW_MAX, "bits")
                   : text_format(ret_law, DAMAGE_LAW_MAX, "bits, %u protected", damage->protected_bits);
        break;
    }
    assert(fits);
}
