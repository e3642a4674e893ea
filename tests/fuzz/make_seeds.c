/* Writes the seed corpora of fuzz_message and fuzz_frame: make_seeds CORPUS_DIRECTORY. Run it after
 * messages.def changed; what fuzzing found lies beside the seeds and stays. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "proto/schema.h"
#include "tests/unit/proto/sample.h"

/* Larger seeds only slow a fuzzer down. */
#define SEED_MAX 2048u
#define FRAME_HEAD 4u

static void write_file(const char *directory, const char *name, const void *bytes, size_t size)
{
    char path[4096];
    (void) snprintf(path, sizeof path, "%s/%s", directory, name); /* a cut path does not open */
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_message(const char *corpus, const struct schema_row *row, enum sample_kind kind,
                          const char *suffix, struct sample_room *room, struct buf *stream)
{
    struct proto_message message;
    struct buf frame = {0};
    char directory[4000], name[64];
    sample_fill(row, kind, 1, room, &message);
    if (proto_encode(&message, &frame, NULL) != 0)
        exit(1);
    (void) snprintf(directory, sizeof directory, "%s/message", corpus);
    (void) snprintf(name, sizeof name, "%s-%s", row->name, suffix);
    for (char *at = name; *at != '\0'; at++)
        *at = (char) tolower((unsigned char) *at);
    if (frame.size <= SEED_MAX)
        write_file(directory, name, frame.data + FRAME_HEAD, frame.size - FRAME_HEAD);
    if (frame.size <= 128 && buf_push(stream, frame.data, frame.size) != 0)
        exit(1);
    buf_finish(&frame);
}

static void write_bombs(const char *corpus)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
    } bombs[] = {
        {"bomb-array", "\xdd\xff\xff\xff\xff", 5},
        {"bomb-list", "\x94\x12\x07\xc6\xff\xff\xff\xff", 8},
        {"bomb-text", "\x93\x08\x01\xdb\xff\xff\xff\xff", 8},
        {"bomb-appended-map", "\x92\x06\xdf\xff\xff\xff\xff", 7},
        {"appended-fields", "\x95\x06\x81\xa1k\xc0\xc7\x02\x05xy\x92\x01\x02\xca\x00\x00\x00\x00", 20},
        {"too-deep", "\x92\x06\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0", 12},
        {"not-a-number", "\x96\x22\x01\x01\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x00\x00", 15},
        {"unknown-id", "\x91\x3f", 2},
        {"empty", "", 0},
    };
    char directory[4000];
    (void) snprintf(directory, sizeof directory, "%s/message", corpus);
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++)
        write_file(directory, bombs[i].name, bombs[i].bytes, bombs[i].size);
}

static void write_streams(const char *corpus, const struct buf *stream)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
    } streams[] = {
        {"empty-frame", "\x05\x00\x00\x00\x01x\x00\x00\x00\x00", 10},
        {"too-long", "\x05\x00\x00\x00\x01x\x00\x00\x01\x2d", 10},
        {"cut", "\x02\x00\x00\x00\x09partial", 12},
        {"huge", "\x00\xff\xff\xff\xff", 5},
    };
    char directory[4000];
    uint8_t copy[SEED_MAX];
    (void) snprintf(directory, sizeof directory, "%s/frame", corpus);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        write_file(directory, streams[i].name, streams[i].bytes, streams[i].size);
    size_t size = stream->size < sizeof copy - 1 ? stream->size : sizeof copy - 1;
    memcpy(copy + 1, stream->data, size);
    copy[0] = 0;
    write_file(directory, "messages-by-1", copy, 1 + size);
    copy[0] = 16;
    write_file(directory, "messages-by-17", copy, 1 + size);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void) fprintf(stderr, "usage: make_seeds CORPUS_DIRECTORY\n");
        return 2;
    }
    struct sample_room room;
    struct buf stream = {0};
    sample_room_init(&room);
    for (uint64_t id = 0; id < SCHEMA_ID_END; id++) {
        const struct schema_row *row = schema_row(id);
        if (row == NULL)
            continue;
        write_message(argv[1], row, SAMPLE_LEAST, "least", &room, &stream);
        write_message(argv[1], row, SAMPLE_MOST, "most", &room, &stream);
        write_message(argv[1], row, SAMPLE_RANDOM, "random", &room, &stream);
    }
    write_bombs(argv[1]);
    write_streams(argv[1], &stream);
    buf_finish(&stream);
    sample_room_finish(&room);
    return 0;
}
