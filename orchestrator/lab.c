#include "orchestrator/lab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "core/rl/blas_check.h"
#include "orchestrator/revision.h"
#include "proto/wire/process.h"

volatile sig_atomic_t lab_stop;

static void on_signal(int number)
{
    (void) number;
    if (lab_stop != 0)
        _exit(PROCESS_SIGNAL);
    lab_stop = 1;
}

void lab_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void) sigaction(SIGINT, &action, NULL); /* both exist on every system: cannot fail */
    (void) sigaction(SIGTERM, &action, NULL);
}

static const struct lab_scenario *find_shipped(const char *name)
{
    for (size_t i = 0; i < lab_scenario_count; i++)
        if (strcmp(lab_scenarios[i].name, name) == 0)
            return &lab_scenarios[i];
    return NULL;
}

static int load_named(const char *name, struct scenario *scenario, struct diag *diag)
{
    const struct lab_scenario *shipped = find_shipped(name);
    if (shipped != NULL)
        return scenario_read(scenario, shipped->text, strlen(shipped->text), name, diag);
    if (strchr(name, '/') != NULL || strchr(name, '.') != NULL || access(name, F_OK) == 0)
        return scenario_load(scenario, name, diag);
    struct buf known = {0};
    int rc = 0;
    for (size_t i = 0; i < lab_scenario_count && rc == 0; i++)
        rc = buf_printf(&known, "%s%s", i > 0 ? ", " : "", lab_scenarios[i].name);
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
    int length = snprintf(joined, sizeof joined, "%s/%s", directory, path);
    if (length < 0 || (size_t) length >= size)
        return diag_fail(diag, ERR_TOO_BIG, "--data: '%s/%s' is longer than %zu bytes", directory, path, size - 1);
    memcpy(path, joined, (size_t) length + 1);
    return 0;
}

int lab_scenario_load(const struct cli *cli, struct scenario *ret_scenario, struct diag *diag)
{
    struct scenario scenario;
    scenario_defaults(&scenario);
    int rc = load_named(cli->scenario != NULL ? cli->scenario : "dapo", &scenario, diag);
    for (size_t i = 0; i < cli->set_count && rc == 0; i++)
        rc = scenario_set(&scenario, cli->set[i], diag);
    if (rc == 0 && cli->policy != NULL && cli->verb == CLI_RUN) {
        char assignment[128];
        (void) snprintf(assignment, sizeof assignment, "run.policy=%s", cli->policy); /* a longer name is unknown anyway */
        rc = scenario_set(&scenario, assignment, diag);
    }
    if (rc == 0)
        rc = join_data_path(scenario.task.requests_csv, sizeof scenario.task.requests_csv, cli->data, diag);
    if (rc == 0)
        rc = join_data_path(scenario.servers.positions_csv, sizeof scenario.servers.positions_csv, cli->data, diag);
    if (rc == 0)
        rc = join_data_path(scenario.devices.positions_csv, sizeof scenario.devices.positions_csv, cli->data, diag);
    if (rc == 0)
        rc = scenario_check(&scenario, diag);
    if (rc == 0)
        *ret_scenario = scenario;
    return rc;
}

int lab_world(struct world *ret_world, const struct scenario *scenario, uint64_t seed, struct diag *diag)
{
    struct scenario effective = *scenario;
    effective.run.seed = seed;
    struct dataset *data = NULL;
    bool files = scenario->task.requests_csv[0] != '\0' || scenario->servers.positions_csv[0] != '\0' ||
                 scenario->devices.positions_csv[0] != '\0';
    int rc = files ? dataset_load(&data, &effective, diag) : 0;
    if (rc == 0)
        rc = world_init(ret_world, &effective, data, diag);
    dataset_destroy(data);
    return rc;
}

int lab_world_recorded(struct world *ret_world, const char *scenario_text, uint64_t seed, struct diag *diag)
{
    struct scenario scenario;
    scenario_defaults(&scenario);
    int rc = scenario_read(&scenario, scenario_text, strlen(scenario_text), "recorded scenario", diag);
    return rc != 0 ? rc : lab_world(ret_world, &scenario, seed, diag);
}

const char *lab_version(void)
{
    return HANDOFF_VERSION " (" HANDOFF_REVISION ")";
}

int lab_cpu(struct buf *text)
{
    struct buf info = {0};
    const char *model = "unknown CPU";
    size_t length = strlen(model);
    if (file_read("/proc/cpuinfo", 16u * 1024u * 1024u, &info, NULL) == 0) {
        const char *line = strstr((const char *) info.data, "model name");
        const char *colon = line != NULL ? strchr(line, ':') : NULL;
        if (colon != NULL && colon[1] != '\0') {
            model = colon + 2;
            length = strcspn(model, "\n");
        }
    }
    int rc = buf_printf(text, "%.*s, OpenBLAS %s", (int) length, model, blas_kernel_name());
    buf_finish(&info);
    return rc;
}
