#include "orchestrator/command/cli_channel.h"

#include "core/base/parse.h"
#include "core/infer/layers.h"
#include "core/weights/weights.h"
#include "orchestrator/channel/channel_model.h"
#include "orchestrator/command/cli.h"
#include "orchestrator/command/cli_numbers.h"

#define TOKENS_DEFAULT 1024u
#define TOKENS_MAX 100000000u
#define SEEDS_DEFAULT 5u
#define SEEDS_LEAST 2u /* one has no interval */
#define LEAK_TOKENS_DEFAULT 96u
#define LEAK_WINDOW_DEFAULT 32u
#define PROBE_TOKENS_DEFAULT 8192u
#define RIDGE_DEFAULT 1e-3
#define SEEDS_MAX 1000u
#define PACKET_BYTES_MAX (1u << 24)

enum { PERPLEXITY = 1 << CLI_PERPLEXITY, LEAK = 1 << CLI_LEAK, BOTH = PERPLEXITY | LEAK };

enum key {
    KEY_MODEL = 256,
    KEY_TEXT,
    KEY_TOKENIZER,
    KEY_WEIGHTS,
    KEY_TOKENS,
    KEY_WINDOW,
    KEY_SKIP,
    KEY_SEEDS,
    KEY_SEED,
    KEY_MODE,
    KEY_LOSS,
    KEY_SNR,
    KEY_BIT_ERROR,
    KEY_POWER,
    KEY_REFERENCE,
    KEY_FADING,
    KEY_BLOCK,
    KEY_UNEQUALISED,
    KEY_FORMAT,
    KEY_LAYOUT,
    KEY_PACKET,
    KEY_FILL,
    KEY_PROTECTED,
    KEY_SPLITS,
    KEY_JSON,
    KEY_CSV,
    KEY_TABLE,
    KEY_FIGURE,
    KEY_ATTACK,
    KEY_PROBE_TEXT,
    KEY_PROBE_TOKENS,
    KEY_RIDGE,
    KEY_DIE
};

