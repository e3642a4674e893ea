/* Safetensors models, written and read: what comes back, and what is refused with which words. */
#include "core/weights/safetensors_write.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/sha256.h"
#include "files.h"

#define TENSORS_MAX 40u

/* A model of tensors in the writer's form. */
struct model {
    struct safetensors_tensor tensor[TENSORS_MAX];
    char name[TENSORS_MAX][WEIGHTS_NAME_MAX];
    size_t tensors;
};

static struct weights_geometry half_split_geometry(void)
{
    struct weights_geometry geometry = files_geometry();
    geometry.rotary = WEIGHTS_HALF_SPLIT;
    return geometry;
}

static void add(struct model *model, const struct weights_geometry *g, enum weights_role role, uint32_t layer,
                enum weights_type type)
{
    struct safetensors_tensor *tensor = &model->tensor[model->tensors];
    float *values = NULL;
    assert_true(model->tensors < TENSORS_MAX);
    weights_name(role, layer, model->name[model->tensors]);
    tensor->name = model->name[model->tensors++];
    tensor->type = type;
    weights_shape(g, role, &tensor->rows, &tensor->columns);
    tensor->dims = tensor->rows == 1 ? 1 : 2;
    values = malloc(sizeof *values * tensor->rows * tensor->columns);
    assert_non_null(values);
    files_fill(g, role, layer, values);
    tensor->from = values;
}

/* Norms and biases in F32, the rest in `type`. */
static struct model *model_of(const struct weights_geometry *g, enum weights_type type)
{
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    for (enum weights_role role = WEIGHTS_EMBEDDING; role <= WEIGHTS_HEAD; role++) {
        bool is_bias = role >= WEIGHTS_QUERY_BIAS && role <= WEIGHTS_VALUE_BIAS;
        if ((is_bias && !g->has_qkv_bias) || (role == WEIGHTS_HEAD && g->is_tied))
            continue;
        for (uint32_t layer = 0; layer < (weights_is_of_layer(role) ? g->layers : 1); layer++) {
            uint32_t rows = 0, columns = 0;
            weights_shape(g, role, &rows, &columns);
            add(model, g, role, layer, rows == 1 ? WEIGHTS_F32 : type);
        }
    }
    return model;
}

static void model_finish(struct model *model)
{
    for (size_t i = 0; i < model->tensors; i++)
        free((float *) (uintptr_t) model->tensor[i].from);
    free(model);
}

static void write_model(const struct files *files, const char *name, const struct safetensors_tensor *tensor,
                        size_t tensors)
{
    static const struct safetensors_text text[] = {{"format", "pt"}, {"note", "\xc3\xa9 \"quoted\""}};
    const struct safetensors_model model = {.tensor = tensor, .tensors = tensors, .text = text, .texts = 2};
    struct diag diag = {{0}};
    char path[128];
    files_path(files, name, path);
    if (safetensors_write(path, &model, &diag) != 0)
        fail_msg("%s", diag.text);
}

static void write_config(const struct files *files, const struct weights_geometry *geometry)
{
    struct diag diag = {{0}};
    char path[128];
    files_path(files, "config.json", path);
    if (safetensors_write_config(path, geometry, 1, UINT32_MAX, &diag) != 0)
        fail_msg("%s", diag.text);
}

static struct weights *open_path(const char *path)
{
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    if (weights_open(path, &weights, &diag) != 0)
        fail_msg("%s", diag.text);
    return weights;
}

static void assert_same_geometry(const struct weights_geometry *found, const struct weights_geometry *wanted)
{
    assert_int_equal(found->layers, wanted->layers);
    assert_int_equal(found->hidden, wanted->hidden);
    assert_int_equal(found->heads, wanted->heads);
    assert_int_equal(found->kv_heads, wanted->kv_heads);
    assert_int_equal(found->head_size, wanted->head_size);
    assert_int_equal(found->ff, wanted->ff);
    assert_int_equal(found->vocab, wanted->vocab);
    assert_int_equal(found->context, wanted->context);
    assert_true(found->norm_epsilon == wanted->norm_epsilon && found->rope_theta == wanted->rope_theta);
    assert_int_equal(found->is_tied, wanted->is_tied);
    assert_int_equal(found->has_qkv_bias, wanted->has_qkv_bias);
    assert_int_equal(found->rotary, wanted->rotary);
}

