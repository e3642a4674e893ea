#include "core/model/tiers.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/base/units.h"
#include "core/model/classes.h"
#include "core/model/world.h"

#define PLACE_MOST_M 1e7 /* what SERVER carries (proto/messages.def) */

static const struct scenario_tier *tier_at(const struct scenario *scenario, uint32_t tier)
{
    assert(tier < scenario->tiers_count);
    return &scenario->tiers[tier];
}

uint64_t tiers_servers(const struct scenario *scenario)
{
    uint64_t servers = 0;
    if (scenario->tiers_count == 0)
        return scenario->servers.count;
    for (uint64_t i = 0; i < scenario->tiers_count; i++)
        servers += scenario->tiers[i].count;
    return servers;
}

uint32_t tiers_of(const struct scenario *scenario, uint32_t server)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < scenario->tiers_count; i++) {
        end += scenario->tiers[i].count;
        if (server < end)
            return i;
    }
    assert(scenario->tiers_count == 0);
    return TIERS_NONE;
}

const char *tiers_name(const struct scenario *scenario, uint32_t tier)
{
    return tier == TIERS_NONE ? "" : tier_at(scenario, tier)->name;
}

uint32_t tiers_find(const struct scenario *scenario, const char *name)
{
    for (uint32_t i = 0; i < scenario->tiers_count; i++)
        if (strcmp(scenario->tiers[i].name, name) == 0)
            return i;
    return TIERS_NONE;
}

uint32_t tiers_first(const struct scenario *scenario, uint32_t tier)
{
    uint64_t first = 0;
    for (uint32_t i = 0; tier != TIERS_NONE && i < tier; i++)
        first += scenario->tiers[i].count;
    return (uint32_t) first;
}

static double given_or(double given, double otherwise)
{
    return given > 0.0 ? given : otherwise;
}

double tiers_bandwidth_mhz(const struct scenario *scenario, uint32_t tier)
{
    double all = scenario->radio.bandwidth_mhz;
    return tier == TIERS_NONE ? all : given_or(tier_at(scenario, tier)->bandwidth_mhz, all);
}

double tiers_coverage_m(const struct scenario *scenario, uint32_t tier)
{
    double all = scenario->servers.coverage_m;
    return tier == TIERS_NONE ? all : given_or(tier_at(scenario, tier)->coverage_m, all);
}

double tiers_tflops_min(const struct scenario *scenario, uint32_t tier)
{
    double all = scenario->servers.tflops_min;
    return tier == TIERS_NONE ? all : given_or(tier_at(scenario, tier)->tflops_min, all);
}

double tiers_tflops_max(const struct scenario *scenario, uint32_t tier)
{
    double all = scenario->servers.tflops_max;
    return tier == TIERS_NONE ? all : given_or(tier_at(scenario, tier)->tflops_max, all);
}

double tiers_full_share(const struct scenario *scenario, uint32_t tier)
{
    uint64_t holds = tier == TIERS_NONE ? 0 : tier_at(scenario, tier)->holds;
    return holds > 0 ? 1.0 / (double) holds : scenario->reserve.full_share;
}

double tiers_answer(const struct scenario *scenario, uint32_t tier, uint32_t task_class)
{
    double answer[CLASSES_MOST];
    if (tier == TIERS_NONE)
        return 1.0;
    const struct scenario_tier *row = tier_at(scenario, tier);
    int count = parse_real_list(row->answers, answer, CLASSES_MOST);
    return count > 0 && task_class < (uint32_t) count ? answer[task_class] : row->answer;
}

struct wan tiers_wan(const struct scenario *scenario, uint32_t tier)
{
    if (tier == TIERS_NONE)
        return (struct wan){0};
    const struct scenario_tier *row = tier_at(scenario, tier);
    return (struct wan){
        .delay_s = row->wan_s,
        .jitter_s = row->wan_jitter_s,
        .up_bps = row->wan_up_mbps * UNITS_MHZ,
        .down_bps = row->wan_down_mbps * UNITS_MHZ,
    };
}

double tiers_bandwidth_most_mhz(const struct scenario *scenario)
{
    double most = scenario->tiers_count == 0 ? scenario->radio.bandwidth_mhz : 0.0;
    for (uint32_t i = 0; i < scenario->tiers_count; i++)
        most = fmax(most, tiers_bandwidth_mhz(scenario, i));
    return most;
}