static const struct {
    int commands;
    struct argp_option option;
} flags[] = {
    {BOTH, {"model", KEY_MODEL, "FILE", 0, "a model file or folder (default " CHANNEL_MODEL_DEFAULT ")", 0}},
    {BOTH,
     {"text", KEY_TEXT, "FILE|DIR", 0,
      "a text, or a folder of them (default: evaluation in the model's folder)", 0}},
    {BOTH, {"tokenizer", KEY_TOKENIZER, "FILE", 0, "a tokenizer's file (default: the model's own)", 0}},
    {BOTH,
     {"weights", KEY_WEIGHTS, "stored|f32|q8|q4", 0,
      "format of the weights computed in (default: the file's)", 0}},
    {PERPLEXITY,
     {"tokens", KEY_TOKENS, "N", 0,
      "score about N tokens, in windows spread over the text (default 1024; 0: all)", 0}},
    {LEAK,
     {"tokens", KEY_TOKENS, "N", 0,
      "recover about N tokens, in prompts spread over the text (default 96; 0: all)", 0}},
    {PERPLEXITY, {"window", KEY_WINDOW, "N", 0, "tokens of a window (default: the model's context)", 0}},
    {LEAK, {"window", KEY_WINDOW, "N", 0, "tokens of a prompt (default 32)", 0}},
    {LEAK,
     {"attack", KEY_ATTACK, "nearest|probe|search[,...]", 0, "what the observer tries (default all)", 0}},
    {LEAK,
     {"probe-text", KEY_PROBE_TEXT, "FILE|DIR", 0,
      "probe: text to learn from (default: the text's first half; then prompts are from its second)", 0}},
    {LEAK,
     {"probe-tokens", KEY_PROBE_TOKENS, "N", 0, "probe: learn from about N tokens (default 8192; 0: all)",
      0}},
    {LEAK,
     {"ridge", KEY_RIDGE, "X", 0, "probe: ridge as a share of the mean square of a feature (default 0.001)",
      0}},
    {PERPLEXITY,
     {"skip", KEY_SKIP, "N", 0, "tokens at the begin of each window that are context alone (default 0)", 0}},
    {PERPLEXITY, {"seeds", KEY_SEEDS, "N", 0, "seeds of the channel's draws (default 5; at least 2)", 0}},
    {LEAK, {"seeds", KEY_SEEDS, "N", 0, "seeds of the channel's draws (default 1)", 0}},
    {BOTH, {"seed", KEY_SEED, "S", 0, "the first of them (default 1)", 0}},
    {BOTH,
     {"mode", KEY_MODE, "none|erasure|packets|analog|bits[,...]", 0,
      "what the channel does (default none,erasure,analog)", 0}},
    {BOTH,
     {"loss", KEY_LOSS, "P[,P...]", 0, "erasure, packets: loss probabilities (default 0.01,0.1,0.3)", 0}},
    {BOTH,
     {"snr", KEY_SNR, "DB[,DB...]", 0, "analog: mean signal-to-noise ratios in dB (default 0,5,10)", 0}},
    {BOTH,
     {"bit-error", KEY_BIT_ERROR, "P[,P...]", 0, "bits: bit error rates (default 0.0001,0.001,0.01)", 0}},
    {BOTH,
     {"power", KEY_POWER, "fixed|per_token|per_request[,...]", 0,
      "analog: what the sender scales to the same power (default fixed,per_token)", 0}},
    {BOTH,
     {"reference-rms", KEY_REFERENCE, "X", 0,
      "power fixed: root mean square of the elements that --snr is meant for (default: that of all splits "
      "measured)",
      0}},
    {BOTH,
     {"fading", KEY_FADING, "awgn|rayleigh|nakagami:M[,...]", 0,
      "analog: fading beside the noise (default awgn)", 0}},
    {BOTH,
     {"block-rows", KEY_BLOCK, "N", 0, "analog: tokens under one fading factor (default 1; 0: all)", 0}},
    {BOTH,
     {"unequalised", KEY_UNEQUALISED, 0, 0, "analog: the receiver does not divide by the fading factor", 0}},
    {BOTH,
     {"format", KEY_FORMAT, "fp32|fp16|int8|q4|topk:K[,...]", 0,
      "how activations are encoded (default none: fp32,fp16,int8,q4; erasure: fp32; packets, bits: int8); "
      "analog: "
      "fp32",
      0}},
    {BOTH,
     {"layout", KEY_LAYOUT, "rows|interleaved[,...]", 0,
      "packets: token after token, or words from all over the payload (default both)", 0}},
    {BOTH, {"packet-bytes", KEY_PACKET, "N", 0, "packets: bytes of one (default 256)", 0}},
    {BOTH,
     {"fill", KEY_FILL, "zero|previous|mean[,...]", 0,
      "erasure, packets: what the receiver puts where an element is missing (default zero)", 0}},
    {BOTH,
     {"protected-bits", KEY_PROTECTED, "N", 0, "bits: the highest bits of each element that never turn over",
      0}},
    {BOTH, {"splits", KEY_SPLITS, "S[-S][,...]", 0, "the device's layers (default 1 to all but one)", 0}},
    {BOTH, {"json", KEY_JSON, 0, 0, "print JSON", 0}},
    {BOTH, {"csv", KEY_CSV, "FILE", 0, "write every measure there as CSV", 0}},
    {LEAK,
     {"db", 'd', "FILE", 0,
      "record what was found in this experiment's database, for its report (default: nowhere)", 0}},
    {PERPLEXITY,
     {"table", KEY_TABLE, "FILE", 0,
      "write log(perplexity / clean) by level and split there, and by format where several are given, for "
      "the scenario key quality.table_csv",
      0}},
    {PERPLEXITY,
     {"figure", KEY_FIGURE, "FILE.svg", 0,
      "draw perplexity by split there; beside it the data, a script and a PDF", 0}},
    {BOTH, {"quiet", 'q', 0, 0, "no progress", 0}},
    {BOTH, {"die-with-parent", KEY_DIE, 0, 0, "end when the process that started this one ends", 0}},
};

#define FLAG_COUNT (sizeof flags / sizeof *flags)
_Static_assert(FLAG_COUNT < CLI_CHANNEL_FLAGS_MAX, "all flags and the end");

struct cli_channel cli_channel_defaults(int command)
{
    const bool is_leak = command == CLI_LEAK;
    return (struct cli_channel){
        .words = {.block_rows = 1},
        .tokens = is_leak ? LEAK_TOKENS_DEFAULT : TOKENS_DEFAULT,
        .window = is_leak ? LEAK_WINDOW_DEFAULT : 0,
        .seeds = is_leak ? 1 : SEEDS_DEFAULT,
        .seed = 1,
        .attacks = "nearest,probe,search",
        .probe_tokens = PROBE_TOKENS_DEFAULT,
        .ridge = RIDGE_DEFAULT,
    };
}

