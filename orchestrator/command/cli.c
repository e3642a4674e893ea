#include "orchestrator/command/cli.h"

#include <assert.h>
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/process.h"
#include "core/infer/layers.h"
#include "core/weights/weights.h"
#include "proto/wire/listen.h"

#define SECONDS_MAX 86400u
#define DRAWS_MAX 100000u
#define JOBS_MAX 1024u

enum {
    RUN = 1 << CLI_RUN,
    EVALUATE = 1 << CLI_EVALUATE,
    REPLAY = 1 << CLI_REPLAY,
    SHOW = 1 << CLI_SHOW,
    EXPORT = 1 << CLI_EXPORT,
    TWIN = 1 << CLI_TWIN,
    SWEEP = 1 << CLI_SWEEP,
    COMPARE = 1 << CLI_COMPARE,
    REPORT = 1 << CLI_REPORT,
    DELETE = 1 << CLI_DELETE,
    MODEL = 1 << CLI_MODEL,
    GENERATE = 1 << CLI_GENERATE,
    BOUND = 1 << CLI_BOUND,
    RECORDED = RUN | EVALUATE | REPLAY | SHOW | EXPORT | TWIN | SWEEP | COMPARE | REPORT |
               DELETE, /* all that use an experiment's file */
    ALL = RECORDED | MODEL | GENERATE | BOUND
};

enum key {
    KEY_SET = 256,
    KEY_SEED,
    KEY_OVER,
    KEY_LISTEN,
    KEY_AGENT,
    KEY_WAIT,
    KEY_STALL,
    KEY_RECORD,
    KEY_CHECKPOINT,
    KEY_PHASE,
    KEY_DRAWS,
    KEY_SCALE,
    KEY_DATA,
    KEY_VERIFY,
    KEY_JSON,
    KEY_FORMAT,
    KEY_TRACE_FORMAT,
    KEY_DIRECTION,
    KEY_DIE,
    KEY_RESUME,
    KEY_FROM,
    KEY_LIVE,
    KEY_NAME,
    KEY_DRY_RUN,
    KEY_SWEEP,
    KEY_EXPERIMENT,
    KEY_METRIC,
    KEY_DEPENDENTS,
    KEY_COMPACT,
    KEY_MODEL,
    KEY_PROMPT,
    KEY_IDS,
    KEY_TOKENIZER,
    KEY_WEIGHTS,
    KEY_ACTIVATION,
    KEY_SPLIT,
    KEY_TOKENS,
    KEY_PORTION,
    KEY_LOGITS,
    KEY_MEASURE,
    KEY_TIMES_CSV,
    KEY_LIMIT
};

/* Flags that are short for a scenario key. */
static const struct {
    int key;
    const char *scenario_key;
} shorthands[] = {
    {'n', "devices.count"}, {'m', "servers.count"}, {'e', "run.episodes"},
    {'t', "run.slots"},     {KEY_SEED, "run.seed"}, {KEY_RECORD, "run.record"},
};

