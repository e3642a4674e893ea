#include "orchestrator/channel/channel_grid.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/base/text_format.h"
#include "core/infer/activation_word.h"

#define LIST_MAX 64u /* words of one flag */
#define WORD_MAX 32u
#define PACKET_BYTES 256u

struct words {
    const char *flag;
    const char *const *word; /* of the enum, in its order */
    size_t count;
};

static const char *const modes[CHANNEL_MODES] = {
    [CHANNEL_MODE_NONE] = "none",     [CHANNEL_MODE_ERASURE] = "erasure", [CHANNEL_MODE_PACKETS] = "packets",
    [CHANNEL_MODE_ANALOG] = "analog", [CHANNEL_MODE_BITS] = "bits",
};
static const char *const layouts[] = {[DAMAGE_ROWS] = "rows", [DAMAGE_INTERLEAVED] = "interleaved"};
static const char *const fills[] = {
    [DAMAGE_ZERO] = "zero", [DAMAGE_PREVIOUS] = "previous", [DAMAGE_MEAN] = "mean"};
static const char *const powers[] = {
    [DAMAGE_FIXED] = "fixed", [DAMAGE_PER_TOKEN] = "per_token", [DAMAGE_PER_REQUEST] = "per_request"};
static const char *const fadings[] = {
    [DAMAGE_AWGN] = "awgn", [DAMAGE_RAYLEIGH] = "rayleigh", [DAMAGE_NAKAGAMI] = "nakagami"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct words mode_words = {"--mode", modes, COUNT(modes)};
static const struct words layout_words = {"--layout", layouts, COUNT(layouts)};
static const struct words fill_words = {"--fill", fills, COUNT(fills)};
static const struct words power_words = {"--power", powers, COUNT(powers)};
static const struct words fading_words = {"--fading", fadings, COUNT(fadings)};

#define MODES_DEFAULT "none,erasure,analog"
#define LOSSES_DEFAULT "0.01,0.1,0.3"
#define SNRS_DEFAULT "0,5,10"
#define BIT_ERRORS_DEFAULT "0.0001,0.001,0.01"

static const char *const formats_default[CHANNEL_MODES] = {
    [CHANNEL_MODE_NONE] = "fp32,fp16,int8,q4",
    [CHANNEL_MODE_ERASURE] = "fp32",
    [CHANNEL_MODE_PACKETS] = "int8",
    [CHANNEL_MODE_ANALOG] = "fp32",
    [CHANNEL_MODE_BITS] = "int8",
};

/* ---- lists ---- */

/* The next word of a list; false: there is none. A word that is too long is cut, and then known to nobody. */
static bool next_word(const char **list, char ret_word[WORD_MAX])
{
    if (*list == NULL)
        return false;
    size_t size = strcspn(*list, ",");
    (void) text_format(ret_word, WORD_MAX, "%.*s", (int) (size < WORD_MAX ? size : WORD_MAX), *list);
    *list = (*list)[size] == ',' ? *list + size + 1 : NULL;
    return true;
}

static int fail_word(const struct words *words, const char *word, struct diag *diag)
{
    int rc = diag_fail(diag, ERR_SYNTAX, "%s: '%s' is none of", words->flag, word);
    for (size_t i = 0; i < words->count; i++)
        diag_add(diag, "%s %s", i > 0 ? "," : "", words->word[i]);
    return rc;
}

static int find_word(const struct words *words, const char *word, uint32_t *ret_number, struct diag *diag)
{
    for (uint32_t i = 0; i < words->count; i++)
        if (strcmp(word, words->word[i]) == 0) {
            *ret_number = i;
            return 0;
        }
    return fail_word(words, word, diag);
}

/* What a list of a flag becomes. */
struct numbers {
    uint32_t at[LIST_MAX];
    size_t count;
};

struct reals {
    double at[LIST_MAX];
    size_t count;
};

static int fail_long(const char *flag, struct diag *diag)
{
    return diag_fail(diag, ERR_RANGE, "%s: more than %u", flag, LIST_MAX);
}

static int parse_words(const struct words *words, const char *list, struct numbers *ret, struct diag *diag)
{
    char word[WORD_MAX];
    int rc = 0;
    ret->count = 0;
    while (rc == 0 && next_word(&list, word)) {
        if (ret->count == LIST_MAX)
            return fail_long(words->flag, diag);
        rc = find_word(words, word, &ret->at[ret->count++], diag);
    }
    return rc;
}

static int parse_reals(const char *flag, const char *list, double least, double most, struct reals *ret,
                       struct diag *diag)
{
    char word[WORD_MAX];
    ret->count = 0;
    while (next_word(&list, word)) {
        double value = 0.0;
        if (ret->count == LIST_MAX)
            return fail_long(flag, diag);
        if (parse_real(word, &value) != 0 || value < least || value > most)
            return diag_fail(diag, ERR_RANGE, "%s: '%s' is not a number from %g to %g", flag, word, least,
                             most);
        ret->at[ret->count++] = value;
    }
    return 0;
}

/* ---- splits ---- */

static int compare_splits(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *) left, b = *(const uint32_t *) right;
    return (a > b) - (a < b);
}

