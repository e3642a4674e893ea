/* llama2.c's model files: what is read of them, and what is refused with which words. */
#include "files.h"

static void a_tied_model_comes_out_as_it_was_written(void **state)
{
    (void) state;
    const struct weights_geometry wanted = files_geometry();
    struct buf file = files_llama2c(&wanted);
    struct weights *weights = files_open(&file, NULL);
    const struct weights_geometry *found = weights_geometry(weights);
    assert_string_equal(weights_kind(weights), "llama2.c");
    assert_int_equal(found->layers, wanted.layers);
    assert_int_equal(found->hidden, wanted.hidden);
    assert_int_equal(found->heads, wanted.heads);
    assert_int_equal(found->kv_heads, wanted.kv_heads);
    assert_int_equal(found->head_size, wanted.head_size);
    assert_int_equal(found->ff, wanted.ff);
    assert_int_equal(found->vocab, wanted.vocab);
    assert_int_equal(found->context, wanted.context);
    assert_int_equal(found->rotary, WEIGHTS_INTERLEAVED);
    assert_true(found->is_tied && !found->has_qkv_bias && found->rope_divisor == NULL);
    assert_true(found->norm_epsilon == 1e-5f && found->rope_theta == 10000.0f);
    files_assert_values(weights);
    weights_close(weights);
    buf_finish(&file);
}

static void a_negative_vocabulary_means_a_head_of_its_own_at_the_end(void **state)
{
    (void) state;
    struct weights_geometry wanted = files_geometry();
    wanted.is_tied = false;
    struct buf file = files_llama2c(&wanted);
    struct weights *weights = files_open(&file, NULL);
    assert_false(weights_geometry(weights)->is_tied);
    assert_int_equal(weights_geometry(weights)->vocab, wanted.vocab);
    files_assert_values(weights);
    weights_close(weights);
    buf_finish(&file);
}

static void a_wrong_length_is_refused_before_anything_is_read(void **state)
{
    (void) state;
    const struct weights_geometry geometry = files_geometry();
    struct buf file = files_llama2c(&geometry);
    file.size--;
    files_assert_refused(
        &file, NULL, ERR_MISMATCH,
        "is no model file, or one of llama2.c with a wrong length: it has 76315 bytes; its header "
        "asks for 76316");
    file.size++;
    assert_int_equal(buf_push(&file, "x", 1), 0);
    files_assert_refused(
        &file, NULL, ERR_MISMATCH,
        "is no model file, or one of llama2.c with a wrong length: it has 76317 bytes; its header "
        "asks for 76316");
    file.size = 27;
    files_assert_refused(&file, NULL, ERR_TRUNCATED, "is no model file: it has only 27 bytes");
    buf_finish(&file);
}

static void a_damaged_header_is_refused_with_the_field_that_is_wrong(void **state)
{
    (void) state;
    const struct {
        size_t field;
        int32_t value;
        int code;
        const char *sentence;
    } cases[] = {
        {0, 0, ERR_RANGE, "dim is 0; 1 to 65536 would be right"},
        {1, -5, ERR_RANGE, "hidden_dim is -5; 1 to 1048576 would be right"},
        {2, 1025, ERR_RANGE, "n_layers is 1025; 1 to 1024 would be right"},
        {3, 0, ERR_RANGE, "n_heads is 0; 1 to 1024 would be right"},
        {4, INT32_MIN, ERR_RANGE, "n_kv_heads is -2147483648; 1 to 1024 would be right"},
        {5, INT32_MIN, ERR_RANGE, "vocab_size is 2147483648; 1 to 1048576 would be right"},
        {6, INT32_MAX, ERR_RANGE, "seq_len is 2147483647; 1 to 16777216 would be right"},
    };
    const struct weights_geometry geometry = files_geometry();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf file = files_llama2c(&geometry), sentence = {0};
        memcpy(file.data + 4 * cases[i].field, &cases[i].value, 4);
        assert_int_equal(buf_printf(&sentence,
                                    "is no model file, or one of llama2.c with a damaged header: %s",
                                    cases[i].sentence),
                         0);
        files_assert_refused(&file, NULL, cases[i].code, (const char *) sentence.data);
        buf_finish(&sentence);
        buf_finish(&file);
    }
}

static void assert_number_refused(size_t field, int32_t value, int code, const char *sentence)
{
    const struct weights_geometry geometry = files_geometry();
    struct buf file = files_llama2c(&geometry);
    memcpy(file.data + 4 * field, &value, 4);
    files_assert_refused(&file, NULL, code, sentence);
    buf_finish(&file);
}

static void numbers_that_do_not_fit_together_are_refused(void **state)
{
    (void) state;
    assert_number_refused(3, 5, ERR_RANGE, "dim is 32 and n_heads 5; the second has to divide the first");
    assert_number_refused(3, 32, ERR_RANGE,
                          "heads of 1 elements; rotary positions take pairs: an even number");
    assert_number_refused(4, 3, ERR_RANGE,
                          "4 heads of queries and 3 of keys and values; the second has to divide the first");
    assert_number_refused(
        0, 0x616b3432, ERR_VERSION,
        "is a llama2.c file of version 64; version 0 would be right (export.py --version 0)");
}

/* The largest that the bounds allow: the length is counted without an overflow. */
static void the_largest_header_is_only_too_short(void **state)
{
    (void) state;
    const int32_t header[7] = {65536, 1048576, 1024, 1024, 1024, -1048576, 16777216};
    struct buf file = {0};
    assert_int_equal(buf_push(&file, header, sizeof header), 0);
    files_assert_refused(
        &file, NULL, ERR_MISMATCH,
        "is no model file, or one of llama2.c with a wrong length: it has 28 bytes; its header asks "
        "for 915348262223900");
    buf_finish(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tied_model_comes_out_as_it_was_written),
        cmocka_unit_test(a_negative_vocabulary_means_a_head_of_its_own_at_the_end),
        cmocka_unit_test(a_wrong_length_is_refused_before_anything_is_read),
        cmocka_unit_test(a_damaged_header_is_refused_with_the_field_that_is_wrong),
        cmocka_unit_test(numbers_that_do_not_fit_together_are_refused),
        cmocka_unit_test(the_largest_header_is_only_too_short),
    };
    return cmocka_run_group_tests_name("llama2c", tests, NULL, NULL);
}
