/* What must hold between the keys of section `channel`, the radio and the run. */
#include "core/base/err.h"
#include "core/model/scenario_internal.h"

static int check_ranges(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->channel.loss_min > scenario->channel.loss_max)
        return diag_fail(diag, ERR_RANGE, "channel.loss_min: %g is above channel.loss_max, %g",
                         scenario->channel.loss_min, scenario->channel.loss_max);
    if (scenario->channel.snr_db_min > scenario->channel.snr_db_max)
        return diag_fail(diag, ERR_RANGE, "channel.snr_db_min: %g is above channel.snr_db_max, %g dB",
                         scenario->channel.snr_db_min, scenario->channel.snr_db_max);
    return 0;
}

static int check_reliable(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->channel.harq == SWITCH_ON && scenario->channel.mode != CHANNEL_RELIABLE)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "channel.harq: is of the mode reliable, and channel.mode is %s: allowed off",
                         scenario_channel_words[scenario->channel.mode]);
    return 0;
}

static int check_bounded(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->channel.mode != CHANNEL_BOUNDED)
        return 0;
    if (scenario->radio.trace[0] != '\0')
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "radio.trace: tells rates that came through, and channel.mode bounded fades a "
                         "channel itself: leave it empty");
    if (scenario->radio.fading != FADING_RAYLEIGH)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "radio.fading: channel.mode bounded is about blocks that fade, allowed rayleigh");
    if (scenario->channel.deadline_s > 0.0 && scenario->run.mode == MODE_QUEUE)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "channel.deadline_s: run.mode: queue lets a transfer outlive its slot, allowed 0");
    return 0;
}

static int check_analog(const struct scenario *scenario, struct diag *diag)
{
    if (scenario->channel.mode != CHANNEL_ANALOG)
        return 0;
    if (scenario->radio.trace[0] != '\0')
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "radio.trace: tells rates, and channel.mode analog has none: leave it empty");
    if (scenario->channel.snr == SNR_RADIO && scenario->run.mode == MODE_QUEUE)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "channel.snr: run.mode: queue changes a link from slot to slot, allowed fixed");
    return 0;
}

int scenario_check_channel(const struct scenario *scenario, struct diag *diag)
{
    static int (*const rules[])(const struct scenario *, struct diag *) = {
        check_ranges,
        check_reliable,
        check_bounded,
        check_analog,
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int rc = rules[i](scenario, diag);
        if (rc != 0)
            return rc;
    }
    return 0;
}
