/* A sweep: a grid of policies, seeds and scenario keys, as a YAML file describes it (handoff-sweep(5)).
 * Reading fills in the defaults of what the file leaves out. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_FILE_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "orchestrator/policy/catalog/policy_names.h"
#include "orchestrator/sweep/sweep_yaml.h"

#define SWEEP_FILE_TEXT_MAX 65536u
#define SWEEP_FILE_NAME_MAX 64u
#define SWEEP_FILE_SETTINGS_MAX 16u
#define SWEEP_FILE_AXES_MAX 4u
#define SWEEP_FILE_VALUES_MAX 256u
#define SWEEP_FILE_SEEDS_MAX 256u
#define SWEEP_FILE_EXPERIMENTS_MAX 64u

/* A scenario key with a value that is allowed for it. */
struct sweep_setting {
    const char *key; /* "devices.count" */
    const char *value;
};

struct sweep_settings {
    struct sweep_setting list[SWEEP_FILE_SETTINGS_MAX];
    size_t count;
};

struct sweep_seeds {
    uint64_t list[SWEEP_FILE_SEEDS_MAX];
    size_t count;
    bool all; /* reading: as many as there are, which is not known yet */
};

/* A scenario key that takes each of several values. */
struct sweep_axis {
    const char *key;
    const char *value[SWEEP_FILE_VALUES_MAX];
    size_t count;
};

struct sweep_experiment {
    const char *name;
    struct policy_names policies;
    struct sweep_settings set;                 /* for all of its cells, over the file's own */
    struct sweep_settings train_set, test_set; /* for training alone; for validation and test streams alone */
    struct sweep_axis axis[SWEEP_FILE_AXES_MAX];
    size_t axes;
    struct sweep_seeds seeds;
    struct sweep_seeds task_seeds; /* the seeds whose tests keep their task rows */
    bool has_seeds, has_tasks;     /* reading: its own, or the file's */
    bool curve;                    /* every checkpoint's validation is kept */
    bool record_training;          /* trainings keep their task rows, for the seeds whose tests do */
    bool train_once;               /* learners train at the scenario's own values, once for each seed */
};

struct sweep_file {
    struct sweep_yaml yaml; /* owned; all texts point into it */
    const char *name;
    const char *scenario; /* a shipped name or a file */
    struct sweep_settings set;
    struct sweep_experiment *experiment; /* [experiments], owned */
    size_t experiments;
};

/* Reads and checks everything but what must hold between scenario keys. Errors name file, line, key, value
 * and what was allowed. Finish it also when this failed. */
int sweep_file_read(struct sweep_file *ret_file, const char *text, size_t size, const char *name,
                    struct diag *diag);
void sweep_file_finish(struct sweep_file *file);

/* A sweep's name: 1 to SWEEP_FILE_NAME_MAX letters, digits, '-', '_' and '.'. */
bool sweep_file_is_name(const char *text);

/* Appends the canonical text: it reads back to the same sweep, and two files that mean the same have the
 * same. */
int sweep_file_print(const struct sweep_file *file, struct buf *text);

#endif
