/* The ledger of open tasks: who is found in it, in which order, and how long rows last. */
#include "orchestrator/session/task_ledger.h"

#include "tests/unit/model/check.h"

#define DEVICES 6u

/* A slot in which the devices of a mask have a task. */
static void open_slot(struct task_ledger *ledger, uint64_t round, unsigned mask)
{
    assert_int_equal(task_ledger_reserve(ledger), 0);
    task_ledger_open(ledger, round);
    for (uint32_t n = 0; n < DEVICES; n++)
        if ((mask >> n & 1u) != 0)
            task_ledger_add(ledger)->row->device = n;
}

static void a_task_is_found_by_its_round_and_device_alone(void **state)
{
    (void) state;
    static const unsigned masks[] = {0x3f, 0x2a, 0x00, 0x20, 0x01};
    struct task_ledger ledger;
    task_ledger_init(&ledger, DEVICES, false);
    for (uint64_t slot = 0; slot < 5; slot++)
        open_slot(&ledger, 10 + 2 * slot, masks[slot]);
    assert_int_equal(task_ledger_tasks(&ledger), 6 + 3 + 1 + 1);
    for (uint64_t round = 9; round < 20; round++)
        for (uint32_t n = 0; n < DEVICES + 2; n++) {
            const struct open_task *task = task_ledger_find(&ledger, round, n);
            bool has = round % 2 == 0 && n < DEVICES && (masks[(round - 10) / 2] >> n & 1u) != 0;
            assert_int_equal(task != NULL, has);
            if (has)
                assert_true(task->round == round && task->row->device == n && !task->ended);
        }
    task_ledger_finish(&ledger);
}

static void tasks_come_in_order_of_slots_and_devices_across_empty_blocks(void **state)
{
    (void) state;
    struct task_ledger ledger;
    struct ledger_place place = {0};
    task_ledger_init(&ledger, DEVICES, false);
    assert_null(task_ledger_next(&ledger, &place));
    static const unsigned masks[] = {0x00, 0x05, 0x00, 0x08};
    for (uint64_t slot = 0; slot < 4; slot++)
        open_slot(&ledger, slot, masks[slot]);
    static const struct {
        uint64_t round;
        uint32_t device;
    } expected[] = {{1, 0}, {1, 2}, {3, 3}};
    place = (struct ledger_place){0};
    for (size_t i = 0; i < 3; i++) {
        const struct open_task *task = task_ledger_next(&ledger, &place);
        assert_true(task != NULL && task->round == expected[i].round);
        assert_int_equal(task->row->device, expected[i].device);
        assert_true(ledger.block[place.block].round == task->round);
    }
    assert_null(task_ledger_next(&ledger, &place));
    task_ledger_finish(&ledger);
}

/* As when the sinks get rows in the step that opens the next slot's block. */
static void rows_that_have_left_last_while_the_next_block_is_opened(void **state)
{
    (void) state;
    struct task_ledger ledger;
    task_ledger_init(&ledger, DEVICES, false);
    open_slot(&ledger, 0, 0x3f);
    for (uint64_t round = 1; round < 40; round++) {
        assert_int_equal(task_ledger_reserve(&ledger), 0);
        const struct db_task *row = ledger.block[0].row;
        ledger.block[0].row[0].tokens = (uint32_t) round;
        ledger.block[0].open = 0;
        task_ledger_leave(&ledger, 1);
        task_ledger_open(&ledger, round);
        task_ledger_add(&ledger)->row->tokens = 1000;
        assert_int_equal(row[0].tokens, round);
        task_ledger_find(&ledger, round, 0)->row->device = 0;
        for (uint32_t n = 1; n < DEVICES; n++)
            task_ledger_add(&ledger)->row->device = n;
        assert_int_equal(ledger.held, 2); /* memory is used again */
    }
    task_ledger_finish(&ledger);
}

/* Mode round, whose only block leaves before the next one is opened. */
static void one_block_at_a_time_needs_the_memory_of_one(void **state)
{
    (void) state;
    struct task_ledger ledger;
    task_ledger_init(&ledger, DEVICES, false);
    for (uint64_t round = 0; round < 10; round++) {
        open_slot(&ledger, round, 0x3f);
        assert_int_equal(ledger.held, 1);
        assert_false(task_ledger_find(&ledger, round, 3)->ended); /* nothing of the block before */
        task_ledger_find(&ledger, round, 3)->ended = true;
        ledger.block[0].open = 0;
        task_ledger_leave(&ledger, 1);
        assert_null(task_ledger_find(&ledger, round, 3));
    }
    task_ledger_finish(&ledger);
}

static void answers_of_finished_tasks_leave_in_order(void **state)
{
    (void) state;
    struct task_ledger ledger;
    task_ledger_init(&ledger, DEVICES, true);
    open_slot(&ledger, 3, 0x2f); /* devices 0 to 3, and 5 */
    struct ledger_block *block = &ledger.block[0];
    for (uint32_t i = 0; i < block->count; i++) {
        struct open_task *task = &block->task[i];
        task->row->latency_s = i == 1 || i == 3 ? (double) NAN : 1.0; /* those were lost */
        task->answer->device = task->row->device;
    }
    block->open = 0;
    task_ledger_gather_answers(block);
    assert_int_equal(block->answers, 3);
    assert_int_equal(block->answer[0].device, 0);
    assert_int_equal(block->answer[1].device, 2);
    assert_int_equal(block->answer[2].device, 5);
    task_ledger_leave(&ledger, 1);
    open_slot(&ledger, 4, 0x01);
    assert_int_equal(ledger.block[0].answers, 0);
    assert_ptr_equal(ledger.block[0].task[0].answer, ledger.block[0].answer);
    task_ledger_finish(&ledger);
}

static void a_ledger_that_keeps_no_answers_has_none(void **state)
{
    (void) state;
    struct task_ledger ledger;
    task_ledger_init(&ledger, DEVICES, false);
    open_slot(&ledger, 3, 0x3f);
    assert_null(ledger.block[0].task[2].answer);
    ledger.block[0].open = 0;
    task_ledger_gather_answers(&ledger.block[0]);
    assert_int_equal(ledger.block[0].answers, 0);
    task_ledger_finish(&ledger);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_found_by_its_round_and_device_alone),
        cmocka_unit_test(tasks_come_in_order_of_slots_and_devices_across_empty_blocks),
        cmocka_unit_test(rows_that_have_left_last_while_the_next_block_is_opened),
        cmocka_unit_test(one_block_at_a_time_needs_the_memory_of_one),
        cmocka_unit_test(answers_of_finished_tasks_leave_in_order),
        cmocka_unit_test(a_ledger_that_keeps_no_answers_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
