#include "core/model/scenario.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/model/scenario_internal.h"

#define CHOICES(type) static const char *const words_##type[] = {
#define CHOICE(type, name, word) word,
#define END_CHOICES(type)                                                                                    \
    NULL                                                                                                     \
    }                                                                                                        \
    ;
#include "core/model/choices.def"
#undef CHOICES
#undef CHOICE
#undef END_CHOICES

/* Words are stored through their enumerators' representation. */
#define CHOICES(type)                                                                                        \
    _Static_assert(sizeof(enum scenario_##type) == sizeof(unsigned), "an enum is an unsigned");
#define CHOICE(type, name, word)
#define END_CHOICES(type)
#include "core/model/choices.def"
#undef CHOICES
#undef CHOICE
#undef END_CHOICES

const struct scenario_row scenario_rows[] = {
#define AT(section, key) offsetof(struct scenario, section.key)
#define SECTION(name)
#define REAL(section, key, unit, min, max, value, meaning, source)                                           \
    {#section, #key, SCENARIO_REAL, unit, AT(section, key), min, max, 0, 0, 0, NULL, meaning, source},
#define INT(section, key, unit, min, max, value, meaning, source)                                            \
    {#section, #key, SCENARIO_INT, unit, AT(section, key), 0, 0, min, max, 0, NULL, meaning, source},
#define TEXT(section, key, max_bytes, value, meaning, source)                                                \
    {#section, #key, SCENARIO_TEXT, "", AT(section, key), 0, 0, 0, 0, max_bytes, NULL, meaning, source},
#define WORD(section, key, choices, value, meaning, source)                                                  \
    {#section, #key, SCENARIO_WORD, "", AT(section, key), 0, 0, 0, 0, 0, words_##choices, meaning, source},
#define END_SECTION(name)
#include "core/model/scenario.def"
#undef SECTION
#undef REAL
#undef INT
#undef TEXT
#undef WORD
#undef END_SECTION
#undef AT
};

const size_t scenario_row_count = sizeof scenario_rows / sizeof *scenario_rows;

void scenario_defaults(struct scenario *scenario)
{
    memset(scenario, 0, sizeof *scenario);
#define SECTION(name)
#define REAL(section, key, unit, min, max, value, meaning, source) scenario->section.key = value;
#define INT(section, key, unit, min, max, value, meaning, source) scenario->section.key = value;
#define TEXT(section, key, max_bytes, value, meaning, source)                                                \
    memcpy(scenario->section.key, value, sizeof value);
#define WORD(section, key, choices, value, meaning, source) scenario->section.key = value;
#define END_SECTION(name)
#include "core/model/scenario.def"
#undef SECTION
#undef REAL
#undef INT
#undef TEXT
#undef WORD
#undef END_SECTION
}

const struct scenario_row *scenario_find_row(const char *section, const char *key)
{
    for (size_t i = 0; i < scenario_row_count; i++)
        if (strcmp(scenario_rows[i].section, section) == 0 && strcmp(scenario_rows[i].key, key) == 0)
            return &scenario_rows[i];
    return NULL;
}

bool scenario_has_section(const char *section)
{
    for (size_t i = 0; i < scenario_row_count; i++)
        if (strcmp(scenario_rows[i].section, section) == 0)
            return true;
    return false;
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

const char *scenario_nearest_section(const char *section)
{
    const char *best = scenario_rows[0].section;
    for (size_t i = 0; i < scenario_row_count; i++)
        if (edit_distance(section, scenario_rows[i].section) < edit_distance(section, best))
            best = scenario_rows[i].section;
    return best;
}

const char *scenario_nearest_key(const char *section, const char *key)
{
    const char *best = NULL;
    for (size_t i = 0; i < scenario_row_count; i++) {
        const struct scenario_row *row = &scenario_rows[i];
        bool inside = strcmp(row->section, section) == 0;
        if (inside && (best == NULL || edit_distance(key, row->key) < edit_distance(key, best)))
            best = row->key;
    }
    return best != NULL ? best : "";
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

int scenario_set_field(struct scenario *scenario, const struct scenario_row *row, const char *value,
                       const char *where, struct diag *diag)
{
    void *field = (char *) scenario + row->offset;
    switch (row->kind) {
    case SCENARIO_REAL: return set_real(field, row, value, where, diag);
    case SCENARIO_INT: return set_int(field, row, value, where, diag);
    case SCENARIO_TEXT: return set_text(field, row, value, where, diag);
    case SCENARIO_WORD: return set_word(field, row, value, where, diag);
    }
    return ERR_TYPE;
}

int scenario_set(struct scenario *scenario, const char *assignment, struct diag *diag)
{
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    char section[64];
    char key[64];
    if (equals == NULL || dot == NULL || dot > equals)
        return diag_fail(diag, ERR_SYNTAX, "'%.80s': expected section.key=value", assignment);
    (void) snprintf(section, sizeof section, "%.*s", (int) (dot - assignment < 63 ? dot - assignment : 63),
                    assignment);
    (void) snprintf(key, sizeof key, "%.*s", (int) (equals - dot - 1 < 63 ? equals - dot - 1 : 63), dot + 1);
    if (!scenario_has_section(section))
        return diag_fail(diag, ERR_UNKNOWN, "%s: unknown section, the nearest is '%s'", section,
                         scenario_nearest_section(section));
    const struct scenario_row *row = scenario_find_row(section, key);
    if (row == NULL)
        return diag_fail(diag, ERR_UNKNOWN, "%s.%s: unknown key, the nearest is '%s'", section, key,
                         scenario_nearest_key(section, key));
    char where[160];
    (void) snprintf(where, sizeof where, "%s.%s", section, key);
    return scenario_set_field(scenario, row, equals + 1, where, diag);
}

/* The shortest of 15, 16 or 17 digits that reads back to the same bits. */
static int print_real(double value, struct buf *text)
{
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        (void) snprintf(digits, sizeof digits, "%.*g", precision, value); /* at most 24 characters */
        double again = strtod(digits, NULL);
        if (memcmp(&again, &value, sizeof value) == 0)
            break;
    }
    return buf_printf(text, "%s", digits);
}

static int print_text(const char *value, struct buf *text)
{
    int rc = buf_printf(text, "\"");
    for (; rc == 0 && *value != '\0'; value++)
        rc = buf_printf(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    return rc == 0 ? buf_printf(text, "\"") : rc;
}

static int print_field(const struct scenario *scenario, const struct scenario_row *row, struct buf *text)
{
    const void *field = (const char *) scenario + row->offset;
    switch (row->kind) {
    case SCENARIO_REAL: return print_real(*(const double *) field, text);
    case SCENARIO_INT: return buf_printf(text, "%" PRIu64, *(const uint64_t *) field);
    case SCENARIO_TEXT: return print_text(field, text);
    case SCENARIO_WORD: return buf_printf(text, "%s", row->words[*(const unsigned *) field]);
    }
    return ERR_TYPE;
}

int scenario_print(const struct scenario *scenario, struct buf *text)
{
    const char *section = "";
    for (size_t i = 0; i < scenario_row_count; i++) {
        const struct scenario_row *row = &scenario_rows[i];
        int rc = strcmp(section, row->section) == 0 ? 0 : buf_printf(text, "%s:\n", row->section);
        section = row->section;
        rc = rc == 0 ? buf_printf(text, "  %s: ", row->key) : rc;
        rc = rc == 0 ? print_field(scenario, row, text) : rc;
        rc = rc == 0 ? buf_printf(text, "\n") : rc;
        if (rc != 0)
            return rc;
    }
    return 0;
}

size_t scenario_key_count(void)
{
    return scenario_row_count;
}

void scenario_key_at(size_t index, struct scenario_key *ret_key, char range_text[static 128],
                     char default_text[static 64])
{
    assert(index < scenario_row_count);
    const struct scenario_row *row = &scenario_rows[index];
    struct scenario defaults;
    struct buf text = {0};
    scenario_defaults(&defaults);
    write_range(row, range_text);
    bool printed = print_field(&defaults, row, &text) == 0;
    (void) snprintf(default_text, 64, "%.63s",
                    printed ? (const char *) text.data : ""); /* defaults are short */
    buf_finish(&text);
    *ret_key = (struct scenario_key){
        .section = row->section,
        .key = row->key,
        .kind = row->kind,
        .unit = row->unit,
        .range = range_text,
        .default_text = default_text,
        .meaning = row->meaning,
        .source = row->source,
    };
}
