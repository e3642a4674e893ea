/* What a training leaves is what the project reads: the same tokens, the same geometry, the same numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/train/bpe.h"
#include "core/train/export.h"
#include "core/weights/tokenizer.h"
#include "core/weights/weights.h"

#define TEXT                                                                                                 \
    "The quick brown fox jumps over the lazy dog. It's the dog's day, they'll say: 12,345 times!\n\n"        \
    "  The fox -- quick as it was -- didn't see \"the dog\" (or the dogs'), did it?\tNo.\r\n"

struct place {
    char folder[64], weights[96], config[96], tokenizer[96];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    (void) strcpy(place->folder, "/tmp/handoff-files-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void) snprintf(place->weights, sizeof place->weights, "%s/model.safetensors", place->folder);
    (void) snprintf(place->config, sizeof place->config, "%s/config.json", place->folder);
    (void) snprintf(place->tokenizer, sizeof place->tokenizer, "%s/tokenizer.json", place->folder);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    (void) unlink(place->weights);
    (void) unlink(place->config);
    (void) unlink(place->tokenizer);
    assert_int_equal(rmdir(place->folder), 0);
    free(place);
    return 0;
}

static void the_tokenizers_file_gives_the_same_tokens(void **state)
{
    const struct place *place = *state;
    const struct bpe_text text = {(const uint8_t *) TEXT, strlen(TEXT)};
    struct bpe *bpe = NULL;
    struct bpe_tokens tokens = {0};
    struct tokenizer *tokenizer = NULL;
    struct tokenizer_ids ids = {0};
    struct buf json = {0};
    struct diag diag = {0};
    assert_int_equal(bpe_train(&text, 1, 280, &bpe, NULL), 0);
    assert_int_equal(bpe_encode(bpe, &text, &tokens, NULL), 0);
    assert_int_equal(bpe_json(bpe, &json), 0);
    assert_int_equal(file_replace(place->tokenizer, json.data, json.size, NULL), 0);
    if (tokenizer_open_json(place->tokenizer, &tokenizer, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(tokenizer_size(tokenizer), 280);
    assert_int_equal(tokenizer_encode(tokenizer, TEXT, text.size, false, &ids, NULL), 0);
    assert_int_equal(ids.count, tokens.count);
    assert_true(tokens.count < text.size);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_equal(ids.id[i], tokens.id[i]);
    tokenizer_ids_finish(&ids);
    tokenizer_close(tokenizer);
    buf_finish(&json);
    free(tokens.id);
    bpe_destroy(bpe);
}

static const struct shape shape = {
    .layers = 2, .width = 12, .heads = 2, .kv_heads = 1, .hidden = 20, .vocabulary = 300, .context = 16};

static void write_model(const struct place *place, float *params)
{
    static const struct safetensors_text text[] = {{"seed", "1"}};
    const struct export_model model = {&shape, params, text, 1, 299};
    struct diag diag = {0};
    assert_int_equal(export_round(shape_parameters(&shape), params, &diag), 0);
    if (export_weights(&model, place->weights, &diag) != 0 ||
        export_config(&model, place->config, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void expect_tensor(const struct weights *weights, enum weights_role role, uint32_t layer,
                          const float *expected)
{
    struct weights_tensor tensor;
    assert_int_equal(weights_find(weights, role, layer, &tensor), 0);
    const size_t count = (size_t) tensor.rows * tensor.columns;
    float *got = malloc(count * sizeof *got);
    assert_non_null(got);
    weights_read_rows(&tensor, 0, tensor.rows, got);
    assert_memory_equal(got, expected, count * sizeof *got);
    free(got);
}

static void a_models_files_hold_its_numbers(void **state)
{
    const struct place *place = *state;
    const struct rng_at at = {.seed = 8};
    const struct shape_layer part = shape_layer(&shape);
    const size_t count = shape_parameters(&shape), width = shape.width;
    float *params = malloc(count * sizeof *params);
    struct weights *weights = NULL;
    struct diag diag = {0};
    assert_non_null(params);
    for (size_t i = 0; i < count; i++)
        params[i] = (float) rng_range(&at, (uint32_t) i, -1.0, 1.0);
    write_model(place, params);
    if (weights_open(place->folder, &weights, &diag) != 0)
        fail_msg("%s", diag.text);
    const struct weights_geometry *geometry = weights_geometry(weights);
    assert_int_equal(geometry->layers, 2);
    assert_int_equal(geometry->kv_heads, 1);
    assert_int_equal(geometry->context, 16);
    assert_int_equal(geometry->rotary, WEIGHTS_HALF_SPLIT);
    assert_true(geometry->is_tied && geometry->norm_epsilon == SHAPE_NORM_EPSILON);
    const float *layer = params + shape_layer_at(&shape, 1);
    expect_tensor(weights, WEIGHTS_EMBEDDING, 0, params);
    expect_tensor(weights, WEIGHTS_ATTENTION_NORM, 1, layer + part.attention_norm);
    expect_tensor(weights, WEIGHTS_QUERY, 1, layer + part.qkv);
    expect_tensor(weights, WEIGHTS_KEY, 1, layer + part.qkv + 12 * width);
    expect_tensor(weights, WEIGHTS_VALUE, 1, layer + part.qkv + 18 * width);
    expect_tensor(weights, WEIGHTS_ATTENTION_OUTPUT, 1, layer + part.output);
    expect_tensor(weights, WEIGHTS_FF_NORM, 1, layer + part.feed_norm);
    expect_tensor(weights, WEIGHTS_GATE, 1, layer + part.gate_up);
    expect_tensor(weights, WEIGHTS_UP, 1, layer + part.gate_up + 20 * width);
    expect_tensor(weights, WEIGHTS_DOWN, 1, layer + part.down);
    expect_tensor(weights, WEIGHTS_FINAL_NORM, 0, params + shape_norm_at(&shape));
    weights_close(weights);
    free(params);
}

static void numbers_are_rounded_to_half_precision_first(void **state)
{
    (void) state;
    float params[] = {0.1f, 1.0f, 65504.0f, 1e-9f}, large[] = {1.0f, 65520.0f};
    struct diag diag = {0};
    assert_int_equal(export_round(4, params, NULL), 0);
    assert_true(params[0] != 0.1f && fabsf(params[0] - 0.1f) < 5e-5f);
    assert_true(params[1] == 1.0f && params[2] == 65504.0f && params[3] == 0.0f);
    assert_int_equal(export_round(2, large, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "parameter 1 is 65520"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tokenizers_file_gives_the_same_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_models_files_hold_its_numbers, set_up, tear_down),
        cmocka_unit_test(numbers_are_rounded_to_half_precision_first),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