static void a_written_model_comes_back_from_its_folder_and_from_its_file(void **state)
{
    const struct files *files = *state;
    const enum weights_type types[] = {WEIGHTS_F32, WEIGHTS_F16};
    char path[128];
    for (int variant = 0; variant < 4; variant++) {
        struct weights_geometry geometry = half_split_geometry();
        geometry.is_tied = variant % 2 == 0;
        geometry.has_qkv_bias = variant / 2 == 1;
        geometry.norm_epsilon = 1.2345e-6f;
        geometry.head_size = 6;
        struct model *model = model_of(&geometry, types[variant % 2]);
        write_model(files, "model.safetensors", model->tensor, model->tensors);
        write_config(files, &geometry);
        files_path(files, variant % 2 == 0 ? "" : "model.safetensors", path);
        struct weights *weights = open_path(path);
        assert_string_equal(weights_kind(weights), "safetensors");
        assert_same_geometry(weights_geometry(weights), &geometry);
        files_assert_values(weights);
        weights_close(weights);
        model_finish(model);
    }
}

static void every_tensor_lies_at_a_multiple_of_its_elements(void **state)
{
    const struct files *files = *state;
    const float values[3] = {1.0f, -2.0f, 0.5f};
    const struct safetensors_tensor tensors[] = {{"a", WEIGHTS_F16, 1, 1, 3, values},
                                                 {"b", WEIGHTS_F32, 1, 1, 3, values},
                                                 {"c", WEIGHTS_BF16, 2, 3, 1, values}};
    struct buf file = {0};
    char path[128];
    uint64_t length = 0;
    write_model(files, "some", tensors, 3);
    files_path(files, "some", path);
    assert_int_equal(file_read(path, 4096, &file, NULL), 0);
    memcpy(&length, file.data, 8);
    assert_int_equal(length % 8, 0);
    assert_int_equal(file.size, 8 + length + 12 + 6 + 6);
    assert_memory_equal(file.data + 8 + length, values, 12); /* b first */
    assert_memory_equal(file.data + 8 + length + 12, "\x00\x3c\x00\xc0\x00\x38", 6);
    assert_memory_equal(file.data + 8 + length + 18, "\x80\x3f\x00\xc0\x00\x3f", 6);
    buf_finish(&file);
}

static void a_value_too_large_for_its_format_is_refused_and_leaves_the_old_file(void **state)
{
    const struct files *files = *state;
    const float large[2] = {1.0f, 65520.0f};
    const struct safetensors_tensor tensor = {"a", WEIGHTS_F16, 1, 1, 2, large};
    const struct safetensors_model model = {.tensor = &tensor, .tensors = 1};
    struct diag diag = {{0}};
    struct buf file = {0}, wanted = {0};
    char path[128];
    files_write(files, "kept", "old", 3);
    files_path(files, "kept", path);
    assert_int_equal(safetensors_write(path, &model, &diag), ERR_RANGE);
    assert_int_equal(buf_printf(&wanted, "%s: tensor a: 65520 is too large for F16", path), 0);
    assert_string_equal(diag.text, wanted.data);
    assert_int_equal(file_read(path, 100, &file, NULL), 0);
    assert_int_equal(file.size, 3);
    files_path(files, "kept.new", path);
    assert_int_not_equal(access(path, F_OK), 0);
    buf_finish(&file);
    buf_finish(&wanted);
}