static const struct {
    int commands;
    struct argp_option option;
} flags[] = {
    {RUN | EVALUATE | SHOW | TWIN | BOUND,
     {"scenario", 's', "NAME|FILE", 0, "a shipped scenario or a YAML file (default dapo)", 0}},
    {RUN | EVALUATE | SHOW | TWIN | BOUND,
     {"set", KEY_SET, "KEY=VALUE", 0, "set a scenario key, e.g. radio.bandwidth_mhz=10", 0}},
    {RUN | EVALUATE | TWIN | SWEEP | BOUND,
     {"data", KEY_DATA, "DIR", 0, "where a scenario's relative data files are (default: here)", 0}},
    {RECORDED, {"db", 'd', "FILE", 0, "the experiment's SQLite file (default results.db)", 0}},
    {BOUND, {"db", 'd', "FILE", 0, "beside a recorded run of this file: what it earned (default: none)", 0}},
    {RUN | EVALUATE | REPLAY | TWIN,
     {"policy", 'p', "NAME[,NAME...]", 0, "who decides; `show policies` lists them", 0}},
    {RUN | EVALUATE | TWIN | BOUND, {"devices", 'n', "N", 0, "mobile devices (devices.count)", 0}},
    {RUN | EVALUATE | TWIN | BOUND, {"servers", 'm', "M", 0, "edge servers (servers.count)", 0}},
    {RUN,
     {"episodes", 'e', "E", 0,
      "training episodes (run.episodes); with --resume: how many the run shall have in the end", 0}},
    {TWIN, {"episodes", 'e', "E", 0, "episodes to play (default 1)", 0}},
    {TWIN, {"slots", 't', "T", 0, "slots in an episode (default 20)", 0}},
    {BOUND, {"episodes", 'e', "E", 0, "the first E episodes (default 5; with --db all of the run)", 0}},
    {BOUND, {"slots", 't', "T", 0, "slots in an episode (default: as the phase's have)", 0}},
    {TWIN, {"time-scale", KEY_SCALE, "S", 0, "model seconds in a second of real time, 0.1 to 100", 0}},
    {TWIN,
     {"live", KEY_LIVE, 0, 0,
      "queueing mode: in real time the policy decides anew, instead of repeating what it decided", 0}},
    {RUN, {"slots", 't', "T", 0, "slots in an episode (run.slots)", 0}},
    {RUN | EVALUATE | TWIN | BOUND, {"seed", KEY_SEED, "S", 0, "seed of all draws (run.seed)", 0}},
    {RUN, {"record", KEY_RECORD, "answers|tasks|episodes", 0, "finest rows to record (run.record)", 0}},
    {RUN | REPLAY,
     {"over", KEY_OVER, "tcp|memory", 0,
      "nodes are processes, or cores in this one (run: tcp, replay: memory)", 0}},
    {RUN | REPLAY | TWIN,
     {"listen", KEY_LISTEN, "HOST:PORT", 0, "where nodes connect (default 127.0.0.1:0, any free port)", 0}},
    {RUN | EVALUATE | REPLAY | TWIN,
     {"agent", KEY_AGENT, "HOST:PORT", 0,
      "policy external: where its agent connects (default 127.0.0.1:0, any free port)", 0}},
    {RUN | EVALUATE | REPLAY | TWIN,
     {"wait-s", KEY_WAIT, "S", 0, "wait S seconds for all nodes to join, and for an agent (default 60)", 0}},
    {RUN | REPLAY | TWIN,
     {"stall-s", KEY_STALL, "S", 0,
      "when nobody has got on for S seconds, a node that owes an answer is lost (default 30)", 0}},
    {RUN,
     {"resume", KEY_RESUME, "R", OPTION_ARG_OPTIONAL,
      "go on with a recorded run that was killed or interrupted, after its last checkpoint, or, with "
      "--episodes, with one that finished (default: the newest training run)",
      0}},
    {RUN,
     {"from", KEY_FROM, "R", 0,
      "a new run that begins with the weights of run R, in its scenario unless --scenario names another", 0}},
    {EVALUATE | REPLAY | SHOW | EXPORT | TWIN | BOUND,
     {"run", 'r', "R", 0, "the recorded run (default: the newest training run)", 0}},
    {RUN, {"run", 'r', "R", 0, "--resume: which one, as --resume=R", 0}},
    {RUN,
     {"checkpoint", KEY_CHECKPOINT, "best|last|N", 0,
      "--from: best on validation, last (default), or after episode N", 0}},
    {DELETE, {"run", 'r', "R", 0, "a run to remove; may be repeated", 0}},
    {DELETE,
     {"with-dependents", KEY_DEPENDENTS, 0, 0,
      "remove also the runs that were built on them, and let sweeps play the jobs again that used one", 0}},
    {DELETE,
     {"compact", KEY_COMPACT, 0, 0,
      "give the free space back to the disk; needs as much again for a while, and no --run", 0}},
    {DELETE, {"dry-run", KEY_DRY_RUN, 0, 0, "say what would be removed, and remove nothing", 0}},
    {EVALUATE | TWIN,
     {"checkpoint", KEY_CHECKPOINT, "best|last|N", 0,
      "a learner's weights: best on validation (default), last, or after episode N", 0}},
    {EVALUATE | BOUND, {"phase", KEY_PHASE, "test|validate", 0, "held-out streams to use (default test)", 0}},
    {EVALUATE,
     {"draws", KEY_DRAWS, "K", 0, "no recorded run: compare policies over K draws of node parameters", 0}},
    {SWEEP, {"jobs", 'j', "K", 0, "workers at a time (default: as many as there are cores)", 0}},
    {SWEEP, {"name", KEY_NAME, "NAME", 0, "the sweep's name, instead of the file's", 0}},
    {SWEEP, {"dry-run", KEY_DRY_RUN, 0, 0, "list the cells, and how long they may take, and play none", 0}},
    {REPLAY,
     {"verify", KEY_VERIFY, 0, 0,
      "rerun the recorded decisions and compare every number, bit for bit; a run in real time: what "
      "both clocks "
      "share",
      0}},
    {REPLAY,
     {"model", KEY_MODEL, "FILE", 0,
      "--verify: the model that computed a run's answers, where model.file is not any more", 0}},
    {SHOW, {"model", KEY_MODEL, "FILE", 0, "answers: the run's model, where model.file is not any more", 0}},
    {SHOW, {"tokenizer", KEY_TOKENIZER, "FILE", 0, "answers: its tokenizer's file (default: its own)", 0}},
    {SHOW, {"limit", KEY_LIMIT, "N", 0, "answers: the first N alone (default 20)", 0}},
    {ALL, {"json", KEY_JSON, 0, 0, "print JSON", 0}},
    {ALL, {"quiet", 'q', 0, 0, "no progress", 0}},
    {COMPARE | REPORT,
     {"sweep", KEY_SWEEP, "NAME", 0, "this sweep alone (default: everything in the file)", 0}},
    {COMPARE | REPORT, {"experiment", KEY_EXPERIMENT, "E", 0, "this experiment alone", 0}},
    {COMPARE,
     {"metric", KEY_METRIC, "cost|latency|energy|p95|regret|return", 0,
      "what to compare (default cost, or return of rewards)", 0}},
    {REPORT, {"output", 'o', "DIR", 0, "the folder to write into (default report); made if need be", 0}},
    {EXPORT, {"output", 'o', "FILE", 0, "write there instead of standard output", 0}},
    {EXPORT, {"format", KEY_FORMAT, "csv|json", 0, "default csv", 0}},
    {SHOW,
     {"format", KEY_TRACE_FORMAT, "auto|mahimahi|columns|csv", 0, "the trace's (default auto: by content)",
      0}},
    {SHOW, {"direction", KEY_DIRECTION, "up|down", 0, "of a trace that tells both (default up)", 0}},
    {GENERATE,
     {"model", KEY_MODEL, "FILE", 0, "a model file: GGUF, safetensors (or its folder), llama2.c", 0}},
    {GENERATE, {"prompt", KEY_PROMPT, "TEXT", 0, "the text to go on with", 0}},
    {GENERATE,
     {"ids", KEY_IDS, "I[,I...]", 0, "token ids in place of --prompt; prints ids, and needs no tokenizer",
      0}},
    {GENERATE, {"tokenizer", KEY_TOKENIZER, "FILE", 0, "a tokenizer's file (default: the model's own)", 0}},
    {GENERATE, {"tokens", KEY_TOKENS, "N", 0, "at most N tokens of answer (default 128)", 0}},
    {GENERATE,
     {"split", KEY_SPLIT, "S", 0,
      "compute layers 1 to S and the rest apart, with the activations encoded between them", 0}},
    {GENERATE,
     {"activation", KEY_ACTIVATION, "fp32|fp16|int8|q4|topk:K", 0, "how they are encoded (default fp32)", 0}},
    {GENERATE,
     {"portion", KEY_PORTION, "N", 0, "tokens of the prompt computed at once (default 256); changes no bit",
      0}},
    {GENERATE, {"logits", KEY_LOGITS, 0, 0, "--json: also the logits behind the prompt", 0}},
    {MODEL | GENERATE,
     {"weights", KEY_WEIGHTS, "stored|f32|q8|q4", 0,
      "format of the weights computed in (default: the file's)", 0}},
    {MODEL,
     {"measure", KEY_MEASURE, 0, 0, "seconds of a layer on this machine, by the number of rows; one thread",
      0}},
    {MODEL,
     {"times-csv", KEY_TIMES_CSV, 0, 0, "--measure: print what the scenario key model.times_csv reads", 0}},
    {RUN | EVALUATE | REPLAY | TWIN | SWEEP,
     {"die-with-parent", KEY_DIE, 0, 0, "end when the process that started this one ends", 0}},
};

