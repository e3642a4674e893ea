/* YAML text to scenario, from libyaml's event stream: events know their line, and show what a document tree
 * hides (anchors, tags, a second document). Only sections of plain `key: value` pass, and lists of such; nothing nests
 * deeper, so the text's size bounds everything. */
#include "core/model/scenario_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "core/base/err.h"
#include "core/model/scenario_table_internal.h"

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the latest; owned until the next one is taken */
    bool has_event;
    const char *name; /* borrowed: the file's name for messages */
    struct diag *diag;
    struct scenario_places places;
    char *values;                              /* the table's struct */
    bool section_given[SCENARIO_SECTIONS_MAX]; /* by place */
    bool *key_given;                           /* [places.keys] */
};

static unsigned long event_line(const struct reader *reader)
{
    return (unsigned long) reader->event.start_mark.line + 1;
}

/* The library has a word for each error but for some lacks of memory. */
static int fail_parser(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL)
        return diag_fail(reader->diag, -ENOMEM, "%s: out of memory", reader->name);
    if (parser->error == YAML_READER_ERROR)
        return diag_fail(reader->diag, ERR_SYNTAX, "%s: byte %zu: %s", reader->name,
                         parser->problem_offset + 1, parser->problem);
    return diag_fail(reader->diag, ERR_SYNTAX, "%s:%lu: not valid YAML: %s", reader->name,
                     (unsigned long) parser->problem_mark.line + 1, parser->problem);
}

static const char *event_anchor(const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor;
    else if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor;
    return (const char *) anchor;
}

static const char *event_tag(const yaml_event_t *event)
{
    const yaml_char_t *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT)
        tag = event->data.scalar.tag;
    else if (event->type == YAML_MAPPING_START_EVENT)
        tag = event->data.mapping_start.tag;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        tag = event->data.sequence_start.tag;
    return (const char *) tag;
}

static int next_event(struct reader *reader)
{
    if (reader->has_event)
        yaml_event_delete(&reader->event);
    reader->has_event = yaml_parser_parse(&reader->parser, &reader->event) == 1;
    if (!reader->has_event)
        return fail_parser(reader);
    const yaml_event_t *event = &reader->event;
    if (event->type == YAML_ALIAS_EVENT || event_anchor(event) != NULL)
        return diag_fail(reader->diag, ERR_SYNTAX,
                         "%s:%lu: anchors and aliases are not allowed, write the value out", reader->name,
                         event_line(reader));
    if (event_tag(event) != NULL)
        return diag_fail(reader->diag, ERR_SYNTAX, "%s:%lu: tags are not allowed, write the plain value",
                         reader->name, event_line(reader));
    return 0;
}

/* The event's scalar, or NULL when it is none or holds a zero byte. */
static const char *event_scalar(const struct reader *reader)
{
    if (reader->event.type != YAML_SCALAR_EVENT)
        return NULL;
    const char *text = (const char *) reader->event.data.scalar.value;
    return strlen(text) == reader->event.data.scalar.length ? text : NULL;
}

