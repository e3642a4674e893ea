/* GGUF models: what is read of them, and what is refused with which words. */
#include "core/base/half.h"
#include "files.h"

static void refuse(struct files_gguf *gguf, int code, const char *sentence)
{
    struct buf file = files_gguf_bytes(gguf);
    files_assert_refused(&file, NULL, code, sentence);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static struct files_gguf *model(void)
{
    const struct weights_geometry geometry = files_geometry();
    return files_gguf_model(&geometry, "llama");
}

static void assert_opens(struct files_gguf *gguf, struct weights_geometry *ret_geometry)
{
    struct buf file = files_gguf_bytes(gguf);
    struct weights *weights = files_open(&file, NULL);
    assert_string_equal(weights_kind(weights), "gguf");
    files_assert_values(weights);
    *ret_geometry = *weights_geometry(weights);
    weights_close(weights);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static void a_llama_comes_out_as_it_was_written_and_turns_neighbours(void **state)
{
    (void) state;
    struct weights_geometry wanted = files_geometry(), found;
    assert_opens(files_gguf_model(&wanted, "llama"), &found);
    assert_int_equal(found.layers, 2);
    assert_int_equal(found.hidden, 32);
    assert_int_equal(found.heads, 4);
    assert_int_equal(found.kv_heads, 2);
    assert_int_equal(found.head_size, 8);
    assert_int_equal(found.ff, 64);
    assert_int_equal(found.vocab, 11);
    assert_int_equal(found.context, 16);
    assert_true(found.norm_epsilon == 1e-5f && found.rope_theta == 10000.0f);
    assert_int_equal(found.rotary, WEIGHTS_INTERLEAVED);
    assert_true(found.is_tied && !found.has_qkv_bias);
    assert_null(found.rope_divisor);
    wanted.is_tied = false;
    assert_opens(files_gguf_model(&wanted, "llama"), &found);
    assert_false(found.is_tied);
}

static void a_qwen2_has_biases_and_turns_halves(void **state)
{
    (void) state;
    struct weights_geometry wanted = files_geometry(), found;
    wanted.has_qkv_bias = true;
    struct files_gguf *gguf = files_gguf_model(&wanted, "qwen2");
    files_set_f32(gguf, "qwen2.rope.freq_base", 1e6f);
    assert_opens(gguf, &found);
    assert_true(found.has_qkv_bias && found.rope_theta == 1e6f);
    assert_int_equal(found.rotary, WEIGHTS_HALF_SPLIT);
}

static void a_head_size_of_its_own_need_not_divide_the_hidden_size(void **state)
{
    (void) state;
    struct weights_geometry wanted = files_geometry(), found;
    wanted.head_size = 6;
    struct files_gguf *gguf = files_gguf_model(&wanted, "llama");
    files_set_u32(gguf, "llama.attention.key_length", 6);
    files_set_u32(gguf, "llama.attention.value_length", 6);
    files_set_u32(gguf, "llama.rope.dimension_count", 6);
    assert_opens(gguf, &found);
    assert_int_equal(found.head_size, 6);
}

static void the_least_alignment_is_eight(void **state)
{
    (void) state;
    struct weights_geometry found;
    struct files_gguf *gguf = model();
    files_set_u32(gguf, "general.alignment", 8);
    gguf->alignment = 8;
    files_place(gguf);
    assert_opens(gguf, &found);
}

static void older_files_of_version_2_and_other_types_of_numbers_are_read(void **state)
{
    (void) state;
    struct weights_geometry found;
    struct files_gguf *gguf = model();
    gguf->version = 2;
    files_set_u32(gguf, "general.alignment", 128);
    gguf->alignment = 128;
    files_place(gguf);
    files_set_u32(gguf, "llama.attention.sliding_window", 7);
    uint32_t i32 = GGUF_I32;
    memcpy(gguf->key[1].value.data, &i32, 4); /* block_count */
    assert_opens(gguf, &found);
    assert_int_equal(found.context, 7); /* within its window attention is the same */
}

/* LLaMA-3.1: converters write one divisor for each frequency. */
static void divisors_of_the_rotary_frequencies_are_read(void **state)
{
    (void) state;
    const float divisors[4] = {1.0f, 1.5f, 4.0f, 8.0f};
    struct files_gguf *gguf = model();
    struct files_tensor *tensor = &gguf->tensor[gguf->tensors++];
    strcpy(tensor->name, "rope_freqs.weight");
    tensor->dims = 1;
    tensor->ne[0] = 4;
    assert_int_equal(buf_push(&tensor->data, divisors, sizeof divisors), 0);
    files_place(gguf);
    struct buf file = files_gguf_bytes(gguf);
    struct weights *weights = files_open(&file, NULL);
    assert_memory_equal(weights_geometry(weights)->rope_divisor, divisors, sizeof divisors);
    weights_close(weights);
    buf_finish(&file);
    tensor->ne[0] = 3;
    refuse(gguf, ERR_MISMATCH, "tensor rope_freqs.weight; 4 values of F32 would be right");
}

static void linear_scaling_divides_every_frequency(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    files_set_text(gguf, "llama.rope.scaling.type", "linear");
    files_set_f32(gguf, "llama.rope.scaling.factor", 4.0f);
    struct buf file = files_gguf_bytes(gguf);
    struct weights *weights = files_open(&file, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_true(weights_geometry(weights)->rope_divisor[i] == 4.0f);
    weights_close(weights);
    buf_finish(&file);
    files_set_text(gguf, "llama.rope.scaling.type", "yarn");
    refuse(gguf, ERR_UNSUPPORTED, "llama.rope.scaling.type is yarn; none or linear would be right");
}

/* Queries of the first layer in another format: 32 rows of 32, each one block. */
static void a_tensor_of_blocks_is_read_in_its_format(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    struct files_tensor *tensor = files_find_tensor(gguf, "blk.0.attn_q.weight");
    struct weights_tensor found;
    float row[32];
    buf_clear(&tensor->data);
    for (uint32_t i = 0; i < 32; i++) {
        uint8_t block[34] = {0, 0, (uint8_t) i, 255};
        uint16_t scale = half_of_float(0.5f);
        memcpy(block, &scale, 2);
        assert_int_equal(buf_push(&tensor->data, block, sizeof block), 0);
    }
    tensor->type = 8;
    files_place(gguf);
    struct buf file = files_gguf_bytes(gguf);
    struct weights *weights = files_open(&file, NULL);
    assert_int_equal(weights_find(weights, WEIGHTS_QUERY, 0, &found), 0);
    assert_int_equal(found.type, WEIGHTS_Q8_0);
    assert_int_equal(found.bytes, 32 * 34);
    weights_read_rows(&found, 7, 1, row);
    assert_true(row[0] == 3.5f && row[1] == -0.5f && row[2] == 0.0f);
    weights_close(weights);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static void what_is_no_llama_is_refused_by_name(void **state)
{
    (void) state;
    const struct weights_geometry geometry = files_geometry();
    struct files_gguf *gguf = model();
    files_set_text(gguf, "general.architecture", "gemma2");
    refuse(gguf, ERR_UNSUPPORTED, "general.architecture is gemma2; llama or qwen2 would be right");
    gguf = model();
    files_set_u32(gguf, "llama.expert_count", 8);
    refuse(gguf, ERR_UNSUPPORTED, "llama.expert_count is 8; 0 would be right");
    gguf = model();
    files_set_u32(gguf, "llama.rope.dimension_count", 4);
    refuse(gguf, ERR_UNSUPPORTED, "llama.rope.dimension_count is 4; 8 would be right");
    gguf = model();
    files_set_u32(gguf, "split.count", 3);
    refuse(gguf, ERR_UNSUPPORTED, "is one of 3 parts of a model; one file would be right");
    gguf = model();
    files_set_u32(gguf, "general.quantization_version", 1);
    refuse(gguf, ERR_VERSION, "general.quantization_version is 1; 2 would be right");
    gguf = model();
    files_find_tensor(gguf, "blk.1.ffn_up.weight")->type = 13;
    refuse(gguf, ERR_UNSUPPORTED,
           "tensor blk.1.ffn_up.weight is of type 13 (Q5_K); F32, F16, BF16, Q8_0, Q4_0, Q4_K or Q6_K would "
           "be right");
    gguf = files_gguf_model(&geometry, "llama");
    strcpy(files_find_tensor(gguf, "blk.1.ffn_up.weight")->name, "blk.1.ffn_up_exps.weight");
    refuse(gguf, ERR_NOT_FOUND, "tensor blk.1.ffn_up.weight is missing");
    gguf = model();
    gguf->tensor[gguf->tensors++] = (struct files_tensor){
        .name = "blk.0.attn_output.bias", .dims = 1, .ne = {32}, .offset = 0, .data = {0}};
    assert_int_equal(buf_push(&gguf->tensor[gguf->tensors - 1].data, (uint8_t[128]){0}, 128), 0);
    files_place(gguf);
    refuse(gguf, ERR_UNSUPPORTED,
           "tensor blk.0.attn_output.bias has no place in a LLaMA-like model of 2 layers: without it results "
           "would be "
           "wrong");
}

static void a_shape_that_does_not_fit_is_refused_with_the_one_that_would(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    files_find_tensor(gguf, "blk.1.attn_k.weight")->ne[1] = 8;
    refuse(gguf, ERR_MISMATCH,
           "tensor blk.1.attn_k.weight is 8 x 32; 16 x 32 (rows x columns) would be right");
    gguf = model();
    files_find_tensor(gguf, "output_norm.weight")->ne[0] = 31;
    refuse(gguf, ERR_MISMATCH, "tensor output_norm.weight is 31; 32 would be right");
    gguf = model();
    files_set_u32(gguf, "llama.block_count", 3);
    refuse(gguf, ERR_NOT_FOUND, "tensor blk.2.attn_norm.weight is missing");
    gguf = model();
    files_set_u32(gguf, "llama.block_count", 1);
    refuse(gguf, ERR_UNSUPPORTED,
           "tensor blk.1.attn_k.weight has no place in a LLaMA-like model of 1 layers: without it results "
           "would be wrong");
    gguf = model();
    files_find_tensor(gguf, "blk.0.ffn_down.weight")->type = 12;
    refuse(gguf, ERR_RANGE,
           "tensor blk.0.ffn_down.weight has rows of 64 elements; Q4_K takes multiples of 256");
}

static void a_place_outside_the_file_or_in_another_tensor_is_refused(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    files_find_tensor(gguf, "output_norm.weight")->offset = UINT64_C(1) << 40;
    refuse(gguf, ERR_TRUNCATED,
           "tensor output_norm.weight takes 128 bytes at 1099511627776; the file has 75776 bytes of tensors");
    gguf = model();
    files_find_tensor(gguf, "output_norm.weight")->offset = UINT64_MAX - 31;
    refuse(gguf, ERR_TRUNCATED,
           "tensor output_norm.weight takes 128 bytes at 18446744073709551584; the file has 75776 bytes of "
           "tensors");
    gguf = model();
    files_find_tensor(gguf, "output_norm.weight")->offset = 4;
    refuse(gguf, ERR_CORRUPT, "tensor output_norm.weight lies at 4, which is no multiple of 32");
    gguf = model();
    files_find_tensor(gguf, "output_norm.weight")->offset = 64;
    refuse(gguf, ERR_CORRUPT, "tensors token_embd.weight and output_norm.weight overlap");
}

static void absurd_counts_are_refused(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    files_find_tensor(gguf, "output_norm.weight")->dims = 5;
    struct buf file = files_gguf_bytes(gguf);
    files_assert_refused(&file, NULL, ERR_RANGE,
                         "tensor output_norm.weight has 5 dimensions; 1 to 4 would be right");
    files_find_tensor(gguf, "output_norm.weight")->dims = 1;
    buf_finish(&file);
    file = files_gguf_bytes(gguf);
    uint64_t many = UINT64_MAX;
    memcpy(file.data + 16, &many, 8);
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    assert_true(weights_open_bytes(file.data, file.size, NULL, &weights, &diag) < 0);
    memcpy(file.data + 16, &(uint64_t){gguf->keys}, 8);
    memcpy(file.data + 8, &many, 8);
    diag.text[0] = '\0';
    assert_true(weights_open_bytes(file.data, file.size, NULL, &weights, &diag) < 0);
    buf_finish(&file);
    files_find_tensor(gguf, "output_norm.weight")->ne[0] = UINT64_C(1) << 62;
    refuse(gguf, ERR_RANGE, "tensor output_norm.weight has more elements than any model");
    gguf = model();
    files_find_tensor(gguf, "output_norm.weight")->ne[0] = 0;
    refuse(gguf, ERR_RANGE, "tensor output_norm.weight has a dimension of 0");
    gguf = model();
    files_set_u32(gguf, "llama.block_count", 100000);
    refuse(gguf, ERR_RANGE, "layers: 100000; 1 to 1024 would be right");
    gguf = model();
    files_set_u32(gguf, "llama.attention.head_count", 0);
    refuse(gguf, ERR_RANGE, "llama.attention.head_count is 0; 1 to 1024 would be right");
}

static void numbers_of_any_width_are_read_and_bounded(void **state)
{
    (void) state;
    struct weights_geometry found;
    struct files_gguf *gguf = model();
    files_set_u64(gguf, "llama.context_length", 12);
    assert_opens(gguf, &found);
    assert_int_equal(found.context, 12);
    gguf = model();
    files_set_u64(gguf, "llama.context_length", (UINT64_C(1) << 32) + 12);
    refuse(gguf, ERR_RANGE, "llama.context_length is 4294967308; no model has so many");
    gguf = model();
    files_set_u32(gguf, "llama.context_length", UINT32_MAX);
    memcpy(files_find_key(gguf, "llama.context_length")->value.data, &(uint32_t){GGUF_I32}, 4);
    refuse(gguf, ERR_RANGE, "llama.context_length is negative; a number from 0 on would be right");
}

static void keys_that_are_missing_twice_or_of_another_type_are_refused(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    files_remove_key(gguf, "llama.context_length");
    refuse(gguf, ERR_NOT_FOUND, "llama.context_length is missing");
    gguf = model();
    files_remove_key(gguf, "general.architecture");
    refuse(gguf, ERR_NOT_FOUND, "general.architecture is missing");
    gguf = model();
    files_set_text(gguf, "llama.context_length", "long");
    refuse(gguf, ERR_TYPE, "llama.context_length is a string; a whole number would be right");
    gguf = model();
    strcpy(gguf->key[2].name, gguf->key[1].name);
    refuse(gguf, ERR_DUPLICATE, "key llama.block_count is there twice");
    gguf = model();
    strcpy(files_find_tensor(gguf, "blk.1.attn_k.weight")->name, "blk.1.attn_q.weight");
    refuse(gguf, ERR_DUPLICATE, "tensor blk.1.attn_q.weight is there twice");
    gguf = model();
    files_set_u32(gguf, "general.alignment", 24);
    refuse(gguf, ERR_RANGE, "general.alignment is 24; a power of two from 8 to 65536 would be right");
    gguf = model();
    files_set_u32(gguf, "general.alignment", 4);
    refuse(gguf, ERR_RANGE, "general.alignment is 4; a power of two from 8 to 65536 would be right");
    gguf = model();
    files_set_f32(gguf, "llama.attention.layer_norm_rms_epsilon", (float) NAN);
    struct buf file = files_gguf_bytes(gguf);
    struct weights *weights = NULL;
    assert_int_equal(weights_open_bytes(file.data, file.size, NULL, &weights, NULL), ERR_RANGE);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static void other_versions_and_byte_orders_are_refused(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    gguf->version = 1;
    refuse(gguf, ERR_VERSION, "is GGUF version 1; 2 or 3 would be right");
    gguf = model();
    gguf->version = 3u << 24;
    refuse(gguf, ERR_UNSUPPORTED, "is a big-endian GGUF file; a little-endian one would be right");
}

static void a_file_that_ends_anywhere_is_refused(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    const char *const words[] = {"a", "bc", "def"};
    files_set_texts(gguf, "some.words", words, 3);
    struct buf file = files_gguf_bytes(gguf);
    uint8_t *copy = NULL;
    for (size_t size = 0; size < file.size; size += size < 3000 ? 1 : 997) {
        struct weights *weights = NULL;
        struct diag diag = {{0}};
        copy = realloc(copy, size + 1);
        assert_non_null(copy);
        memcpy(copy, file.data, size);
        assert_true(weights_open_bytes(copy, size, NULL, &weights, &diag) < 0);
        assert_true(diag.text[0] != '\0');
    }
    free(copy);
    buf_finish(&file);
    files_gguf_finish(gguf);
}

static void strings_and_arrays_longer_than_the_file_are_refused(void **state)
{
    (void) state;
    struct files_gguf *gguf = model();
    files_set_text(gguf, "some.text", "word");
    memcpy(gguf->key[gguf->keys - 1].value.data + 4, &(uint64_t){UINT64_MAX}, 8);
    struct buf file = files_gguf_bytes(gguf);
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    assert_int_equal(weights_open_bytes(file.data, file.size, NULL, &weights, &diag), ERR_TRUNCATED);
    assert_non_null(strstr(diag.text, "some.text: ends too early"));
    assert_non_null(strstr(diag.text, "where 18446744073709551615 are announced"));
    buf_finish(&file);
    files_gguf_finish(gguf);
    gguf = model();
    files_set_numbers(gguf, "some.numbers", GGUF_ARRAY, (uint32_t[]){GGUF_ARRAY, 1, 0}, 3);
    memcpy(gguf->key[gguf->keys - 1].value.data + 8, &(uint64_t){1}, 8);
    for (int i = 0; i < 8; i++) /* arrays in arrays in arrays */
        assert_int_equal(buf_push(&gguf->key[gguf->keys - 1].value, (uint32_t[]){GGUF_ARRAY, 1, 0}, 12), 0);
    refuse(gguf, ERR_TOO_BIG, "some.numbers: arrays nested more than 4 deep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_llama_comes_out_as_it_was_written_and_turns_neighbours),
        cmocka_unit_test(a_qwen2_has_biases_and_turns_halves),
        cmocka_unit_test(a_head_size_of_its_own_need_not_divide_the_hidden_size),
        cmocka_unit_test(the_least_alignment_is_eight),
        cmocka_unit_test(older_files_of_version_2_and_other_types_of_numbers_are_read),
        cmocka_unit_test(divisors_of_the_rotary_frequencies_are_read),
        cmocka_unit_test(linear_scaling_divides_every_frequency),
        cmocka_unit_test(a_tensor_of_blocks_is_read_in_its_format),
        cmocka_unit_test(what_is_no_llama_is_refused_by_name),
        cmocka_unit_test(a_shape_that_does_not_fit_is_refused_with_the_one_that_would),
        cmocka_unit_test(a_place_outside_the_file_or_in_another_tensor_is_refused),
        cmocka_unit_test(absurd_counts_are_refused),
        cmocka_unit_test(numbers_of_any_width_are_read_and_bounded),
        cmocka_unit_test(keys_that_are_missing_twice_or_of_another_type_are_refused),
        cmocka_unit_test(other_versions_and_byte_orders_are_refused),
        cmocka_unit_test(a_file_that_ends_anywhere_is_refused),
        cmocka_unit_test(strings_and_arrays_longer_than_the_file_are_refused),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
