#include "core/model/quality.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/base/parse.h"

#define WORD_MAX 63u /* bytes of the longest number that is looked at */
#define DIGITS_FEW 6
#define DIGITS_MAX 9

static const char gain_word[] = "gain";

/* The text that is read, and where. */
struct reader {
    const char *at;
    struct diag *diag;
};

static void skip_blanks(struct reader *reader)
{
    reader->at += strspn(reader->at, " ");
}

/* The next word up to a blank or a mark; the mark stays. */
static int take_word(struct reader *reader, char ret_word[static WORD_MAX + 1])
{
    skip_blanks(reader);
    size_t length = strcspn(reader->at, " ,:|");
    if (length > WORD_MAX)
        return diag_fail(reader->diag, ERR_SYNTAX, "quality.table: '%.20s...' is not a number", reader->at);
    memcpy(ret_word, reader->at, length);
    ret_word[length] = '\0';
    reader->at += length;
    skip_blanks(reader);
    return 0;
}

static bool take_mark(struct reader *reader, char mark)
{
    if (*reader->at != mark)
        return false;
    reader->at++;
    return true;
}

static int take_number(struct reader *reader, double *ret_number)
{
    char word[WORD_MAX + 1];
    int rc = take_word(reader, word);
    if (rc == 0 && parse_real(word, ret_number) != 0)
        rc = diag_fail(reader->diag, ERR_SYNTAX, "quality.table: '%s' is not a number", word);
    return rc;
}

static int add_condition(struct quality_table *table, double condition, struct diag *diag)
{
    if (table->conditions >= QUALITY_CONDITIONS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "quality.table: more than %u conditions", QUALITY_CONDITIONS_MAX);
    if (!(fabs(condition) <= QUALITY_CONDITION_MAX))
        return diag_fail(diag, ERR_RANGE, "quality.table: condition %g is out of range, allowed %g to %g",
                         condition, -QUALITY_CONDITION_MAX, QUALITY_CONDITION_MAX);
    if (table->conditions > 0 && condition <= table->condition[table->conditions - 1])
        return diag_fail(diag, ERR_SYNTAX, "quality.table: condition %g follows %g, conditions must rise",
                         condition, table->condition[table->conditions - 1]);
    table->condition[table->conditions++] = condition;
    return 0;
}

static int read_conditions(struct quality_table *table, struct reader *reader)
{
    do {
        double condition = 0.0;
        int rc = take_number(reader, &condition);
        if (rc == 0)
            rc = add_condition(table, condition, reader->diag);
        if (rc != 0)
            return rc;
    } while (take_mark(reader, ','));
    return 0;
}

static int add_split(struct quality_table *table, uint64_t split, struct diag *diag)
{
    if (table->splits >= QUALITY_SPLITS_MAX ||
        (table->splits + 1) * (size_t) table->conditions > QUALITY_VALUES_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "quality.table: more than %u splits, or %u values",
                         QUALITY_SPLITS_MAX, QUALITY_VALUES_MAX);
    if (split > QUALITY_SPLIT_LAST)
        return diag_fail(diag, ERR_RANGE, "quality.table: split %" PRIu64 " is out of range, allowed 0 to %u",
                         split, QUALITY_SPLIT_LAST);
    if (table->splits > 0 && split <= table->split[table->splits - 1])
        return diag_fail(diag, ERR_SYNTAX, "quality.table: split %" PRIu64 " follows %u, splits must rise",
                         split, table->split[table->splits - 1]);
    table->split[table->splits++] = (uint32_t) split;
    return 0;
}

static int check_value(const struct quality_table *table, double value, struct diag *diag)
{
    if (table->has_gains && !(value < 1.0 && value >= -QUALITY_LOG_RATIO_MAX))
        return diag_fail(diag, ERR_RANGE, "quality.table: gain %g is out of range, allowed %g to below 1",
                         value, -QUALITY_LOG_RATIO_MAX);
    if (!(fabs(value) <= QUALITY_LOG_RATIO_MAX))
        return diag_fail(diag, ERR_RANGE, "quality.table: value %g is out of range, allowed %g to %g", value,
                         -QUALITY_LOG_RATIO_MAX, QUALITY_LOG_RATIO_MAX);
    return 0;
}

/* SPLIT:VALUE,VALUE,... */
static int read_split(struct quality_table *table, struct reader *reader)
{
    char word[WORD_MAX + 1];
    uint64_t split = 0;
    int rc = take_word(reader, word);
    if (rc != 0)
        return rc;
    if (!take_mark(reader, ':') || parse_u64(word, &split) != 0)
        return diag_fail(reader->diag, ERR_SYNTAX, "quality.table: '%s' begins no SPLIT:VALUE,VALUE,...",
                         word);
    rc = add_split(table, split, reader->diag);
    for (uint32_t i = 0; i < table->conditions && rc == 0; i++) {
        double *value = &table->value[(size_t) (table->splits - 1) * table->conditions + i];
        rc = take_number(reader, value);
        if (rc == 0)
            rc = check_value(table, *value, reader->diag);
        bool is_last = i + 1 == table->conditions;
        if (rc == 0 && !is_last && !take_mark(reader, ','))
            rc = diag_fail(reader->diag, ERR_SYNTAX,
                           "quality.table: split %" PRIu64 " has %u values, and there are %u conditions",
                           split, i + 1, table->conditions);
    }
    if (rc == 0 && *reader->at == ',')
        rc = diag_fail(reader->diag, ERR_SYNTAX,
                       "quality.table: split %" PRIu64 " has more than %u values, one for each condition",
                       split, table->conditions);
    return rc;
}

