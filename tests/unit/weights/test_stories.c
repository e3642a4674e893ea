/* The public model stories260K of llama2.c and its tokenizer, where a folder holds them; else skipped. */
#include <stdio.h>

#include "core/base/file.h"
#include "files.h"

static const char *folder;

static struct weights *open_model(void)
{
    char path[1024];
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    (void) snprintf(path, sizeof path, "%s/stories260K.bin", folder);
    if (weights_open(path, &weights, &diag) != 0)
        fail_msg("%s", diag.text);
    return weights;
}

static struct tokenizer *open_tokenizer(const struct weights *weights)
{
    char path[1024];
    struct tokenizer *tokenizer = NULL;
    struct diag diag = {{0}};
    (void) snprintf(path, sizeof path, "%s/tok512.bin", folder);
    if (tokenizer_open(weights, path, &tokenizer, &diag) != 0)
        fail_msg("%s", diag.text);
    return tokenizer;
}

static void the_model_has_the_shape_that_its_author_tells(void **state)
{
    (void) state;
    struct weights *weights = open_model();
    const struct weights_geometry *g = weights_geometry(weights);
    assert_string_equal(weights_kind(weights), "llama2.c");
    assert_int_equal(g->hidden, 64);
    assert_int_equal(g->ff, 172);
    assert_int_equal(g->layers, 5);
    assert_int_equal(g->heads, 8);
    assert_int_equal(g->kv_heads, 4);
    assert_int_equal(g->head_size, 8);
    assert_int_equal(g->vocab, 512);
    assert_int_equal(g->context, 512);
    assert_true(g->is_tied);
    assert_int_equal(g->rotary, WEIGHTS_INTERLEAVED);
    weights_close(weights);
}

/* As the tools of others print it: sha256sum stories260K.bin. */
static void the_fingerprint_is_the_files_sha_256(void **state)
{
    (void) state;
    static const uint8_t wanted[] = {0xb0, 0xa5, 0x07, 0xe7, 0xad, 0x0f, 0x62, 0x66};
    struct weights *weights = open_model();
    uint8_t hash[WEIGHTS_HASH_SIZE];
    weights_hash(weights, NULL, NULL, hash);
    assert_memory_equal(hash, wanted, sizeof wanted);
    weights_close(weights);
}

/* Norms of a trained model are near 1, and its matrices small: what a wrong order of tensors would not give. */
static void every_tensor_holds_plausible_values(void **state)
{
    (void) state;
    struct weights *weights = open_model();
    for (enum weights_role role = WEIGHTS_EMBEDDING; role <= WEIGHTS_FINAL_NORM; role++) {
        struct weights_tensor tensor;
        if (weights_find(weights, role, 0, &tensor) != 0)
            continue;
        size_t count = (size_t) tensor.rows * tensor.columns;
        float *values = malloc(count * sizeof *values);
        double sum = 0.0, squares = 0.0;
        assert_non_null(values);
        weights_read_rows(&tensor, 0, tensor.rows, values);
        for (size_t i = 0; i < count; i++) {
            sum += (double) values[i];
            squares += (double) values[i] * (double) values[i];
        }
        double mean = sum / (double) count, root = sqrt(squares / (double) count);
        bool is_norm = tensor.rows == 1;
        assert_true(is_norm ? mean > 0.3 && mean < 10.0 : fabs(mean) < 0.05 && root > 0.01 && root < 1.0);
        free(values);
    }
    weights_close(weights);
}

static void a_text_has_the_ids_that_llama2c_gives(void **state)
{
    (void) state;
    /* Found with a plain transcription of run.c's encode into Python. */
    static const uint32_t wanted[] = {1, 403, 407, 261, 378};
    struct weights *weights = open_model();
    struct tokenizer *tokenizer = open_tokenizer(weights);
    struct tokenizer_ids ids = {0};
    assert_int_equal(tokenizer_encode(tokenizer, "Once upon a time", 16, true, &ids, NULL), 0);
    assert_int_equal(ids.count, 5);
    assert_memory_equal(ids.id, wanted, sizeof wanted);
    tokenizer_ids_finish(&ids);
    assert_int_equal(tokenizer_size(tokenizer), 512);
    assert_int_equal(tokenizer_begin_id(tokenizer), 1);
    assert_int_equal(tokenizer_end_id(tokenizer), 2);
    tokenizer_close(tokenizer);
    weights_close(weights);
}

static void any_text_comes_back(void **state)
{
    (void) state;
    static const char text[] =
        "One day, Lily met a Shoggoth. \xe6\x97\xa5 tr\xc3\xa8s\n\n  \"Hello!\" she said. \xff";
    struct weights *weights = open_model();
    struct tokenizer *tokenizer = open_tokenizer(weights);
    struct tokenizer_ids ids = {0};
    struct buf back = {0};
    assert_int_equal(tokenizer_encode(tokenizer, text, sizeof text - 1, true, &ids, NULL), 0);
    for (size_t i = 1; i < ids.count; i++) {
        const char *bytes = NULL;
        size_t size = tokenizer_decode(tokenizer, ids.id[i - 1], ids.id[i], &bytes);
        assert_int_equal(buf_push(&back, bytes, size), 0);
    }
    assert_int_equal(back.size, sizeof text - 1);
    assert_memory_equal(back.data, text, back.size);
    buf_finish(&back);
    tokenizer_ids_finish(&ids);
    tokenizer_close(tokenizer);
    weights_close(weights);
}

static bool has(const char *name)
{
    char path[1024];
    (void) snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file != NULL)
        (void) fclose(file);
    return file != NULL;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_has_the_shape_that_its_author_tells),
        cmocka_unit_test(the_fingerprint_is_the_files_sha_256),
        cmocka_unit_test(every_tensor_holds_plausible_values),
        cmocka_unit_test(a_text_has_the_ids_that_llama2c_gives),
        cmocka_unit_test(any_text_comes_back),
    };
    folder = argc > 1 ? argv[1] : "";
    if (!has("stories260K.bin") || !has("tok512.bin")) {
        (void) printf("1..0 # SKIP %s holds no stories260K.bin and tok512.bin\n", folder);
        return 0;
    }
    return cmocka_run_group_tests_name("stories", tests, NULL, NULL);
}