static void a_config_of_interleaved_positions_is_not_written(void **state)
{
    const struct files *files = *state;
    const struct weights_geometry geometry = files_geometry();
    struct diag diag = {{0}};
    char path[128];
    files_path(files, "no-config", path);
    assert_int_equal(safetensors_write_config(path, &geometry, 1, 2, &diag), ERR_UNSUPPORTED);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void parts_that_an_index_names_make_one_model(void **state)
{
    const struct files *files = *state;
    const struct weights_geometry geometry = half_split_geometry();
    struct model *model = model_of(&geometry, WEIGHTS_F32);
    size_t half = model->tensors / 2;
    json_t *map = json_object();
    char path[128];
    for (size_t i = 0; i < model->tensors; i++)
        json_object_set_new(map, model->name[i], json_string(i < half ? "b.safetensors" : "a.safetensors"));
    json_t *index = json_pack("{s:o}", "weight_map", map);
    char *text = json_dumps(index, 0);
    files_path(files, "model.safetensors", path);
    (void) unlink(path);
    files_write(files, "model.safetensors.index.json", text, strlen(text));
    write_model(files, "b.safetensors", model->tensor, half);
    write_model(files, "a.safetensors", model->tensor + half, model->tensors - half);
    write_config(files, &geometry);
    files_path(files, "", path);
    struct weights *weights = open_path(path);
    assert_same_geometry(weights_geometry(weights), &geometry);
    files_assert_values(weights);
    weights_close(weights);
    struct diag diag = {{0}};
    files_write(files, "b.safetensors", "\x02\0\0\0\0\0\0\0{}x", 11);
    assert_int_equal(weights_open(path, &weights, &diag), ERR_CORRUPT);
    assert_non_null(strstr(diag.text, ": file 2 of 2: has 1 bytes of tensors; its header accounts for 0"));
    free(text);
    json_decref(index);
    model_finish(model);
}

static void an_index_cannot_lead_out_of_its_folder(void **state)
{
    const struct files *files = *state;
    static const char *const names[] = {"../secret", "/etc/passwd", ".hidden", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct weights *weights = NULL;
        struct diag diag = {{0}};
        struct buf wanted = {0}, text = {0};
        char path[128];
        assert_int_equal(buf_printf(&text, "{\"weight_map\": {\"a\": \"%s\"}}", names[i]), 0);
        files_write(files, "evil.json", text.data, text.size);
        files_path(files, "evil.json", path);
        assert_int_equal(weights_open(path, &weights, &diag), ERR_SYNTAX);
        assert_int_equal(
            buf_printf(&wanted,
                       "%s: weight_map: tensor a lies in %s; a file's name without a folder would be right",
                       path, names[i]),
            0);
        assert_string_equal(diag.text, wanted.data);
        buf_finish(&wanted);
        buf_finish(&text);
    }
}

static void the_fingerprint_covers_the_config_and_the_tensors(void **state)
{
    const struct files *files = *state;
    struct weights_geometry geometry = half_split_geometry();
    struct model *model = model_of(&geometry, WEIGHTS_F32);
    uint8_t first[WEIGHTS_HASH_SIZE], again[WEIGHTS_HASH_SIZE], other[WEIGHTS_HASH_SIZE];
    char path[128];
    files_path(files, "model.safetensors", path);
    write_model(files, "model.safetensors", model->tensor, model->tensors);
    for (int i = 0; i < 3; i++) {
        geometry.rope_theta = i < 2 ? 10000.0f : 20000.0f;
        write_config(files, &geometry);
        struct weights *weights = open_path(path);
        weights_hash(weights, NULL, NULL, i == 0 ? first : i == 1 ? again : other);
        weights_close(weights);
    }
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    model_finish(model);
}

/* A file and its config in memory, for what is refused. */
struct text_model {
    struct buf file;
    json_t *config;
};

static struct text_model text_model(const struct files *files)
{
    const struct weights_geometry geometry = half_split_geometry();
    struct model *model = model_of(&geometry, WEIGHTS_F32);
    struct text_model made = {0};
    char path[128];
    write_model(files, "model.safetensors", model->tensor, model->tensors);
    write_config(files, &geometry);
    files_path(files, "model.safetensors", path);
    assert_int_equal(file_read(path, 1 << 20, &made.file, NULL), 0);
    files_path(files, "config.json", path);
    made.config = json_load_file(path, 0, NULL);
    assert_non_null(made.config);
    model_finish(model);
    return made;
}

static void assert_config_refused(const struct files *files, const char *key, json_t *value, int code,
                                  const char *sentence)
{
    struct text_model made = text_model(files);
    if (value != NULL)
        json_object_set_new(made.config, key, value);
    else
        json_object_del(made.config, key);
    char *config = json_dumps(made.config, 0);
    files_assert_refused(&made.file, config, code, sentence);
    free(config);
    json_decref(made.config);
    buf_finish(&made.file);
}

static void a_config_of_another_model_is_refused_by_name(void **state)
{
    const struct files *files = *state;
    assert_config_refused(files, "model_type", json_string("gemma"), ERR_UNSUPPORTED,
                          "config.json: model_type is gemma; llama, mistral or qwen2 would be right");
    assert_config_refused(
        files, "architectures", json_pack("[s]", "LlamaForSequenceClassification"), ERR_UNSUPPORTED,
        "config.json: architectures is LlamaForSequenceClassification; LlamaForCausalLM would be right");
    assert_config_refused(files, "model_type", NULL, ERR_NOT_FOUND,
                          "config.json: model_type is missing; llama would be right");
    assert_config_refused(files, "hidden_act", json_string("gelu"), ERR_UNSUPPORTED,
                          "config.json: hidden_act is gelu; silu would be right");
    assert_config_refused(files, "num_local_experts", json_integer(8), ERR_UNSUPPORTED,
                          "config.json: num_local_experts is given; a model without it would be right");
    assert_config_refused(files, "quantization_config", json_object(), ERR_UNSUPPORTED,
                          "config.json: quantization_config is given; a model without it would be right");
    assert_config_refused(files, "attention_bias", json_true(), ERR_UNSUPPORTED,
                          "config.json: attention_bias is on; false would be right");
    assert_config_refused(files, "mlp_bias", json_true(), ERR_UNSUPPORTED,
                          "config.json: mlp_bias is on; false would be right");
    assert_config_refused(files, "partial_rotary_factor", json_real(0.5), ERR_UNSUPPORTED,
                          "config.json: partial_rotary_factor is not 1; 1 would be right");
    assert_config_refused(files, "rope_scaling", json_pack("{s:s, s:f}", "type", "yarn", "factor", 2.0),
                          ERR_UNSUPPORTED,
                          "config.json: rope_scaling is yarn; linear or llama3 would be right");
}

static void numbers_of_a_config_are_checked(void **state)
{
    const struct files *files = *state;
    assert_config_refused(files, "num_hidden_layers", json_integer(100000), ERR_RANGE,
                          "config.json: layers: 100000; 1 to 1024 would be right");
    assert_config_refused(files, "num_hidden_layers", json_real(2.0), ERR_TYPE,
                          "config.json: num_hidden_layers; a whole number from 0 on would be right");
    assert_config_refused(files, "hidden_size", json_integer(-1), ERR_TYPE,
                          "config.json: hidden_size; a whole number from 0 on would be right");
    assert_config_refused(files, "num_attention_heads", json_integer(0), ERR_RANGE,
                          "config.json: num_attention_heads is 0; 1 to 1024 would be right");
    assert_config_refused(
        files, "num_key_value_heads", json_integer(3), ERR_RANGE,
        "config.json: 4 heads of queries and 3 of keys and values; the second has to divide the first");
    assert_config_refused(files, "rope_theta", json_string("big"), ERR_TYPE,
                          "config.json: rope_theta; a number would be right");
    assert_config_refused(files, "rope_theta", json_real(0.5), ERR_RANGE,
                          "config.json: rotary base: 0.5; a number from 1 on would be right");
    assert_config_refused(files, "vocab_size", NULL, ERR_NOT_FOUND, "config.json: vocab_size is missing");
    assert_config_refused(
        files, "intermediate_size", json_integer(65), ERR_MISMATCH,
        "tensor model.layers.0.mlp.gate_proj.weight is 64 x 32; 65 x 32 (rows x columns) would be right");
    assert_config_refused(
        files, "num_hidden_layers", json_integer(1), ERR_UNSUPPORTED,
        "tensor model.layers.1.input_layernorm.weight has no place in a LLaMA-like model of 1 layers: "
        "without it results would be wrong");
    assert_config_refused(files, "tie_word_embeddings", json_false(), ERR_NOT_FOUND,
                          "tensor lm_head.weight is missing");
}

/* LLaMA-3.1's published law; the divisors were computed apart, with Python's floats. */
static void llama_3_scaling_stretches_long_waves_alone(void **state)
{
    const struct files *files = *state;
    const float wanted[4] = {1.0f, 1.0f, 1.2224127f, 8.0f};
    struct text_model made = text_model(files);
    json_object_set_new(made.config, "rope_theta", json_real(500000.0));
    json_object_set_new(made.config, "rope_scaling",
                        json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", 8.0,
                                  "low_freq_factor", 1.0, "high_freq_factor", 4.0,
                                  "original_max_position_embeddings", 15000));
    char *config = json_dumps(made.config, 0);
    struct weights *weights = files_open(&made.file, config);
    const float *found = weights_geometry(weights)->rope_divisor;
    for (size_t i = 0; i < 4; i++)
        assert_true(fabsf(found[i] - wanted[i]) < 1e-5f);
    weights_close(weights);
    free(config);
    json_decref(made.config);
    buf_finish(&made.file);
}

