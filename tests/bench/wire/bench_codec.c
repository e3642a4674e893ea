/* Nanoseconds of processor time per encode and per decode, beside a memcpy of the same frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "proto/message.h"

/* The shortest of several rounds: what disturbs a round only makes it longer. */
#define ROUNDS 7
#define MESSAGES_PER_ROUND 100000u

struct timing {
    double encode_ns, decode_ns, copy_ns;
    size_t bytes;
};

static void keep_shortest(double *shortest, uint64_t start_ns, unsigned repeats)
{
    double each = (double) (clock_process_ns() - start_ns) / repeats;
    if (*shortest == 0 || each < *shortest)
        *shortest = each;
}

static void must(int rc)
{
    if (rc != 0)
        abort();
}

static void time_encode(const struct proto_message *message, unsigned repeats, struct buf *frame,
                        double *shortest)
{
    uint64_t start_ns = clock_process_ns();
    for (unsigned i = 0; i < repeats; i++) {
        buf_clear(frame);
        must(proto_encode(message, frame, NULL));
    }
    keep_shortest(shortest, start_ns, repeats);
}

static void time_decode(const struct buf *frame, unsigned repeats, double *shortest)
{
    struct proto_scratch scratch = {{0}};
    struct proto_message message;
    enum proto_refusal refusal;
    uint64_t start_ns = clock_process_ns();
    for (unsigned i = 0; i < repeats; i++)
        must(proto_decode(frame->data + 4, frame->size - 4, &scratch, &message, &refusal, NULL));
    keep_shortest(shortest, start_ns, repeats);
    proto_scratch_finish(&scratch);
}

static void time_copy(const struct buf *frame, unsigned repeats, uint8_t *target, double *shortest)
{
    uint64_t start_ns = clock_process_ns();
    for (unsigned i = 0; i < repeats; i++) {
        memcpy(target, frame->data, frame->size);
        __asm__ volatile("" : : "r"(target) : "memory"); /* or the copies are thought useless */
    }
    keep_shortest(shortest, start_ns, repeats);
}

static void run(const char *what, const struct proto_message *message)
{
    struct timing timing = {0};
    struct buf frame = {0};
    must(proto_encode(message, &frame, NULL));
    timing.bytes = frame.size;
    uint8_t *target = malloc(frame.size);
    must(target == NULL);
    unsigned repeats = frame.size > 10000 ? MESSAGES_PER_ROUND / 1000 : MESSAGES_PER_ROUND;
    for (unsigned i = 0; i < ROUNDS; i++) {
        time_encode(message, repeats, &frame, &timing.encode_ns);
        time_decode(&frame, repeats, &timing.decode_ns);
        time_copy(&frame, repeats, target, &timing.copy_ns);
    }
    (void) printf("%-28s %8zu bytes  encode %9.1f ns  decode %9.1f ns  memcpy %8.1f ns  ratio %.4f\n", what,
                  timing.bytes, timing.encode_ns, timing.decode_ns, timing.copy_ns,
                  timing.copy_ns / (timing.encode_ns + timing.decode_ns));
    free(target);
    buf_finish(&frame);
}

#define DEVICES_MANY 100000u
#define PAYLOAD 4096u

int main(void)
{
    static double reals[DEVICES_MANY];
    static uint32_t devices[DEVICES_MANY];
    static uint8_t payload[1048576];
    for (uint32_t i = 0; i < DEVICES_MANY; i++) {
        reals[i] = 1.0 / (i + 1);
        devices[i] = i;
    }
    struct proto_message report = {
        .id = PROTO_REPORT, .report = {.device = 7, .round = 123456, .local_s = 0.31, .latency_s = 0.64}};
    struct proto_message decision = {
        .id = PROTO_DECISION, .decision = {.device = 7, .round = 123456, .split = 16, .compute_share = 0.25}};
    struct proto_message observation = {
        .id = PROTO_OBSERVATION,
        .observation = {.device = 7, .round = 123456, .x_m = 310.5, .tokens = 128, .gain = {reals, 3}}};
    struct proto_message task = {.id = PROTO_TASK,
                                 .task = {.tokens = 128, .arrival_s = 0.4, .payload = {payload, PAYLOAD}}};
    struct proto_message allot = {.id = PROTO_ALLOT,
                                  .allot = {.device = {devices, 10}, .compute_share = {reals, 10}}};
    (void) printf("ratio: memcpy of the frame / (encode + decode)\n");
    run("DECISION", &decision);
    run("OBSERVATION of 3 servers", &observation);
    run("REPORT", &report);
    run("ALLOT of 10 devices", &allot);
    run("TASK of 4 KiB", &task);
    allot.allot.device.count = allot.allot.compute_share.count = DEVICES_MANY;
    run("ALLOT of 100,000 devices", &allot);
    task.task.payload.size = sizeof payload;
    run("TASK of 1 MiB", &task);
    return 0;
}
