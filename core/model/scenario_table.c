#include "core/model/scenario_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/model/scenario_table_internal.h"

static bool is_ordered(const struct scenario_table *table, const char *section)
{
    for (size_t i = 0; table->order != NULL && table->order[i] != NULL; i++)
        if (strcmp(table->order[i], section) == 0)
            return true;
    return false;
}

/* The sections that are named so or, without a name, those that the table's order does not name. */
static void add_places(const struct scenario_table *table, const char *name, struct scenario_places *places)
{
    for (size_t i = 0; i < table->members; i++) {
        const struct scenario_member *member = &table->member[i];
        for (size_t j = 0; j < member->part->sections; j++) {
            const struct scenario_section *section = &member->part->section[j];
            if (name != NULL ? strcmp(section->name, name) != 0 : is_ordered(table, section->name))
                continue;
            assert(places->count < SCENARIO_SECTIONS_MAX);
            places->place[places->count++] = (struct scenario_place){section, member->offset, places->keys};
            places->keys += section->rows;
        }
    }
}

void scenario_places_of(const struct scenario_table *table, struct scenario_places *ret_places)
{
    ret_places->count = 0;
    ret_places->keys = 0;
    for (size_t i = 0; table->order != NULL && table->order[i] != NULL; i++)
        add_places(table, table->order[i], ret_places);
    add_places(table, NULL, ret_places);
}

const void *scenario_values_part(struct scenario_values whole, const struct scenario_part *part)
{
    for (size_t i = 0; i < whole.table->members; i++)
        if (whole.table->member[i].part == part)
            return (const char *) whole.values + whole.table->member[i].offset;
    return NULL;
}

static void set_default(void *field, const struct scenario_row *row)
{
    switch (row->kind) {
    case SCENARIO_REAL: *(double *) field = row->real_default; break;
    case SCENARIO_INT: *(uint64_t *) field = row->int_default; break;
    case SCENARIO_TEXT: memcpy(field, row->text_default, strlen(row->text_default) + 1); break;
    case SCENARIO_WORD: *(unsigned *) field = row->word_default; break;
    }
}

void scenario_default_rows(char *settings, const struct scenario_section *section)
{
    for (size_t i = 0; i < section->rows; i++)
        set_default(settings + section->row[i].offset, &section->row[i]);
}

void scenario_table_defaults(const struct scenario_table *table, void *values)
{
    memset(values, 0, table->size);
    for (size_t i = 0; i < table->members; i++)
        for (size_t j = 0; j < table->member[i].part->sections; j++)
            if (table->member[i].part->section[j].most == 0) /* lists begin empty */
                scenario_default_rows((char *) values + table->member[i].offset,
                                      &table->member[i].part->section[j]);
}

const struct scenario_place *scenario_find_section(const struct scenario_places *places, const char *name)
{
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->place[i].section->name, name) == 0)
            return &places->place[i];
    return NULL;
}

const struct scenario_row *scenario_find_row(const struct scenario_section *section, const char *key)
{
    for (size_t i = 0; i < section->rows; i++)
        if (strcmp(section->row[i].key, key) == 0)
            return &section->row[i];
    return NULL;
}

/* Levenshtein's distance of the first 63 bytes of two names. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t length = strnlen(b, 63);
    size_t row[64];
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; i < 63 && a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= length; j++) {
            size_t change = diagonal + (a[i] != b[j - 1] ? 1 : 0);
            size_t skip = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < skip ? change : skip;
        }
    }
    return row[length];
}

const char *scenario_nearest_section(const struct scenario_places *places, const char *name)
{
    const char *best = places->place[0].section->name;
    for (size_t i = 0; i < places->count; i++)
        if (edit_distance(name, places->place[i].section->name) < edit_distance(name, best))
            best = places->place[i].section->name;
    return best;
}

const char *scenario_nearest_key(const struct scenario_section *section, const char *key)
{
    const char *best = section->row[0].key;
    for (size_t i = 0; i < section->rows; i++)
        if (edit_distance(key, section->row[i].key) < edit_distance(key, best))
            best = section->row[i].key;
    return best;
}

static void join_words(const char *const *words, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; words[i] != NULL && used < size; i++) {
        const char *comma = words[i + 1] == NULL ? " or " : ", ";
        int wrote = snprintf(text + used, size - used, "%s%s", i == 0 ? "" : comma, words[i]);
        used += wrote > 0 ? (size_t) wrote : 0;
    }
}

/* "0 to 1 MHz", "equal, proportional or shared", "at most 64 bytes". */
static void write_range(const struct scenario_row *row, char ret_text[static 128])
{
    const char *space = row->unit[0] != '\0' ? " " : "";
    switch (row->kind) {
    case SCENARIO_REAL:
        (void) snprintf(ret_text, 128, "%g to %g%s%s", row->real_min, row->real_max, space, row->unit);
        break;
    case SCENARIO_INT:
        (void) snprintf(ret_text, 128, "%" PRIu64 " to %" PRIu64 "%s%s", row->int_min, row->int_max, space,
                        row->unit);
        break;
    case SCENARIO_TEXT: (void) snprintf(ret_text, 128, "at most %zu bytes", row->text_max); break;
    case SCENARIO_WORD: join_words(row->words, ret_text, 128); break;
    }
}

