/* The flags of `train`, which has nothing to do with scenarios and runs. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_CLI_TRAIN_H
#define HANDOFF_ORCHESTRATOR_COMMAND_CLI_TRAIN_H

#include <argp.h>
#include <stdint.h>

#include "core/train/trainer.h"

struct cli_train {
    struct trainer_settings settings; /* not checked: trainer_check does */
    uint32_t threads;
    uint32_t save_s;         /* seconds between two saved states; 0: after every step */
    uint32_t evaluate_steps; /* steps between two quick evaluations; 0: none */
};

struct cli;

struct cli_train cli_train_defaults(void);

extern const struct argp_option cli_train_options[];

/* Takes one flag; its state's input is a struct cli. */
error_t cli_train_parse(int key, char *text, struct argp_state *state);

#endif
