#include "orchestrator/sweep/sweep_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"

struct reader {
    struct sweep_file *file;
    struct sweep_yaml *yaml;
    struct sweep_experiment *experiment; /* the one being read */
    struct sweep_settings *settings;     /* likewise */
    struct sweep_axis *axis;
    struct sweep_seeds *seeds;
    struct sweep_seeds own_seeds, own_task_seeds; /* the file's, for experiments that have none */
    bool has_seeds, has_tasks;
    const char *key; /* of the list that is being read */
};

/* What the sweep itself decides, and where. */
static const struct {
    const char *key, *instead;
} taken[] = {
    {"run.policy", "policies"},
    {"run.seed", "seeds"},
    {"run.record", "record_tasks"},
};

bool sweep_file_is_name(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t length = strlen(text);
    return length > 0 && length <= SWEEP_FILE_NAME_MAX && strspn(text, allowed) == length;
}

static int read_name(struct reader *reader, const char *key, const yaml_node_t *value, const char **ret_name)
{
    const char *text = NULL;
    int rc = sweep_yaml_scalar(reader->yaml, value, key, &text);
    if (rc == 0 && !sweep_file_is_name(text))
        rc = sweep_yaml_fail(reader->yaml, value, ERR_SYNTAX,
                             "%s: '%.80s' is no name, allowed 1 to %u letters, digits, '-', '_' and '.'", key,
                             text, SWEEP_FILE_NAME_MAX);
    if (rc == 0)
        *ret_name = text;
    return rc;
}

/* One of two words. */
static int read_either(struct reader *reader, const char *key, const yaml_node_t *value, const char *no,
                       const char *yes, bool *ret_is_yes)
{
    const char *text = NULL;
    int rc = sweep_yaml_scalar(reader->yaml, value, key, &text);
    if (rc == 0 && strcmp(text, no) != 0 && strcmp(text, yes) != 0)
        rc = sweep_yaml_fail(reader->yaml, value, ERR_UNKNOWN, "%s: '%.80s' is not known, allowed %s or %s",
                             key, text, no, yes);
    if (rc == 0)
        *ret_is_yes = strcmp(text, yes) == 0;
    return rc;
}

/* ---- scenario keys ---- */

static int check_setting(struct reader *reader, const yaml_node_t *at, const char *key, const char *value)
{
    struct full_scenario scratch;
    struct buf assignment = {0};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i].key, key) == 0)
            return sweep_yaml_fail(reader->yaml, at, ERR_UNSUPPORTED, "%s: is not set here: `%s:` says it",
                                   key, taken[i].instead);
    full_scenario_defaults(&scratch);
    int rc = buf_printf(&assignment, "%s=%s", key, value);
    if (rc == 0 && strchr(key, '=') != NULL)
        rc = sweep_yaml_fail(reader->yaml, at, ERR_SYNTAX, "'%.63s': expected section.key", key);
    if (rc == 0 &&
        (rc = full_scenario_set(&scratch, (const char *) assignment.data, reader->yaml->diag)) != 0)
        diag_prefix(reader->yaml->diag, "%s:%lu", reader->yaml->name,
                    (unsigned long) at->start_mark.line + 1);
    buf_finish(&assignment);
    return rc;
}

static int take_setting(void *user, const yaml_node_t *at, const char *name, const yaml_node_t *value)
{
    struct reader *reader = user;
    assert(reader->settings->count < SWEEP_FILE_SETTINGS_MAX);
    struct sweep_setting *setting = &reader->settings->list[reader->settings->count];
    setting->key = name;
    int rc = sweep_yaml_scalar(reader->yaml, value, name, &setting->value);
    if (rc == 0)
        rc = check_setting(reader, at, name, setting->value);
    if (rc == 0)
        reader->settings->count++;
    return rc;
}

static int read_settings(struct reader *reader, struct sweep_settings *settings, const char *key,
                         const yaml_node_t *value)
{
    reader->settings = settings;
    return sweep_yaml_pairs(reader->yaml, value, key, SWEEP_FILE_SETTINGS_MAX, take_setting, reader);
}

static int take_value(void *user, const yaml_node_t *node)
{
    struct reader *reader = user;
    struct sweep_axis *axis = reader->axis;
    const char *text = NULL;
    int rc = sweep_yaml_scalar(reader->yaml, node, axis->key, &text);
    for (size_t i = 0; i < axis->count && rc == 0; i++)
        if (strcmp(axis->value[i], text) == 0)
            rc = sweep_yaml_fail(reader->yaml, node, ERR_DUPLICATE, "%s: %.80s is given twice", axis->key,
                                 text);
    if (rc == 0)
        rc = check_setting(reader, node, axis->key, text);
    if (rc == 0)
        axis->value[axis->count++] = text;
    assert(axis->count <= SWEEP_FILE_VALUES_MAX);
    return rc;
}

