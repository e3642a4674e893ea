/* One request in two halves: what crosses between them, and that portions change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/infer/activation_word.h"
#include "core/infer/request.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 23u

struct bench {
    struct weights *weights;
    struct infer_model *model;
    struct infer_workspace workspace;
    uint32_t token[TOKENS];
};

static void open_bench(struct bench *bench)
{
    *bench = (struct bench){.weights = small_model_open(3)};
    assert_int_equal(infer_model_create(&bench->model, bench->weights, INFER_STORED, NULL), 0);
    for (uint32_t t = 0; t < TOKENS; t++)
        bench->token[t] = small_model_token(2, t);
}

static void close_bench(struct bench *bench)
{
    infer_model_destroy(bench->model);
    infer_workspace_finish(&bench->workspace);
    weights_close(bench->weights);
}

/* ret_logits [vocab] behind the last token; how many bytes have crossed. */
static uint64_t play(struct bench *bench, const struct infer_request_options *options, float *ret_logits)
{
    struct infer_request *request = NULL;
    struct diag diag = {{0}};
    if (infer_request_create(&request, bench->model, &bench->workspace, options, &diag) != 0 ||
        infer_request_feed(request, bench->token, TOKENS, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(request->tokens, TOKENS);
    memcpy(ret_logits, request->logits, SMALL_VOCAB * sizeof *ret_logits);
    uint64_t bytes = request->bytes;
    infer_request_destroy(request);
    return bytes;
}

static void portions_change_no_bit_whatever_crosses(void **state)
{
    (void) state;
    static const uint32_t portions[] = {0, 1, 5};
    struct bench bench;
    float whole[SMALL_VOCAB], wanted[SMALL_VOCAB], found[SMALL_VOCAB];
    open_bench(&bench);
    struct infer_request_options options = {.split = 0, .capacity = TOKENS};
    assert_int_equal(play(&bench, &options, whole), 0);
    for (enum activation_format format = ACTIVATION_FP32; format < ACTIVATION_FORMATS; format++)
        for (options.split = 1; options.split < SMALL_LAYERS; options.split++) {
            options.activation = format;
            options.activation_k = format == ACTIVATION_TOPK ? 9 : 0;
            for (size_t p = 0; p < sizeof portions / sizeof *portions; p++) {
                options.portion = portions[p];
                uint64_t bytes = play(&bench, &options, p == 0 ? wanted : found);
                assert_int_equal(bytes,
                                 TOKENS * activation_bytes(format, 1, SMALL_HIDDEN, options.activation_k));
                assert_memory_equal(p == 0 ? wanted : found, wanted, sizeof wanted);
            }
            if (format == ACTIVATION_FP32)
                assert_memory_equal(wanted, whole, sizeof whole);
            else
                assert_memory_not_equal(wanted, whole, sizeof whole);
        }
    close_bench(&bench);
}

static void what_a_model_does_not_have_is_refused(void **state)
{
    (void) state;
    struct bench bench;
    struct infer_request *request = NULL;
    struct diag diag = {{0}};
    open_bench(&bench);
    struct infer_request_options options = {.split = SMALL_LAYERS + 1, .capacity = 4};
    assert_int_equal(infer_request_create(&request, bench.model, &bench.workspace, &options, &diag),
                     ERR_RANGE);
    assert_non_null(strstr(diag.text, "split 4: the model has 3 layers"));
    options.split = 1;
    options.activation = ACTIVATION_TOPK;
    options.activation_k = SMALL_HIDDEN + 1;
    assert_int_equal(infer_request_create(&request, bench.model, &bench.workspace, &options, &diag),
                     ERR_RANGE);
    options.activation_k = 1;
    assert_int_equal(infer_request_create(&request, bench.model, &bench.workspace, &options, &diag), 0);
    diag = (struct diag){{0}};
    assert_int_equal(infer_request_feed(request, bench.token, 3, &diag), 0);
    assert_int_equal(infer_request_feed(request, bench.token, 2, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "2 tokens behind 3: there is room for 4 in all"));
    assert_int_equal(infer_request_feed(request, bench.token, 0, &diag), ERR_RANGE);
    infer_request_destroy(request);
    close_bench(&bench);
}

static void every_encoding_has_its_word(void **state)
{
    (void) state;
    static const char *const wrong[] = {
        "", "fp8", "topk", "topk:", "topk:0", "topk:x", "topk:65537", "fp32 "};
    enum activation_format format;
    uint32_t k = 7;
    for (enum activation_format f = ACTIVATION_FP32; f < ACTIVATION_TOPK; f++) {
        assert_int_equal(activation_word_parse(activation_word(f), &format, &k, NULL), 0);
        assert_int_equal(format, f);
        assert_int_equal(k, 0);
    }
    for (enum activation_format f = 0; f < ACTIVATION_FORMATS; f++) {
        char name[ACTIVATION_NAME_MAX];
        activation_name(f, f == ACTIVATION_TOPK ? ACTIVATION_COLUMNS_MAX : 0, name);
        assert_int_equal(activation_word_parse(name, &format, &k, NULL), 0);
        assert_int_equal(format, f);
        assert_int_equal(k, f == ACTIVATION_TOPK ? ACTIVATION_COLUMNS_MAX : 0);
        assert_int_equal(strcmp(name, "q4") == 0, f == ACTIVATION_INT4);
    }
    assert_int_equal(activation_word_parse("q4", &format, &k, NULL), 0);
    assert_int_equal(format, ACTIVATION_INT4);
    assert_int_equal(activation_word_parse("topk:64", &format, &k, NULL), 0);
    assert_int_equal(format, ACTIVATION_TOPK);
    assert_int_equal(k, 64);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(activation_word_parse(wrong[i], &format, &k, NULL), ERR_SYNTAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(portions_change_no_bit_whatever_crosses),
        cmocka_unit_test(what_a_model_does_not_have_is_refused),
        cmocka_unit_test(every_encoding_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