static void other_scalings_are_read_or_refused(void **state)
{
    const struct files *files = *state;
    struct text_model made = text_model(files);
    for (int factor = 1; factor <= 2; factor++) {
        json_object_set_new(made.config, "rope_scaling",
                            json_pack("{s:s, s:i}", "type", "linear", "factor", factor));
        char *config = json_dumps(made.config, 0);
        struct weights *weights = files_open(&made.file, config);
        const float *found = weights_geometry(weights)->rope_divisor;
        assert_true(factor == 1 ? found == NULL : found[0] == 2.0f && found[3] == 2.0f);
        weights_close(weights);
        free(config);
    }
    json_decref(made.config);
    buf_finish(&made.file);
    assert_config_refused(files, "rope_scaling", json_pack("{s:s, s:f}", "type", "linear", "factor", 0.5),
                          ERR_RANGE, "rotary scaling by 0.5; 1 to 1000000 would be right");
    assert_config_refused(
        files, "rope_scaling",
        json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", 8.0, "low_freq_factor", 4.0,
                  "high_freq_factor", 4.0, "original_max_position_embeddings", 8192),
        ERR_RANGE,
        "config.json: rope_scaling llama3: low_freq_factor 4, high_freq_factor 4, "
        "original_max_position_embeddings 8192; rising positive factors and a positive context would be "
        "right");
}

