#include "orchestrator/channel/channel_leak.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/infer/activation_word.h"

#define WORD_SHOWN 32u

static const char *const words[CHANNEL_ATTACKS] = {
    [CHANNEL_NEAREST] = "nearest", [CHANNEL_PROBE] = "probe", [CHANNEL_SEARCH] = "search"};

const char *channel_attack_word(enum channel_attack attack)
{
    assert((size_t) attack < CHANNEL_ATTACKS);
    return words[attack];
}

int channel_attack_parse(const char *list, bool ret_attack[CHANNEL_ATTACKS], struct diag *diag)
{
    bool attack[CHANNEL_ATTACKS] = {false};
    for (bool is_more = true; is_more;) {
        size_t size = strcspn(list, ","), i = 0;
        while (i < CHANNEL_ATTACKS && (strlen(words[i]) != size || strncmp(words[i], list, size) != 0))
            i++;
        if (i == CHANNEL_ATTACKS)
            return diag_fail(diag, ERR_SYNTAX, "--attack: '%.*s' is none of nearest, probe, search",
                             (int) (size < WORD_SHOWN ? size : WORD_SHOWN), list);
        attack[i] = true;
        is_more = list[size] == ',';
        list += size + 1;
    }
    memcpy(ret_attack, attack, sizeof attack);
    return 0;
}

/* ---- where results lie ---- */

static uint32_t *found_at(const struct channel_leak *l, size_t setting, size_t split, uint32_t seed,
                          enum channel_attack attack)
{
    assert(setting < l->grid->settings && split < l->grid->splits && seed < l->seeds);
    return &l->found[((setting * l->grid->splits + split) * l->seeds + seed) * CHANNEL_ATTACKS + attack];
}

uint32_t channel_leak_found(const struct channel_leak *l, size_t setting, size_t split, uint32_t seed,
                            enum channel_attack attack)
{
    return *found_at(l, setting, split, seed, attack);
}

uint32_t channel_leak_tokens(const struct channel_leak *l)
{
    return (uint32_t) perplexity_windows(l->prompts) * perplexity_rows(l->prompts);
}

uint32_t channel_leak_seeds(const struct channel_leak *l, size_t setting)
{
    return l->grid->setting[setting].mode == CHANNEL_MODE_NONE ? 1 : l->seeds;
}

double channel_leak_share(const struct channel_leak *l, size_t setting, size_t split,
                          enum channel_attack attack)
{
    uint64_t found = 0;
    uint32_t seeds = channel_leak_seeds(l, setting);
    for (uint32_t seed = 0; seed < seeds; seed++)
        found += channel_leak_found(l, setting, split, seed, attack);
    return (double) found / ((double) seeds * channel_leak_tokens(l));
}

int channel_leak_open(struct channel_leak *l, struct diag *diag)
{
    assert(l->seeds >= 1);
    l->found = calloc(l->grid->settings * l->grid->splits * l->seeds * CHANNEL_ATTACKS, sizeof *l->found);
    return l->found != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

void channel_leak_close(struct channel_leak *l)
{
    free(l->found);
    l->found = NULL;
}

/* ---- what crosses ---- */

/* A window of a text as an observer of that setting and split has it. Lessons have draws of their own. */
static int receive(const struct channel_leak *l, struct perplexity *text, size_t setting, size_t split,
                   uint32_t seed, size_t window, float *ret_x, struct diag *diag)
{
    const struct channel_setting *c = &l->grid->setting[setting];
    struct perplexity_crossing crossing = {l->grid->split[split], c->format, c->k, c->damage};
    const struct rng_at at = {.seed = l->first_seed + seed,
                              .phase = text == l->lessons ? RNG_TRAIN : RNG_TEST};
    struct damage_result damage = {0};
    if (crossing.damage.power == DAMAGE_FIXED)
        crossing.damage.reference_rms = l->reference_rms;
    if (crossing.damage.fill == DAMAGE_MEAN)
        crossing.damage.mean = perplexity_mean(text, crossing.split);
    return perplexity_receive(text, &crossing, &at, window, ret_x, &damage, diag);
}

static uint32_t hits(const uint32_t *found, const uint32_t *token, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < rows; r++)
        count += found[r] == token[r];
    return count;
}

static int go_on(const struct channel_leak *l, enum channel_attack attack, size_t done, size_t all,
                 struct diag *diag)
{
    if (l->tell == NULL || l->tell(l->user, attack, done, all))
        return 0;
    return diag_fail(diag, -EINTR, "interrupted");
}

/* ---- nearest and probe ---- */

/* Memory of one window. */
struct page {
    float *x;        /* [rows][hidden] of prompts or lessons */
    uint32_t *found; /* [rows] */
};

