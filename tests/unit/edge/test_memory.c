/* Whichever allocation fails: what a server is made of says so, and leaves nothing behind. */
#include "edge-server/server_queue_virtual.h"

#include <errno.h>

#include "tests/lib/memory_each.h"
#include "tests/unit/model/check.h"

#define DEVICES 12u

static struct world world;

static int open_world(void **state)
{
    (void) state;
    const char *const keys[] = {"run.mode=queue", "run.slot_s=0.5", "devices.count=12", "servers.count=2",
                                NULL};
    world = check_world(keys);
    return 0;
}

static int close_world(void **state)
{
    (void) state;
    world_finish(&world);
    return 0;
}

static int take(struct server_queue_virtual *server, const struct proto_message *message, struct diag *diag)
{
    struct server_queue_actions actions;
    return server_queue_virtual_take(server, message, &actions, diag);
}

/* Everybody sends its task of the slot. */
static int play_slot(struct server_queue_virtual *server, uint32_t number, struct diag *diag)
{
    uint32_t device[DEVICES], task[DEVICES], tokens[DEVICES], split[DEVICES];
    double arrival_s[DEVICES];
    for (uint32_t n = 0; n < DEVICES; n++) {
        device[n] = n;
        task[n] = number;
        tokens[n] = 100;
        split[n] = 8;
        arrival_s[n] = 0.5 * number + 0.01 * n;
    }
    int rc = take(server,
                  &(struct proto_message){.id = PROTO_ALLOT,
                                          .allot = {.round = number,
                                                    .slot = number,
                                                    .device = {device, DEVICES},
                                                    .task = {task, DEVICES},
                                                    .tokens = {tokens, DEVICES},
                                                    .split = {split, DEVICES},
                                                    .arrival_s = {arrival_s, DEVICES}}},
                  diag);
    for (uint32_t n = 0; n < DEVICES && rc == 0; n++)
        rc = take(
            server,
            &(struct proto_message){
                .id = PROTO_TASK,
                .task = {.device = n, .round = number, .split = 8, .tokens = 100, .arrival_s = arrival_s[n]}},
            diag);
    return rc;
}

static int make_server(void *user, struct diag *diag)
{
    (void) user;
    struct server_queue_virtual *server = NULL;
    int rc = server_queue_virtual_create(&server, &world, 1);
    for (uint32_t number = 0; rc == 0 && number < 3; number++)
        rc = play_slot(server, number, diag);
    server_queue_virtual_destroy(server);
    return rc;
}

static int make_queue(void *user, struct diag *diag)
{
    (void) user;
    struct server_queue *queue = NULL;
    (void) diag;
    int rc = server_queue_create(&queue, &world, 1);
    server_queue_destroy(queue);
    return rc;
}

static void a_queueing_server_without_memory_leaves_nothing_behind(void **state)
{
    (void) state;
    memory_each(make_queue, NULL, 1);
    memory_each(make_server, NULL, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_queueing_server_without_memory_leaves_nothing_behind, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