double tiers_tflops_least(const struct scenario *scenario)
{
    double least = scenario->tiers_count == 0 ? scenario->servers.tflops_min : (double) INFINITY;
    for (uint32_t i = 0; i < scenario->tiers_count; i++)
        least = fmin(least, tiers_tflops_min(scenario, i));
    return least;
}

double tiers_tflops_most(const struct scenario *scenario)
{
    double most = scenario->tiers_count == 0 ? scenario->servers.tflops_max : 0.0;
    for (uint32_t i = 0; i < scenario->tiers_count; i++)
        most = fmax(most, tiers_tflops_max(scenario, i));
    return most;
}

/* ---- places ---- */

/* A number, and what must follow it. NULL: it is none, or too large. */
static const char *read_metres(const char *text, const char *followers, double *ret_m)
{
    char *end = NULL;
    *ret_m = strtod(text, &end);
    bool is_number = end != text && fabs(*ret_m) <= PLACE_MOST_M && !isspace((unsigned char) *text);
    return is_number && strchr(followers, *end) != NULL ? end : NULL;
}

/* "X,Y" behind blanks. NULL: there is none; *ret_ends: nothing but blanks is left. */
static const char *read_place(const char *text, double *ret_x_m, double *ret_y_m, bool *ret_ends)
{
    text += strspn(text, " ");
    *ret_ends = *text == '\0';
    const char *comma = *ret_ends ? NULL : read_metres(text, ",", ret_x_m);
    return comma != NULL && *comma == ',' ? read_metres(comma + 1, " ", ret_y_m) : NULL;
}

/* How many places a text names; 0 and ERR_SYNTAX where one is malformed. */
static int count_places(const char *text, uint32_t *ret_places)
{
    double x_m, y_m;
    bool ends = false;
    for (*ret_places = 0;; ++*ret_places) {
        text = read_place(text, &x_m, &y_m, &ends);
        if (text == NULL)
            return ends ? 0 : ERR_SYNTAX;
    }
}

bool tiers_place(const struct scenario *scenario, uint32_t tier, uint32_t within, double *ret_x_m,
                 double *ret_y_m)
{
    uint32_t places = 0;
    bool ends = false;
    const char *text = tier == TIERS_NONE ? "" : tier_at(scenario, tier)->places;
    if (count_places(text, &places) != 0 || places == 0)
        return false;
    for (uint32_t i = 0; i <= within % places; i++)
        text = read_place(text, ret_x_m, ret_y_m, &ends);
    return true;
}

/* ---- what must hold ---- */

static bool is_name(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char) name[i]) && name[i] != '-')
            return false;
    return length > 0 && !isdigit((unsigned char) name[0]);
}

static int check_name(const struct scenario *scenario, uint32_t tier, struct diag *diag)
{
    const char *name = scenario->tiers[tier].name;
    if (!is_name(name))
        return diag_fail(
            diag, ERR_SYNTAX,
            "tiers[%u].name: '%s' is no name, allowed letters, digits and dashes, a letter first", tier + 1,
            name);
    uint32_t first = tiers_find(scenario, name);
    if (first < tier)
        return diag_fail(diag, ERR_DUPLICATE,
                         "tiers[%u].name: tier %u is called '%s' too, allowed a name of its own", tier + 1,
                         first + 1, name);
    return 0;
}

/* How often a server changes in an episode is looked through from its beginning, at each task. */
#define CHANGES_MOST 10000.0

/* As long as it may be: of bursts, at the slower rate all the time. */
static double episode_s(const struct scenario *scenario)
{
    double rate = scenario->arrivals.rate;
    if (scenario->arrivals.kind == ARRIVALS_BURSTS)
        rate = fmin(rate, scenario->arrivals.burst_rate);
    double gap_s = scenario->arrivals.kind == ARRIVALS_SLOTS ? scenario->run.slot_s : 1.0 / rate;
    return (double) scenario->run.slots * gap_s;
}