static int fail_splits(const char *word, uint32_t layers, struct diag *diag)
{
    return diag_fail(diag, ERR_RANGE,
                     "--splits: '%s' is neither a split from 0 to %u nor two with '-' between", word, layers);
}

/* "6" or "1-11". */
static int parse_range(char *word, uint32_t layers, uint32_t *ret_first, uint32_t *ret_last,
                       struct diag *diag)
{
    char whole[WORD_MAX];
    uint64_t first = 0, last = 0;
    memcpy(whole, word, sizeof whole);
    char *dash = strchr(word, '-');
    if (dash != NULL)
        *dash = '\0';
    if (parse_u64(word, &first) != 0 || parse_u64(dash != NULL ? dash + 1 : word, &last) != 0 ||
        first > last || last > layers)
        return fail_splits(whole, layers, diag);
    *ret_first = (uint32_t) first;
    *ret_last = (uint32_t) last;
    return 0;
}

static int add_splits(struct channel_grid *grid, size_t *capacity, uint32_t first, uint32_t last,
                      struct diag *diag)
{
    for (uint32_t split = first; split <= last; split++) {
        if (array_reserve(&grid->split, capacity, grid->splits + 1) != 0)
            return diag_fail(diag, -ENOMEM, "out of memory");
        grid->split[grid->splits++] = split;
    }
    return 0;
}

static int make_splits(const char *list, uint32_t layers, struct channel_grid *grid, struct diag *diag)
{
    char word[WORD_MAX];
    size_t capacity = 0, kept = 0;
    uint32_t first = 0, last = 0;
    int rc = 0;
    if (list == NULL && layers < 2)
        return diag_fail(diag, ERR_RANGE,
                         "a model of %u layers has no split between two; --splits takes 0 to %u", layers,
                         layers);
    if (list == NULL)
        rc = add_splits(grid, &capacity, 1, layers - 1, diag);
    while (rc == 0 && next_word(&list, word)) {
        rc = parse_range(word, layers, &first, &last, diag);
        if (rc == 0)
            rc = add_splits(grid, &capacity, first, last, diag);
    }
    if (rc != 0)
        return rc;
    qsort(grid->split, grid->splits, sizeof *grid->split, compare_splits);
    for (size_t i = 0; i < grid->splits; i++)
        if (i == 0 || grid->split[i] != grid->split[kept - 1])
            grid->split[kept++] = grid->split[i];
    grid->splits = kept;
    return 0;
}

/* ---- settings ---- */

static int add_setting(struct channel_grid *grid, const struct channel_setting *setting, uint32_t hidden,
                       struct diag *diag)
{
    const struct activation_shape shape = {setting->format, 1, hidden, setting->k};
    struct damage damage = setting->damage;
    damage.reference_rms = 1.0; /* which is a model's */
    if (grid->settings == CHANNEL_SETTINGS_MAX)
        return diag_fail(diag, ERR_RANGE, "more than %u settings", CHANNEL_SETTINGS_MAX);
    if (array_reserve(&grid->setting, &grid->capacity, grid->settings + 1) != 0)
        return diag_fail(diag, -ENOMEM, "out of memory");
    int rc = activation_check(&shape, diag);
    if (rc == 0)
        rc = damage_check(&damage, &shape, diag);
    if (rc == 0)
        grid->setting[grid->settings++] = *setting;
    return rc;
}

