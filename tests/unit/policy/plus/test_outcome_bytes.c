/* A learned outcome model as bytes: what is loaded is what was saved, and nothing that is cut or damaged is taken. */
#include "orchestrator/policy/plus/outcome_internal.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "tests/unit/policy/plus/outcome_bench.h"

#define PIECE_SLOTS 300u /* two pieces of experience fit into the buffer */
#define PIECE_BYTES (offsetof(struct piece, sample) + sizeof(struct outcome_sample))

/* Device 2 and server 1 have become slower and were found out. */
static void open_told(struct bench *bench)
{
    open_bench(bench, true);
    for (uint32_t slot = 0; slot < LEARNED_SLOTS; slot++)
        play_slot(bench, true);
    bench->pace.device[2] = bench->pace.server[1] = SLOWER;
    play_window(bench);
    assert_true(bench->model->device_shift.node[2].shift[0] != 0.0f);
    assert_true(bench->model->server_shift.node[1].shift[0] != 0.0f);
}

static struct buf saved(const struct outcome_model *model, bool full)
{
    struct buf bytes = {0};
    assert_int_equal(outcome_model_save(model, full, &bytes), 0);
    return bytes;
}

static int load(struct outcome_model *model, bool full, const uint8_t *bytes, size_t size, struct diag *diag)
{
    *diag = (struct diag){{0}};
    int rc = outcome_model_load(model, full, &bytes, &size, diag);
    assert_true(rc != 0 || size == 0);
    assert_int_equal(rc != 0, diag->text[0] != '\0');
    return rc;
}

static void assert_saves(const struct outcome_model *model, bool full, const struct buf *expected)
{
    struct buf again = saved(model, full);
    assert_int_equal(again.size, expected->size);
    assert_memory_equal(again.data, expected->data, again.size);
    buf_finish(&again);
}

static void weights_are_the_same_when_they_are_loaded(void **state)
{
    (void) state;
    struct bench told, other;
    struct diag diag;
    open_told(&told);
    open_bench(&other, true);
    struct buf weights = saved(told.model, false);
    assert_int_equal(load(other.model, false, weights.data, weights.size, &diag), 0);
    assert_saves(other.model, false, &weights);
    slot_draw(&other.slot, told.episode, 0, 0, 0);
    for (uint32_t n = 0; n < DEVICES; n++)
        for (uint32_t m = 0; m < SERVERS; m++)
            assert_same(foreseen(&other, n, m), foreseen(&told, n, m));
    buf_finish(&weights);
    close_bench(&other);
    close_bench(&told);
}

static void a_shift_stays_with_the_node_as_it_was_declared(void **state)
{
    (void) state;
    struct bench told, other;
    struct diag diag;
    open_told(&told);
    open_bench(&other, true);
    other.slot.world.server[1].flops *= 2.0;
    struct buf weights = saved(told.model, false);
    assert_int_equal(load(other.model, false, weights.data, weights.size, &diag), 0);
    for (uint32_t k = 0; k < NODE_DRIFT_OUTPUTS; k++) {
        assert_true(other.model->server_shift.node[1].shift[k] == 0.0f);
        assert_true(other.model->device_shift.node[2].shift[k] == told.model->device_shift.node[2].shift[k]);
    }
    buf_finish(&weights);
    close_bench(&other);
    close_bench(&told);
}

