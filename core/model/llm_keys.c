#include "core/model/llm_keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

#define KEYS_SOURCE "the scenario's section `model`"

/* A part of the geometry: its key, and its field. */
static const struct part {
    const char *key;
    size_t of_scenario, of_llm;
    uint32_t max;    /* scenario.def */
    bool may_follow; /* has a value of its own when no key and no name gives one */
} parts[] = {
#define PART(key, field, max, may_follow)                                                                    \
    {                                                                                                        \
        "model." #key, offsetof(struct scenario, model.key), offsetof(struct llm, field), max, may_follow    \
    }
    PART(layers, layers, 1000, false),   PART(hidden, hidden, 65536, false),
    PART(query, query, 131072, true),    PART(kv, kv, 131072, false),
    PART(ff, ff, 1048576, false),        PART(ff_matrices, ff_mats, 3, true),
    PART(vocab, vocab, 16777216, false),
#undef PART
};

#define PARTS (sizeof parts / sizeof *parts)

static uint64_t key_of(const struct scenario *scenario, const struct part *part)
{
    uint64_t value = 0;
    memcpy(&value, (const char *) scenario + part->of_scenario, sizeof value);
    return value;
}

static uint32_t field_of(const struct llm *llm, const struct part *part)
{
    uint32_t value = 0;
    memcpy(&value, (const char *) llm + part->of_llm, sizeof value);
    return value;
}

static void set_field(struct llm *llm, const struct part *part, uint64_t value)
{
    uint32_t field = (uint32_t) value;
    assert(value <= part->max);
    memcpy((char *) llm + part->of_llm, &field, sizeof field);
}

/* How many of the keys are given. */
static size_t count_given(const struct scenario *scenario)
{
    size_t given = 0;
    for (size_t i = 0; i < PARTS; i++)
        given += key_of(scenario, &parts[i]) > 0 ? 1 : 0;
    return given;
}

static bool has_file(const struct scenario *scenario)
{
    return scenario->model.file[0] != '\0';
}

bool llm_keys_need_file(const struct scenario *scenario)
{
    return has_file(scenario) && count_given(scenario) < PARTS;
}

static int fail_name(const struct scenario *scenario, struct diag *diag)
{
    char known[DIAG_TEXT_MAX / 2];
    size_t used = 0;
    known[0] = '\0';
    for (size_t i = 0; i < llm_count() && used < sizeof known; i++) {
        int wrote = snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", llm_at(i)->name);
        used += wrote > 0 ? (size_t) wrote : 0;
    }
    return diag_fail(diag, ERR_UNKNOWN, "model.llm: '%s' is not known, allowed %s", scenario->model.llm,
                     known);
}

/* The file's last component, in letters that every record can hold. */
static void name_by_file(struct llm *llm, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *from = slash != NULL ? slash + 1 : path;
    size_t i = 0;
    for (; i < LLM_NAME_MAX && from[i] != '\0'; i++)
        llm->name[i] = from[i] > ' ' && from[i] <= '~' ? from[i] : '_';
    llm->name[i] = '\0';
}

static void name_by_keys(struct llm *llm, const struct scenario *scenario)
{
    if (has_file(scenario))
        name_by_file(llm, scenario->model.file);
    else if (scenario->model.llm[0] != '\0')
        (void) snprintf(llm->name, sizeof llm->name, "%s, changed", scenario->model.llm);
    else
        (void) snprintf(llm->name, sizeof llm->name, "own");
}

static void overlay(struct llm *llm, const struct scenario *scenario)
{
    if (scenario->model.hidden > 0)
        llm->query = (uint32_t) scenario->model.hidden;
    for (size_t i = 0; i < PARTS; i++)
        if (key_of(scenario, &parts[i]) > 0)
            set_field(llm, &parts[i], key_of(scenario, &parts[i]));
    if (llm->ff_mats == 0)
        llm->ff_mats = 3; /* gated, as in all of the table but GPT-2 */
    llm->source = KEYS_SOURCE;
    name_by_keys(llm, scenario);
}

/* What must hold in a geometry that keys gave. */
static int check(const struct llm *llm, struct diag *diag)
{
    for (size_t i = 0; i < PARTS; i++)
        if (!parts[i].may_follow && field_of(llm, &parts[i]) == 0)
            return diag_fail(diag, ERR_RANGE,
                             "%s: is not given; a model without a name needs model.layers, model.hidden, "
                             "model.kv, model.ff and model.vocab",
                             parts[i].key);
    if (llm->ff_mats < 2)
        return diag_fail(diag, ERR_RANGE,
                         "model.ff_matrices: 1 makes no feed-forward part, allowed 2 (plain) or 3 (gated)");
    if (llm->query % llm->kv != 0)
        return diag_fail(diag, ERR_RANGE,
                         "model.kv: %u does not divide the %u elements of a token's queries; a head of keys "
                         "serves whole heads of queries: give model.kv and model.query together",
                         llm->kv, llm->query);
    return 0;
}

int llm_keys_read(const struct scenario *scenario, struct llm *ret_llm, struct diag *diag)
{
    struct llm llm = {0};
    if (llm_keys_need_file(scenario))
        return diag_fail(diag, ERR_STATE, "model.file: '%s' has not been read, and the keys do not tell all",
                         scenario->model.file);
    if (!has_file(scenario) && scenario->model.llm[0] != '\0') {
        const struct llm *known = llm_find(scenario->model.llm);
        if (known == NULL)
            return fail_name(scenario, diag);
        llm = *known;
        if (count_given(scenario) == 0) {
            *ret_llm = llm;
            return 0;
        }
    }
    overlay(&llm, scenario);
    int rc = check(&llm, diag);
    if (rc == 0)
        *ret_llm = llm;
    return rc;
}

int llm_keys_write(struct scenario *scenario, const struct llm *llm, struct diag *diag)
{
    struct scenario written = *scenario;
    assert(has_file(scenario));
    for (size_t i = 0; i < PARTS; i++) {
        uint64_t given = key_of(scenario, &parts[i]), found = field_of(llm, &parts[i]);
        if (found < 1 || found > parts[i].max)
            return diag_fail(diag, ERR_RANGE, "%s: '%s' has %" PRIu64 ", allowed 1 to %u", parts[i].key,
                             scenario->model.file, found, parts[i].max);
        if (given > 0 && given != found)
            return diag_fail(diag, ERR_MISMATCH,
                             "%s: is %" PRIu64 ", but '%s' has %" PRIu64 ": leave it at 0", parts[i].key,
                             given, scenario->model.file, found);
        memcpy((char *) &written + parts[i].of_scenario, &found, sizeof found);
    }
    struct llm checked;
    int rc = llm_keys_read(&written, &checked, diag);
    if (rc == 0)
        *scenario = written;
    return rc;
}