/* All lists, parsed. */
struct lists {
    struct reals level;
    struct numbers layout, fill, power, fading;
    double nakagami_m[LIST_MAX]; /* of each fading */
};

/* "nakagami:2" has its m behind the word. */
static int parse_fadings(const char *list, struct lists *lists, struct diag *diag)
{
    char word[WORD_MAX];
    int rc = 0;
    lists->fading.count = 0;
    while (rc == 0 && next_word(&list, word)) {
        size_t i = lists->fading.count;
        char *m = strchr(word, ':');
        if (i == LIST_MAX)
            return fail_long("--fading", diag);
        if (m != NULL)
            *m++ = '\0';
        rc = find_word(&fading_words, word, &lists->fading.at[i], diag);
        if (rc != 0)
            return rc;
        bool has_m = lists->fading.at[i] == DAMAGE_NAKAGAMI;
        if (has_m != (m != NULL) || (has_m && parse_real(m, &lists->nakagami_m[i]) != 0))
            return diag_fail(
                diag, ERR_SYNTAX,
                "--fading: nakagami has its shape behind a colon, such as nakagami:2, the others nothing");
        lists->fading.count++;
    }
    return rc;
}

static struct numbers only(uint32_t number)
{
    return (struct numbers){.at = {number}, .count = 1};
}

/* The lists that a mode takes; of the others one number that is not looked at. */
static int parse_lists(const struct channel_words *words, enum channel_mode mode, struct lists *ret,
                       struct diag *diag)
{
    const char *fading = words->fadings != NULL ? words->fadings : "awgn";
    int rc = 0;
    *ret = (struct lists){.level = {.at = {NAN}, .count = 1},
                          .layout = only(0),
                          .fill = only(0),
                          .power = only(0),
                          .fading = only(0)};
    if (mode == CHANNEL_MODE_ERASURE || mode == CHANNEL_MODE_PACKETS) {
        rc = parse_reals("--loss", words->losses != NULL ? words->losses : LOSSES_DEFAULT, 0.0, 1.0,
                         &ret->level, diag);
        if (rc == 0)
            rc = parse_words(&fill_words, words->fills != NULL ? words->fills : "zero", &ret->fill, diag);
    }
    if (rc == 0 && mode == CHANNEL_MODE_PACKETS)
        rc = parse_words(&layout_words, words->layouts != NULL ? words->layouts : "rows,interleaved",
                         &ret->layout, diag);
    if (mode == CHANNEL_MODE_ANALOG) {
        rc = parse_reals("--snr", words->snrs != NULL ? words->snrs : SNRS_DEFAULT, -DAMAGE_SNR_DB_MAX,
                         DAMAGE_SNR_DB_MAX, &ret->level, diag);
        if (rc == 0)
            rc = parse_words(&power_words, words->powers != NULL ? words->powers : "fixed,per_token",
                             &ret->power, diag);
        if (rc == 0)
            rc = parse_fadings(fading, ret, diag);
    }
    if (mode == CHANNEL_MODE_BITS)
        rc = parse_reals("--bit-error", words->bit_errors != NULL ? words->bit_errors : BIT_ERRORS_DEFAULT,
                         0.0, 1.0, &ret->level, diag);
    return rc;
}