void cli_channel_options(int command, struct argp_option ret_option[CLI_CHANNEL_FLAGS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if ((flags[i].commands & 1 << command) != 0)
            ret_option[count++] = flags[i].option;
    ret_option[count] = (struct argp_option){0};
}

static double parse_positive(struct argp_state *state, const char *flag, const char *text)
{
    double value = 0.0;
    if (parse_real(text, &value) != 0 || value <= 0.0)
        argp_error(state, "--%s: '%s' is not a number above 0", flag, text);
    return value;
}

static error_t parse_channel(int key, char *text, struct argp_state *state, struct channel_words *words)
{
    switch (key) {
    case KEY_MODE: words->modes = text; return 0;
    case KEY_LOSS: words->losses = text; return 0;
    case KEY_SNR: words->snrs = text; return 0;
    case KEY_BIT_ERROR: words->bit_errors = text; return 0;
    case KEY_POWER: words->powers = text; return 0;
    case KEY_FADING: words->fadings = text; return 0;
    case KEY_FORMAT: words->formats = text; return 0;
    case KEY_LAYOUT: words->layouts = text; return 0;
    case KEY_FILL: words->fills = text; return 0;
    case KEY_SPLITS: words->splits = text; return 0;
    case KEY_UNEQUALISED: words->unequalised = true; return 0;
    case KEY_BLOCK:
        words->block_rows = (uint32_t) cli_parse_whole(state, "block-rows", text, 0, ACTIVATION_ROWS_MAX);
        return 0;
    case KEY_PACKET:
        words->packet_bytes = (uint32_t) cli_parse_whole(state, "packet-bytes", text, 1, PACKET_BYTES_MAX);
        return 0;
    case KEY_PROTECTED:
        words->protected_bits = (uint32_t) cli_parse_whole(state, "protected-bits", text, 0, 32);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

error_t cli_channel_parse(int key, char *text, struct argp_state *state)
{
    struct cli *cli = state->input;
    struct cli_channel *channel = &cli->channel;
    switch (key) {
    case KEY_MODEL: cli->model = text; return 0;
    case KEY_TEXT: channel->text = text; return 0;
    case KEY_TOKENIZER: cli->tokenizer = text; return 0;
    case KEY_WEIGHTS: cli->weights = text; return 0;
    case KEY_TOKENS:
        channel->tokens = (uint32_t) cli_parse_whole(state, "tokens", text, 0, TOKENS_MAX);
        return 0;
    case KEY_WINDOW:
        channel->window = (uint32_t) cli_parse_whole(state, "window", text, 1, INFER_ROWS_MAX);
        return 0;
    case KEY_SKIP:
        channel->skip = (uint32_t) cli_parse_whole(state, "skip", text, 0, INFER_ROWS_MAX);
        return 0;
    case KEY_SEEDS:
        channel->seeds = (uint32_t) cli_parse_whole(state, "seeds", text,
                                                    cli->command == CLI_LEAK ? 1 : SEEDS_LEAST, SEEDS_MAX);
        return 0;
    case KEY_SEED: channel->seed = cli_parse_whole(state, "seed", text, 0, INT64_MAX - SEEDS_MAX); return 0;
    case KEY_REFERENCE: channel->reference_rms = parse_positive(state, "reference-rms", text); return 0;
    case KEY_JSON: cli->json = true; return 0;
    case KEY_CSV: channel->csv = text; return 0;
    case KEY_TABLE: channel->table = text; return 0;
    case KEY_FIGURE: channel->figure = text; return 0;
    case KEY_ATTACK: channel->attacks = text; return 0;
    case KEY_PROBE_TEXT: channel->probe_text = text; return 0;
    case KEY_PROBE_TOKENS:
        channel->probe_tokens = (uint32_t) cli_parse_whole(state, "probe-tokens", text, 0, TOKENS_MAX);
        return 0;
    case KEY_RIDGE: channel->ridge = parse_positive(state, "ridge", text); return 0;
    case 'd': channel->db = text; return 0;
    case 'q': cli->quiet = true; return 0;
    case KEY_DIE: cli->die_with_parent = true; return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected word '%s'", text); return 0;
    default: return parse_channel(key, text, state, &channel->words);
    }
}
