/* What was decided is decided again, slot by slot, also where slots are left out. */
#include "orchestrator/replay/recorded_decisions.h"

#include "core/base/err.h"
#include "db/store.h"
#include "tests/lib/scratch.h"
#include "tests/unit/policy/slot.h"

static const char *const keys[] = {"devices.count=3", "servers.count=2", "action.formats=q4", NULL};

/* Episode, slot, device, split, server, repaired, coding; nothing is reserved. */
#define ROW(e, s, n, l, m, r, c)                                                                             \
    {                                                                                                        \
        .episode = (e), .slot = (s), .device = (n), .split = (l), .server = (m), .repaired = (r),            \
        .coding = (c)                                                                                        \
    }

/* What the run's rows say, in order; of slot 2 of episode 0 device 1 has none. */
static const struct recorded_decision rows[] = {
    ROW(0, 1, 0, 4, 0, false, 0),  ROW(0, 1, 1, 5, 1, true, 1),   ROW(0, 1, 2, 6, -1, false, 0),
    ROW(0, 2, 0, 7, 1, false, 0),  ROW(0, 2, 2, 8, 0, false, 0),  ROW(1, 0, 0, 9, 0, true, 0),
    ROW(1, 0, 1, 10, 1, false, 0), ROW(1, 0, 2, 11, 1, false, 0),
};
#define ROWS (sizeof rows / sizeof *rows)

/* The policy decides as the rows of that slot say, everybody else is local. */
static void check_slot(struct slot *slot, struct recorded_decisions *decisions, uint32_t episode, uint32_t at)
{
    uint32_t layers = slot->world.llm->layers;
    slot->view.id = (struct slot_id){.episode = episode, .slot = at};
    decisions->policy.kind->decide(&decisions->policy, &slot->view, &slot->decision);
    for (uint32_t n = 0; n < 3; n++) {
        struct recorded_decision wanted = ROW(episode, at, n, layers, -1, false, 0);
        for (size_t i = 0; i < ROWS; i++)
            if (rows[i].episode == episode && rows[i].slot == at && rows[i].device == n)
                wanted = rows[i];
        bool local = wanted.server < 0;
        assert_int_equal(slot->decision.split[n], local ? layers : wanted.split);
        assert_int_equal(slot->decision.server[n], local ? ENV_LOCAL : (uint32_t) wanted.server);
        assert_int_equal(slot->decision.repaired[n], wanted.repaired);
        assert_int_equal(slot->decision.coding[n], local ? 0 : wanted.coding);
    }
}

/* Records the rows, and one more when there is one; then loads the run. */
static int load(const struct scratch *s, const struct world *world, const struct recorded_decision *more,
                struct recorded_decisions *ret_decisions, struct diag *diag)
{
    struct db db;
    struct store *store;
    struct db_run run = scratch_run();
    int64_t run_id = 0;
    assert_int_equal(db_open(&db, s->file, DB_CREATE, diag), 0);
    assert_int_equal(store_create(&store, &db, diag), 0);
    assert_int_equal(store_insert_run(store, &run, &run_id, diag), 0);
    for (size_t i = 0; i < ROWS + (more != NULL); i++) {
        const struct recorded_decision *row = i < ROWS ? &rows[i] : more;
        struct db_task task = scratch_task(row->episode, row->slot, row->device);
        task.run_id = run_id;
        task.split = row->split;
        task.server = row->server < 0 ? DB_SERVER_NULL : row->server;
        task.repaired = row->repaired;
        task.coding = row->coding;
        if (store_insert_task(store, &task, diag) != 0)
            fail_msg("%s", diag->text);
    }
    int rc = recorded_decisions_load(ret_decisions, world, store, run_id, diag);
    store_destroy(store);
    assert_int_equal(db_close(&db, diag), 0);
    return rc;
}

static void what_was_decided_is_decided_again_also_behind_slots_that_nobody_asks_for(void **state)
{
    struct slot slot;
    struct recorded_decisions decisions;
    struct diag diag = {{0}};
    slot_open_plain(&slot, keys);
    assert_int_equal(load(*state, &slot.world, NULL, &decisions, &diag), 0);
    assert_int_equal(decisions.count, ROWS);
    check_slot(&slot, &decisions, 0, 0); /* before all rows: everybody is local */
    check_slot(&slot, &decisions, 0, 2); /* slot 1 is left out */
    check_slot(&slot, &decisions, 0, 3);
    check_slot(&slot, &decisions, 1, 0);
    check_slot(&slot, &decisions, 2, 0); /* after all rows */
    decisions.next = 0;
    for (uint32_t at = 1; at < 3; at++)
        check_slot(&slot, &decisions, 0, at);
    recorded_decisions_finish(&decisions);
    slot_close(&slot);
}

static void rows_of_nodes_that_the_world_has_not_are_refused(void **state)
{
    static const struct recorded_decision foreign[] = {
        ROW(1, 1, 3, 4, 0, false, 0), ROW(1, 1, 0, 4, 2, false, 0), ROW(1, 1, 0, 4, 0, false, 2)};
    static const char *const why[] = {"episode 1, slot 1: device 3 or server 0 does not exist",
                                      "episode 1, slot 1: device 0 or server 2 does not exist",
                                      "episode 1, slot 1: device 0 has coding 2 of 2"};
    struct slot slot;
    slot_open_plain(&slot, keys);
    for (size_t i = 0; i < 3; i++) {
        struct recorded_decisions decisions;
        struct diag diag = {{0}};
        assert_int_equal(load(*state, &slot.world, &foreign[i], &decisions, &diag), ERR_CORRUPT);
        assert_string_equal(diag.text, why[i]);
        recorded_decisions_finish(&decisions);
    }
    slot_close(&slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_was_decided_is_decided_again_also_behind_slots_that_nobody_asks_for, scratch_setup,
            scratch_teardown),
        cmocka_unit_test_setup_teardown(rows_of_nodes_that_the_world_has_not_are_refused, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
