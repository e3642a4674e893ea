/* What a learned outcome model is made of: shared by its learning (outcome_model.c), its bytes
 * (outcome_bytes.c) and its tables (outcome_table.c). Not for other files. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_INTERNAL_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_OUTCOME_INTERNAL_H

#include "core/model/task_features.h"
#include "core/rl/regressor.h"
#include "orchestrator/policy/plus/node_drift.h"
#include "orchestrator/policy/plus/outcome_damage.h"
#include "orchestrator/policy/plus/outcome_model.h"

#define OUTCOME_OUTPUTS NODE_DRIFT_OUTPUTS /* log seconds, log joules */
#define OUTCOME_LAYERS_MAX 1024u           /* of a language model; the largest has 126 */
#define OUTCOME_ROWS 1024u                 /* of a prediction: what stays in the cache */

/* One report, as the three parts' regressions want it. */
struct outcome_sample {
    float x[TASK_PARTS][TASK_FEATURES_MAX];
    float y[TASK_PARTS][OUTCOME_OUTPUTS];
    uint32_t parts; /* bits: which of them it has */
};

/* Seconds and joules of a part, as columns. */
struct outcome_spent {
    float *s, *j; /* `s` owns both */
};

/* Splits one behind the other whose payloads are equal, so that their link times are. */
struct outcome_run {
    uint32_t first, end; /* splits */
};

/* The operator's objective of one device, as factors. */
struct outcome_weights {
    float per_s, per_j, served, deadline_s, late;
};

/* What the servers take for one prompt length: [load - 1][M][L]. */
struct outcome_servers {
    uint32_t tokens, loads, loads_max;
    struct outcome_spent spent; /* owned */
};

struct outcome_model {
    const struct world *world;
    struct outcome_config config;
    struct regressor *part[TASK_PARTS];
    struct node_drift device_shift, server_shift;
    double *peak_w;                /* [M] most joules a task's second has cost at the server */
    struct outcome_sample *sample; /* [config.buffer] ring */
    uint64_t pushed, gathered, updates;
    float *batch_x, *batch_y; /* [batch][..] */
    uint32_t *pick;           /* [batch] */

    /* Predictions, kept for as long as they hold. */
    uint64_t version, shown;         /* of weights and shifts: now, and of what is kept */
    uint32_t *device_tokens;         /* [N] that a device's rows are for; 0: none */
    struct outcome_spent device;     /* [N][L + 1]; split 0: nothing */
    struct outcome_weights *weights; /* [N] */
    struct outcome_servers *server;  /* [server_count], one for each prompt length met; owned */
    size_t server_count, server_max;
    float *gain;               /* [N][M] the slot's, as a feature */
    float *x, *y;              /* [rows_max][..] scratch of predictions */
    struct outcome_spent link; /* [rows_max] likewise */
    size_t rows_max;

    struct outcome_run *run; /* [runs] all splits below L */
    uint32_t runs;
    float *size;   /* [N][codings][runs] of device_tokens, as a feature */
    float *margin; /* [codings] as a feature */

    struct outcome_damage learned_damage;
    /* [N][codings][L + 1] cost of what the slot's channels damage; NULL: the objective does not count it. */
    float *damage;
};

/* A way to a server, for each size that the device may send there. */
struct outcome_way {
    uint32_t device, server;
    float load; /* as a feature */
};

/* outcome_table.c: predictions that are kept. False, NULL: out of memory. */
bool outcome_table_device(struct outcome_model *own, uint32_t n, uint32_t tokens);
/* All servers for a prompt length, up to a load. */
const struct outcome_servers *outcome_table_servers(struct outcome_model *own, uint32_t tokens,
                                                    uint32_t loads);
bool outcome_table_reserve(struct outcome_model *own, size_t rows);
/* The rows of a way, [codings][runs], from `row` on; its device's predictions are there. Returns the next. */
size_t outcome_table_put(struct outcome_model *own, const struct outcome_way *way, size_t row);
/* own->damage of a device in a coding: [L + 1]. */
float *outcome_table_damage(const struct outcome_model *own, uint32_t n, uint32_t coding);
/* own->link from the rows put. */
void outcome_table_links(struct outcome_model *own, size_t rows);

#endif