/* The experience first, as a run that is resumed does. */
static void learning_goes_on_with_the_same_bits(void **state)
{
    (void) state;
    struct bench told, other;
    struct diag diag;
    struct buf piece[2] = {{0}, {0}};
    struct policy_experience experience;
    open_bench(&told, true);
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t slot = 0; slot < PIECE_SLOTS; slot++)
            play_slot(&told, true);
        assert_int_equal(outcome_model_gather(told.model, &experience, &piece[i]), 0);
        assert_int_equal(experience.first, i * PIECE_SLOTS * DEVICES);
        assert_int_equal(experience.count, PIECE_SLOTS * DEVICES);
        assert_int_equal(experience.oldest, 0);
    }
    struct buf full = saved(told.model, true);
    open_bench(&other, true);
    assert_int_equal(outcome_model_recall(other.model, piece[0].data, piece[0].size, &diag), 0);
    assert_int_equal(load(other.model, true, full.data, full.size, &diag), ERR_MISMATCH);
    assert_non_null(strstr(diag.text, "of which some are missing"));
    assert_int_equal(outcome_model_recall(other.model, piece[1].data, piece[1].size, &diag), 0);
    assert_int_equal(load(other.model, true, full.data, full.size, &diag), 0);
    assert_saves(other.model, true, &full);
    other.episode = told.episode;
    for (uint32_t slot = 0; slot < 3; slot++) {
        play_slot(&told, true);
        play_slot(&other, true);
    }
    struct buf later = saved(told.model, true);
    assert_saves(other.model, true, &later);
    buf_finish(&later);
    buf_finish(&full);
    buf_finish(&piece[0]);
    buf_finish(&piece[1]);
    close_bench(&other);
    close_bench(&told);
}

static void bytes_that_end_early_are_refused_wherever_they_end(void **state)
{
    (void) state;
    struct bench told, other;
    struct diag diag;
    struct buf piece = {0};
    struct policy_experience experience;
    open_told(&told);
    open_bench(&other, true);
    assert_int_equal(outcome_model_gather(told.model, &experience, &piece), 0);
    assert_int_equal(outcome_model_recall(other.model, piece.data, piece.size, &diag), 0);
    for (int full = 0; full < 2; full++) {
        struct buf bytes = saved(told.model, full != 0);
        for (size_t size = 0; size < bytes.size; size += size + 700 < bytes.size ? 101 : 1)
            assert_int_not_equal(load(other.model, full != 0, bytes.data, size, &diag), 0);
        assert_int_equal(load(other.model, full != 0, bytes.data, bytes.size, &diag), 0);
        buf_finish(&bytes);
    }
    for (size_t size = 0; size<piece.size; size += size> 32 && size + 99 < piece.size ? 97 : 1)
        assert_int_not_equal(outcome_model_recall(other.model, piece.data, size, &diag), 0);
    buf_finish(&piece);
    close_bench(&other);
    close_bench(&told);
}

enum damage {
    SHIFT_IS_NO_NUMBER,
    SHIFT_IS_TOO_LARGE,
    RECENT_IS_NO_NUMBER,
    REMEMBERED_SHIFT_IS_NO_NUMBER,
    NEXT_IS_BEHIND_THE_WINDOW,
    MORE_FILLED_THAN_THE_WINDOW,
    USUAL_IS_NO_NUMBER,
    POWER_IS_NO_NUMBER,
    POWER_IS_NEGATIVE,
    POWER_IS_ENDLESS,
    DAMAGES
};

/* Saves a model that has the damage, whose state is then not to be used. */
static struct buf damaged(struct outcome_model *model, enum damage damage)
{
    struct node_drift_node *node = &model->server_shift.node[1], was = *node;
    float usual = model->server_shift.usual[1];
    double power = model->peak_w[1];
    switch (damage) {
    case SHIFT_IS_NO_NUMBER: node->shift[1] = NAN; break;
    case SHIFT_IS_TOO_LARGE: node->shift[0] = -100.0f; break;
    case RECENT_IS_NO_NUMBER: node->recent[NODE_DRIFT_WINDOW - 1][1] = NAN; break;
    case REMEMBERED_SHIFT_IS_NO_NUMBER: node->shift[0] = INFINITY; break;
    case NEXT_IS_BEHIND_THE_WINDOW: node->next = NODE_DRIFT_WINDOW; break;
    case MORE_FILLED_THAN_THE_WINDOW: node->filled = NODE_DRIFT_WINDOW + 1; break;
    case USUAL_IS_NO_NUMBER: model->server_shift.usual[1] = NAN; break;
    case POWER_IS_NO_NUMBER: model->peak_w[1] = (double) NAN; break;
    case POWER_IS_NEGATIVE: model->peak_w[1] = -1.0; break;
    case POWER_IS_ENDLESS: model->peak_w[1] = (double) INFINITY; break;
    case DAMAGES: break;
    }
    struct buf bytes = saved(model, true);
    *node = was;
    model->server_shift.usual[1] = usual;
    model->peak_w[1] = power;
    return bytes;
}

