#include "core/model/coding.h"

#include <assert.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"

#define MARGIN_LEAST_DB (-10.0) /* channel.margin_db's own limits (scenario.def) */
#define MARGIN_MOST_DB 60.0
#define WORD_MAX 31u

/* The next word between blanks. 1; 0: there is none; ERR_TOO_BIG. */
static int next_word(const char *key, const char **text, char ret_word[WORD_MAX + 1], struct diag *diag)
{
    *text += strspn(*text, " ");
    size_t size = strcspn(*text, " ");
    if (size == 0)
        return 0;
    if (size > WORD_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s: a word is longer than %u bytes", key, WORD_MAX);
    memcpy(ret_word, *text, size);
    ret_word[size] = '\0';
    *text += size;
    return 1;
}

/* Of a row: blocks of 32 elements with a scale of 2 bytes each, the last one cut. */
static double q4_bytes(uint32_t hidden)
{
    uint32_t rest = hidden % 32;
    return hidden / 32 * 18.0 + (rest > 0 ? 2.0 + (rest + 1) / 2 : 0.0);
}

/* As core/infer/activation encodes a row; of top-k how many are kept would be a decision too. */
static int read_format(struct coding *ret, const char *word, uint32_t hidden, struct diag *diag)
{
    const struct {
        enum scenario_compute_format format;
        double bits;
    } formats[] = {{COMPUTE_FP32, 32.0},
                   {COMPUTE_FP16, 16.0},
                   {COMPUTE_INT8, hidden > 0 ? 8.0 * (4.0 + hidden) / hidden : 8.0},
                   {COMPUTE_Q4, hidden > 0 ? 8.0 * q4_bytes(hidden) / hidden : 4.5}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(scenario_compute_format_words[formats[i].format], word) == 0) {
            ret->format = formats[i].format;
            ret->bits_per_element = formats[i].bits;
            return 0;
        }
    return diag_fail(diag, ERR_UNKNOWN, "action.formats: '%s' is not known, allowed fp32, fp16, int8, q4",
                     word);
}

static int read_margin(struct coding *ret, const char *word, struct diag *diag)
{
    if (parse_real(word, &ret->margin_db) != 0)
        return diag_fail(diag, ERR_SYNTAX, "action.margins_db: '%s' is not a number", word);
    if (ret->margin_db < MARGIN_LEAST_DB || ret->margin_db > MARGIN_MOST_DB)
        return diag_fail(diag, ERR_RANGE, "action.margins_db: %s is out of range, allowed %g to %g dB", word,
                         MARGIN_LEAST_DB, MARGIN_MOST_DB);
    return 0;
}

static int add(struct codings *codings, const struct coding *coding, struct diag *diag)
{
    if (codings->count == CODINGS_MAX)
        return diag_fail(diag, ERR_TOO_BIG,
                         "action.formats, action.margins_db: more than %u pairs of a format and a margin",
                         CODINGS_MAX - 1);
    codings->coding[codings->count++] = *coding;
    return 0;
}

/* One format with each margin. */
static int add_margins(struct codings *codings, const struct scenario *scenario, struct coding coding,
                       struct diag *diag)
{
    const char *text = scenario->action.margins_db;
    char word[WORD_MAX + 1];
    if (text[0] == '\0')
        return add(codings, &coding, diag);
    int rc;
    while ((rc = next_word("action.margins_db", &text, word, diag)) == 1) {
        rc = read_margin(&coding, word, diag);
        rc = rc != 0 ? rc : add(codings, &coding, diag);
        if (rc != 0)
            return rc;
    }
    return rc;
}

int coding_read_all(struct codings *ret_codings, const struct scenario *scenario, uint32_t hidden,
                    struct diag *diag)
{
    struct codings codings = {.count = 1};
    struct coding coding = coding_at(&codings, scenario, 0);
    const char *text = scenario->action.formats;
    char word[WORD_MAX + 1];
    int rc = 0;
    if (text[0] == '\0' && scenario->action.margins_db[0] != '\0')
        rc = add_margins(&codings, scenario, coding, diag);
    while (rc == 0 && (rc = next_word("action.formats", &text, word, diag)) == 1) {
        rc = read_format(&coding, word, hidden, diag);
        rc = rc != 0 ? rc : add_margins(&codings, scenario, coding, diag);
    }
    if (rc == 0)
        *ret_codings = codings;
    return rc;
}

struct coding coding_at(const struct codings *codings, const struct scenario *scenario, uint32_t coding)
{
    assert(coding == 0 || coding < codings->count);
    if (coding > 0)
        return codings->coding[coding];
    return (struct coding){
        .format = scenario->compute.format,
        .bits_per_element = scenario->model.bits_per_element,
        .margin_db = scenario->channel.margin_db,
    };
}
