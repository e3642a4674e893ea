/* Whichever allocation fails: what a phone is made of says so, and leaves nothing behind. */
#include "mobile-node/device_queue_virtual.h"

#include <errno.h>

#include "tests/lib/memory_each.h"
#include "tests/unit/model/check.h"

#define SERVERS 2u

static struct world world;

static int open_world(void **state)
{
    (void) state;
    const char *const keys[] = {
        "run.mode=queue",         "run.slot_s=0.5",           "devices.count=1",
        "servers.count=2",        "radio.bandwidth_mhz=2",    "servers.coverage_m=2000",
        "handover.policy=resume", "handover.backhaul_mbps=1", NULL};
    world = check_world(keys);
    return 0;
}

static int close_world(void **state)
{
    (void) state;
    world_finish(&world);
    return 0;
}

static int take(struct device_queue_virtual *device, const struct proto_message *message, struct diag *diag)
{
    struct device_queue_actions actions;
    return device_queue_virtual_take(device, message, &actions, diag);
}

/* One slot: its task is sent away, or stays; with a handover before. */
static int play_slot(struct device_queue_virtual *device, uint64_t number, struct diag *diag)
{
    static const double shares[SERVERS] = {0.5, 0.5};
    bool local = number % 3 == 2;
    int rc = take(device,
                  &(struct proto_message){.id = PROTO_SLOT, .slot = {.round = number, .slot = number}}, diag);
    if (rc == 0 && number == 3)
        rc = take(
            device,
            &(struct proto_message){.id = PROTO_HANDOVER, .handover = {.round = number, .from = 0, .to = 1}},
            diag);
    return rc != 0 ? rc
                   : take(device,
                          &(struct proto_message){.id = PROTO_DECISION,
                                                  .decision = {.round = number,
                                                               .split = local ? 32 : 2,
                                                               .server = local ? PROTO_SERVER_NONE : 0,
                                                               .share = {shares, SERVERS}}},
                          diag);
}

static int make_device(void *user, struct diag *diag)
{
    (void) user;
    struct device_queue_virtual *device = NULL;
    int rc = device_queue_virtual_create(&device, &world, 0);
    for (uint64_t number = 0; rc == 0 && number < 12; number++)
        rc = play_slot(device, number, diag);
    device_queue_virtual_destroy(device);
    return rc;
}

static int make_queue(void *user, struct diag *diag)
{
    (void) user;
    struct device_queue *queue = NULL;
    (void) diag;
    int rc = device_queue_create(&queue, &world, 0);
    device_queue_destroy(queue);
    return rc;
}

static void a_queueing_device_without_memory_leaves_nothing_behind(void **state)
{
    (void) state;
    memory_each(make_queue, NULL, 5);
    memory_each(make_device, NULL, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_queueing_device_without_memory_leaves_nothing_behind, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