#define FLAG_COUNT (sizeof flags / sizeof *flags)

static const struct {
    const char *name;
    const char *words; /* what may follow the command */
    const char *summary;
} commands[CLI_COMMANDS] = {
    [CLI_RUN] = {"run", "", "Trains or drives one policy and records every task."},
    [CLI_EVALUATE] = {"evaluate", "",
                      "Drives policies over held-out slots of a recorded run and compares them."},
    [CLI_REPLAY] = {"replay", "",
                    "Reruns recorded runs: --verify compares every number, --policy asks what if."},
    [CLI_SHOW] = {"show",
                  "policies|models|scenarios|keys|scenario|trace|runs|comparison|episodes|splits|servers|"
                  "seconds|quality|answers",
                  "Prints what there is, or what was recorded."},
    [CLI_TWIN] = {"twin", "", "Plays a scenario in virtual time and in real time, and compares the two."},
    [CLI_SWEEP] = {"sweep", "FILE",
                   "Plays a grid of policies, seeds and scenario keys, several cells at a time."},
    [CLI_COMPARE] = {"compare", "", "Ranks policies over seeds, where the differences carry it."},
    [CLI_REPORT] = {"report", "[DATABASE]",
                    "Writes tables and figures of an experiment's file as a page of its own."},
    [CLI_DELETE] = {"delete", "", "Removes recorded runs with all that is their own."},
    [CLI_MODEL] = {"model", "FILE", "Says what a model file holds, and what its layers cost."},
    [CLI_GENERATE] = {"generate", "", "Goes on with a text, token by token, in this process alone."},
    [CLI_TRAIN] = {"train", "FOLDER", "Trains a small language model on a folder of texts."},
    [CLI_PERPLEXITY] = {"perplexity", "",
                        "Measures what a bad channel at each split does to a model's perplexity."},
    [CLI_LEAK] = {"leak", "", "Measures how many tokens of a prompt an observer reads from what crossed."},
    [CLI_BOUND] = {"bound", "", "Says what whole tasks may be worth at the most, whoever decides."},
    [CLI_EXPORT] = {"export", "tasks|episodes|events|answers", "Writes a run's rows as CSV or JSON."},
};

