/* The measured quality that a scenario names, from its file into the scenario's own texts. */
#include "core/model/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/model/csv.h"
#include "core/model/quality.h"

_Static_assert(sizeof((struct scenario *) NULL)->quality.table == QUALITY_TEXT_MAX + 1,
               "the key quality.table holds the longest table");

_Static_assert(sizeof((struct scenario *) NULL)->quality.formats == QUALITY_TEXT_MAX + 1,
               "and quality.formats");

enum column { CONDITION, SPLIT, LOG_RATIO, FORMAT, COLUMNS };

static const char *const columns[COLUMNS] = {"condition", "split", "log_ratio", "format"};

#define ROWS_MAX ((size_t) QUALITY_VALUES_MAX * QUALITY_FORMATS)
#define NO_FORMAT QUALITY_FORMATS

struct measurement {
    uint32_t format, split;
    double condition, log_ratio;
    unsigned line;
};

struct measurements {
    size_t count;
    struct measurement row[ROWS_MAX];
};

/* Those of one format, in order. */
struct part {
    const struct measurement *row;
    size_t count;
};

static int fail_number(const struct csv *csv, enum column column, const char *field, struct diag *diag)
{
    return diag_fail(diag, ERR_SYNTAX, "%s:%u: %s: '%s' is not a number", csv->path, csv->line,
                     columns[column], field);
}

