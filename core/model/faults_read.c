/* The script's grammar (faults.h), read word by word. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/model/faults_internal.h"

#define WORD_MAX 63u

struct reader {
    const char *at, *end; /* what is left of the statement */
    char word[WORD_MAX + 1];
    const struct faults *faults;
    double slot_s;
    uint32_t number; /* of the statement, from 1 */
    char quoted[96]; /* the statement, for messages */
    struct diag *diag;
};

static int fail(struct reader *reader, int code, const char *what)
{
    return diag_fail(reader->diag, code, "faults.script: statement %u, '%s': %s", reader->number,
                     reader->quoted, what);
}

static int fail_word(struct reader *reader, const char *allowed)
{
    char what[256];
    if (reader->word[0] == '\0')
        (void) snprintf(what, sizeof what, "it ends too early, allowed %s", allowed);
    else
        (void) snprintf(what, sizeof what, "'%s' is not known here, allowed %s", reader->word, allowed);
    return fail(reader, ERR_SYNTAX, what);
}

/* The next word; "" at the end. A word that is too long is cut; no keyword is that long. */
static const char *next_word(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at == ' ')
        reader->at++;
    size_t size = 0;
    for (; reader->at < reader->end && *reader->at != ' '; reader->at++)
        if (size < WORD_MAX)
            reader->word[size++] = *reader->at;
    reader->word[size] = '\0';
    return reader->word;
}

static bool is_word(const struct reader *reader, const char *word)
{
    return strcmp(reader->word, word) == 0;
}

static int expect(struct reader *reader, const char *word)
{
    char allowed[80];
    (void) snprintf(allowed, sizeof allowed, "'%s'", word);
    return strcmp(next_word(reader), word) == 0 ? 0 : fail_word(reader, allowed);
}

/* The present word as a whole number below `limit`. */
static int take_number(struct reader *reader, const char *what, uint32_t limit, uint32_t *ret)
{
    uint64_t value = 0;
    char text[160];
    assert(limit > 0);
    if (parse_u64(reader->word, &value) == 0 && value < limit) {
        *ret = (uint32_t) value;
        return 0;
    }
    (void) snprintf(text, sizeof text, "there is no %s '%s', allowed 0 to %u", what, reader->word, limit - 1);
    return fail(reader, ERR_RANGE, text);
}

/* The present word, "2.5s", as seconds. */
static bool is_seconds(const struct reader *reader, double *ret_s)
{
    char text[WORD_MAX + 1];
    size_t size = strlen(reader->word);
    if (size < 2 || reader->word[size - 1] != 's')
        return false;
    memcpy(text, reader->word, size - 1);
    text[size - 1] = '\0';
    return parse_real(text, ret_s) == 0 && *ret_s >= 0.0;
}

/* "episode 2 slot 5", "slot 5", "12.5s"; without an episode: EVERY_EPISODE. */
static int take_time(struct reader *reader, uint32_t *ret_episode, uint32_t *ret_slot)
{
    double seconds = 0.0;
    *ret_episode = EVERY_EPISODE;
    next_word(reader);
    if (is_word(reader, "episode")) {
        next_word(reader);
        int rc = take_number(reader, "episode", EVERY_EPISODE, ret_episode);
        if (rc != 0)
            return rc;
        next_word(reader);
    }
    if (is_word(reader, "slot")) {
        next_word(reader);
        return take_number(reader, "slot", UINT32_MAX, ret_slot);
    }
    if (!is_seconds(reader, &seconds) || !(seconds / reader->slot_s < UINT32_MAX))
        return fail_word(reader, *ret_episode == EVERY_EPISODE
                                     ? "'slot T', 'episode E' or seconds as in '12.5s'"
                                     : "'slot T' or seconds as in '12.5s'");
    *ret_slot = (uint32_t) floor(seconds / reader->slot_s);
    return 0;
}

static int take_node(struct reader *reader, struct statement *ret)
{
    next_word(reader);
    ret->is_server = is_word(reader, "server");
    if (!ret->is_server && !is_word(reader, "device"))
        return fail_word(reader, "'device N' or 'server M'");
    next_word(reader);
    return ret->is_server ? take_number(reader, "server", reader->faults->servers, &ret->number)
                          : take_number(reader, "device", reader->faults->devices, &ret->number);
}

/* "5" slots, or "2.5s". */
static int take_length(struct reader *reader, struct statement *ret)
{
    double seconds = 0.0;
    uint64_t slots = 0;
    next_word(reader);
    if (is_seconds(reader, &seconds) && seconds > 0.0)
        slots = seconds / reader->slot_s < UINT32_MAX ? (uint64_t) ceil(seconds / reader->slot_s) : 0;
    else if (parse_u64(reader->word, &slots) != 0)
        slots = 0;
    if (slots < 1 || slots >= UINT32_MAX)
        return fail_word(reader, "slots from 1, or seconds as in '2.5s'");
    ret->span = (uint32_t) slots;
    return 0;
}

static int take_span(struct reader *reader, struct statement *ret)
{
    int rc = expect(reader, "for");
    return rc != 0 ? rc : take_length(reader, ret);
}

/* A place in the run, behind the one at which the statement begins. */
static int take_until(struct reader *reader, struct statement *ret)
{
    int rc = take_time(reader, &ret->until_episode, &ret->until_slot);
    if (rc != 0)
        return rc;
    if (ret->episode == EVERY_EPISODE || ret->until_episode == EVERY_EPISODE)
        return fail(reader, ERR_STATE, "'until' needs an episode, its own and that of the beginning");
    if (ret->until_episode < ret->episode ||
        (ret->until_episode == ret->episode && ret->until_slot <= ret->slot))
        return fail(reader, ERR_STATE, "it ends before it has begun");
    return 0;
}

