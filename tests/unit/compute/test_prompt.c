/* Prompts that are cut from a text or drawn, and how many bytes of them cross. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/compute/compute.h"
#include "core/model/channel_radio.h"

#define VOCAB 32000u
#define TEXT 1000u
#define TOKENS 40u

static struct world make_world(const char *const *set)
{
    struct scenario scenario;
    struct world world;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    for (; *set != NULL; set++)
        assert_int_equal(scenario_set(&scenario, *set, &diag), 0);
    assert_int_equal(world_init_empty(&world, &scenario, 4, 2), 0);
    return world;
}

/* A text in which each token is its own place. */
static void give_text(struct world *world, uint32_t tokens)
{
    uint32_t text[TEXT];
    for (uint32_t i = 0; i < tokens; i++)
        text[i] = i;
    assert_int_equal(world_set_prompt(world, text, tokens, NULL), 0);
}

static void a_slots_prompt_is_the_same_whenever_it_is_asked_for(void **state)
{
    (void) state;
    const struct slot_id id = {RNG_TEST, 3, 7};
    const struct slot_id others[] = {{RNG_TRAIN, 3, 7}, {RNG_TEST, 4, 7}, {RNG_TEST, 3, 8}};
    for (uint32_t text = 0; text <= TEXT; text += TEXT) {
        uint32_t first[TOKENS], found[TOKENS];
        struct world world = make_world((const char *[]){NULL});
        give_text(&world, text);
        compute_prompt(&world, 2, id, TOKENS, first);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            compute_prompt(&world, 2, others[i], TOKENS, found);
            assert_memory_not_equal(found, first, sizeof first);
        }
        compute_prompt(&world, 1, id, TOKENS, found);
        assert_memory_not_equal(found, first, sizeof first);
        compute_prompt(&world, 2, id, TOKENS, found);
        assert_memory_equal(found, first, sizeof first);
        world.seed++;
        compute_prompt(&world, 2, id, TOKENS, found);
        assert_memory_not_equal(found, first, sizeof first);
        world_finish(&world);
    }
}

/* Counts of equal cells: their sum of squares is that of a uniform draw, within 5 deviations. */
static void assert_uniform(const uint32_t *count, uint32_t cells, uint32_t draws)
{
    double expected = (double) draws / cells, chi = 0.0;
    for (uint32_t i = 0; i < cells; i++)
        chi += (count[i] - expected) * (count[i] - expected) / expected;
    double far = chi - (cells - 1.0);
    assert_true(far * far < 25.0 * 2.0 * (cells - 1.0));
}

static void prompts_begin_uniformly_within_the_text_and_stay_within_it(void **state)
{
    (void) state;
    enum { BEGINS = TEXT - TOKENS + 1, DRAWS = 100 * BEGINS };
    static uint32_t count[BEGINS];
    uint32_t token[TOKENS];
    struct world world = make_world((const char *[]){NULL});
    give_text(&world, TEXT);
    memset(count, 0, sizeof count);
    for (uint32_t slot = 0; slot < DRAWS; slot++) {
        compute_prompt(&world, 0, (struct slot_id){RNG_TRAIN, 0, slot}, TOKENS, token);
        assert_true(token[0] < BEGINS);
        for (uint32_t i = 1; i < TOKENS; i++)
            assert_int_equal(token[i], token[0] + i);
        count[token[0]]++;
    }
    assert_uniform(count, BEGINS, DRAWS);
    world_finish(&world);
}

static void a_text_that_is_shorter_than_a_prompt_begins_anew_at_its_end(void **state)
{
    (void) state;
    uint32_t token[TOKENS];
    struct world world = make_world((const char *[]){NULL});
    give_text(&world, 7);
    compute_prompt(&world, 0, (struct slot_id){RNG_TRAIN, 0, 0}, TOKENS, token);
    assert_true(token[0] < 7);
    for (uint32_t i = 1; i < TOKENS; i++)
        assert_int_equal(token[i], (token[0] + i) % 7);
    world_finish(&world);
}

static void without_a_text_tokens_are_drawn_uniformly_from_the_vocabulary(void **state)
{
    (void) state;
    enum { CELLS = 100, SLOTS = 500 };
    uint32_t token[TOKENS], count[CELLS] = {0};
    struct world world = make_world((const char *[]){NULL});
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        compute_prompt(&world, 3, (struct slot_id){RNG_TRAIN, 0, slot}, TOKENS, token);
        for (uint32_t i = 0; i < TOKENS; i++) {
            assert_true(token[i] < VOCAB);
            count[token[i] / (VOCAB / CELLS)]++;
        }
    }
    assert_uniform(count, CELLS, SLOTS * TOKENS);
    world_finish(&world);
}

/* By hand from the table of core/infer/activation.h, for rows of 4,096 elements. */
static void bytes_are_those_of_encoded_rows_or_of_tokens(void **state)
{
    (void) state;
    static const struct {
        const char *format, *kept;
        size_t row;
    } rows[] = {
        {"compute.format=fp32", "compute.kept=0", 16384},
        {"compute.format=fp16", "compute.kept=0", 8192},
        {"compute.format=int8", "compute.kept=0", 4 + 4096},
        {"compute.format=q4", "compute.kept=0", 4096 / 32 * (2 + 16)},
        {"compute.format=topk", "compute.kept=5", 5 * 2 + 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world world = make_world((const char *[]){rows[i].format, rows[i].kept, NULL});
        assert_int_equal(compute_row_bytes(&world, 0), rows[i].row);
        assert_int_equal(compute_bytes(&world, 0, 9, 0), 36);
        assert_int_equal(compute_bytes(&world, 1, 9, 0), 9 * rows[i].row);
        assert_int_equal(compute_bytes(&world, 31, 9, 0), 9 * rows[i].row);
        assert_int_equal(compute_bytes(&world, 32, 9, 0), 0);
        world_finish(&world);
    }
}

/* A coding's declared bits of an element are those of the bytes, also where blocks of q4 are cut. */
static void what_a_coding_declares_is_what_crosses(void **state)
{
    (void) state;
    static const char *const widths[][3] = {{"model.hidden=4096", "model.query=4096", "model.kv=4096"},
                                            {"model.hidden=576", "model.query=576", "model.kv=576"},
                                            {"model.hidden=50", "model.query=50", "model.kv=50"},
                                            {"model.hidden=33", "model.query=33", "model.kv=33"}};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct world world = make_world((const char *[]){
            "model.llm=", "model.layers=4", widths[i][0], widths[i][1], widths[i][2], "model.ff=64",
            "model.ff_matrices=3", "model.vocab=99", "action.formats=fp32 fp16 int8 q4", NULL});
        for (uint32_t coding = 1; coding <= 4; coding++) {
            double bits = channel_bits(&world, 2, 96, coding);
            assert_true(fabs(bits - 8.0 * (double) compute_bytes(&world, 2, 96, coding)) < 1e-6);
        }
        world_finish(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slots_prompt_is_the_same_whenever_it_is_asked_for),
        cmocka_unit_test(prompts_begin_uniformly_within_the_text_and_stay_within_it),
        cmocka_unit_test(a_text_that_is_shorter_than_a_prompt_begins_anew_at_its_end),
        cmocka_unit_test(without_a_text_tokens_are_drawn_uniformly_from_the_vocabulary),
        cmocka_unit_test(bytes_are_those_of_encoded_rows_or_of_tokens),
        cmocka_unit_test(what_a_coding_declares_is_what_crosses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
