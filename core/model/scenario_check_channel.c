/* What must hold between the keys of section `channel`, the radio and the run. */
#include "core/base/err.h"
#include "core/model/coding.h"
#include "core/model/quality.h"
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

static int check_codings(const struct scenario *scenario, struct diag *diag)
{
    struct codings codings;
    bool has_formats = scenario->action.formats[0] != '\0';
    int rc = coding_read_all(&codings, scenario, 0, diag);
    if (rc != 0)
        return rc;
    bool measures = scenario->quality.source == QUALITY_MODEL || scenario->quality.source == QUALITY_TASK;
    if (has_formats && measures)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "action.formats: quality.source %s measures compute.format alone: leave it empty",
                         scenario_quality_words[scenario->quality.source]);
    if (has_formats && scenario->channel.mode == CHANNEL_ANALOG)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "action.formats: channel.mode analog sends real numbers: leave it empty");
    if (scenario->action.margins_db[0] != '\0' && scenario->channel.mode != CHANNEL_BOUNDED)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "action.margins_db: is of channel.mode bounded, and it is %s: leave it empty",
                         scenario_channel_words[scenario->channel.mode]);
    return 0;
}

static int check_formats(const struct scenario *scenario, struct diag *diag)
{
    struct quality_table *tables[QUALITY_FORMATS] = {0};
    if (scenario->quality.formats[0] == '\0')
        return 0;
    if (scenario->quality.source != QUALITY_TABLE)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "quality.formats: is of quality.source table: leave it empty");
    int rc = quality_formats_read(tables, scenario->quality.formats, diag);
    quality_formats_free(tables);
    return rc;
}

int scenario_check_channel(const struct scenario *scenario, struct diag *diag)
{
    static int (*const rules[])(const struct scenario *, struct diag *) = {
        check_ranges, check_reliable, check_bounded, check_analog, check_codings, check_formats,
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int rc = rules[i](scenario, diag);
        if (rc != 0)
            return rc;
    }
    return 0;
}
