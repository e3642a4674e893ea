#include "core/model/faults.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/model/device_slot.h"
#include "core/model/faults_internal.h"

int faults_create(struct faults **ret, const struct scenario *scenario, uint32_t devices, uint32_t servers,
                  uint64_t seed, struct diag *diag)
{
    *ret = NULL;
    struct faults *faults = calloc(1, sizeof *faults);
    if (faults == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    faults->devices = devices;
    faults->servers = servers;
    faults->seed = seed;
    faults->rate = scenario->chaos.rate;
    int rc = faults_read(faults, scenario->faults.script, scenario->run.slot_s, diag);
    if (rc == 0 && (faults->statements > 0 || faults->rate > 0.0))
        *ret = faults;
    else
        free(faults);
    return rc;
}

void faults_destroy(struct faults *faults)
{
    free(faults);
}

/* ---- chaos ---- */

enum chaos_kind { CHAOS_NONE, CHAOS_KILL, CHAOS_PAUSE, CHAOS_SLOW, CHAOS_CUT };

_Static_assert(CHAOS_CUT == CHAOS_KILL + 3,
               "a device's four kinds are drawn by number, a server's first three");

struct chaos {
    enum chaos_kind kind;
    uint32_t span;
    uint32_t server; /* CUT */
    double factor;   /* SLOW */
};

/* What chaos draws for a node in a slot. */
static struct chaos chaos_at(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number)
{
    struct rng_at at = {
        .seed = faults->seed,
        .phase = id.phase,
        .stream = RNG_FAULTS,
        .entity = is_server ? faults->devices + number : number,
        .episode = id.episode,
        .slot = id.slot,
    };
    if (!(rng_uniform(&at, 0) < faults->rate))
        return (struct chaos){.kind = CHAOS_NONE};
    return (struct chaos){
        .kind = (enum chaos_kind)(CHAOS_KILL + rng_below(&at, 2, is_server ? 3 : 4)),
        .span = 1 + rng_below(&at, 3, FAULTS_CHAOS_SLOTS),
        .server = rng_below(&at, 4, faults->servers),
        .factor = rng_range(&at, 5, 0.25, 0.75),
    };
}

/* The chaos of `kinds` (bits) that began `age` slots ago and still holds; NONE otherwise. */
static struct chaos chaos_lasting(const struct faults *faults, struct slot_id id, uint32_t age,
                                  bool is_server, uint32_t number, unsigned kinds)
{
    if (faults->rate <= 0.0 || age > id.slot)
        return (struct chaos){.kind = CHAOS_NONE};
    id.slot -= age;
    struct chaos chaos = chaos_at(faults, id, is_server, number);
    bool holds = (kinds & 1u << chaos.kind) != 0 && age < chaos.span;
    return holds ? chaos : (struct chaos){.kind = CHAOS_NONE};
}

#define DOWN_KINDS (1u << CHAOS_KILL | 1u << CHAOS_PAUSE)

static bool chaos_down(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number)
{
    bool down = false;
    for (uint32_t age = 1; age < FAULTS_CHAOS_SLOTS && !down; age++)
        down = chaos_lasting(faults, id, age, is_server, number, DOWN_KINDS).kind != CHAOS_NONE;
    return down;
}

/* ---- the script ---- */

static bool in_episode(const struct statement *statement, struct slot_id id)
{
    return statement->episode == EVERY_EPISODE || statement->episode == id.episode;
}

static bool is_about(const struct statement *statement, struct slot_id id, bool is_server, uint32_t number)
{
    return in_episode(statement, id) && statement->is_server == is_server && statement->number == number;
}

static bool rejoined(const struct faults *faults, const struct statement *gone, struct slot_id id)
{
    for (uint32_t i = 0; i < faults->statements; i++) {
        const struct statement *statement = &faults->statement[i];
        if (statement->kind == STATEMENT_REJOIN && is_about(statement, id, gone->is_server, gone->number) &&
            statement->slot > gone->slot && statement->slot <= id.slot)
            return true;
    }
    return false;
}

static bool script_down(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number)
{
    for (uint32_t i = 0; i < faults->statements; i++) {
        const struct statement *statement = &faults->statement[i];
        bool kills = statement->kind == STATEMENT_KILL;
        bool pauses = statement->kind == STATEMENT_PAUSE;
        bool holds = (kills || pauses) && is_about(statement, id, is_server, number) &&
                     statement->slot < id.slot && (kills || id.slot - statement->slot < statement->span);
        if (holds && !rejoined(faults, statement, id))
            return true;
    }
    return false;
}

/* Does a statement with a span hold in the slot? */
static bool holds_in(const struct statement *statement, struct slot_id id)
{
    assert(statement->span > 0);
    return in_episode(statement, id) && statement->slot <= id.slot &&
           id.slot - statement->slot < statement->span;
}

static bool is_before(struct slot_id id, uint32_t episode, uint32_t slot)
{
    return id.episode < episode || (id.episode == episode && id.slot < slot);
}

static bool slows_in(const struct statement *statement, struct slot_id id)
{
    if (statement->span > 0)
        return holds_in(statement, id);
    if (statement->episode == EVERY_EPISODE)
        return id.slot >= statement->slot;
    return !is_before(id, statement->episode, statement->slot) &&
           is_before(id, statement->until_episode, statement->until_slot);
}

/* ---- questions ---- */

static bool is_node(const struct faults *faults, bool is_server, uint32_t number)
{
    return number < (is_server ? faults->servers : faults->devices);
}

bool faults_down(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number)
{
    assert(faults == NULL || is_node(faults, is_server, number));
    return faults != NULL &&
           (script_down(faults, id, is_server, number) || chaos_down(faults, id, is_server, number));
}

bool faults_speaks(const struct faults *faults, struct slot_id id, bool closing, bool is_server,
                   uint32_t number)
{
    if (!closing || id.slot == 0)
        return !faults_down(faults, id, is_server, number);
    id.slot--;
    return !faults_down(faults, id, is_server, number) &&
           faults_strikes(faults, id, is_server, number) == FAULT_NONE;
}

enum fault_kind faults_strikes(const struct faults *faults, struct slot_id id, bool is_server,
                               uint32_t number)
{
    if (faults == NULL || faults_down(faults, id, is_server, number))
        return FAULT_NONE;
    for (uint32_t i = 0; i < faults->statements; i++) {
        const struct statement *statement = &faults->statement[i];
        if (!is_about(statement, id, is_server, number) || statement->slot != id.slot)
            continue;
        if (statement->kind == STATEMENT_KILL)
            return FAULT_KILL;
        if (statement->kind == STATEMENT_PAUSE)
            return FAULT_PAUSE;
    }
    enum chaos_kind kind = chaos_lasting(faults, id, 0, is_server, number, DOWN_KINDS).kind;
    return kind == CHAOS_KILL ? FAULT_KILL : kind == CHAOS_PAUSE ? FAULT_PAUSE : FAULT_NONE;
}

#define CHAOS_HORIZON 10000u /* spans may follow one another; after so many slots a node is gone */

/* The slot after which nothing changes: the last end of a span. */
static uint32_t last_slot(const struct faults *faults, struct slot_id id)
{
    uint64_t last = (uint64_t) id.slot + (faults->rate > 0.0 ? CHAOS_HORIZON : 1);
    for (uint32_t i = 0; i < faults->statements; i++) {
        uint64_t end = (uint64_t) faults->statement[i].slot + faults->statement[i].span;
        last = end > last ? end : last;
    }
    return last < UINT32_MAX ? (uint32_t) last : UINT32_MAX - 1;
}

uint32_t faults_back_slot(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number)
{
    uint32_t last = faults != NULL ? last_slot(faults, id) : id.slot + 1;
    for (id.slot++; id.slot <= last; id.slot++)
        if (!faults_down(faults, id, is_server, number))
            return id.slot;
    return UINT32_MAX;
}

double faults_speed(const struct faults *faults, struct slot_id id, bool is_server, uint32_t number)
{
    double speed = 1.0;
    if (faults == NULL)
        return speed;
    assert(is_node(faults, is_server, number));
    for (uint32_t i = 0; i < faults->statements; i++) {
        const struct statement *statement = &faults->statement[i];
        if (statement->kind == STATEMENT_SLOW && statement->is_server == is_server &&
            statement->number == number && slows_in(statement, id) && statement->factor < speed)
            speed = statement->factor;
    }
    for (uint32_t age = 0; age < FAULTS_CHAOS_SLOTS; age++) {
        struct chaos chaos = chaos_lasting(faults, id, age, is_server, number, 1u << CHAOS_SLOW);
        speed = chaos.kind == CHAOS_SLOW && chaos.factor < speed ? chaos.factor : speed;
    }
    assert(speed > 0.0 && speed <= 1.0);
    return speed;
}

bool faults_cut(const struct faults *faults, struct slot_id id, uint32_t device, uint32_t server)
{
    if (faults == NULL)
        return false;
    assert(is_node(faults, false, device) && is_node(faults, true, server));
    for (uint32_t i = 0; i < faults->statements; i++) {
        const struct statement *statement = &faults->statement[i];
        if (statement->kind == STATEMENT_PARTITION && statement->number == device &&
            statement->server == server && holds_in(statement, id))
            return true;
    }
    for (uint32_t age = 0; age < FAULTS_CHAOS_SLOTS; age++) {
        struct chaos chaos = chaos_lasting(faults, id, age, false, device, 1u << CHAOS_CUT);
        if (chaos.kind == CHAOS_CUT && chaos.server == server)
            return true;
    }
    return false;
}