/* [ "for" span | "until" place ] */
static int take_end(struct reader *reader, struct statement *ret)
{
    ret->until_episode = ret->until_slot = UINT32_MAX;
    next_word(reader);
    if (is_word(reader, ""))
        return 0;
    if (is_word(reader, "for"))
        return take_length(reader, ret);
    return is_word(reader, "until") ? take_until(reader, ret)
                                    : fail_word(reader, "'for', 'until' or the statement's end");
}

static int take_factor(struct reader *reader, struct statement *ret)
{
    char allowed[64];
    int rc = expect(reader, "by");
    if (rc != 0)
        return rc;
    (void) snprintf(allowed, sizeof allowed, "%g to 1, the part of its speed", FAULTS_SLOW_MIN);
    if (parse_real(next_word(reader), &ret->factor) != 0 || ret->factor < FAULTS_SLOW_MIN ||
        ret->factor > 1.0)
        return fail_word(reader, allowed);
    return take_end(reader, ret);
}

static int take_partition(struct reader *reader, struct statement *ret)
{
    int rc = expect(reader, "device");
    next_word(reader);
    if (rc == 0)
        rc = take_number(reader, "device", reader->faults->devices, &ret->number);
    if (rc == 0)
        rc = expect(reader, "server");
    next_word(reader);
    if (rc == 0)
        rc = take_number(reader, "server", reader->faults->servers, &ret->server);
    return rc != 0 ? rc : take_span(reader, ret);
}

static int take_what(struct reader *reader, struct statement *ret)
{
    static const char *const words[] = {
        [STATEMENT_KILL] = "kill", [STATEMENT_REJOIN] = "rejoin",       [STATEMENT_PAUSE] = "pause",
        [STATEMENT_SLOW] = "slow", [STATEMENT_PARTITION] = "partition",
    };
    int kind = -1;
    next_word(reader);
    for (int i = 0; i < (int) (sizeof words / sizeof *words); i++)
        kind = is_word(reader, words[i]) ? i : kind;
    if (kind < 0)
        return fail_word(reader, "kill, rejoin, pause, slow or partition");
    ret->kind = (enum statement_kind) kind;
    if (ret->kind == STATEMENT_PARTITION)
        return take_partition(reader, ret);
    int rc = take_node(reader, ret);
    if (rc == 0 && ret->kind == STATEMENT_PAUSE)
        rc = take_span(reader, ret);
    else if (rc == 0 && ret->kind == STATEMENT_SLOW)
        rc = take_factor(reader, ret);
    return rc;
}

/* A rejoin needs a node that was killed or paused before. */
static int check_rejoin(struct reader *reader, const struct statement *rejoin)
{
    for (uint32_t i = 0; i < reader->faults->statements; i++) {
        const struct statement *other = &reader->faults->statement[i];
        bool meets = other->episode == EVERY_EPISODE || rejoin->episode == EVERY_EPISODE ||
                     other->episode == rejoin->episode;
        if ((other->kind == STATEMENT_KILL || other->kind == STATEMENT_PAUSE) && meets &&
            other->is_server == rejoin->is_server && other->number == rejoin->number &&
            other->slot < rejoin->slot)
            return 0;
    }
    char what[128];
    (void) snprintf(what, sizeof what, "%s %u is not killed or paused before slot %u",
                    rejoin->is_server ? "server" : "device", rejoin->number, rejoin->slot);
    return fail(reader, ERR_STATE, what);
}

static void quote(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at == ' ')
        reader->at++;
    while (reader->end > reader->at && reader->end[-1] == ' ')
        reader->end--;
    assert(reader->at <= reader->end);
    size_t size = (size_t) (reader->end - reader->at);
    (void) snprintf(reader->quoted, sizeof reader->quoted, "%.*s", (int) (size < 95 ? size : 95), reader->at);
}

static int read_statement(struct faults *faults, struct reader *reader)
{
    struct statement statement = {.factor = 1.0};
    _Static_assert(FAULTS_STATEMENTS_MAX == 256, "as the message says");
    if (faults->statements == FAULTS_STATEMENTS_MAX)
        return fail(reader, ERR_TOO_BIG, "a script has at most 256 statements");
    int rc = take_time(reader, &statement.episode, &statement.slot);
    if (rc == 0)
        rc = take_what(reader, &statement);
    if (rc == 0 && *next_word(reader) != '\0')
        rc = fail_word(reader, "';' and another statement");
    if (rc == 0)
        faults->statement[faults->statements++] = statement;
    return rc;
}

int faults_read(struct faults *faults, const char *script, double slot_s, struct diag *diag)
{
    assert(faults->devices > 0 && faults->servers > 0 && slot_s > 0.0);
    struct reader reader = {.faults = faults, .slot_s = slot_s, .diag = diag};
    int rc = 0;
    for (const char *from = script; rc == 0 && *from != '\0';) {
        size_t size = strcspn(from, ";");
        reader.at = from;
        reader.end = from + size;
        from += size + (from[size] == ';' ? 1 : 0);
        quote(&reader);
        reader.number++;
        if (reader.at < reader.end) /* "a; b;" has two statements */
            rc = read_statement(faults, &reader);
    }
    reader.number = 0;
    for (uint32_t i = 0; i < faults->statements && rc == 0; i++) {
        const struct statement *statement = &faults->statement[i];
        reader.number = i + 1;
        (void) snprintf(reader.quoted, sizeof reader.quoted, "rejoin");
        if (statement->kind == STATEMENT_REJOIN)
            rc = check_rejoin(&reader, statement);
    }
    return rc;
}