static bool event_is_plain(const struct reader *reader)
{
    return reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Where keys are read into. */
struct target {
    const struct scenario_place *place;
    char title[64]; /* "radio" or, in a list, "tiers[2]" */
    char *settings; /* the part's struct or, of a list, that moved on to the entry */
};

static int fail_unknown_key(const struct reader *reader, const struct target *target, const char *key)
{
    const struct scenario_section *section = target->place->section;
    return diag_fail(reader->diag, ERR_UNKNOWN, "%s:%lu: %s.%.63s: unknown key, the nearest is '%s'",
                     reader->name, event_line(reader), target->title, key,
                     scenario_nearest_key(section, key));
}

/* The value that belongs to a key already recognised. */
static int read_value(struct reader *reader, const struct target *target, const struct scenario_row *row)
{
    int rc = next_event(reader);
    if (rc != 0)
        return rc;
    char where[DIAG_TEXT_MAX / 2];
    (void) snprintf(where, sizeof where, "%.300s:%lu: %s.%s", reader->name, event_line(reader), target->title,
                    row->key);
    const char *value = event_scalar(reader);
    if (value == NULL)
        return diag_fail(reader->diag, ERR_TYPE,
                         "%s: expected one value, not a list, a section or a zero byte", where);
    bool quoted_number = row->kind != SCENARIO_TEXT && !event_is_plain(reader);
    if (quoted_number)
        return diag_fail(reader->diag, ERR_TYPE, "%s: '%.80s' is quoted text, write it without quotes", where,
                         value);
    if (row->kind != SCENARIO_TEXT && value[0] == '\0')
        return diag_fail(reader->diag, ERR_SYNTAX, "%s: has no value", where);
    return scenario_set_field(target->settings + row->offset, row, value, where, reader->diag);
}

static int read_key(struct reader *reader, const struct target *target)
{
    const struct scenario_section *section = target->place->section;
    const char *key = event_scalar(reader);
    if (key == NULL)
        return diag_fail(reader->diag, ERR_TYPE, "%s:%lu: %s: expected a key", reader->name,
                         event_line(reader), target->title);
    const struct scenario_row *row = scenario_find_row(section, key);
    if (row == NULL)
        return fail_unknown_key(reader, target, key);
    bool *given = &reader->key_given[target->place->first_key + (size_t) (row - section->row)];
    if (*given)
        return diag_fail(reader->diag, ERR_DUPLICATE, "%s:%lu: %s.%s: given twice", reader->name,
                         event_line(reader), target->title, key);
    *given = true;
    return read_value(reader, target, row);
}

/* The section whose name is the event at hand. */
static int find_section(struct reader *reader, const struct scenario_place **ret_place)
{
    const char *name = event_scalar(reader);
    if (name == NULL)
        return diag_fail(reader->diag, ERR_TYPE, "%s:%lu: expected a section's name", reader->name,
                         event_line(reader));
    const struct scenario_place *place = scenario_find_section(&reader->places, name);
    if (place == NULL)
        return diag_fail(reader->diag, ERR_UNKNOWN, "%s:%lu: %.63s: unknown section, the nearest is '%s'",
                         reader->name, event_line(reader), name,
                         scenario_nearest_section(&reader->places, name));
    bool *given = &reader->section_given[place - reader->places.place];
    if (*given)
        return diag_fail(reader->diag, ERR_DUPLICATE, "%s:%lu: %s: section given twice", reader->name,
                         event_line(reader), name);
    *given = true;
    *ret_place = place;
    return 0;
}

/* The `key: value` lines at hand. */
static int read_keys(struct reader *reader, const struct target *target)
{
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return diag_fail(reader->diag, ERR_TYPE, "%s:%lu: %s: expected a section of `key: value` lines",
                         reader->name, event_line(reader), target->title);
    int rc = next_event(reader);
    for (; rc == 0 && reader->event.type != YAML_MAPPING_END_EVENT; rc = next_event(reader)) {
        rc = read_key(reader, target);
        if (rc != 0)
            return rc;
    }
    return rc;
}

static int read_entry(struct reader *reader, const struct scenario_place *place, uint64_t *count)
{
    const struct scenario_section *section = place->section;
    struct target target = {.place = place};
    (void) snprintf(target.title, sizeof target.title, "%.40s[%" PRIu64 "]", section->name, *count + 1);
    if (*count == section->most)
        return diag_fail(reader->diag, ERR_TOO_BIG, "%s:%lu: %s: too many entries, allowed at most %zu",
                         reader->name, event_line(reader), target.title, section->most);
    target.settings = reader->values + place->offset + *count * section->stride;
    scenario_default_rows(target.settings, section);
    memset(reader->key_given + place->first_key, 0, section->rows * sizeof *reader->key_given);
    ++*count;
    return read_keys(reader, &target);
}

/* In place of the entries that the struct held. */
static int read_list(struct reader *reader, const struct scenario_place *place)
{
    uint64_t *count = scenario_list_count(place->section, reader->values + place->offset);
    if (reader->event.type != YAML_SEQUENCE_START_EVENT)
        return diag_fail(reader->diag, ERR_TYPE,
                         "%s:%lu: %s: expected a list, each entry a dash and its `key: value` lines",
                         reader->name, event_line(reader), place->section->name);
    *count = 0;
    int rc = next_event(reader);
    for (; rc == 0 && reader->event.type != YAML_SEQUENCE_END_EVENT; rc = next_event(reader)) {
        rc = read_entry(reader, place, count);
        if (rc != 0)
            return rc;
    }
    return rc;
}

/* One section; the event at hand is its name. A section may be empty ("radio:"). */
static int read_section(struct reader *reader)
{
    const struct scenario_place *place = NULL;
    int rc = find_section(reader, &place);
    if (rc == 0)
        rc = next_event(reader);
    if (rc != 0)
        return rc;
    const char *nothing = event_scalar(reader);
    if (nothing != NULL && nothing[0] == '\0' && event_is_plain(reader))
        return 0;
    if (place->section->most > 0)
        return read_list(reader, place);
    struct target target = {.place = place, .settings = reader->values + place->offset};
    (void) snprintf(target.title, sizeof target.title, "%s", place->section->name);
    return read_keys(reader, &target);
}

static int read_sections(struct reader *reader)
{
    int rc = next_event(reader);
    while (rc == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
        rc = read_section(reader);
        if (rc == 0)
            rc = next_event(reader);
    }
    return rc;
}

/* Stream start, then one document or none. */
static int read_stream(struct reader *reader)
{
    static const char empty[] = "is empty: expected sections such as `radio:` with `key: value` lines";
    int rc = next_event(reader);
    if (rc == 0)
        rc = next_event(reader);
    if (rc == 0 && reader->event.type == YAML_STREAM_END_EVENT)
        return diag_fail(reader->diag, ERR_SYNTAX, "%s: %s", reader->name, empty);
    if (rc == 0)
        rc = next_event(reader);
    if (rc != 0)
        return rc;
    const char *text = event_scalar(reader);
    if (text != NULL && text[0] == '\0')
        return diag_fail(reader->diag, ERR_SYNTAX, "%s: %s", reader->name, empty);
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        return diag_fail(reader->diag, ERR_TYPE,
                         "%s:%lu: expected sections such as `radio:` with `key: value` lines", reader->name,
                         event_line(reader));
    rc = read_sections(reader);
    if (rc == 0)
        rc = next_event(reader); /* the document's end */
    if (rc == 0)
        rc = next_event(reader);
    if (rc == 0 && reader->event.type != YAML_STREAM_END_EVENT)
        rc = diag_fail(reader->diag, ERR_SYNTAX, "%s:%lu: a second document starts here, one is allowed",
                       reader->name, event_line(reader));
    return rc;
}

static int parse(struct reader *reader, const struct scenario_text *text)
{
    if (yaml_parser_initialize(&reader->parser) != 1)
        return diag_fail(reader->diag, -ENOMEM, "%s: out of memory", reader->name);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *) text->text, text->size);
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    int rc = read_stream(reader);
    if (reader->has_event)
        yaml_event_delete(&reader->event);
    yaml_parser_delete(&reader->parser);
    return rc;
}