static uint64_t parse_number(struct argp_state *state, const char *flag, const char *text, uint64_t min,
                             uint64_t max)
{
    uint64_t value = 0;
    if (parse_u64(text, &value) != 0 || value < min || value > max)
        argp_error(state, "%s: '%s' is not a whole number from %llu to %llu", flag, text,
                   (unsigned long long) min, (unsigned long long) max);
    return value;
}

/* 0 or 1: which of two words it is. */
static bool parse_either(struct argp_state *state, const char *flag, const char *text, const char *no,
                         const char *yes)
{
    bool is_yes = strcmp(text, yes) == 0;
    if (!is_yes && strcmp(text, no) != 0)
        argp_error(state, "%s: '%s' is neither %s nor %s", flag, text, no, yes);
    return is_yes;
}

static void add_set(struct argp_state *state, struct cli *cli, const char *assignment)
{
    if (cli->set_count >= CLI_SETS_MAX)
        argp_error(state, "more than %u scenario keys are set", CLI_SETS_MAX);
    cli->set[cli->set_count++] = assignment;
}

static void add_run(struct argp_state *state, struct cli *cli, const char *text)
{
    if (cli->run_count >= CLI_RUNS_MAX)
        argp_error(state, "--run: more than %u runs", CLI_RUNS_MAX);
    cli->runs[cli->run_count++] = (int64_t) parse_number(state, "--run", text, 1, INT64_MAX);
}

