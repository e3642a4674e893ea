/* A whole run played again, slot by slot: what is compared when the record or the replay ends early, when rows are missing,
 * and when tasks end in later slots. */
#include <stdio.h>

#include "core/base/err.h"
#include "orchestrator/replay/verify.h"
#include "tests/lib/scratch.h"
#include "tests/unit/policy/slot.h"

#define DEVICES 3u
#define SLOTS 4u
#define RUN 1

struct played {
    const char *name;
    uint32_t recorded;   /* slots of the one episode that have rows */
    uint32_t missing;    /* the row that was not recorded, from 1; 0: none */
    uint32_t played;     /* slots that the replay plays, if nothing stops it */
    bool complete;       /* the run was finished */
    uint32_t stopped_at; /* the slot in which the rows have ended; SLOTS: none */
    uint32_t compared;   /* rows */
    int rc;              /* in the end */
    const char *why;
};

static const char *const keys[2][6] = {
    {"devices.count=3", "servers.count=2", NULL},
    {"devices.count=3", "servers.count=2", "run.mode=queue", "run.slot_s=0.5", NULL},
};

static struct db_task row_of(uint32_t i)
{
    struct db_task row = scratch_task(0, i / DEVICES, i % DEVICES);
    row.run_id = RUN;
    row.split = 3 + i;
    row.server = (int32_t) (i % 2);
    return row;
}

static void record(const char *path, const struct played *played)
{
    struct db db;
    struct store *store;
    struct db_run run = scratch_run();
    int64_t run_id = 0;
    assert_int_equal(db_open(&db, path, DB_CREATE, NULL), 0);
    assert_int_equal(store_create(&store, &db, NULL), 0);
    assert_int_equal(store_insert_run(store, &run, &run_id, NULL), 0);
    assert_int_equal(run_id, RUN);
    for (uint32_t i = 0; i < played->recorded * DEVICES; i++) {
        const struct db_task row = row_of(i);
        if (i + 1 != played->missing)
            assert_int_equal(store_insert_task(store, &row, NULL), 0);
    }
    store_destroy(store);
    assert_int_equal(db_close(&db, NULL), 0);
}

/* Decides as it was decided, while the record says how. */
static void decide_slot(struct slot *slot, struct verification *verification, uint32_t at)
{
    uint32_t layers = slot->world.llm->layers;
    slot->view.id = (struct slot_id){.phase = RNG_TRAIN, .slot = at};
    verification->policy.kind->decide(&verification->policy, &slot->view, &slot->decision);
    for (uint32_t n = 0; n < DEVICES && verification->error == 0; n++) {
        const struct db_task row = row_of(at * DEVICES + n);
        bool known = verification->over == 0;
        assert_int_equal(slot->decision.split[n], known ? row.split : layers);
        assert_int_equal(slot->decision.server[n], known ? (uint32_t) row.server : ENV_LOCAL);
    }
}

/* Rows of a slot and of those before it come together where tasks take `late` slots longer. */
static void play(struct slot *slot, struct verification *verification, const struct played *played,
                 uint32_t late)
{
    struct session_sink sink = verify_sink(verification);
    uint32_t told = 0, stopped = SLOTS;
    for (uint32_t at = 0; at < played->played && stopped == SLOTS; at++) {
        decide_slot(slot, verification, at);
        if (verification->over != 0)
            stopped = at;
        uint32_t ended = at + 1 == played->played || stopped == at ? at + 1
                         : at + 1 > late                           ? at + 1 - late
                                                                   : 0;
        for (; told < ended; told++) {
            struct db_task row[DEVICES];
            for (uint32_t n = 0; n < DEVICES; n++)
                row[n] = row_of(told * DEVICES + n);
            assert_int_equal(sink.tasks(sink.user, row, DEVICES), verification->error);
        }
    }
    assert_int_equal(stopped, played->stopped_at);
}

static void check(const struct scratch *s, const struct played *played, bool queue)
{
    char path[SCRATCH_PATH], name[64];
    struct slot slot;
    struct verification verification;
    struct db db;
    struct store *store;
    struct diag diag = {{0}};
    (void) snprintf(name, sizeof name, "%s%d.db", played->name, queue);
    scratch_path(s, name, path);
    record(path, played);
    slot_open_plain(&slot, keys[queue]);
    check_observe_all(&slot.view, 0);
    for (uint32_t n = 0; n < DEVICES; n++)
        assert_true(env_has_task(&slot.view, n));
    assert_int_equal(db_open(&db, path, DB_READ, NULL), 0);
    assert_int_equal(store_create(&store, &db, NULL), 0);
    assert_int_equal(verify_init(&verification, &slot.world, store, RUN, &diag), 0);
    verification.complete = played->complete;
    play(&slot, &verification, played, queue ? 2 : 0);
    assert_int_equal(verify_end(&verification), played->rc);
    assert_string_equal(diag.text, played->why);
    if (played->rc == 0) {
        assert_int_equal(verification.compared + verification.unsettled, played->compared);
        assert_int_equal(verification.identical, verification.compared);
        assert_string_equal(verification.first_difference, "");
        assert_int_equal(verification.rows, 0);
    }
    verify_finish(&verification);
    store_destroy(store);
    assert_int_equal(db_close(&db, NULL), 0);
    slot_close(&slot);
}

static const struct played cases[] = {
    {"a whole run", 4, 0, 4, true, SLOTS, 12, 0, ""},
    {"one that was finished without rows", 0, 0, 2, true, 0, 0, 0, ""},
    {"one that broke off", 2, 0, 4, false, 2, 6, 0, ""},
    {"one that broke off before its first slot", 0, 0, 4, false, 0, 0, 0, ""},
    {"a replay that ends early", 4, 0, 3, true, SLOTS, 9, ERR_MISMATCH,
     "rows are left: the replay ended before episode 0, slot 3, device 0"},
    {"a finished run whose rows end early", 2, 0, 4, true, 2, 6, ERR_MISMATCH,
     "a row is missing: episode 0, slot 2, device 0 was to come next"},
    {"the first of a slot is missing", 3, 4, 3, false, 1, 3, ERR_MISMATCH,
     "a row is missing: episode 0, slot 1, device 0 was to come next"},
    {"one in between is missing", 3, 5, 3, true, 1, 3, ERR_MISMATCH,
     "a row is missing: episode 0, slot 1, device 1 was to come next"},
    {"the last of a slot is missing", 3, 6, 3, true, 1, 3, ERR_MISMATCH,
     "a row is missing: episode 0, slot 1, device 2 was to come next"},
    {"a broken run's last slot has two rows", 2, 6, 4, false, 1, 3, ERR_MISMATCH,
     "a row is missing: episode 0, slot 1, device 2 was to come next"},
};

static void each_row_of_a_run_of_rounds_is_compared_once_or_missed(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(*state, &cases[i], false);
}

static void each_row_of_a_run_in_queueing_mode_is_compared_once_or_missed(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(*state, &cases[i], true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_row_of_a_run_of_rounds_is_compared_once_or_missed, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(each_row_of_a_run_in_queueing_mode_is_compared_once_or_missed,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
