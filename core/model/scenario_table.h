/* Tables of scenario keys, and what is done with any of them: defaults, reading, setting, checking, writing, listing.
 * Text is YAML: sections of `key: value`, and lists of such. Errors name line, key, value and what was allowed.
 *
 *   row      one key: where its value lies, what it may be, what it means
 *   section  rows under one name
 *   list     a section that stands several times, or not at all: entries with the same rows, the first of which names
 *            the entry. An empty list leaves no trace in the text
 *   part     the sections that one room owns, and the struct that they fill
 *   table    parts as one, with the place of each one's struct in a struct that holds them all
 *
 * A node's table has the world's part alone (scenario.h); the orchestrator's has the parts of all policies, too
 * (orchestrator/policy/catalog/full_scenario.h). Everything here is constant: nothing is registered at start-up. */
#ifndef HANDOFF_CORE_MODEL_SCENARIO_TABLE_H
#define HANDOFF_CORE_MODEL_SCENARIO_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

/* A scenario file, and its canonical text, may not be longer. */
#define SCENARIO_TEXT_MAX 65536u

/* Sections that a table may have. */
#define SCENARIO_SECTIONS_MAX 64u

enum scenario_kind { SCENARIO_REAL, SCENARIO_INT, SCENARIO_TEXT, SCENARIO_WORD };

/* What is not of the row's kind is 0. All strings static. */
struct scenario_row {
    const char *key;
    enum scenario_kind kind;
    const char *unit; /* "" where there is none */
    size_t offset;    /* of the field in the part's struct */
    double real_min, real_max, real_default;
    uint64_t int_min, int_max, int_default;
    size_t text_max; /* bytes without the terminating zero */
    const char *text_default;
    const char *const *words; /* in the order of their enumerators; NULL ends the list */
    unsigned word_default;
    const char *meaning;
    const char *source;
};

struct scenario_section {
    const char *name;
    const struct scenario_row *row; /* [rows], at least one; of a list, where they lie in its first entry */
    size_t rows;
    size_t most;   /* entries of a list; 0: it is none */
    size_t stride; /* of a list: from entry to entry */
    size_t count;  /* of a list: where the number of its entries lies, a uint64_t */
};

/* A struct that a table has filled, and that table. Both borrowed. */
struct scenario_values {
    const struct scenario_table *table;
    const void *values;
};

struct scenario_part {
    const struct scenario_section *section; /* [sections] */
    size_t sections;
    /* What must hold between its keys, or between them and those of other parts of `whole`; `settings` is its own
     * struct there. The first broken rule speaks. NULL: each key stands for itself. */
    int (*check)(const void *settings, struct scenario_values whole, struct diag *diag);
};

struct scenario_member {
    const struct scenario_part *part;
    size_t offset; /* of the part's struct in the table's */
};

struct scenario_table {
    const struct scenario_member *member; /* [members] */
    size_t members;
    size_t size; /* of the table's struct */
    /* The order of sections in text and in listings, NULL at its end; those that it does not name follow, in the
     * order of members. NULL: all in the order of members. */
    const char *const *order;
};

/* One key, for manuals, `show keys` and sweeps. */
struct scenario_key {
    const char *section;
    const char *key;
    enum scenario_kind kind;
    bool in_list; /* of each entry of a list */
    const char *unit;
    const char *range;        /* "0 to 1 MHz", "equal, proportional or shared", "at most 64 bytes" ... */
    const char *default_text; /* as it would stand in a file */
    const char *meaning;
    const char *source;
};

/* A text, and the name of its file for messages. All borrowed. */
struct scenario_text {
    const char *text; /* [size] */
    size_t size;
    const char *name;
};

/* `values` is the table's struct in all of these. */

/* Every key at its default. */
void scenario_table_defaults(const struct scenario_table *table, void *values);

/* Reads YAML text over what the struct holds (defaults first). The struct is changed only on success. Checks single
 * keys and what must hold between them. */
int scenario_table_read(const struct scenario_table *table, void *values, const struct scenario_text *text,
                        struct diag *diag);

/* One `section.key=value` as flags and sweeps give it; `list.entry.key=value` names an entry of a list, or its number
 * from 1. Checks that key alone. */
int scenario_table_set(const struct scenario_table *table, void *values, const char *assignment,
                       struct diag *diag);

/* What must hold between keys, part by part. */
int scenario_table_check(const struct scenario_table *table, const void *values, struct diag *diag);

/* Appends the canonical YAML text: every key, in the table's order. */
int scenario_table_print(const struct scenario_table *table, const void *values, struct buf *text);

/* All keys, in the table's order. index < scenario_table_key_count(table). */
size_t scenario_table_key_count(const struct scenario_table *table);
void scenario_table_key_at(const struct scenario_table *table, size_t index, struct scenario_key *ret_key,
                           char range_text[static 128], char default_text[static 64]);

/* The struct of one part in a table's; NULL when the table has no such part. */
const void *scenario_values_part(struct scenario_values whole, const struct scenario_part *part);

#endif