/* Rotary frequencies follow from the base, and the head of a tied model is a copy. */
static void tensors_that_say_nothing_new_are_passed_over(void **state)
{
    const struct files *files = *state;
    const struct weights_geometry geometry = half_split_geometry();
    struct model *model = model_of(&geometry, WEIGHTS_F32);
    char path[128];
    add(model, &geometry, WEIGHTS_HEAD, 0, WEIGHTS_F16);
    add(model, &geometry, WEIGHTS_ATTENTION_NORM, 0, WEIGHTS_F32);
    strcpy(model->name[model->tensors - 1], "model.layers.0.self_attn.rotary_emb.inv_freq");
    write_model(files, "model.safetensors", model->tensor, model->tensors);
    write_config(files, &geometry);
    files_path(files, "model.safetensors", path);
    struct weights *weights = open_path(path);
    files_assert_values(weights);
    weights_close(weights);
    strcpy(model->name[model->tensors - 1], "model.layers.0.self_attn.q_norm.weight");
    write_model(files, "model.safetensors", model->tensor, model->tensors);
    struct diag diag = {{0}};
    assert_int_equal(weights_open(path, &weights, &diag), ERR_UNSUPPORTED);
    assert_non_null(strstr(diag.text, "tensor model.layers.0.self_attn.q_norm.weight has no place"));
    model_finish(model);
}

static void a_model_without_its_config_is_refused_with_what_it_is_for(void **state)
{
    const struct files *files = *state;
    struct text_model made = text_model(files);
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    char path[128];
    files_path(files, "config.json", path);
    assert_int_equal(unlink(path), 0);
    files_path(files, "model.safetensors", path);
    assert_int_equal(weights_open(path, &weights, &diag), -ENOENT);
    assert_non_null(strstr(
        diag.text, "config.json: No such file or directory; a safetensors model needs it for its shape"));
    json_decref(made.config);
    buf_finish(&made.file);
}

static void a_window_shorter_than_the_context_becomes_the_context(void **state)
{
    const struct files *files = *state;
    const char *types[] = {"mistral", "MistralForCausalLM"};
    struct text_model made = text_model(files);
    json_object_set_new(made.config, "model_type", json_string(types[0]));
    json_object_set_new(made.config, "architectures", json_pack("[s]", types[1]));
    json_object_set_new(made.config, "sliding_window", json_integer(5));
    for (int used = 1; used >= 0; used--) {
        char *config = json_dumps(made.config, 0);
        struct weights *weights = files_open(&made.file, config);
        assert_int_equal(weights_geometry(weights)->context, used ? 5 : 16);
        weights_close(weights);
        free(config);
        json_object_set_new(made.config, "use_sliding_window", json_false());
    }
    json_decref(made.config);
    buf_finish(&made.file);
}