static int check_drift(const struct scenario *scenario, const struct scenario_tier *row, struct diag *diag)
{
    const struct {
        const char *key;
        double every_s;
    } changes[] = {
        {"slow_every_s", row->slow_every_s > 0.0 ? 0.5 * (row->slow_every_s + row->slow_for_s) : 0.0},
        {"replaced_every_s", row->replaced_every_s},
    };
    bool reserves = scenario->servers.discipline == DISCIPLINE_RESERVED;
    bool is_plain = row->token_s <= 0.0 && row->speed_error <= 0.0 && row->slow_factor <= 1.0;
    if (!reserves && !is_plain)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "tiers.%s.token_s, speed_error, slow_factor: are of whole tasks, with "
                         "servers.discipline: reserved, allowed 0, 0 and 1",
                         row->name);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (changes[i].every_s > 0.0 && episode_s(scenario) / changes[i].every_s > CHANGES_MOST)
            return diag_fail(
                diag, ERR_RANGE,
                "tiers.%s.%s: an episode of up to %g s may have more than %g changes of a server, use "
                "longer times, more tasks in a second or shorter episodes",
                row->name, changes[i].key, episode_s(scenario), CHANGES_MOST);
    return 0;
}

static int check_tier(const struct scenario *scenario, uint32_t tier, struct diag *diag)
{
    uint32_t places = 0;
    const struct scenario_tier *row = &scenario->tiers[tier];
    int rc = check_name(scenario, tier, diag);
    if (rc != 0)
        return rc;
    double slowest = tiers_tflops_min(scenario, tier), fastest = tiers_tflops_max(scenario, tier);
    if (slowest > fastest)
        return diag_fail(diag, ERR_RANGE, "tiers.%s.tflops_min: %g is above its tflops_max, %g TFLOP/s",
                         row->name, slowest, fastest);
    rc = check_drift(scenario, row, diag);
    if (rc != 0)
        return rc;
    double floor_m = scenario->radio.min_distance_m;
    if (row->coverage_m > 0.0 && row->coverage_m < floor_m)
        return diag_fail(diag, ERR_RANGE, "tiers.%s.coverage_m: %g is below radio.min_distance_m, %g m",
                         row->name, row->coverage_m, floor_m);
    if (count_places(row->places, &places) != 0)
        return diag_fail(
            diag, ERR_SYNTAX,
            "tiers.%s.places: '%.80s', expected X,Y in metres for each place, blanks between, each within "
            "1e7 m",
            row->name, row->places);
    return 0;
}

/* What a band of its own does not go with. */
static int check_bands(const struct scenario *scenario, struct diag *diag)
{
    for (uint32_t i = 0; i < scenario->tiers_count; i++) {
        const struct scenario_tier *row = &scenario->tiers[i];
        bool is_own = row->bandwidth_mhz > 0.0 && row->bandwidth_mhz != scenario->radio.bandwidth_mhz;
        if (is_own && scenario->radio.sharing == BANDWIDTH_SHARED)
            return diag_fail(diag, ERR_UNSUPPORTED,
                             "tiers.%s.bandwidth_mhz: radio.sharing: shared has one band for all, allowed 0",
                             row->name);
        if (is_own && scenario->radio.trace[0] != '\0')
            return diag_fail(diag, ERR_UNSUPPORTED,
                             "tiers.%s.bandwidth_mhz: a trace (radio.trace) has one band for all, allowed 0",
                             row->name);
        if (is_own && scenario->channel.mode == CHANNEL_ANALOG && scenario->channel.snr == SNR_RADIO)
            return diag_fail(diag, ERR_UNSUPPORTED,
                             "tiers.%s.bandwidth_mhz: channel.snr: radio takes one band for all, allowed 0",
                             row->name);
    }
    return 0;
}

int tiers_check(const struct scenario *scenario, struct diag *diag)
{
    int rc = 0;
    if (scenario->tiers_count == 0)
        return 0;
    for (uint32_t i = 0; i < scenario->tiers_count && rc == 0; i++)
        rc = check_tier(scenario, i, diag);
    if (rc == 0)
        rc = check_bands(scenario, diag);
    uint64_t servers = tiers_servers(scenario);
    if (rc == 0 && servers > WORLD_SERVERS_MAX)
        return diag_fail(diag, ERR_RANGE, "tiers: they have %" PRIu64 " servers in all, allowed at most %u",
                         servers, WORLD_SERVERS_MAX);
    if (rc == 0 && servers != scenario->servers.count)
        return diag_fail(diag, ERR_RANGE,
                         "servers.count: is %" PRIu64 ", and the tiers have %" PRIu64
                         " servers: allowed %" PRIu64 ", or no tiers",
                         scenario->servers.count, servers, servers);
    if (rc == 0 && scenario->servers.positions_csv[0] != '\0')
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "servers.positions_csv: tiers say where their servers stand, allowed empty");
    return rc;
}