/* Reads into a copy of the struct, so that a text which is refused changes nothing. */
static int read_copy(struct reader *reader, const struct scenario_table *table,
                     const struct scenario_text *text, void *values)
{
    int rc = parse(reader, text);
    if (rc != 0)
        return rc;
    rc = scenario_table_check(table, reader->values, reader->diag);
    if (rc != 0)
        diag_prefix(reader->diag, "%s", text->name);
    else
        memcpy(values, reader->values, table->size);
    return rc;
}

int scenario_table_read(const struct scenario_table *table, void *values, const struct scenario_text *text,
                        struct diag *diag)
{
    struct reader reader = {.name = text->name, .diag = diag};
    if (text->size > SCENARIO_TEXT_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s: larger than the limit of %u bytes", text->name,
                         SCENARIO_TEXT_MAX);
    scenario_places_of(table, &reader.places);
    reader.values = malloc(table->size);
    reader.key_given = calloc(reader.places.keys, sizeof *reader.key_given);
    int rc = -ENOMEM;
    if (reader.values != NULL && reader.key_given != NULL) {
        memcpy(reader.values, values, table->size);
        rc = read_copy(&reader, table, text, values);
    } else {
        (void) diag_fail(diag, rc, "%s: out of memory", text->name);
    }
    free(reader.values);
    free(reader.key_given);
    return rc;
}