static int take_axis(void *user, const yaml_node_t *at, const char *name, const yaml_node_t *value)
{
    struct reader *reader = user;
    (void) at;
    assert(reader->experiment->axes < SWEEP_FILE_AXES_MAX);
    reader->axis = &reader->experiment->axis[reader->experiment->axes++];
    reader->axis->key = name;
    return sweep_yaml_list(reader->yaml, value, name, SWEEP_FILE_VALUES_MAX, take_value, reader);
}

/* ---- seeds ---- */

static int add_seed(struct reader *reader, const yaml_node_t *node, uint64_t seed)
{
    struct sweep_seeds *seeds = reader->seeds;
    for (size_t i = 0; i < seeds->count; i++)
        if (seeds->list[i] == seed)
            return sweep_yaml_fail(reader->yaml, node, ERR_DUPLICATE, "%s: %llu is given twice", reader->key,
                                   (unsigned long long) seed);
    assert(seeds->count < SWEEP_FILE_SEEDS_MAX);
    seeds->list[seeds->count++] = seed;
    return 0;
}

static int take_seed(void *user, const yaml_node_t *node)
{
    struct reader *reader = user;
    const char *text = NULL;
    uint64_t seed = 0;
    int rc = sweep_yaml_scalar(reader->yaml, node, reader->key, &text);
    if (rc == 0 && (parse_u64(text, &seed) != 0 || seed > INT64_MAX))
        rc = sweep_yaml_fail(reader->yaml, node, ERR_RANGE, "%s: '%.80s' is no seed, allowed 0 to %lld",
                             reader->key, text, (long long) INT64_MAX);
    return rc == 0 ? add_seed(reader, node, seed) : rc;
}

/* "1..5" */
static int read_range(struct reader *reader, const yaml_node_t *node)
{
    assert(node->type == YAML_SCALAR_NODE);
    const char *text = (const char *) node->data.scalar.value;
    const char *dots = strstr(text, "..");
    char first[24] = "";
    uint64_t from = 0, to = 0;
    if (dots != NULL && (size_t) (dots - text) < sizeof first)
        memcpy(first, text, (size_t) (dots - text));
    if (dots == NULL || parse_u64(first, &from) != 0 || parse_u64(dots + 2, &to) != 0 || from > to ||
        to > INT64_MAX)
        return sweep_yaml_fail(reader->yaml, node, ERR_SYNTAX,
                               "%s: '%.80s' is not known, allowed %sa list of seeds or a range such as 1..5",
                               reader->key, text,
                               strcmp(reader->key, "record_tasks") == 0 ? "none, all, " : "");
    if (to - from >= SWEEP_FILE_SEEDS_MAX)
        return sweep_yaml_fail(reader->yaml, node, ERR_RANGE, "%s: more than %u seeds", reader->key,
                               SWEEP_FILE_SEEDS_MAX);
    int rc = 0;
    for (uint64_t seed = from; seed <= to && rc == 0; seed++)
        rc = add_seed(reader, node, seed);
    return rc;
}

static int read_seeds(struct reader *reader, struct sweep_seeds *seeds, const char *key,
                      const yaml_node_t *value)
{
    reader->seeds = seeds;
    reader->key = key;
    if (value->type == YAML_SCALAR_NODE)
        return read_range(reader, value);
    return sweep_yaml_list(reader->yaml, value, key, SWEEP_FILE_SEEDS_MAX, take_seed, reader);
}

static int read_task_seeds(struct reader *reader, struct sweep_seeds *seeds, const char *key,
                           const yaml_node_t *value)
{
    const char *text = value->type == YAML_SCALAR_NODE ? (const char *) value->data.scalar.value : "";
    seeds->all = strcmp(text, "all") == 0;
    if (seeds->all || strcmp(text, "none") == 0)
        return 0;
    return read_seeds(reader, seeds, key, value);
}

/* ---- an experiment ---- */