/* The file with another header in front of the same tensors. */
static struct buf with_header(const struct buf *file, json_t *header)
{
    struct buf made = {0};
    uint64_t length = 0, old = 0;
    char *text = json_dumps(header, JSON_COMPACT);
    memcpy(&old, file->data, 8);
    length = strlen(text);
    assert_int_equal(buf_push(&made, &length, 8), 0);
    assert_int_equal(buf_push(&made, text, length), 0);
    assert_int_equal(buf_push(&made, file->data + 8 + old, file->size - 8 - old), 0);
    free(text);
    return made;
}

/* Changes one value of one tensor's description. */
static void assert_header_refused(const struct files *files, const char *tensor, const char *key,
                                  json_t *value, int code, const char *sentence)
{
    struct text_model made = text_model(files);
    uint64_t length = 0;
    memcpy(&length, made.file.data, 8);
    json_t *header = json_loadb((const char *) made.file.data + 8, length, 0, NULL);
    json_object_set_new(json_object_get(header, tensor), key, value);
    struct buf file = with_header(&made.file, header);
    char *config = json_dumps(made.config, 0);
    files_assert_refused(&file, config, code, sentence);
    free(config);
    json_decref(made.config);
    json_decref(header);
    buf_finish(&made.file);
    buf_finish(&file);
}

static void a_header_that_does_not_fit_is_refused(void **state)
{
    const struct files *files = *state;
    const char *norm = "model.norm.weight";
    assert_header_refused(files, norm, "dtype", json_string("F64"), ERR_UNSUPPORTED,
                          "tensor model.norm.weight: dtype F64; F32, F16 or BF16 would be right");
    assert_header_refused(files, norm, "shape", json_pack("[i]", 31), ERR_CORRUPT,
                          "tensor model.norm.weight has 128 bytes; its shape asks for 124");
    assert_header_refused(files, norm, "shape", json_pack("[i,i]", 32, 1), ERR_MISMATCH,
                          "tensor model.norm.weight is 32 x 1; 32 would be right");
    assert_header_refused(files, norm, "shape", json_pack("[i,i]", 32, 0), ERR_RANGE,
                          "tensor model.norm.weight has a dimension of 0");
    assert_header_refused(files, norm, "shape", json_pack("[I,I]", INT64_MAX, INT64_MAX), ERR_RANGE,
                          "tensor model.norm.weight has more elements than any model");
    assert_header_refused(files, norm, "shape", json_pack("[i]", -32), ERR_TYPE,
                          "tensor model.norm.weight: shape holds what is no count");
    assert_header_refused(files, norm, "data_offsets", json_pack("[i]", 0), ERR_TYPE,
                          "tensor model.norm.weight: data_offsets; two counts would be right");
    assert_header_refused(
        files, norm, "data_offsets", json_pack("[I,I]", INT64_MAX - 128, INT64_MAX), ERR_CORRUPT,
        "tensor model.norm.weight lies at 9223372036854775679 to 9223372036854775807; the file has "
        "75776 bytes of tensors");
    assert_header_refused(files, norm, "data_offsets", json_pack("[i,i]", 0, 128), ERR_CORRUPT,
                          "tensors model.embed_tokens.weight and model.norm.weight overlap");
    assert_header_refused(files, "__metadata__", "count", json_integer(3), ERR_TYPE,
                          "__metadata__: count is no text");
}

