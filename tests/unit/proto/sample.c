#include "sample.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"

/* Longest of each kind in messages.def; sample_fill aborts when a row asks for more. */
#define TEXT_MOST 65536u
#define BYTES_MOST 1048576u
#define LIST_MOST 100000u
#define LIST_ROOM (6u * LIST_MOST) /* for all lists of a message */
#define LIST_RANDOM 40u

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        abort();
    return memory;
}

void sample_room_init(struct sample_room *room)
{
    room->text = take(TEXT_MOST, 1);
    room->bytes = take(BYTES_MOST, 1);
    room->uints = take(LIST_ROOM, sizeof *room->uints);
    room->reals = take(LIST_ROOM, sizeof *room->reals);
}

void sample_room_finish(struct sample_room *room)
{
    free(room->text);
    free(room->bytes);
    free(room->uints);
    free(room->reals);
}

struct source {
    enum sample_kind kind;
    struct rng_at at;
    uint32_t drawn;
};

static uint64_t make_uint(struct source *source, uint64_t low, uint64_t high)
{
    if (source->kind != SAMPLE_RANDOM)
        return source->kind == SAMPLE_LEAST ? low : high;
    struct rng_block block = rng_block(&source->at, source->drawn++);
    uint64_t any = (uint64_t) block.v[0] << 32 | block.v[1];
    any >>= block.v[2] % 64; /* small numbers too: they are packed in fewer bytes */
    return high - low == UINT64_MAX ? any : low + any % (high - low + 1);
}

static double make_real(struct source *source, double low, double high)
{
    if (source->kind != SAMPLE_RANDOM)
        return source->kind == SAMPLE_LEAST ? low : high;
    return rng_range(&source->at, source->drawn++, low, high);
}

static size_t make_size(struct source *source, uint64_t limit)
{
    uint64_t most = source->kind == SAMPLE_RANDOM && limit > LIST_RANDOM ? LIST_RANDOM : limit;
    return (size_t) make_uint(source, 0, most);
}

static void make_text(struct source *source, const struct schema_field *field, char *text,
                      struct proto_text *ret_text)
{
    size_t size = make_size(source, field->limit);
    for (size_t i = 0; i < size; i++)
        text[i] = (char) make_uint(source, 1, 127);
    *ret_text = (struct proto_text){text, size};
}

static void make_bytes(struct source *source, const struct schema_field *field, uint8_t *bytes,
                       struct proto_bytes *ret_bytes)
{
    size_t size = make_size(source, field->limit);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t) make_uint(source, 0, 255);
    *ret_bytes = (struct proto_bytes){bytes, size};
}

static void make_list(struct source *source, const struct schema_field *field, struct sample_room *room,
                      void *slot)
{
    size_t count = make_size(source, field->limit);
    if (field->kind == SCHEMA_UINT_LIST) {
        uint32_t *list = room->uints + room->uints_used;
        for (size_t i = 0; i < count; i++)
            list[i] = (uint32_t) make_uint(source, field->low, field->high);
        *(struct proto_u32s *) slot = (struct proto_u32s){list, count};
        room->uints_used += count;
    } else {
        double *list = room->reals + room->reals_used;
        for (size_t i = 0; i < count; i++)
            list[i] = make_real(source, field->real_low, field->real_high);
        *(struct proto_reals *) slot = (struct proto_reals){list, count};
        room->reals_used += count;
    }
}

static void check_room(const struct sample_room *room, const struct schema_field *field)
{
    uint64_t most = field->kind == SCHEMA_TEXT    ? TEXT_MOST
                    : field->kind == SCHEMA_BYTES ? BYTES_MOST
                                                  : LIST_MOST;
    size_t used = room->uints_used > room->reals_used ? room->uints_used : room->reals_used;
    if (field->limit > most || used + LIST_MOST > LIST_ROOM)
        abort();
}

void sample_fill(const struct schema_row *row, enum sample_kind kind, uint64_t seed, struct sample_room *room,
                 struct proto_message *ret_message)
{
    struct source source = {.kind = kind, .at = {.seed = seed, .entity = (uint32_t) row->id}};
    memset(ret_message, 0, sizeof *ret_message);
    ret_message->id = row->id;
    room->uints_used = room->reals_used = 0;
    for (size_t i = 0; i < row->field_count; i++) {
        const struct schema_field *field = &row->fields[i];
        void *slot = schema_slot(ret_message, field);
        check_room(room, field);
        switch (field->kind) {
        case SCHEMA_UINT: *(uint64_t *) slot = make_uint(&source, field->low, field->high); break;
        case SCHEMA_REAL: *(double *) slot = make_real(&source, field->real_low, field->real_high); break;
        case SCHEMA_TEXT: make_text(&source, field, room->text, slot); break;
        case SCHEMA_BYTES: make_bytes(&source, field, room->bytes, slot); break;
        case SCHEMA_UINT_LIST:
        case SCHEMA_REAL_LIST: make_list(&source, field, room, slot); break;
        }
    }
}

static bool same_memory(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static bool same_value(const struct schema_field *field, const void *a, const void *b)
{
    switch (field->kind) {
    case SCHEMA_UINT: return memcmp(a, b, sizeof(uint64_t)) == 0;
    case SCHEMA_REAL: return memcmp(a, b, sizeof(double)) == 0;
    case SCHEMA_TEXT: {
        const struct proto_text *x = a, *y = b;
        return same_memory(x->data, x->size, y->data, y->size);
    }
    case SCHEMA_BYTES: {
        const struct proto_bytes *x = a, *y = b;
        return same_memory(x->data, x->size, y->data, y->size);
    }
    case SCHEMA_UINT_LIST: {
        const struct proto_u32s *x = a, *y = b;
        return same_memory(x->data, x->count * sizeof *x->data, y->data, y->count * sizeof *y->data);
    }
    case SCHEMA_REAL_LIST: {
        const struct proto_reals *x = a, *y = b;
        return same_memory(x->data, x->count * sizeof *x->data, y->data, y->count * sizeof *y->data);
    }
    }
    return false;
}

bool sample_equal(const struct proto_message *a, const struct proto_message *b, const char **ret_field)
{
    const struct schema_row *row = schema_row((uint64_t) a->id);
    if (row == NULL || a->id != b->id)
        return false;
    for (size_t i = 0; i < row->field_count; i++)
        if (!same_value(&row->fields[i], schema_slot_const(a, &row->fields[i]),
                        schema_slot_const(b, &row->fields[i]))) {
            if (ret_field != NULL)
                *ret_field = row->fields[i].name;
            return false;
        }
    return true;
}