static int on_experiment_name(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    int rc = read_name(reader, key, value, &reader->experiment->name);
    for (size_t i = 0; i < reader->file->experiments && rc == 0; i++)
        if (strcmp(reader->file->experiment[i].name, reader->experiment->name) == 0)
            rc = sweep_yaml_fail(reader->yaml, value, ERR_DUPLICATE,
                                 "name: there is an experiment '%s' already", reader->experiment->name);
    return rc;
}

static int take_policy(void *user, const yaml_node_t *node)
{
    struct reader *reader = user;
    struct policy_names *list = &reader->experiment->policies;
    const char *text = NULL;
    assert(list->count < POLICY_NAMES_MAX);
    int rc = sweep_yaml_scalar(reader->yaml, node, "policies", &text);
    if (rc == 0 && (rc = catalog_find(text, &list->kind[list->count], reader->yaml->diag)) != 0)
        rc = sweep_yaml_blame(reader->yaml, node, "policies", rc);
    if (rc == 0 && list->kind[list->count]->asks)
        rc = sweep_yaml_fail(reader->yaml, node, ERR_UNSUPPORTED, "policies: %s has no agent in a sweep",
                             text);
    for (size_t i = 0; i < list->count && rc == 0; i++)
        if (list->kind[i] == list->kind[list->count])
            rc = sweep_yaml_fail(reader->yaml, node, ERR_DUPLICATE, "policies: %s is given twice", text);
    if (rc == 0)
        list->count++;
    return rc;
}

static int on_policies(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return sweep_yaml_list(reader->yaml, value, key, POLICY_NAMES_MAX, take_policy, reader);
}

static int on_experiment_seeds(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    reader->experiment->has_seeds = true;
    return read_seeds(reader, &reader->experiment->seeds, key, value);
}

static int on_experiment_tasks(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    reader->experiment->has_tasks = true;
    return read_task_seeds(reader, &reader->experiment->task_seeds, key, value);
}

static int on_experiment_set(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_settings(reader, &reader->experiment->set, key, value);
}

static int on_train_set(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_settings(reader, &reader->experiment->train_set, key, value);
}

static int on_test_set(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_settings(reader, &reader->experiment->test_set, key, value);
}

static int on_vary(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return sweep_yaml_pairs(reader->yaml, value, key, SWEEP_FILE_AXES_MAX, take_axis, reader);
}

static int on_curve(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_either(reader, key, value, "false", "true", &reader->experiment->curve);
}

static int on_training_tasks(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_either(reader, key, value, "false", "true", &reader->experiment->record_training);
}

static int on_train(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_either(reader, key, value, "each", "once", &reader->experiment->train_once);
}

static bool sets(const struct sweep_settings *settings, const char *key)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->list[i].key, key) == 0)
            return true;
    return false;
}

/* Weights come from the same experiment. */
static int check_teachers(struct reader *reader, const yaml_node_t *node)
{
    const struct policy_names *list = &reader->experiment->policies;
    for (size_t i = 0; i < list->count; i++) {
        const char *teacher = policy_weights_of(list->kind[i]);
        bool found = !policy_is_trained(list->kind[i]);
        for (size_t j = 0; j < list->count && !found; j++)
            found = strcmp(list->kind[j]->name, teacher) == 0;
        if (!found)
            return sweep_yaml_fail(
                reader->yaml, node, ERR_NOT_FOUND,
                "experiment %s: %s takes its weights from %s, which must be among its policies",
                reader->experiment->name, list->kind[i]->name, teacher);
    }
    return 0;
}

/* What an experiment may not say at once. */
static int check_experiment(struct reader *reader, const yaml_node_t *node)
{
    const struct sweep_experiment *own = reader->experiment;
    for (size_t i = 0; i < own->axes; i++) {
        const char *key = own->axis[i].key;
        if (sets(&own->set, key) || sets(&own->train_set, key) || sets(&own->test_set, key))
            return sweep_yaml_fail(reader->yaml, node, ERR_DUPLICATE,
                                   "experiment %s: %s is both varied and set", own->name, key);
    }
    if (own->train_once && own->curve)
        return sweep_yaml_fail(reader->yaml, node, ERR_UNSUPPORTED,
                               "experiment %s: `curve: true` needs `train: each`, a training for each value",
                               own->name);
    if (own->train_once && own->axes == 0)
        return sweep_yaml_fail(reader->yaml, node, ERR_UNSUPPORTED,
                               "experiment %s: `train: once` needs something to `vary:`", own->name);
    return check_teachers(reader, node);
}