static int fail_range(const struct scenario_row *row, const char *value, const char *where, struct diag *diag)
{
    char range[128];
    write_range(row, range);
    return diag_fail(diag, ERR_RANGE, "%s: %.80s is out of range, allowed %s", where, value, range);
}

static int fail_number(const struct scenario_row *row, const char *value, const char *where,
                       struct diag *diag)
{
    char range[128];
    write_range(row, range);
    const char *wanted = row->kind == SCENARIO_INT ? "a whole number" : "a number";
    return diag_fail(diag, ERR_SYNTAX, "%s: '%.80s' is not %s, allowed %s", where, value, wanted, range);
}

static int set_real(double *field, const struct scenario_row *row, const char *value, const char *where,
                    struct diag *diag)
{
    double number = 0.0;
    int rc = parse_real(value, &number);
    if (rc == ERR_SYNTAX)
        return fail_number(row, value, where, diag);
    if (rc != 0 || number < row->real_min || number > row->real_max)
        return fail_range(row, value, where, diag);
    *field = number;
    return 0;
}

static int set_int(uint64_t *field, const struct scenario_row *row, const char *value, const char *where,
                   struct diag *diag)
{
    int64_t negative = 0;
    uint64_t number = 0;
    int rc = parse_u64(value, &number);
    if (rc == ERR_SYNTAX && parse_i64(value, &negative) == ERR_SYNTAX)
        return fail_number(row, value, where, diag);
    if (rc != 0 || number < row->int_min || number > row->int_max)
        return fail_range(row, value, where, diag);
    *field = number;
    return 0;
}

static int set_word(unsigned *field, const struct scenario_row *row, const char *value, const char *where,
                    struct diag *diag)
{
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], value) == 0) {
            *field = i;
            return 0;
        }
    }
    char range[128];
    write_range(row, range);
    return diag_fail(diag, ERR_UNKNOWN, "%s: '%.80s' is not known, allowed %s", where, value, range);
}

/* The length of the UTF-8 character at `text` when it may stand in a scenario, else 0. Refused: malformed
 * sequences, control characters and Unicode's line ends, which a YAML reader would fold. */
