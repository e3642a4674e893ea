/* A scenario: everything a run is made of but its data files' rows. One table (scenario.def) makes the
 * struct, the reader, the writer and the manual. Text is YAML: sections of `key: value`. Errors name line,
 * key, value and what was allowed.
 *
 * The canonical text (scenario_print) reads back to the same struct, bit for bit; it is what WELCOME and the
 * `run` row carry. */
#ifndef HANDOFF_CORE_MODEL_SCENARIO_H
#define HANDOFF_CORE_MODEL_SCENARIO_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

/* A scenario file, and its canonical text, may not be longer. */
#define SCENARIO_TEXT_MAX 65536u

#define CHOICES(type)                                                                                        \
    enum scenario_##type                                                                                     \
    {
#define CHOICE(type, name, word) name,
#define END_CHOICES(type)                                                                                    \
    }                                                                                                        \
    ;
#include "core/model/choices.def"
#undef CHOICES
#undef CHOICE
#undef END_CHOICES

struct scenario {
#define SECTION(name) struct {
#define REAL(section, key, unit, min, max, value, meaning, source) double key; /* [unit] */
#define INT(section, key, unit, min, max, value, meaning, source) uint64_t key;
#define TEXT(section, key, max_bytes, value, meaning, source) char key[(max_bytes) + 1];
#define WORD(section, key, choices, value, meaning, source) enum scenario_##choices key;
#define END_SECTION(name)                                                                                    \
    }                                                                                                        \
    name;
#include "core/model/scenario.def"
#undef SECTION
#undef REAL
#undef INT
#undef TEXT
#undef WORD
#undef END_SECTION
};

/* All keys at their defaults: this is the scenario `dapo`. */
void scenario_defaults(struct scenario *scenario);

/* Reads YAML text over what `scenario` holds (defaults first). `name` is the file's name for messages. The
 * struct is changed only on success. Checks single keys and what must hold between them. */
int scenario_read(struct scenario *scenario, const char *text, size_t size, const char *name,
                  struct diag *diag);

/* scenario_read of a file; positions and request files it names stay as written. */
int scenario_load(struct scenario *scenario, const char *path, struct diag *diag);

/* One `section.key=value` as flags and sweeps give it. Checks that key alone. */
int scenario_set(struct scenario *scenario, const char *assignment, struct diag *diag);

/* What must hold between keys: min <= max, the split within the model's layers, real clock not yet supported,
 * ... */
int scenario_check(const struct scenario *scenario, struct diag *diag);

/* Appends the canonical YAML text: every key, in table order. */
int scenario_print(const struct scenario *scenario, struct buf *text);

/* One row of the table, for manuals, `show keys` and sweeps. All strings static. */
enum scenario_kind { SCENARIO_REAL, SCENARIO_INT, SCENARIO_TEXT, SCENARIO_WORD };
struct scenario_key {
    const char *section;
    const char *key;
    enum scenario_kind kind;
    const char *unit; /* "" where there is none */
    const char
        *range; /* "0 to 1", "equal, proportional or shared", "at most 64 bytes" ... built from the row */
    const char *default_text; /* as it would stand in a file */
    const char *meaning;
    const char *source;
};
size_t scenario_key_count(void);
void scenario_key_at(size_t index, struct scenario_key *ret_key, char range_text[static 128],
                     char default_text[static 64]);

#endif