static int learn(const struct channel_leak *l, size_t setting, size_t split, struct leak_probe *probe,
                 float *x, struct diag *diag)
{
    int rc = 0;
    for (size_t w = 0; w < perplexity_windows(l->lessons) && rc == 0; w++) {
        rc = receive(l, l->lessons, setting, split, 0, w, x, diag);
        if (rc == 0)
            leak_probe_add(probe, x, perplexity_tokens(l->lessons, w), perplexity_rows(l->lessons));
    }
    return rc == 0 ? leak_probe_solve(probe, l->ridge, diag) : rc;
}

static int guess(struct channel_leak *l, size_t setting, size_t split, struct leak_probe *probe,
                 struct page *page, struct diag *diag)
{
    const uint32_t rows = perplexity_rows(l->prompts);
    int rc = 0;
    for (uint32_t seed = 0; seed < channel_leak_seeds(l, setting); seed++)
        for (size_t w = 0; w < perplexity_windows(l->prompts) && rc == 0; w++) {
            const uint32_t *token = perplexity_tokens(l->prompts, w);
            rc = receive(l, l->prompts, setting, split, seed, w, page->x, diag);
            if (rc == 0 && l->attack[CHANNEL_NEAREST]) {
                leak_nearest(l->leak, page->x, rows, page->found);
                *found_at(l, setting, split, seed, CHANNEL_NEAREST) += hits(page->found, token, rows);
            }
            if (rc == 0 && probe != NULL) {
                leak_probe_guess(probe, page->x, rows, page->found);
                *found_at(l, setting, split, seed, CHANNEL_PROBE) += hits(page->found, token, rows);
            }
        }
    return rc;
}

/* What one guesses who sees nothing. */
static void guess_blindly(struct channel_leak *l, const struct leak_probe *probe)
{
    const uint32_t commonest = leak_probe_commonest(probe);
    l->guessed = 0;
    for (size_t w = 0; w < perplexity_windows(l->prompts); w++)
        for (uint32_t r = 0; r < perplexity_rows(l->prompts); r++)
            l->guessed += perplexity_tokens(l->prompts, w)[r] == commonest;
}

static int guess_one(struct channel_leak *l, size_t setting, size_t split, struct page *page,
                     struct diag *diag)
{
    struct leak_probe *probe = NULL;
    int rc = 0;
    if (l->attack[CHANNEL_PROBE])
        rc = leak_probe_create(&probe, l->leak, diag);
    if (rc == 0 && probe != NULL)
        rc = learn(l, setting, split, probe, page->x, diag);
    if (rc == 0)
        rc = guess(l, setting, split, probe, page, diag);
    if (rc == 0 && probe != NULL)
        guess_blindly(l, probe);
    leak_probe_destroy(probe);
    return rc;
}

static int guess_all(struct channel_leak *l, struct diag *diag)
{
    const size_t hidden = perplexity_geometry(l->prompts)->hidden, all = l->grid->settings * l->grid->splits;
    uint32_t rows = perplexity_rows(l->prompts);
    if (l->lessons != NULL && perplexity_rows(l->lessons) > rows)
        rows = perplexity_rows(l->lessons);
    struct page page = {malloc(rows * hidden * sizeof *page.x), malloc(rows * sizeof *page.found)};
    int rc = page.x != NULL && page.found != NULL ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
    for (size_t i = 0; i < all && rc == 0; i++) {
        rc = guess_one(l, i / l->grid->splits, i % l->grid->splits, &page, diag);
        if (rc == 0)
            rc = go_on(l, l->attack[CHANNEL_PROBE] ? CHANNEL_PROBE : CHANNEL_NEAREST, i + 1, all, diag);
    }
    free(page.x);
    free(page.found);
    return rc;
}

/* ---- search ---- */

/* Everyone who has seen one prompt: each setting, split and seed. */
struct crowd {
    struct channel_leak *l;
    size_t window;
    struct leak_observer *observer; /* [observers] */
    size_t observers;
    float *x;        /* [observers][rows][hidden] */
    uint32_t *found; /* [observers][rows] */
};

/* Fill with zeros is seen; other fills look like what was sent. */
static bool shows_zeros(const struct channel_setting *c)
{
    bool loses = c->mode == CHANNEL_MODE_ERASURE || c->mode == CHANNEL_MODE_PACKETS;
    return loses && c->damage.fill == DAMAGE_ZERO;
}

static int gather(struct crowd *crowd, struct diag *diag)
{
    struct channel_leak *l = crowd->l;
    const size_t rows = perplexity_rows(l->prompts), hidden = perplexity_geometry(l->prompts)->hidden;
    size_t i = 0;
    int rc = 0;
    for (size_t setting = 0; setting < l->grid->settings && rc == 0; setting++)
        for (size_t split = 0; split < l->grid->splits && rc == 0; split++)
            for (uint32_t seed = 0; seed < channel_leak_seeds(l, setting) && rc == 0; seed++, i++) {
                float *x = crowd->x + i * rows * hidden;
                rc = receive(l, l->prompts, setting, split, seed, crowd->window, x, diag);
                crowd->observer[i] =
                    (struct leak_observer){l->grid->split[split], x, shows_zeros(&l->grid->setting[setting]),
                                           crowd->found + i * rows};
            }
    return rc;
}

