/* Drawn tables, written as RFC 4180 allows, come back: quotes, line ends of both kinds, also within fields, blank lines, and
 * columns that nobody asked for. */
#include "core/model/csv.h"

#include <stdio.h>

#include "check.h"
#include "core/base/rng.h"

#define TRIALS 300u
#define COLUMNS_MAX 5u
#define ROWS_MAX 6u
#define FIELD_MAX 8u

static const char *const names[COLUMNS_MAX] = {"alpha", "beta", "gamma", "delta", "epsilon"};

struct table {
    uint32_t trial, drawn; /* draws so far */
    uint32_t columns, rows;
    char field[ROWS_MAX][COLUMNS_MAX][FIELD_MAX + 1];
    unsigned line[ROWS_MAX]; /* on which each row begins */
    unsigned lines;          /* written so far */
    struct buf text;
};

static uint32_t below(struct table *table, uint32_t n)
{
    const struct rng_at at = {.seed = 5, .stream = RNG_SAMPLING, .episode = table->trial};
    return rng_below(&at, table->drawn++, n);
}

static void put(struct table *table, const char *text)
{
    assert_int_equal(buf_push(&table->text, text, strlen(text)), 0);
    for (; *text != '\0'; text++)
        table->lines += *text == '\n' ? 1 : 0;
}

static void end_line(struct table *table)
{
    put(table, below(table, 2) == 0 ? "\n" : "\r\n");
}

static void put_field(struct table *table, const char *field, bool in_quotes)
{
    if (!in_quotes && strpbrk(field, ",\"\r\n") == NULL) {
        put(table, field);
        return;
    }
    put(table, "\"");
    for (; *field != '\0'; field++)
        put(table, *field == '"' ? "\"\"" : (const char[]){*field, '\0'});
    put(table, "\"");
}

static void draw_field(struct table *table, char *field)
{
    static const char letters[] = "ab0.-,\"\n ";
    uint32_t size = below(table, FIELD_MAX + 1);
    for (uint32_t i = 0; i < size; i++)
        field[i] = letters[below(table, sizeof letters - 1)];
    field[size] = '\0';
}

static void draw_row(struct table *table, uint32_t row)
{
    for (uint32_t blank = below(table, 3); blank > 0; blank--)
        end_line(table);
    table->line[row] = table->lines + 1;
    for (uint32_t c = 0; c < table->columns; c++) {
        bool alone = table->columns == 1; /* an empty one would be a blank line */
        draw_field(table, table->field[row][c]);
        if (c > 0)
            put(table, ",");
        put_field(table, table->field[row][c], alone || below(table, 4) == 0);
    }
    if (row + 1 < table->rows || below(table, 2) == 0)
        end_line(table);
}

static void draw_table(struct table *table, uint32_t trial)
{
    *table = (struct table){.trial = trial};
    table->columns = 1 + below(table, COLUMNS_MAX);
    table->rows = below(table, ROWS_MAX + 1);
    for (uint32_t c = 0; c < table->columns; c++) {
        put(table, c > 0 ? "," : "");
        put_field(table, names[c], below(table, 2) == 0);
    }
    if (table->rows > 0 || below(table, 2) == 0)
        end_line(table);
    for (uint32_t row = 0; row < table->rows; row++)
        draw_row(table, row);
    assert_int_equal(buf_reserve(&table->text, 1), 0);
    table->text.data[table->text.size] = '\0';
}

/* Blanks at both ends are no part of a field. */
static void assert_field(const char *is, const char *was)
{
    char trimmed[FIELD_MAX + 1];
    size_t size;
    was += strspn(was, " ");
    (void) snprintf(trimmed, sizeof trimmed, "%s", was);
    for (size = strlen(trimmed); size > 0 && trimmed[size - 1] == ' '; size--)
        trimmed[size - 1] = '\0';
    assert_string_equal(is, trimmed);
}

/* The wanted columns, in an order of their own. */
static void check_table(struct table *table)
{
    const char *wanted[COLUMNS_MAX];
    uint32_t place[COLUMNS_MAX], count = 0;
    char fields[CSV_WANTED_MAX][CSV_FIELD_MAX + 1];
    struct csv csv;
    struct diag diag = {{0}};
    for (uint32_t c = table->columns; c-- > 0;)
        if (c == 0 || below(table, 3) > 0) {
            place[count] = c;
            wanted[count++] = names[c];
        }
    if (csv_begin(&csv, "t.csv", &table->text, wanted, count, count, "a test", &diag) != 0)
        fail_msg("trial %u: %s", table->trial, diag.text);
    for (uint32_t row = 0; row < table->rows; row++) {
        if (csv_next(&csv, fields, &diag) != 1)
            fail_msg("trial %u, row %u: %s", table->trial, row, diag.text);
        assert_int_equal(csv.line, table->line[row]);
        for (uint32_t i = 0; i < count; i++)
            assert_field(fields[i], table->field[row][place[i]]);
    }
    assert_int_equal(csv_next(&csv, fields, &diag), 0);
    assert_int_equal(csv_next(&csv, fields, &diag), 0);
    assert_string_equal(diag.text, "");
    csv_close(&csv);
}

static void a_drawn_table_comes_back_however_it_is_written(void **state)
{
    (void) state;
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        struct table table;
        draw_table(&table, trial);
        check_table(&table);
    }
}

static void a_carriage_return_alone_is_no_blank_line(void **state)
{
    struct buf text = {0};
    struct csv csv;
    char fields[CSV_WANTED_MAX][CSV_FIELD_MAX + 1];
    (void) state;
    assert_int_equal(buf_printf(&text, "alpha\n\r1\n"), 0);
    assert_int_equal(csv_begin(&csv, "t.csv", &text, names, 1, 1, "a test", NULL), 0);
    assert_int_equal(csv_next(&csv, fields, NULL), 1);
    assert_string_equal(fields[0], "\r1");
    assert_int_equal(csv_next(&csv, fields, NULL), 0);
    csv_close(&csv);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drawn_table_comes_back_however_it_is_written),
        cmocka_unit_test(a_carriage_return_alone_is_no_blank_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
