/* show: what there is (policies, models, scenarios, keys), the scenario in effect, and what was recorded. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/process.h"
#include "core/model/llm.h"
#include "db/experiment_file.h"
#include "db/sql.h"
#include "orchestrator/command/cli_options.h"
#include "orchestrator/command/show_answers.h"
#include "orchestrator/command/show_trace.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/setup/shipped_scenarios.h"

/* Takes the rows over: they are printed with --json alone. */
static int print_rows(const struct cli *cli, json_t *rows, struct diag *diag)
{
    if (cli->json)
        return command_print_json(rows, diag);
    json_decref(rows);
    return 0;
}

static int show_policies(const struct cli *cli, struct diag *diag)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        command_append_json(&rows, json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "name", kind->name, "sees",
                                             policy_sees_name(kind->sees), "mode",
                                             policy_modes_name(kind->modes), "learns", policy_learns(kind),
                                             "summary", kind->summary, "source", kind->source));
        if (!cli->json)
            (void) printf("%-18s sees %-13s mode %-6s %s%s\n%19s%s\n", kind->name,
                          policy_sees_name(kind->sees), policy_modes_name(kind->modes),
                          policy_learns(kind) ? "learns; " : "", kind->summary, "", kind->source);
    }
    return print_rows(cli, rows, diag);
}

static int show_models(const struct cli *cli, struct diag *diag)
{
    json_t *rows = json_array();
    if (!cli->json)
        (void) printf("%-16s %6s %6s %6s %6s %6s %7s  %s\n", "model", "layers", "hidden", "query", "kv", "ff",
                      "vocab", "source");
    for (size_t i = 0; i < llm_count(); i++) {
        const struct llm *llm = llm_at(i);
        command_append_json(
            &rows, json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s}", "name", llm->name, "layers",
                             (int) llm->layers, "hidden", (int) llm->hidden, "query", (int) llm->query, "kv",
                             (int) llm->kv, "ff", (int) llm->ff, "ff_matrices", (int) llm->ff_mats, "vocab",
                             (int) llm->vocab, "source", llm->source));
        if (!cli->json)
            (void) printf("%-16s %6u %6u %6u %6u %6u %7u  %s\n", llm->name, llm->layers, llm->hidden,
                          llm->query, llm->kv, llm->ff, llm->vocab, llm->source);
    }
    return print_rows(cli, rows, diag);
}

static int show_scenarios(const struct cli *cli, struct diag *diag)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < shipped_scenarios_count; i++) {
        command_append_json(&rows, json_string(shipped_scenarios[i].name));
        if (!cli->json)
            (void) printf("%s\n", shipped_scenarios[i].name);
    }
    return print_rows(cli, rows, diag);
}

static int show_keys(const struct cli *cli, struct diag *diag)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < scenario_table_key_count(&full_scenario_table); i++) {
        struct scenario_key key;
        char range[128], value[64];
        scenario_table_key_at(&full_scenario_table, i, &key, range, value);
        command_append_json(&rows, json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s}", "section",
                                             key.section, "key", key.key, "list", key.in_list, "unit",
                                             key.unit, "range", key.range, "default", key.default_text,
                                             "meaning", key.meaning, "source", key.source));
        if (!cli->json)
            (void) printf("%s.%s = %s %s\n    %s\n    allowed: %s; source: %s\n", key.section, key.key,
                          key.default_text, key.unit, key.meaning, key.range, key.source);
    }
    return print_rows(cli, rows, diag);
}

static int recorded_scenario(const struct cli *cli, struct full_scenario *ret_full, struct diag *diag)
{
    struct experiment_file file = {0};
    struct db_run run;
    struct buf texts = {0};
    int rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0)
        rc = store_read_run(file.store, cli->run, &run, &texts, diag);
    full_scenario_defaults(ret_full);
    if (rc == 0)
        rc = full_scenario_read(ret_full,
                                &(struct scenario_text){run.scenario, strlen(run.scenario), cli->db}, diag);
    buf_finish(&texts);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}

/* The scenario in effect, or that of a recorded run: canonical YAML, or JSON with that text and its name. */
static int show_scenario(const struct cli *cli, struct diag *diag)
{
    struct scenario_source source = cli_scenario_source(cli);
    if (cli->word_count > 1)
        source.name = cli->word[1];
    struct full_scenario full;
    struct buf text = {0};
    int rc =
        cli->run_given ? recorded_scenario(cli, &full, diag) : scenario_source_load(&source, &full, diag);
    if (rc == 0)
        rc = full_scenario_print(&full, &text);
    if (rc == 0 && cli->json)
        rc = command_print_json(json_pack("{s:s, s:s%}", "name", full.scenario.run.name, "yaml",
                                          (const char *) text.data, text.size),
                                diag);
    else if (rc == 0)
        command_print_text(&text);
    buf_finish(&text);
    return rc;
}

/* The run that --run names, or the newest training run. */
static int find_run(const struct cli *cli, int64_t *ret_run_id, struct diag *diag)
{
    struct experiment_file file = {0};
    struct db_run run;
    struct buf texts = {0};
    int rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0)
        rc = store_read_run(file.store, cli->run, &run, &texts, diag);
    if (rc == 0)
        *ret_run_id = run.run_id;
    buf_finish(&texts);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}

static int show_recorded(const struct cli *cli, const char *query, bool of_one_run, struct diag *diag)
{
    int64_t run_id = cli->run;
    int rc = of_one_run ? find_run(cli, &run_id, diag) : 0;
    return rc != 0 ? rc : command_print_query(cli, query, run_id, diag);
}

int command_show(const struct cli *cli, struct diag *diag)
{
    static const struct {
        const char *word, *query;
        bool of_one_run;
    } recorded[] = {
        {"runs", "runs", false},           {"comparison", "policy_comparison", false},
        {"episodes", "episodes", true},    {"splits", "split_histogram", true},
        {"servers", "server_load", true},  {"seconds", "task_seconds", true},
        {"quality", "task_quality", true},
    };
    const char *what = cli->word_count > 0 ? cli->word[0] : "";
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
        if (strcmp(what, recorded[i].word) == 0)
            return command_status(show_recorded(cli, recorded[i].query, recorded[i].of_one_run, diag), diag);
    if (strcmp(what, "policies") == 0)
        return command_status(show_policies(cli, diag), diag);
    if (strcmp(what, "models") == 0)
        return command_status(show_models(cli, diag), diag);
    if (strcmp(what, "scenarios") == 0)
        return command_status(show_scenarios(cli, diag), diag);
    if (strcmp(what, "keys") == 0)
        return command_status(show_keys(cli, diag), diag);
    if (strcmp(what, "answers") == 0)
        return command_status(show_answers(cli, diag), diag);
    if (strcmp(what, "trace") == 0)
        return command_status(show_trace(cli, diag), diag);
    if (strcmp(what, "scenario") == 0)
        return command_status(show_scenario(cli, diag), diag);
    return command_status(
        diag_fail(
            diag, ERR_UNKNOWN,
            "show what? '%s' is none of policies, models, scenarios, keys, scenario [NAME], trace FILE, "
            "runs, comparison, episodes, splits, servers, seconds, answers",
            what),
        diag);
}