static struct damage damage_of(const struct channel_words *words, enum channel_mode mode, double level)
{
    static const enum damage_kind kinds[CHANNEL_MODES] = {
        [CHANNEL_MODE_NONE] = DAMAGE_NONE,       [CHANNEL_MODE_ERASURE] = DAMAGE_ELEMENTS,
        [CHANNEL_MODE_PACKETS] = DAMAGE_PACKETS, [CHANNEL_MODE_ANALOG] = DAMAGE_ANALOG,
        [CHANNEL_MODE_BITS] = DAMAGE_BITS,
    };
    return (struct damage){
        .kind = kinds[mode],
        .loss = mode == CHANNEL_MODE_ERASURE || mode == CHANNEL_MODE_PACKETS ? level : 0.0,
        .packet_bytes = words->packet_bytes != 0 ? words->packet_bytes : PACKET_BYTES,
        .snr_db = mode == CHANNEL_MODE_ANALOG ? level : 0.0,
        .block_rows = words->block_rows,
        .equalised = !words->unequalised,
        .bit_error = mode == CHANNEL_MODE_BITS ? level : 0.0,
        .protected_bits = words->protected_bits,
    };
}

/* All settings of a mode and a format: families of levels, one behind the other. */
static int add_family(struct channel_grid *grid, const struct channel_words *words, const struct lists *lists,
                      const struct channel_setting *base, uint32_t hidden, struct diag *diag)
{
    const size_t families =
        lists->power.count * lists->fading.count * lists->layout.count * lists->fill.count;
    int rc = 0;
    for (size_t f = 0; f < families && rc == 0; f++)
        for (size_t l = 0; l < lists->level.count && rc == 0; l++) {
            struct channel_setting setting = *base;
            size_t rest = f, fading = 0;
            setting.level = lists->level.at[l];
            setting.damage = damage_of(words, base->mode, setting.level);
            setting.damage.fill = lists->fill.at[rest % lists->fill.count];
            rest /= lists->fill.count;
            setting.damage.layout = lists->layout.at[rest % lists->layout.count];
            rest /= lists->layout.count;
            fading = rest % lists->fading.count;
            setting.damage.fading = lists->fading.at[fading];
            setting.damage.nakagami_m = lists->nakagami_m[fading];
            setting.damage.power = lists->power.at[rest / lists->fading.count];
            rc = add_setting(grid, &setting, hidden, diag);
        }
    return rc;
}

static int add_mode(struct channel_grid *grid, const struct channel_words *words, enum channel_mode mode,
                    uint32_t hidden, struct diag *diag)
{
    const char *formats =
        words->formats != NULL && mode != CHANNEL_MODE_ANALOG ? words->formats : formats_default[mode];
    struct lists lists;
    char word[WORD_MAX];
    int rc = parse_lists(words, mode, &lists, diag);
    while (rc == 0 && next_word(&formats, word)) {
        struct channel_setting base = {.mode = mode};
        rc = activation_word_parse(word, &base.format, &base.k, diag);
        if (rc == 0)
            rc = add_family(grid, words, &lists, &base, hidden, diag);
    }
    return rc;
}

/* Words that no mode takes would be left out without a word. */
static int check_used(const struct channel_words *words, const struct numbers *mode, struct diag *diag)
{
    bool used[CHANNEL_MODES] = {false};
    for (size_t i = 0; i < mode->count; i++)
        used[mode->at[i]] = true;
    const bool lost = used[CHANNEL_MODE_ERASURE] || used[CHANNEL_MODE_PACKETS];
    const struct {
        const char *flag, *modes;
        bool given, used;
    } flags[] = {
        {"--loss", "erasure and packets", words->losses != NULL, lost},
        {"--fill", "erasure and packets", words->fills != NULL, lost},
        {"--layout", "packets", words->layouts != NULL, used[CHANNEL_MODE_PACKETS]},
        {"--packet-bytes", "packets", words->packet_bytes != 0, used[CHANNEL_MODE_PACKETS]},
        {"--snr", "analog", words->snrs != NULL, used[CHANNEL_MODE_ANALOG]},
        {"--power", "analog", words->powers != NULL, used[CHANNEL_MODE_ANALOG]},
        {"--fading", "analog", words->fadings != NULL, used[CHANNEL_MODE_ANALOG]},
        {"--bit-error", "bits", words->bit_errors != NULL, used[CHANNEL_MODE_BITS]},
        {"--protected-bits", "bits", words->protected_bits != 0, used[CHANNEL_MODE_BITS]},
    };
    for (size_t i = 0; i < COUNT(flags); i++)
        if (flags[i].given && !flags[i].used)
            return diag_fail(diag, ERR_SYNTAX, "%s goes with --mode %s", flags[i].flag, flags[i].modes);
    return 0;
}

