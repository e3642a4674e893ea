#include "orchestrator/command/cli_train.h"

#include <assert.h>
#include <stddef.h>

#include "core/base/parse.h"
#include "core/train/parallel.h"
#include "orchestrator/command/cli.h"
#include "orchestrator/command/cli_numbers.h"

#define SECONDS_MAX 86400u
#define SAVE_S 120u
#define EVALUATE_STEPS 500u

enum key {
    KEY_NUMBERS = 256, /* of the table below */
    KEY_JSON = 512,
    KEY_DIE,
    KEY_RESUME,
    KEY_THREADS,
    KEY_SAVE,
    KEY_EVALUATE
};

enum kind { WHOLE, SEED, REAL };

/* Flags that set a number of the settings. */
static const struct {
    enum kind kind;
    size_t offset;
} numbers[] = {
#define SETTING(kind, member)                                                                                \
    {                                                                                                        \
        kind, offsetof(struct trainer_settings, member)                                                      \
    }
    SETTING(WHOLE, shape.layers),  SETTING(WHOLE, shape.width),
    SETTING(WHOLE, shape.heads),   SETTING(WHOLE, shape.kv_heads),
    SETTING(WHOLE, shape.hidden),  SETTING(WHOLE, shape.vocabulary),
    SETTING(WHOLE, shape.context), SETTING(SEED, seed),
    SETTING(WHOLE, steps),         SETTING(WHOLE, warm_up),
    SETTING(WHOLE, batch),         SETTING(WHOLE, shards),
    SETTING(REAL, rate),           SETTING(REAL, decay),
    SETTING(REAL, clip),           SETTING(REAL, noise_share),
    SETTING(REAL, noise_low_db),   SETTING(REAL, noise_high_db),
    SETTING(REAL, exit_weight),
#undef SETTING
};

#define NUMBERS (sizeof numbers / sizeof *numbers)

/* The first ones are in the order of `numbers`. */
const struct argp_option cli_train_options[] = {
    {"layers", KEY_NUMBERS + 0, "N", 0, "layers of the decoder (default 12)", 0},
    {"width", KEY_NUMBERS + 1, "N", 0, "numbers in the residual stream (default 128)", 0},
    {"heads", KEY_NUMBERS + 2, "N", 0, "heads of the queries (default 4)", 0},
    {"kv-heads", KEY_NUMBERS + 3, "N", 0, "heads of keys and values (default 2)", 0},
    {"hidden", KEY_NUMBERS + 4, "N", 0, "width of the feed-forward network (default 352)", 0},
    {"vocabulary", KEY_NUMBERS + 5, "N", 0, "tokens, learned from the texts (default 1024)", 0},
    {"context", KEY_NUMBERS + 6, "N", 0, "tokens of a window (default 256)", 0},
    {"seed", KEY_NUMBERS + 7, "S", 0, "seed of all draws (default 1)", 0},
    {"steps", KEY_NUMBERS + 8, "N", 0, "steps in all (default 12000)", 0},
    {"warm-up", KEY_NUMBERS + 9, "N", 0, "steps in which the rate rises (default 200)", 0},
    {"batch", KEY_NUMBERS + 10, "N", 0, "windows in a step (default 8)", 0},
    {"shards", KEY_NUMBERS + 11, "N", 0,
     "parts of a batch whose gradients are added in order: as many threads can help (default 4)", 0},
    {"rate", KEY_NUMBERS + 12, "X", 0, "greatest learning rate (default 0.003)", 0},
    {"decay", KEY_NUMBERS + 13, "X", 0, "decay of the matrices' weights (default 0.05)", 0},
    {"clip", KEY_NUMBERS + 14, "X", 0, "longest gradient (default 1)", 0},
    {"noise-share", KEY_NUMBERS + 15, "X", 0,
     "share of windows with noise on the activations behind a random layer (default 0)", 0},
    {"noise-low-db", KEY_NUMBERS + 16, "DB", 0, "least signal-to-noise ratio (default 0)", 0},
    {"noise-high-db", KEY_NUMBERS + 17, "DB", 0, "greatest signal-to-noise ratio (default 20)", 0},
    {"exit-weight", KEY_NUMBERS + 18, "X", 0,
     "weight of the loss behind every inner layer, for early exits (default 0)", 0},
    {"output", 'o', "DIR", 0, "the folder to write into (default model); made if need be", 0},
    {"resume", KEY_RESUME, 0, 0, "go on with the state that is in the folder", 0},
    {"threads", KEY_THREADS, "N", 0, "threads (default 1); the result is the same with any number", 0},
    {"save-s", KEY_SAVE, "S", 0, "save the state every S seconds (default 120; 0: after every step)", 0},
    {"evaluate-steps", KEY_EVALUATE, "N", 0,
     "show bits per byte on parts of the held-out text every N steps (default 500; 0: never)", 0},
    {"json", KEY_JSON, 0, 0, "print JSON", 0},
    {"quiet", 'q', 0, 0, "no progress", 0},
    {"die-with-parent", KEY_DIE, 0, 0, "end when the process that started this one ends", 0},
    {0},
};

struct cli_train cli_train_defaults(void)
{
    return (struct cli_train){
        .settings = trainer_defaults(), .threads = 1, .save_s = SAVE_S, .evaluate_steps = EVALUATE_STEPS};
}

static void take_number(struct argp_state *state, struct cli_train *train, size_t index, const char *text)
{
    const char *flag = cli_train_options[index].name;
    char *at = (char *) &train->settings + numbers[index].offset;
    double real = 0.0;
    switch (numbers[index].kind) {
    case WHOLE:
        *(uint32_t *) (void *) at = (uint32_t) cli_parse_whole(state, flag, text, 0, UINT32_MAX);
        return;
    case SEED: *(uint64_t *) (void *) at = cli_parse_whole(state, flag, text, 0, INT64_MAX); return;
    case REAL:
        if (parse_real(text, &real) != 0)
            argp_error(state, "--%s: '%s' is not a number", flag, text);
        *(double *) (void *) at = real;
        return;
    }
}

error_t cli_train_parse(int key, char *text, struct argp_state *state)
{
    struct cli *cli = state->input;
    struct cli_train *train = &cli->train;
    if (key >= KEY_NUMBERS && key < KEY_NUMBERS + (int) NUMBERS) {
        take_number(state, train, (size_t) (key - KEY_NUMBERS), text);
        return 0;
    }
    switch (key) {
    case 'o': cli->output = text; return 0;
    case 'q': cli->quiet = true; return 0;
    case KEY_JSON: cli->json = true; return 0;
    case KEY_DIE: cli->die_with_parent = true; return 0;
    case KEY_RESUME: cli->resume = true; return 0;
    case KEY_THREADS:
        train->threads = (uint32_t) cli_parse_whole(state, "threads", text, 1, PARALLEL_THREADS_MAX);
        return 0;
    case KEY_SAVE:
        train->save_s = (uint32_t) cli_parse_whole(state, "save-s", text, 0, SECONDS_MAX);
        return 0;
    case KEY_EVALUATE:
        train->evaluate_steps =
            (uint32_t) cli_parse_whole(state, "evaluate-steps", text, 0, TRAINER_STEPS_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (cli->word_count >= 1)
            argp_error(state, "too many words: '%s'", text);
        cli->word[cli->word_count++] = text;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}