static void count(const struct crowd *crowd)
{
    struct channel_leak *l = crowd->l;
    const uint32_t rows = perplexity_rows(l->prompts), *token = perplexity_tokens(l->prompts, crowd->window);
    size_t i = 0;
    for (size_t setting = 0; setting < l->grid->settings; setting++)
        for (size_t split = 0; split < l->grid->splits; split++)
            for (uint32_t seed = 0; seed < channel_leak_seeds(l, setting); seed++, i++)
                *found_at(l, setting, split, seed, CHANNEL_SEARCH) +=
                    hits(crowd->found + i * rows, token, rows);
}

static bool on_token(void *user, uint32_t found)
{
    const struct crowd *crowd = user;
    const size_t rows = perplexity_rows(crowd->l->prompts),
                 all = perplexity_windows(crowd->l->prompts) * rows;
    return go_on(crowd->l, CHANNEL_SEARCH, crowd->window * rows + found, all, NULL) == 0;
}

static int search_all(struct channel_leak *l, struct diag *diag)
{
    const uint32_t rows = perplexity_rows(l->prompts);
    const size_t hidden = perplexity_geometry(l->prompts)->hidden;
    struct crowd crowd = {.l = l};
    for (size_t i = 0; i < l->grid->settings; i++)
        crowd.observers += l->grid->splits * channel_leak_seeds(l, i);
    crowd.observer = calloc(crowd.observers, sizeof *crowd.observer);
    crowd.x = malloc(crowd.observers * rows * hidden * sizeof *crowd.x);
    crowd.found = malloc(crowd.observers * rows * sizeof *crowd.found);
    int rc = crowd.observer != NULL && crowd.x != NULL && crowd.found != NULL
                 ? 0
                 : diag_fail(diag, -ENOMEM, "out of memory");
    for (; crowd.window < perplexity_windows(l->prompts) && rc == 0; crowd.window++) {
        rc = gather(&crowd, diag);
        if (rc == 0)
            rc = leak_search(l->leak, crowd.observer, crowd.observers, rows, on_token, &crowd, diag);
        if (rc == 0)
            count(&crowd);
    }
    free(crowd.observer);
    free(crowd.x);
    free(crowd.found);
    return rc;
}

int channel_leak_run(struct channel_leak *l, struct diag *diag)
{
    int rc = l->attack[CHANNEL_NEAREST] || l->attack[CHANNEL_PROBE] ? guess_all(l, diag) : 0;
    return rc == 0 && l->attack[CHANNEL_SEARCH] ? search_all(l, diag) : rc;
}

/* ---- a file ---- */

static int csv_row(const struct channel_leak *l, size_t setting, size_t split, uint32_t seed,
                   enum channel_attack attack, struct buf *text)
{
    const struct channel_setting *c = &l->grid->setting[setting];
    char format[ACTIVATION_NAME_MAX];
    activation_name(c->format, c->k, format);
    int rc = buf_printf(text, "%s,", channel_mode_word(c->mode));
    if (rc == 0 && c->mode != CHANNEL_MODE_NONE)
        rc = buf_printf(text, "%.17g", c->level);
    if (rc == 0)
        rc = buf_printf(text, ",%s,%s,%s,%s,%s,%u,", format, channel_power_word(c), channel_fading_word(c),
                        channel_layout_word(c), channel_fill_word(c), l->grid->split[split]);
    if (rc == 0 && c->mode != CHANNEL_MODE_NONE)
        rc = buf_printf(text, "%llu", (unsigned long long) (l->first_seed + seed));
    if (rc == 0)
        rc = buf_printf(text, ",%s,%u,%u\n", words[attack],
                        channel_leak_found(l, setting, split, seed, attack), channel_leak_tokens(l));
    return rc;
}

int channel_leak_csv(const struct channel_leak *l, struct buf *text)
{
    int rc = buf_printf(text, "mode,level,format,power,fading,layout,fill,split,seed,attack,found,tokens\n");
    for (size_t i = 0; i < l->grid->settings; i++)
        for (size_t s = 0; s < l->grid->splits; s++)
            for (uint32_t seed = 0; seed < channel_leak_seeds(l, i); seed++)
                for (enum channel_attack a = 0; a < CHANNEL_ATTACKS && rc == 0; a++)
                    if (l->attack[a])
                        rc = csv_row(l, i, s, seed, a, text);
    return rc;
}