int channel_grid_make(const struct channel_words *words, uint32_t layers, uint32_t hidden,
                      struct channel_grid *ret_grid, struct diag *diag)
{
    struct channel_grid grid = {0};
    struct numbers mode;
    int rc = parse_words(&mode_words, words->modes != NULL ? words->modes : MODES_DEFAULT, &mode, diag);
    if (rc == 0)
        rc = check_used(words, &mode, diag);
    if (rc == 0)
        rc = make_splits(words->splits, layers, &grid, diag);
    for (size_t i = 0; i < mode.count && rc == 0; i++)
        rc = add_mode(&grid, words, (enum channel_mode) mode.at[i], hidden, diag);
    if (rc != 0) {
        channel_grid_finish(&grid);
        return rc;
    }
    *ret_grid = grid;
    return 0;
}

void channel_grid_finish(struct channel_grid *grid)
{
    free(grid->setting);
    free(grid->split);
    *grid = (struct channel_grid){0};
}

/* ---- words ---- */

const char *channel_mode_word(enum channel_mode mode)
{
    assert((size_t) mode < CHANNEL_MODES);
    return modes[mode];
}

const char *channel_power_word(const struct channel_setting *setting)
{
    return setting->mode == CHANNEL_MODE_ANALOG ? powers[setting->damage.power] : "";
}

const char *channel_fading_word(const struct channel_setting *setting)
{
    return setting->mode == CHANNEL_MODE_ANALOG ? fadings[setting->damage.fading] : "";
}

const char *channel_layout_word(const struct channel_setting *setting)
{
    return setting->mode == CHANNEL_MODE_PACKETS ? layouts[setting->damage.layout] : "";
}

const char *channel_fill_word(const struct channel_setting *setting)
{
    bool lost = setting->mode == CHANNEL_MODE_PACKETS || setting->mode == CHANNEL_MODE_ERASURE;
    return lost ? fills[setting->damage.fill] : "";
}

void channel_setting_name(const struct channel_setting *setting, char ret_name[CHANNEL_NAME_MAX])
{
    const char *const layout = channel_layout_word(setting), *const fill = channel_fill_word(setting);
    char format[ACTIVATION_NAME_MAX], level[WORD_MAX] = "", more[WORD_MAX] = "";
    activation_name(setting->format, setting->k, format);
    if (setting->mode != CHANNEL_MODE_NONE)
        (void) text_format(level, sizeof level, setting->mode == CHANNEL_MODE_ANALOG ? " %g dB" : " %g",
                           setting->level);
    if (setting->mode == CHANNEL_MODE_ANALOG) {
        (void) text_format(ret_name, CHANNEL_NAME_MAX, "analog%s, power %s", level,
                           channel_power_word(setting));
        if (setting->damage.fading != DAMAGE_AWGN)
            (void) text_format(more, sizeof more, ", %s", channel_fading_word(setting));
        if (setting->damage.fading == DAMAGE_NAKAGAMI)
            (void) text_format(more, sizeof more, ", nakagami:%g", setting->damage.nakagami_m);
    } else {
        (void) text_format(ret_name, CHANNEL_NAME_MAX, "%s%s, %s%s%s%s%s", modes[setting->mode], level,
                           format, layout[0] != '\0' ? ", " : "", layout, fill[0] != '\0' ? ", fill " : "",
                           fill);
    }
    size_t size = strlen(ret_name);
    (void) text_format(ret_name + size, CHANNEL_NAME_MAX - size, "%s", more);
}

bool channel_same_but_level(const struct channel_setting *a, const struct channel_setting *b)
{
    return a->mode == b->mode && a->format == b->format && a->k == b->k &&
           a->damage.power == b->damage.power && a->damage.fading == b->damage.fading &&
           a->damage.layout == b->damage.layout && a->damage.fill == b->damage.fill &&
           (a->damage.fading != DAMAGE_NAKAGAMI ||
            !(a->damage.nakagami_m < b->damage.nakagami_m || a->damage.nakagami_m > b->damage.nakagami_m));
}