int quality_table_read(struct quality_table *ret_table, const char *text, struct diag *diag)
{
    struct quality_table table = {0};
    struct reader reader = {text, diag};
    size_t length = sizeof gain_word - 1;
    skip_blanks(&reader);
    if (strncmp(reader.at, gain_word, length) == 0 && reader.at[length] == ' ') {
        table.has_gains = true;
        reader.at += length;
    }
    int rc = read_conditions(&table, &reader);
    while (rc == 0 && take_mark(&reader, '|'))
        rc = read_split(&table, &reader);
    if (rc == 0 && *reader.at != '\0')
        rc = diag_fail(diag, ERR_SYNTAX, "quality.table: '%.20s' stands where `,` or `|` belongs", reader.at);
    if (rc == 0 && table.splits == 0)
        rc = diag_fail(diag, ERR_SYNTAX,
                       "quality.table: no split, at least one SPLIT:VALUE,VALUE,... is needed");
    if (rc == 0)
        *ret_table = table;
    return rc;
}

struct printer {
    char *text;
    size_t used;
    bool is_full;
};

static void put_text(struct printer *printer, const char *text)
{
    size_t length = strlen(text);
    printer->is_full = printer->is_full || printer->used + length > QUALITY_TEXT_MAX;
    if (printer->is_full)
        return;
    memcpy(printer->text + printer->used, text, length + 1);
    printer->used += length;
}

static void put_number(struct printer *printer, double number)
{
    char text[WORD_MAX + 1];
    for (int digits = DIGITS_FEW; digits <= DIGITS_MAX; digits++) {
        double back = 0.0;
        int wrote = snprintf(text, sizeof text, "%.*g", digits, number);
        assert(wrote > 0 && (size_t) wrote < sizeof text);
        if (parse_real(text, &back) == 0 && back == number)
            break;
    }
    put_text(printer, text);
}

int quality_table_print(const struct quality_table *table, char ret_text[static QUALITY_TEXT_MAX + 1],
                        struct diag *diag)
{
    struct printer printer = {.text = ret_text};
    ret_text[0] = '\0';
    if (table->has_gains)
        put_text(&printer, "gain ");
    for (uint32_t i = 0; i < table->conditions; i++) {
        put_text(&printer, i > 0 ? "," : "");
        put_number(&printer, table->condition[i]);
    }
    for (uint32_t s = 0; s < table->splits; s++) {
        char split[WORD_MAX + 1];
        (void) snprintf(split, sizeof split, " | %u:", table->split[s]);
        put_text(&printer, split);
        for (uint32_t i = 0; i < table->conditions; i++) {
            put_text(&printer, i > 0 ? "," : "");
            put_number(&printer, table->value[(size_t) s * table->conditions + i]);
        }
    }
    if (printer.is_full)
        return diag_fail(diag, ERR_TOO_BIG, "quality.table: is longer than %u bytes", QUALITY_TEXT_MAX);
    return 0;
}

/* Two neighbours, and how far from the first towards the second. */
struct between {
    uint32_t first, second;
    double part;
};

static struct between between_conditions(const struct quality_table *table, double condition)
{
    uint32_t i = 0;
    while (i < table->conditions && table->condition[i] < condition)
        i++;
    if (i == 0 || i == table->conditions)
        return (struct between){i == 0 ? 0 : i - 1, i == 0 ? 0 : i - 1, 0.0};
    double low = table->condition[i - 1];
    return (struct between){i - 1, i, (condition - low) / (table->condition[i] - low)};
}

static struct between between_splits(const struct quality_table *table, uint32_t split)
{
    uint32_t i = 0;
    while (i < table->splits && table->split[i] < split)
        i++;
    if (i == 0 || i == table->splits)
        return (struct between){i == 0 ? 0 : i - 1, i == 0 ? 0 : i - 1, 0.0};
    double low = table->split[i - 1];
    return (struct between){i - 1, i, ((double) split - low) / ((double) table->split[i] - low)};
}

/* Exact at both ends. */
static double mixed(double first, double second, double part)
{
    return part >= 1.0 ? second : first + part * (second - first);
}

static double row_at(const struct quality_table *table, uint32_t row, struct between condition)
{
    const double *value = table->value + (size_t) row * table->conditions;
    return mixed(value[condition.first], value[condition.second], condition.part);
}

double quality_at(const struct quality_table *table, uint32_t split, double condition)
{
    assert(table->conditions >= 1 && table->splits >= 1 && !isnan(condition));
    struct between conditions = between_conditions(table, condition), splits = between_splits(table, split);
    double value =
        mixed(row_at(table, splits.first, conditions), row_at(table, splits.second, conditions), splits.part);
    return table->has_gains ? elementary_log1p(-value) : value;
}

/* What is decided may have a table of its own. */
static const struct quality_table *table_of(const struct world *world, uint32_t coding)
{
    enum scenario_compute_format format = coding_at(&world->codings, &world->scenario, coding).format;
    bool has_own = coding > 0 && world->format_quality[format] != NULL;
    return has_own ? world->format_quality[format] : world->quality;
}

double quality_log_ratio(const struct world *world, uint32_t split, double condition, uint32_t coding)
{
    if (world->quality == NULL || split == 0 || split >= world->llm->layers)
        return 0.0;
    return quality_at(table_of(world, coding), split, condition);
}
