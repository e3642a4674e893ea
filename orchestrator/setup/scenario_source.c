#include "orchestrator/setup/scenario_source.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/compute/compute_keys.h"
#include "core/model/llm_keys.h"
#include "orchestrator/setup/model_file.h"
#include "orchestrator/setup/shipped_scenarios.h"

static const struct shipped_scenario *find_shipped(const char *name)
{
    for (size_t i = 0; i < shipped_scenarios_count; i++)
        if (strcmp(shipped_scenarios[i].name, name) == 0)
            return &shipped_scenarios[i];
    return NULL;
}

static int load_file(const char *path, struct full_scenario *full, struct diag *diag)
{
    struct buf text = {0};
    int rc = file_read(path, SCENARIO_TEXT_MAX, &text, diag);
    if (rc == 0)
        rc = full_scenario_read(full, &(struct scenario_text){(const char *) text.data, text.size, path},
                                diag);
    buf_finish(&text);
    return rc;
}

static int load_named(const char *name, struct full_scenario *full, struct diag *diag)
{
    const struct shipped_scenario *shipped = find_shipped(name);
    if (shipped != NULL)
        return full_scenario_read(full, &(struct scenario_text){shipped->text, strlen(shipped->text), name},
                                  diag);
    if (strchr(name, '/') != NULL || strchr(name, '.') != NULL || access(name, F_OK) == 0)
        return load_file(name, full, diag);
    struct buf known = {0};
    int rc = 0;
    for (size_t i = 0; i < shipped_scenarios_count && rc == 0; i++)
        rc = buf_printf(&known, "%s%s", i > 0 ? ", " : "", shipped_scenarios[i].name);
    rc = diag_fail(diag, ERR_UNKNOWN, "unknown scenario '%s': no such file, and shipped are %s", name,
                   rc == 0 ? (const char *) known.data : "");
    buf_finish(&known);
    return rc;
}

/* Puts --data DIR before a data file's relative path. */
static int join_data_path(char *path, size_t size, const char *directory, struct diag *diag)
{
    if (path[0] == '\0' || path[0] == '/' || directory == NULL)
        return 0;
    char joined[1024];
    assert(size <= sizeof joined); /* what fits the scenario fits here */
    int length = snprintf(joined, sizeof joined, "%s/%s", directory, path);
    if (length < 0 || (size_t) length >= size)
        return diag_fail(diag, ERR_TOO_BIG, "--data: '%s/%s' is longer than %zu bytes", directory, path,
                         size - 1);
    memcpy(path, joined, (size_t) length + 1);
    return 0;
}

static int join_data_paths(struct scenario *scenario, const char *directory, struct diag *diag)
{
    const struct {
        char *path;
        size_t size;
    } named[] = {
        {scenario->task.requests_csv, sizeof scenario->task.requests_csv},
        {scenario->servers.positions_csv, sizeof scenario->servers.positions_csv},
        {scenario->devices.positions_csv, sizeof scenario->devices.positions_csv},
        {scenario->radio.trace, sizeof scenario->radio.trace},
        {scenario->mobility.trace, sizeof scenario->mobility.trace},
        {scenario->model.file, sizeof scenario->model.file},
        {scenario->model.times_csv, sizeof scenario->model.times_csv},
        {scenario->compute.text, sizeof scenario->compute.text},
        {scenario->quality.table_csv, sizeof scenario->quality.table_csv},
        {scenario->quality.text, sizeof scenario->quality.text},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof named / sizeof *named && rc == 0; i++)
        rc = join_data_path(named[i].path, named[i].size, directory, diag);
    return rc;
}

int scenario_source_model(struct scenario *scenario,
                          int (*read)(const char *path, struct llm *ret_llm, struct diag *diag),
                          struct diag *diag)
{
    struct llm llm = {0};
    if (!llm_keys_need_file(scenario))
        return 0;
    int rc = read(scenario->model.file, &llm, diag);
    return rc == 0 ? llm_keys_write(scenario, &llm, diag) : rc;
}

/* What the model file and the format make of keys, where nodes really compute or quality is measured. A recorded
 * scenario has both already, and `before` are its bits: they follow the format, and were not given. */
static int write_compute(struct scenario *scenario, const double *before, struct diag *diag)
{
    struct scenario defaults;
    bool computes = scenario->compute.kind == COMPUTE_MODEL,
         measures = scenario->quality.source == QUALITY_MODEL || scenario->quality.source == QUALITY_TASK;
    if ((!computes && !measures) || scenario->model.file[0] == '\0')
        return 0; /* without a file, scenario_check speaks */
    scenario_defaults(&defaults);
    if (computes && before != NULL && scenario->model.bits_per_element == *before)
        scenario->model.bits_per_element = defaults.model.bits_per_element;
    int rc = computes ? compute_keys_write_bits(scenario, diag) : 0;
    if (rc == 0 && scenario->model.hash[0] == '\0')
        rc = model_file_hash(scenario->model.file, scenario->model.hash, diag);
    return rc;
}

int scenario_source_load(const struct scenario_source *source, struct full_scenario *ret_full,
                         struct diag *diag)
{
    struct full_scenario full;
    assert(source->set_count == 0 || source->set != NULL);
    bool is_recorded = source->name == NULL && source->recorded != NULL;
    int rc = 0;
    full_scenario_defaults(&full);
    if (is_recorded)
        full = *source->recorded;
    else
        rc = load_named(source->name != NULL ? source->name : "dapo", &full, diag);
    for (size_t i = 0; i < source->set_count && rc == 0; i++)
        rc = full_scenario_set(&full, source->set[i], diag);
    if (rc == 0 && source->policy != NULL) {
        char assignment[128];
        (void) snprintf(assignment, sizeof assignment, "run.policy=%s",
                        source->policy); /* a longer name is unknown anyway */
        rc = full_scenario_set(&full, assignment, diag);
    }
    if (rc == 0)
        rc = join_data_paths(&full.scenario, source->data, diag);
    if (rc == 0)
        rc = scenario_source_model(&full.scenario, model_file_read, diag);
    if (rc == 0)
        rc = full_scenario_check(&full, diag);
    if (rc == 0)
        rc = write_compute(&full.scenario,
                           is_recorded ? &source->recorded->scenario.model.bits_per_element : NULL, diag);
    if (rc == 0)
        *ret_full = full;
    return rc;
}