static void a_header_that_is_no_header_is_refused(void **state)
{
    const struct files *files = *state;
    struct text_model made = text_model(files);
    char *config = json_dumps(made.config, 0);
    struct buf file = {0};
    uint64_t length = 3000;
    assert_int_equal(buf_push(&file, &length, 8), 0);
    for (uint64_t i = 0; i < length; i++)
        assert_int_equal(buf_push(&file, i == 0 ? "{\"a\":" : "[", i == 0 ? 5 : 1), 0);
    struct weights *weights = NULL;
    assert_int_equal(weights_open_bytes(file.data, file.size, config, &weights, NULL),
                     ERR_SYNTAX); /* nested */
    file.size = 12;
    files_assert_refused(&file, config, ERR_TRUNCATED, "has 12 bytes; its header alone asks for 3008");
    file.size = 0;
    assert_int_equal(buf_push(&file, "\x02\0\0\0\0\0\0\0{}", 10), 0);
    files_assert_refused(&file, config, ERR_NOT_FOUND, "tensor model.embed_tokens.weight is missing");
    made.file.size -= 4;
    files_assert_refused(
        &made.file, config, ERR_CORRUPT,
        "tensor model.norm.weight lies at 75648 to 75776; the file has 75772 bytes of tensors");
    files_assert_refused(&made.file, NULL, ERR_NOT_FOUND,
                         "config.json is missing; a safetensors model needs it for its shape");
    buf_finish(&file);
    buf_finish(&made.file);
    json_decref(made.config);
    free(config);
}

static void a_file_that_ends_anywhere_is_refused(void **state)
{
    const struct files *files = *state;
    struct text_model made = text_model(files);
    char *config = json_dumps(made.config, 0);
    for (size_t size = 0; size < made.file.size; size += size < 3000 ? 7 : 997) {
        struct weights *weights = NULL;
        uint8_t *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, made.file.data, size);
        assert_true(weights_open_bytes(copy, size, config, &weights, NULL) < 0);
        free(copy);
    }
    buf_finish(&made.file);
    json_decref(made.config);
    free(config);
}

static void a_path_that_holds_no_model_is_refused_with_what_was_looked_for(void **state)
{
    const struct files *files = *state;
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    struct buf wanted = {0};
    char path[128];
    files_path(files, "empty", path);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(weights_open(path, &weights, &diag), ERR_NOT_FOUND);
    assert_int_equal(
        buf_printf(&wanted,
                   "%s: a folder without model.safetensors or model.safetensors.index.json; a GGUF or "
                   "llama2.c model is one file",
                   path),
        0);
    assert_string_equal(diag.text, wanted.data);
    assert_int_equal(rmdir(path), 0);
    diag.text[0] = '\0';
    assert_int_equal(weights_open(path, &weights, &diag), -ENOENT);
    diag.text[0] = '\0';
    files_write(files, "empty", "", 0);
    assert_int_equal(weights_open(path, &weights, &diag), ERR_TRUNCATED);
    buf_clear(&wanted);
    assert_int_equal(buf_printf(&wanted, "%s: is empty", path), 0);
    assert_string_equal(diag.text, wanted.data);
    assert_null(weights);
    buf_finish(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_model_comes_back_from_its_folder_and_from_its_file),
        cmocka_unit_test(every_tensor_lies_at_a_multiple_of_its_elements),
        cmocka_unit_test(a_value_too_large_for_its_format_is_refused_and_leaves_the_old_file),
        cmocka_unit_test(a_config_of_interleaved_positions_is_not_written),
        cmocka_unit_test(an_index_cannot_lead_out_of_its_folder),
        cmocka_unit_test(the_fingerprint_covers_the_config_and_the_tensors),
        cmocka_unit_test(a_config_of_another_model_is_refused_by_name),
        cmocka_unit_test(numbers_of_a_config_are_checked),
        cmocka_unit_test(llama_3_scaling_stretches_long_waves_alone),
        cmocka_unit_test(other_scalings_are_read_or_refused),
        cmocka_unit_test(tensors_that_say_nothing_new_are_passed_over),
        cmocka_unit_test(a_model_without_its_config_is_refused_with_what_it_is_for),
        cmocka_unit_test(a_window_shorter_than_the_context_becomes_the_context),
        cmocka_unit_test(a_header_that_does_not_fit_is_refused),
        cmocka_unit_test(a_header_that_is_no_header_is_refused),
        cmocka_unit_test(a_file_that_ends_anywhere_is_refused),
        cmocka_unit_test(a_path_that_holds_no_model_is_refused_with_what_was_looked_for),
        cmocka_unit_test(parts_that_an_index_names_make_one_model),
    };
    return cmocka_run_group_tests_name("safetensors", tests, files_setup, files_teardown);
}