static bool add_shorthand(struct argp_state *state, struct cli *cli, int key, const char *text)
{
    for (size_t i = 0; i < sizeof shorthands / sizeof *shorthands; i++) {
        if (shorthands[i].key != key)
            continue;
        size_t size = strlen(shorthands[i].scenario_key) + strlen(text) + 2;
        char *assignment = malloc(size);
        if (assignment == NULL)
            argp_failure(state, PROCESS_FAILED, 0, "out of memory");
        (void) snprintf(assignment, size, "%s=%s", shorthands[i].scenario_key, text);
        add_set(state, cli, assignment);
        assert(cli->own_count < cli->set_count); /* it is one of the sets, which are counted */
        cli->own[cli->own_count++] = assignment;
        return true;
    }
    return false;
}

/* --episodes sets the scenario of a new run. A run that goes on keeps its scenario, and is only told how many. */
static void take_episodes(struct argp_state *state, struct cli *cli)
{
    bool alone = cli->resume && cli->more != NULL && cli->set_count == 1;
    if (!alone)
        return;
    cli->episodes = (uint32_t) parse_number(state, "--episodes", cli->more, 1, 1000000);
    cli->set_count = 0;
}

/* What is resumed is what was recorded. */
static void check_resume(struct argp_state *state, const struct cli *cli)
{
    if (cli->resume && cli->from > 0)
        argp_error(state, "--resume goes on with a run, --from begins a new one: name one of them");
    if (cli->command == CLI_RUN && cli->checkpoint_given && cli->from == 0)
        argp_error(state, "--checkpoint goes with --from R");
    bool describes = cli->scenario != NULL || cli->set_count > 0 || cli->policy != NULL || cli->data != NULL;
    if (cli->resume && describes)
        argp_error(state,
                   "--resume goes on with the recorded scenario and policy: it takes no --scenario, --set, "
                   "--policy, --data, nor flags that stand for a scenario key but --episodes");
    if (cli->command == CLI_RUN && cli->run_given && !cli->resume)
        argp_error(state, "--run R goes with --resume: a new run gets a number of its own");
}