static int read_line(struct measurements *rows, const struct csv *csv, char (*field)[CSV_FIELD_MAX + 1],
                     struct diag *diag)
{
    uint64_t split = 0;
    struct measurement row = {.line = csv->line, .format = NO_FORMAT};
    if (rows->count >= ROWS_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s:%u: more than %zu rows", csv->path, csv->line, ROWS_MAX);
    if (parse_real(field[CONDITION], &row.condition) != 0)
        return fail_number(csv, CONDITION, field[CONDITION], diag);
    if (parse_u64(field[SPLIT], &split) != 0)
        return fail_number(csv, SPLIT, field[SPLIT], diag);
    if (parse_real(field[LOG_RATIO], &row.log_ratio) != 0)
        return fail_number(csv, LOG_RATIO, field[LOG_RATIO], diag);
    if (split > QUALITY_SPLIT_LAST)
        return diag_fail(diag, ERR_RANGE, "%s:%u: split: %s is out of range, allowed 0 to %u", csv->path,
                         csv->line, field[SPLIT], QUALITY_SPLIT_LAST);
    if (csv->columns[FORMAT] != CSV_ABSENT &&
        quality_format_find(field[FORMAT], strlen(field[FORMAT]), &row.format, diag) != 0) {
        if (diag != NULL)
            diag_prefix(diag, "%s:%u", csv->path, csv->line);
        return ERR_UNKNOWN;
    }
    row.split = (uint32_t) split;
    rows->row[rows->count++] = row;
    return 0;
}

/* By format, then by split, then by condition, then as the file has them. */
static int order_rows(const void *a, const void *b)
{
    const struct measurement *left = a, *right = b;
    if (left->format != right->format)
        return left->format < right->format ? -1 : 1;
    if (left->split != right->split)
        return left->split < right->split ? -1 : 1;
    if (left->condition != right->condition)
        return left->condition < right->condition ? -1 : 1;
    return left->line < right->line ? -1 : 1;
}

/* Rows that are in order make a table when each split has the first one's conditions. */
static int make_table(struct quality_table *table, const struct part *rows, const char *path,
                      struct diag *diag)
{
    *table = (struct quality_table){0};
    if (rows->count > QUALITY_VALUES_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s:%u: more than %u rows of one table", path,
                         rows->row[QUALITY_VALUES_MAX].line, QUALITY_VALUES_MAX);
    while (table->conditions < rows->count && rows->row[table->conditions].split == rows->row[0].split &&
           table->conditions < QUALITY_CONDITIONS_MAX) {
        table->condition[table->conditions] = rows->row[table->conditions].condition;
        table->conditions++;
    }
    for (size_t i = 0; i < rows->count; i++) {
        const struct measurement *row = &rows->row[i];
        uint32_t place = (uint32_t) (i % table->conditions);
        bool begins = place == 0;
        if (begins && table->splits >= QUALITY_SPLITS_MAX)
            return diag_fail(diag, ERR_TOO_BIG, "%s:%u: more than %u splits", path, row->line,
                             QUALITY_SPLITS_MAX);
        bool is_again = begins && table->splits > 0 && row->split == table->split[table->splits - 1];
        if (begins)
            table->split[table->splits++] = row->split;
        if (is_again || row->split != table->split[table->splits - 1] ||
            row->condition != table->condition[place])
            return diag_fail(diag, ERR_SYNTAX,
                             "%s:%u: split %u with condition %g: each split needs each of split %u's %u "
                             "conditions once",
                             path, row->line, row->split, row->condition, table->split[0], table->conditions);
        table->value[i] = row->log_ratio;
    }
    if (rows->count % table->conditions != 0)
        return diag_fail(diag, ERR_SYNTAX, "%s: split %u has fewer conditions than split %u", path,
                         table->split[table->splits - 1], table->split[0]);
    return 0;
}

static int read_rows(struct measurements *rows, struct csv *csv, struct diag *diag)
{
    char field[COLUMNS][CSV_FIELD_MAX + 1];
    int rc = 0;
    while ((rc = csv_next(csv, field, diag)) == 1) {
        rc = read_line(rows, csv, field, diag);
        if (rc != 0)
            return rc;
    }
    if (rc == 0 && rows->count == 0)
        rc = diag_fail(diag, ERR_SYNTAX, "%s: no rows below the header, quality.table_csv needs at least one",
                       csv->path);
    return rc;
}

bool dataset_names_quality(const struct scenario *scenario)
{
    return scenario->quality.table_csv[0] != '\0' && scenario->quality.table[0] == '\0';
}

/* What a file makes of the two keys. */
struct texts {
    char table[QUALITY_TEXT_MAX + 1], formats[QUALITY_TEXT_MAX + 1];
};

/* Of one format, as a part of quality.formats. */
static int add_format(struct texts *texts, uint32_t format, const char *text, struct diag *diag)
{
    size_t held = strlen(texts->formats), room = sizeof texts->formats - held;
    int size = snprintf(texts->formats + held, room, "%s%s = %s", held > 0 ? "; " : "",
                        scenario_compute_format_words[format], text);
    if (size >= 0 && (size_t) size < room)
        return 0;
    return diag_fail(
        diag, ERR_TOO_BIG,
        "quality.formats: tables of all formats are longer than %u bytes: measure fewer conditions, "
        "splits or formats",
        QUALITY_TEXT_MAX);
}

/* Rows that are in order, of one format after the other. */
static int write_texts(struct texts *texts, const struct measurements *rows, const struct scenario *scenario,
                       struct diag *diag)
{
    char text[QUALITY_TEXT_MAX + 1];
    struct quality_table *table = malloc(sizeof *table);
    int rc = table != NULL ? 0 : -ENOMEM;
    for (size_t first = 0, end = 0; rc == 0 && first < rows->count; first = end) {
        uint32_t format = rows->row[first].format;
        while (end < rows->count && rows->row[end].format == format)
            end++;
        const struct part part = {rows->row + first, end - first};
        rc = make_table(table, &part, scenario->quality.table_csv, diag);
        if (rc == 0)
            rc = quality_table_print(table, text, diag);
        if (rc == 0)
            rc = quality_table_read(table, text, diag); /* its limits */
        bool is_own = format == NO_FORMAT || format == (uint32_t) scenario->compute.format;
        if (rc == 0 && is_own)
            memcpy(texts->table, text, sizeof texts->table);
        else if (rc == 0)
            rc = add_format(texts, format, text, diag);
    }
    free(table);
    if (rc == 0 && texts->table[0] == '\0')
        rc = diag_fail(diag, ERR_RANGE, "%s: has no rows of compute.format, %s", scenario->quality.table_csv,
                       scenario_compute_format_words[scenario->compute.format]);
    return rc;
}

int dataset_load_quality(struct scenario *scenario, struct diag *diag)
{
    struct csv csv;
    struct texts texts = {{0}, {0}};
    if (!dataset_names_quality(scenario))
        return 0;
    int rc =
        csv_open_some(&csv, scenario->quality.table_csv, columns, COLUMNS, FORMAT, "quality.table_csv", diag);
    if (rc != 0)
        return rc;
    struct measurements *rows = calloc(1, sizeof *rows);
    rc = rows != NULL ? read_rows(rows, &csv, diag) : -ENOMEM;
    csv_close(&csv);
    if (rc == 0) {
        qsort(rows->row, rows->count, sizeof *rows->row, order_rows);
        rc = write_texts(&texts, rows, scenario, diag);
    }
    free(rows);
    if (rc == 0 && texts.formats[0] != '\0' && scenario->quality.formats[0] != '\0')
        rc = diag_fail(diag, ERR_MISMATCH, "quality.formats: %s has tables of formats too: leave one out",
                       scenario->quality.table_csv);
    if (rc != 0)
        return rc;
    memcpy(scenario->quality.table, texts.table, sizeof texts.table);
    if (texts.formats[0] != '\0')
        memcpy(scenario->quality.formats, texts.formats, sizeof texts.formats);
    return 0;
}