static void numbers_that_no_learning_leaves_are_refused(void **state)
{
    (void) state;
    struct bench told, other;
    struct diag diag;
    struct buf piece = {0};
    struct policy_experience experience;
    open_told(&told);
    open_bench(&other, true);
    assert_int_equal(outcome_model_gather(told.model, &experience, &piece), 0);
    assert_int_equal(outcome_model_recall(other.model, piece.data, piece.size, &diag), 0);
    for (int damage = 0; damage < DAMAGES; damage++) {
        struct buf bytes = damaged(told.model, (enum damage) damage);
        if (load(other.model, true, bytes.data, bytes.size, &diag) != ERR_CORRUPT)
            fail_msg("damage %d: \"%s\"", damage, diag.text);
        buf_finish(&bytes);
    }
    buf_finish(&piece);
    close_bench(&other);
    close_bench(&told);
}

/* One report in a piece of experience. */
struct piece {
    uint64_t first, count;
    struct outcome_sample sample;
};

static int recall(const struct piece *piece, size_t size)
{
    struct bench bench;
    struct diag diag = {{0}};
    open_bench(&bench, true);
    int rc = outcome_model_recall(bench.model, piece, size, &diag);
    assert_int_equal(bench.model->pushed, rc == 0 ? piece->first + piece->count : 0);
    close_bench(&bench);
    return rc;
}

static void a_piece_of_experience_is_whole_and_of_numbers(void **state)
{
    (void) state;
    static const struct piece good = {.first = 0, .count = 1, .sample = {.parts = 1}};
    assert_int_equal(recall(&good, PIECE_BYTES), 0);
    struct piece piece = good;
    piece.count = 2;
    assert_int_equal(recall(&piece, PIECE_BYTES), ERR_MISMATCH);
    piece.count = 0;
    assert_int_equal(recall(&piece, PIECE_BYTES), ERR_MISMATCH);
    assert_int_equal(recall(&good, PIECE_BYTES - 1), ERR_MISMATCH);
    piece = good;
    piece.sample.parts = 1u << TASK_PARTS;
    assert_int_equal(recall(&piece, PIECE_BYTES), ERR_CORRUPT);
    for (uint32_t part = 0; part < TASK_PARTS; part++) {
        piece = good;
        piece.sample.x[part][TASK_FEATURES_MAX - 1] = NAN;
        assert_int_equal(recall(&piece, PIECE_BYTES), ERR_CORRUPT);
        piece = good;
        piece.sample.y[part][OUTCOME_OUTPUTS - 1] = INFINITY;
        assert_int_equal(recall(&piece, PIECE_BYTES), ERR_CORRUPT);
    }
}

static void pieces_come_in_order_and_may_leave_a_gap(void **state)
{
    (void) state;
    struct bench bench;
    struct diag diag = {{0}};
    struct piece piece = {.first = 5, .count = 1, .sample = {.parts = 1}};
    open_bench(&bench, true);
    assert_int_equal(outcome_model_recall(bench.model, &piece, PIECE_BYTES, &diag), 0);
    assert_int_equal(bench.model->pushed, 6);
    assert_int_equal(outcome_model_recall(bench.model, &piece, PIECE_BYTES, &diag), ERR_MISMATCH);
    piece.first = 6;
    assert_int_equal(outcome_model_recall(bench.model, &piece, PIECE_BYTES, &diag), 0);
    assert_int_equal(bench.model->pushed, 7);
    close_bench(&bench);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_the_same_when_they_are_loaded),
        cmocka_unit_test(a_shift_stays_with_the_node_as_it_was_declared),
        cmocka_unit_test(learning_goes_on_with_the_same_bits),
        cmocka_unit_test(bytes_that_end_early_are_refused_wherever_they_end),
        cmocka_unit_test(numbers_that_no_learning_leaves_are_refused),
        cmocka_unit_test(a_piece_of_experience_is_whole_and_of_numbers),
        cmocka_unit_test(pieces_come_in_order_and_may_leave_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