static error_t parse_flag(int key, char *text, struct argp_state *state)
{
    struct cli *cli = state->input;
    struct diag diag = {0};
    int rc = 0;
    bool is_own = cli->command == CLI_TWIN || cli->command == CLI_BOUND;
    if (is_own && (key == 'e' || key == 't')) {
        uint64_t number = parse_number(state, key == 'e' ? "--episodes" : "--slots", text, 1, 1000000);
        *(key == 'e' ? &cli->episodes : &cli->slots) = (uint32_t) number;
        return 0;
    }
    if (cli->command == CLI_RUN && key == 'e')
        cli->more = text;
    if (add_shorthand(state, cli, key, text))
        return 0;
    switch (key) {
    case 's': cli->scenario = text; return 0;
    case 'd':
        cli->db = text;
        cli->db_given = true;
        return 0;
    case KEY_DATA: cli->data = text; return 0;
    case 'p': cli->policy = text; return 0;
    case 'r':
        if (cli->command == CLI_DELETE) {
            add_run(state, cli, text);
            return 0;
        }
        cli->run = (int64_t) parse_number(state, "--run", text, 1, INT64_MAX);
        cli->run_given = true;
        return 0;
    case KEY_SCALE: cli->time_scale = text; return 0;
    case KEY_LIVE: cli->live = true; return 0;
    case KEY_SWEEP: cli->sweep = text; return 0;
    case KEY_EXPERIMENT: cli->experiment = text; return 0;
    case KEY_DEPENDENTS: cli->with_dependents = true; return 0;
    case KEY_COMPACT: cli->compact = true; return 0;
    case KEY_METRIC: cli->metric = text; return 0;
    case 'q': cli->quiet = true; return 0;
    case 'o': cli->output = text; return 0;
    case KEY_SET: add_set(state, cli, text); return 0;
    case KEY_OVER:
        cli->host = parse_either(state, "--over", text, "tcp", "memory") ? HOST_MEMORY : HOST_TCP;
        cli->host_given = true;
        return 0;
    case KEY_LISTEN:
        rc = wire_parse_address(text, cli->listen_host, &cli->listen_port, &diag);
        if (rc != 0)
            argp_error(state, "--listen: %s", diag_text(&diag, rc));
        return 0;
    case KEY_AGENT:
        rc = wire_parse_address(text, cli->agent_host, &cli->agent_port, &diag);
        if (rc != 0)
            argp_error(state, "--agent: %s", diag_text(&diag, rc));
        return 0;
    case KEY_WAIT: cli->wait_s = (uint32_t) parse_number(state, "--wait-s", text, 1, SECONDS_MAX); return 0;
    case KEY_STALL:
        cli->stall_s = (uint32_t) parse_number(state, "--stall-s", text, 1, SECONDS_MAX);
        return 0;
    case KEY_CHECKPOINT:
        cli->checkpoint = text;
        cli->checkpoint_given = true;
        return 0;
    case KEY_PHASE: cli->validate = parse_either(state, "--phase", text, "test", "validate"); return 0;
    case KEY_DRAWS: cli->draws = (uint32_t) parse_number(state, "--draws", text, 1, DRAWS_MAX); return 0;
    case 'j': cli->jobs = (uint32_t) parse_number(state, "--jobs", text, 1, JOBS_MAX); return 0;
    case KEY_NAME: cli->name = text; return 0;
    case KEY_DRY_RUN: cli->dry_run = true; return 0;
    case KEY_VERIFY: cli->verify = true; return 0;
    case KEY_JSON: cli->json = true; return 0;
    case KEY_FORMAT: cli->csv = parse_either(state, "--format", text, "json", "csv"); return 0;
    case KEY_TRACE_FORMAT: cli->trace_format = text; return 0;
    case KEY_DIRECTION: cli->direction = text; return 0;
    case KEY_DIE: cli->die_with_parent = true; return 0;
    case KEY_RESUME: cli->resume = true; return text != NULL ? parse_flag('r', text, state) : 0;
    case KEY_MODEL: cli->model = text; return 0;
    case KEY_PROMPT: cli->prompt = text; return 0;
    case KEY_IDS: cli->ids = text; return 0;
    case KEY_LIMIT: cli->limit = (uint32_t) parse_number(state, "--limit", text, 1, UINT32_MAX); return 0;
    case KEY_TOKENIZER: cli->tokenizer = text; return 0;
    case KEY_WEIGHTS: cli->weights = text; return 0;
    case KEY_ACTIVATION: cli->activation = text; return 0;
    case KEY_SPLIT:
        cli->split = (uint32_t) parse_number(state, "--split", text, 0, WEIGHTS_LAYERS_MAX);
        cli->split_given = true;
        return 0;
    case KEY_TOKENS:
        cli->tokens = (uint32_t) parse_number(state, "--tokens", text, 1, WEIGHTS_CONTEXT_MAX);
        return 0;
    case KEY_PORTION:
        cli->portion = (uint32_t) parse_number(state, "--portion", text, 1, INFER_ROWS_MAX);
        return 0;
    case KEY_LOGITS: cli->logits = true; return 0;
    case KEY_MEASURE: cli->measure = true; return 0;
    case KEY_TIMES_CSV: cli->times_csv = true; return 0;
    case KEY_FROM: cli->from = (int64_t) parse_number(state, "--from", text, 1, INT64_MAX); return 0;
    case ARGP_KEY_ARG:
        if (cli->word_count >= sizeof cli->word / sizeof *cli->word)
            argp_error(state, "too many words: '%s'", text);
        cli->word[cli->word_count++] = text;
        return 0;
    case ARGP_KEY_END:
        take_episodes(state, cli);
        check_resume(state, cli);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void print_commands(FILE *file)
{
    (void) fprintf(
        file, "Usage: handoff-orchestrator COMMAND [OPTION...]\n\n"
              "The orchestrator of a handoff testbed: decides after which layer each phone stops computing\n"
              "and which edge server finishes the job, and records the outcome.\n\nCommands:\n");
    for (size_t i = 0; i < CLI_COMMANDS; i++)
        (void) fprintf(file, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void) fprintf(
        file, "\n`handoff-orchestrator COMMAND --help` explains a command; --version prints the version.\n"
              "Exit status: 0 done, 1 failed, 2 usage or bad input, 5 replay --verify found a\n"
              "difference or twin two clocks that do not agree, 130 ended by a signal.\n");
}

static enum cli_command parse_command(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0 || strcmp(word, "help") == 0) {
        print_commands(stdout);
        exit(PROCESS_OK);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        (void) printf("handoff-orchestrator %s\n", HANDOFF_VERSION);
        exit(PROCESS_OK);
    }
    for (size_t i = 0; i < CLI_COMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0)
            return (enum cli_command) i;
    if (word[0] == '\0')
        (void) fprintf(stderr, "handoff-orchestrator: a command is needed\n\n");
    else
        (void) fprintf(stderr, "handoff-orchestrator: unknown command '%s'\n\n", word);
    print_commands(stderr);
    exit(PROCESS_USAGE);
}

void cli_parse(struct cli *ret_cli, int argc, char **argv)
{
    enum cli_command command = parse_command(argc, argv);
    *ret_cli = (struct cli){
        .command = command,
        .db = "results.db",
        .host = command == CLI_RUN ? HOST_TCP : HOST_MEMORY,
        .listen_host = "127.0.0.1",
        .agent_host = "127.0.0.1",
        .wait_s = 60,
        .stall_s = 30,
        .checkpoint = command == CLI_RUN ? "last" : "best",
        .csv = true,
        .train = cli_train_defaults(),
        .channel = cli_channel_defaults((int) command),
    };
    struct argp_option options[FLAG_COUNT + 1] = {0};
    size_t count = 0;
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if ((flags[i].commands & 1 << command) != 0)
            options[count++] = flags[i].option;
    bool is_channel = command == CLI_PERPLEXITY || command == CLI_LEAK;
    struct argp_option channel[CLI_CHANNEL_FLAGS_MAX] = {0};
    cli_channel_options(command, channel);
    char name[64], words[128];
    (void) snprintf(name, sizeof name, "handoff-orchestrator %s", commands[command].name); /* all fit */
    (void) snprintf(words, sizeof words, "%s", commands[command].words);
    const struct argp argp = {
        .options = command == CLI_TRAIN ? cli_train_options
                   : is_channel         ? channel
                                        : options,
        .parser = command == CLI_TRAIN ? cli_train_parse
                  : is_channel         ? cli_channel_parse
                                       : parse_flag,
        .args_doc = words,
        .doc = commands[command].summary,
    };
    argp_program_version = "handoff-orchestrator " HANDOFF_VERSION;
    argp_err_exit_status = PROCESS_USAGE;
    argv[1] = name;
    int code = argp_parse(&argp, argc - 1, argv + 1, 0, NULL, ret_cli);
    if (code != 0) { /* it has said what is wrong with a flag, and has ended */
        (void) fprintf(stderr, "%s: %s\n", name, strerror(code));
        exit(PROCESS_FAILED);
    }
    if (ret_cli->word_count > 0 && commands[command].words[0] == '\0') {
        (void) fprintf(stderr, "%s: unexpected word '%s'\n", name, ret_cli->word[0]);
        exit(PROCESS_USAGE);
    }
}

void cli_finish(struct cli *cli)
{
    for (size_t i = 0; i < cli->own_count; i++)
        free(cli->own[i]);
    cli->own_count = 0;
}