static size_t clean_character(const unsigned char *text)
{
    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
    size_t length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    uint32_t code = text[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    static const uint32_t shortest[] = {0, 0, 0x80, 0x800, 0x10000};
    bool line_end = code == 0x2028 || code == 0x2029;
    bool not_text = (code >= 0xd800 && code < 0xe000) || code == 0xfeff || code == 0xfffe || code == 0xffff;
    bool out = code < shortest[length] || code < 0xa0 || code > 0x10ffff;
    return line_end || not_text || out ? 0 : length;
}

static int set_text(char *field, const struct scenario_row *row, const char *value, const char *where,
                    struct diag *diag)
{
    size_t size = strlen(value);
    if (size > row->text_max)
        return diag_fail(diag, ERR_TOO_BIG, "%s: %zu bytes are too long, allowed at most %zu", where, size,
                         row->text_max);
    for (size_t i = 0; i < size;) {
        size_t length = clean_character((const unsigned char *) value + i);
        if (length == 0)
            return diag_fail(diag, ERR_SYNTAX, "%s: byte %zu is a control character or not UTF-8", where,
                             i + 1);
        i += length;
    }
    memset(field, 0, row->text_max + 1);
    memcpy(field, value, size);
    return 0;
}

int scenario_set_field(void *field, const struct scenario_row *row, const char *value, const char *where,
                       struct diag *diag)
{
    switch (row->kind) {
    case SCENARIO_REAL: return set_real(field, row, value, where, diag);
    case SCENARIO_INT: return set_int(field, row, value, where, diag);
    case SCENARIO_TEXT: return set_text(field, row, value, where, diag);
    case SCENARIO_WORD: return set_word(field, row, value, where, diag);
    }
    assert(false); /* every kind is above */
    return ERR_TYPE;
}

/* `ret_word` becomes what stands there up to `end`, cut where it is longer than any name. */
static void take_word(const char *begin, const char *end, char ret_word[static 64])
{
    size_t length = end - begin < 63 ? (size_t) (end - begin) : 63;
    memcpy(ret_word, begin, length);
    ret_word[length] = '\0';
}

/* What stands before the dot, and between it and the equals sign. */
static int split_assignment(const char *assignment, char ret_section[static 64], char ret_key[static 64],
                            struct diag *diag)
{
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    if (equals == NULL || dot == NULL || dot > equals)
        return diag_fail(diag, ERR_SYNTAX, "'%.80s': expected section.key=value", assignment);
    take_word(assignment, dot, ret_section);
    take_word(dot + 1, equals, ret_key);
    return 0;
}

uint64_t *scenario_list_count(const struct scenario_section *section, char *settings)
{
    assert(section->most > 0);
    return (uint64_t *) (void *) (settings + section->count);
}

static const char *entry_name(const struct scenario_section *section, const char *settings, uint64_t entry)
{
    assert(section->row[0].kind == SCENARIO_TEXT);
    return settings + entry * section->stride + section->row[0].offset;
}

/* The entry of a list that `key` ("NAME.key" or "NUMBER.key") begins with; the rest becomes `key`. */
static int find_entry(const struct scenario_section *section, char *settings, char key[static 64],
                      size_t *ret_offset, struct diag *diag)
{
    uint64_t count = *scenario_list_count(section, settings), number = 0;
    char *dot = strchr(key, '.');
    if (dot == NULL)
        return diag_fail(diag, ERR_SYNTAX,
                         "%s.%s: expected %s.NAME.key=value, the name of one of its entries", section->name,
                         key, section->name);
    *dot = '\0';
    bool is_number = parse_u64(key, &number) == 0 && number >= 1 && number <= count;
    for (uint64_t i = 0; i < count; i++) {
        if (strcmp(entry_name(section, settings, i), key) != 0 && !(is_number && number == i + 1))
            continue;
        *ret_offset = i * section->stride;
        memmove(key, dot + 1, strlen(dot + 1) + 1);
        return 0;
    }
    if (count == 0)
        return diag_fail(diag, ERR_UNKNOWN, "%s.%s: the scenario has no %s", section->name, key,
                         section->name);
    return diag_fail(diag, ERR_UNKNOWN, "%s.%s: there is no such entry, allowed a name or 1 to %" PRIu64,
                     section->name, key, count);
}

int scenario_table_set(const struct scenario_table *table, void *values, const char *assignment,
                       struct diag *diag)
{
    char section[64], key[64], where[64];
    struct scenario_places places;
    int rc = split_assignment(assignment, section, key, diag);
    if (rc != 0)
        return rc;
    scenario_places_of(table, &places);
    const struct scenario_place *place = scenario_find_section(&places, section);
    if (place == NULL)
        return diag_fail(diag, ERR_UNKNOWN, "%s: unknown section, the nearest is '%s'", section,
                         scenario_nearest_section(&places, section));
    size_t entry = 0;
    if (place->section->most > 0)
        rc = find_entry(place->section, (char *) values + place->offset, key, &entry, diag);
    if (rc != 0)
        return rc;
    const struct scenario_row *row = scenario_find_row(place->section, key);
    if (row == NULL)
        return diag_fail(diag, ERR_UNKNOWN, "%s.%s: unknown key, the nearest is '%s'", section, key,
                         scenario_nearest_key(place->section, key));
    take_word(assignment, strchr(assignment, '='), where);
    return scenario_set_field((char *) values + place->offset + entry + row->offset, row,
                              strchr(assignment, '=') + 1, where, diag);
}

int scenario_table_check(const struct scenario_table *table, const void *values, struct diag *diag)
{
    int rc = 0;
    for (size_t i = 0; i < table->members && rc == 0; i++) {
        const struct scenario_member *member = &table->member[i];
        if (member->part->check != NULL)
            rc = member->part->check((const char *) values + member->offset,
                                     (struct scenario_values){table, values}, diag);
    }
    return rc;
}

/* The shortest of 15, 16 or 17 digits that reads back to the same bits. */
static const char *format_real(double value, char ret_digits[static 40])
{
    for (int precision = 15; precision <= 17; precision++) {
        (void) snprintf(ret_digits, 40, "%.*g", precision, value); /* at most 24 characters */
        double again = strtod(ret_digits, NULL);
        if (memcmp(&again, &value, sizeof value) == 0)
            break;
    }
    return ret_digits;
}

static int print_text(const char *value, struct buf *text)
{
    int rc = buf_printf(text, "\"");
    for (; rc == 0 && *value != '\0'; value++)
        rc = buf_printf(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    return rc == 0 ? buf_printf(text, "\"") : rc;
}

static int print_field(const void *field, const struct scenario_row *row, struct buf *text)
{
    char digits[40];
    switch (row->kind) {
    case SCENARIO_REAL: return buf_printf(text, "%s", format_real(*(const double *) field, digits));
    case SCENARIO_INT: return buf_printf(text, "%" PRIu64, *(const uint64_t *) field);
    case SCENARIO_TEXT: return print_text(field, text);
    case SCENARIO_WORD: return buf_printf(text, "%s", row->words[*(const unsigned *) field]);
    }
    assert(false); /* every kind is above */
    return ERR_TYPE;
}

/* Each key on a line of its own, behind `first` or behind as many blanks. */
static int print_rows(const char *settings, const struct scenario_section *section, const char *first,
                      struct buf *text)
{
    int rc = 0;
    for (size_t i = 0; i < section->rows && rc == 0; i++) {
        const struct scenario_row *row = &section->row[i];
        rc = buf_printf(text, "%*s%s: ", (int) strlen(first), i == 0 ? first : "", row->key);
        rc = rc == 0 ? print_field(settings + row->offset, row, text) : rc;
        rc = rc == 0 ? buf_printf(text, "\n") : rc;
    }
    return rc;
}

static int print_list(const char *settings, const struct scenario_section *section, struct buf *text)
{
    uint64_t count = *(const uint64_t *) (const void *) (settings + section->count);
    int rc = count > 0 ? buf_printf(text, "%s:\n", section->name) : 0;
    for (uint64_t i = 0; i < count && rc == 0; i++)
        rc = print_rows(settings + i * section->stride, section, "  - ", text);
    return rc;
}

static int print_section(const char *settings, const struct scenario_section *section, struct buf *text)
{
    if (section->most > 0)
        return print_list(settings, section, text);
    int rc = buf_printf(text, "%s:\n", section->name);
    return rc == 0 ? print_rows(settings, section, "  ", text) : rc;
}

int scenario_table_print(const struct scenario_table *table, const void *values, struct buf *text)
{
    struct scenario_places places;
    int rc = 0;
    scenario_places_of(table, &places);
    for (size_t i = 0; i < places.count && rc == 0; i++)
        rc = print_section((const char *) values + places.place[i].offset, places.place[i].section, text);
    return rc;
}

size_t scenario_table_key_count(const struct scenario_table *table)
{
    struct scenario_places places;
    scenario_places_of(table, &places);
    return places.keys;
}

/* As print_text does; what does not fit is cut off. */
static void quote(const char *value, char ret_text[static 64])
{
    size_t used = 0;
    ret_text[used++] = '"';
    for (; *value != '\0' && used < 60; value++) {
        if (*value == '"' || *value == '\\')
            ret_text[used++] = '\\';
        ret_text[used++] = *value;
    }
    ret_text[used++] = '"';
    ret_text[used] = '\0';
}

/* Defaults are short. No memory is needed: nobody can fail to tell them. */
static void write_default(const struct scenario_row *row, char ret_text[static 64])
{
    char digits[40];
    switch (row->kind) {
    case SCENARIO_REAL: (void) snprintf(ret_text, 64, "%s", format_real(row->real_default, digits)); break;
    case SCENARIO_INT: (void) snprintf(ret_text, 64, "%" PRIu64, row->int_default); break;
    case SCENARIO_TEXT: quote(row->text_default, ret_text); break;
    case SCENARIO_WORD: (void) snprintf(ret_text, 64, "%s", row->words[row->word_default]); break;
    }
}

void scenario_table_key_at(const struct scenario_table *table, size_t index, struct scenario_key *ret_key,
                           char range_text[static 128], char default_text[static 64])
{
    struct scenario_places places;
    scenario_places_of(table, &places);
    assert(index < places.keys);
    const struct scenario_place *place = &places.place[places.count - 1];
    while (place->first_key > index)
        place--;
    const struct scenario_row *row = &place->section->row[index - place->first_key];
    write_range(row, range_text);
    write_default(row, default_text);
    *ret_key = (struct scenario_key){
        .section = place->section->name,
        .key = row->key,
        .kind = row->kind,
        .in_list = place->section->most > 0,
        .unit = row->unit,
        .range = range_text,
        .default_text = default_text,
        .meaning = row->meaning,
        .source = row->source,
    };
}