static int take_experiment(void *user, const yaml_node_t *node)
{
    static const struct sweep_yaml_key keys[] = {
        {"name", true, on_experiment_name},
        {"policies", true, on_policies},
        {"seeds", false, on_experiment_seeds},
        {"set", false, on_experiment_set},
        {"vary", false, on_vary},
        {"train_set", false, on_train_set},
        {"test_set", false, on_test_set},
        {"train", false, on_train},
        {"curve", false, on_curve},
        {"record_tasks", false, on_experiment_tasks},
        {"record_training", false, on_training_tasks},
    };
    struct reader *reader = user;
    assert(reader->file->experiments < SWEEP_FILE_EXPERIMENTS_MAX);
    reader->experiment = &reader->file->experiment[reader->file->experiments];
    int rc = sweep_yaml_mapping(reader->yaml, node, "experiment", keys, sizeof keys / sizeof *keys, reader);
    if (rc == 0)
        rc = check_experiment(reader, node);
    if (rc == 0)
        reader->file->experiments++;
    return rc;
}

/* ---- the file ---- */

static int on_name(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_name(reader, key, value, &reader->file->name);
}

static int on_scenario(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return sweep_yaml_scalar(reader->yaml, value, key, &reader->file->scenario);
}

static int on_set(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    return read_settings(reader, &reader->file->set, key, value);
}

static int on_seeds(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    reader->has_seeds = true;
    return read_seeds(reader, &reader->own_seeds, key, value);
}

static int on_tasks(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    reader->has_tasks = true;
    return read_task_seeds(reader, &reader->own_task_seeds, key, value);
}

static int on_experiments(void *user, const char *key, const yaml_node_t *value)
{
    struct reader *reader = user;
    size_t count = SWEEP_FILE_EXPERIMENTS_MAX;
    assert(reader->file->experiment == NULL); /* a key comes once */
    if (value->type == YAML_SEQUENCE_NODE)
        count = (size_t) (value->data.sequence.items.top - value->data.sequence.items.start);
    if (count <= SWEEP_FILE_EXPERIMENTS_MAX)
        reader->file->experiment = calloc(count + 1, sizeof *reader->file->experiment);
    if (count <= SWEEP_FILE_EXPERIMENTS_MAX && reader->file->experiment == NULL)
        return sweep_yaml_fail(reader->yaml, value, -ENOMEM, "out of memory");
    return sweep_yaml_list(reader->yaml, value, key, SWEEP_FILE_EXPERIMENTS_MAX, take_experiment, reader);
}

/* Seeds that an experiment does not have itself are the file's. */
static int inherit(struct reader *reader)
{
    const yaml_node_t *root = sweep_yaml_root(reader->yaml);
    for (size_t i = 0; i < reader->file->experiments; i++) {
        struct sweep_experiment *own = &reader->file->experiment[i];
        if (!own->has_seeds && !reader->has_seeds)
            return sweep_yaml_fail(reader->yaml, root, ERR_NOT_FOUND,
                                   "experiment %s: `seeds:` is missing, here and in the file", own->name);
        if (!own->has_seeds)
            own->seeds = reader->own_seeds;
        if (!own->has_tasks)
            own->task_seeds = reader->own_task_seeds;
        if (own->task_seeds.all)
            own->task_seeds = own->seeds;
        assert(own->seeds.count > 0); /* an empty list is refused */
    }
    return 0;
}

int sweep_file_read(struct sweep_file *ret_file, const char *text, size_t size, const char *name,
                    struct diag *diag)
{
    static const struct sweep_yaml_key keys[] = {
        {"name", true, on_name},    {"scenario", false, on_scenario},  {"set", false, on_set},
        {"seeds", false, on_seeds}, {"record_tasks", false, on_tasks}, {"experiments", true, on_experiments},
    };
    *ret_file = (struct sweep_file){.scenario = "dapo"};
    if (size > SWEEP_FILE_TEXT_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s: larger than the limit of %u bytes", name,
                         SWEEP_FILE_TEXT_MAX);
    struct reader reader = {.file = ret_file, .yaml = &ret_file->yaml};
    int rc = sweep_yaml_read(reader.yaml, text, size, name, diag);
    if (rc == 0)
        rc = sweep_yaml_mapping(reader.yaml, sweep_yaml_root(reader.yaml), "sweep", keys,
                                sizeof keys / sizeof *keys, &reader);
    return rc == 0 ? inherit(&reader) : rc;
}

void sweep_file_finish(struct sweep_file *file)
{
    free(file->experiment);
    file->experiment = NULL;
    file->experiments = 0;
    sweep_yaml_finish(&file->yaml);
}
