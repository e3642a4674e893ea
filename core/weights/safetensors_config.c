/* config.json: the shape of a model, and what makes it another than LLaMA's. The keys are those of Hugging Face's
 * transformers: LlamaConfig, MistralConfig, Qwen2Config. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/weights/safetensors_internal.h"

/* A key that is absent or null has no value. */
static const json_t *value_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* `missing` >= 0 stands in for a key that is absent. */
static int read_u32(const json_t *config, const char *key, int64_t missing, uint32_t *ret_value,
                    struct diag *diag)
{
    const json_t *value = value_of(config, key);
    json_int_t number = value == NULL ? missing : json_integer_value(value);
    if (value == NULL && missing < 0)
        return diag_fail(diag, ERR_NOT_FOUND, "config.json: %s is missing", key);
    if ((value != NULL && !json_is_integer(value)) || number < 0 || number > UINT32_MAX)
        return diag_fail(diag, ERR_TYPE, "config.json: %s; a whole number from 0 on would be right", key);
    *ret_value = (uint32_t) number;
    return 0;
}

static int read_real(const json_t *config, const char *key, double missing, double *ret_value,
                     struct diag *diag)
{
    const json_t *value = value_of(config, key);
    if (value != NULL && !json_is_number(value))
        return diag_fail(diag, ERR_TYPE, "config.json: %s; a number would be right", key);
    *ret_value = value != NULL ? json_number_value(value) : missing;
    return 0;
}

static int refuse(const char *key, const char *found, const char *right, struct diag *diag)
{
    return diag_fail(diag, ERR_UNSUPPORTED, "config.json: %s is %s; %s would be right", key, found, right);
}

/* A switch that has to be off. */
static int check_off(const json_t *config, const char *key, struct diag *diag)
{
    const json_t *value = value_of(config, key);
    return value == NULL || json_is_false(value) ? 0 : refuse(key, "on", "false", diag);
}

static const struct family {
    const char *type, *architecture;
    bool has_qkv_bias;
} families[] = {
    {"llama", "LlamaForCausalLM", false},
    {"mistral", "MistralForCausalLM", false},
    {"qwen2", "Qwen2ForCausalLM", true},
};

/* By model_type; what `architectures` says has to agree. */
static int find_family(const json_t *config, const struct family **ret_family, struct diag *diag)
{
    const char *type = json_string_value(value_of(config, "model_type"));
    const json_t *architectures = value_of(config, "architectures");
    const char *architecture = json_string_value(json_array_get(architectures, 0));
    if (type == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "config.json: model_type is missing; llama would be right");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (strcmp(type, families[i].type) != 0)
            continue;
        if (architectures != NULL &&
            (architecture == NULL || strcmp(architecture, families[i].architecture) != 0))
            return refuse("architectures", architecture != NULL ? architecture : "no text",
                          families[i].architecture, diag);
        *ret_family = &families[i];
        return 0;
    }
    return refuse("model_type", type, "llama, mistral or qwen2", diag);
}

static int check_activation(const json_t *config, struct diag *diag)
{
    const json_t *value = value_of(config, "hidden_act");
    const char *name = json_string_value(value);
    if (value == NULL || (name != NULL && (strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0)))
        return 0;
    return refuse("hidden_act", name != NULL ? name : "no text", "silu", diag);
}

/* Whatever would change the result, and is not computed. */
static int check_extras(const json_t *config, struct diag *diag)
{
    static const char *const objects[] = {"quantization_config", "num_local_experts", "num_experts"};
    static const char *const switches[] = {"attention_bias", "mlp_bias"};
    double rotary = 1.0;
    int rc = check_activation(config, diag);
    for (size_t i = 0; rc == 0 && i < sizeof objects / sizeof *objects; i++)
        if (value_of(config, objects[i]) != NULL)
            rc = refuse(objects[i], "given", "a model without it", diag);
    for (size_t i = 0; rc == 0 && i < sizeof switches / sizeof *switches; i++)
        rc = check_off(config, switches[i], diag);
    rc = rc == 0 ? read_real(config, "partial_rotary_factor", 1.0, &rotary, diag) : rc;
    if (rc == 0 && rotary != 1.0)
        rc = refuse("partial_rotary_factor", "not 1", "1", diag);
    return rc;
}

/* Within its window a model attends to all that came before. */
static int apply_window(const json_t *config, struct weights_geometry *geometry, struct diag *diag)
{
    const json_t *use = value_of(config, "use_sliding_window");
    uint32_t window = 0;
    int rc = read_u32(config, "sliding_window", UINT32_MAX, &window, diag);
    if (rc == 0 && window < geometry->context && (use == NULL || !json_is_false(use)))
        geometry->context = window;
    return rc;
}

static int read_sizes(const json_t *config, struct weights_geometry *g, struct diag *diag)
{
    const struct {
        const char *key;
        uint32_t *value;
    } fields[] = {
        {"num_hidden_layers", &g->layers},  {"hidden_size", &g->hidden},
        {"num_attention_heads", &g->heads}, {"intermediate_size", &g->ff},
        {"vocab_size", &g->vocab},          {"max_position_embeddings", &g->context},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof fields / sizeof *fields; i++)
        rc = read_u32(config, fields[i].key, -1, fields[i].value, diag);
    rc = rc == 0 ? read_u32(config, "num_key_value_heads", g->heads, &g->kv_heads, diag) : rc;
    if (rc == 0 && g->heads == 0)
        rc = diag_fail(diag, ERR_RANGE, "config.json: num_attention_heads is 0; 1 to %u would be right",
                       WEIGHTS_HEADS_MAX);
    if (rc == 0 && value_of(config, "head_dim") == NULL && g->hidden % g->heads != 0)
        rc = diag_fail(
            diag, ERR_RANGE,
            "config.json: hidden_size %u and num_attention_heads %u; the second has to divide the first, "
            "or head_dim has to be given",
            g->hidden, g->heads);
    return rc == 0 ? read_u32(config, "head_dim", g->hidden / g->heads, &g->head_size, diag) : rc;
}

/* Newer files keep all that is said of rotary positions in one object. */
static const json_t *rope_of(const json_t *config)
{
    const json_t *rope = value_of(config, "rope_parameters");
    return rope != NULL ? rope : value_of(config, "rope_scaling");
}

static int read_reals(const json_t *config, struct weights_geometry *g, struct diag *diag)
{
    double epsilon = 0.0, theta = 0.0;
    const json_t *rope = value_of(config, "rope_parameters");
    int rc = read_real(config, "rms_norm_eps", 1e-6, &epsilon, diag);
    rc = rc == 0 ? read_real(config, "rope_theta", 10000.0, &theta, diag) : rc;
    rc = rc == 0 ? read_real(rope, "rope_theta", theta, &theta, diag) : rc;
    g->norm_epsilon = (float) epsilon;
    g->rope_theta = (float) theta;
    return rc;
}

struct llama3 {
    double factor, low, high, context;
};

static int read_llama3(const json_t *rope, struct llama3 *ret, struct diag *diag)
{
    struct llama3 law = {0};
    int rc = read_real(rope, "factor", 0.0, &law.factor, diag);
    rc = rc == 0 ? read_real(rope, "low_freq_factor", 0.0, &law.low, diag) : rc;
    rc = rc == 0 ? read_real(rope, "high_freq_factor", 0.0, &law.high, diag) : rc;
    rc = rc == 0 ? read_real(rope, "original_max_position_embeddings", 0.0, &law.context, diag) : rc;
    if (rc == 0 && !(law.low > 0.0 && law.high > law.low && law.high < 1e6 && law.context >= 1.0 &&
                     law.context <= WEIGHTS_CONTEXT_MAX))
        rc = diag_fail(
            diag, ERR_RANGE,
            "config.json: rope_scaling llama3: low_freq_factor %g, high_freq_factor %g, "
            "original_max_position_embeddings %g; rising positive factors and a positive context would be "
            "right",
            law.low, law.high, law.context);
    if (rc == 0)
        *ret = law;
    return rc;
}

/* LLaMA-3.1: waves short beside the original context stay, long ones are stretched, those between are mixed. Source:
 * github.com/meta-llama/llama-models, models/llama3/reference_impl/model.py, apply_scaling. */
static void stretch(struct weights *weights, const struct llama3 *law)
{
    const struct weights_geometry *g = &weights->geometry;
    for (uint32_t j = 0; j < g->head_size / 2; j++) {
        double frequency = elementary_pow((double) g->rope_theta, -2.0 * j / g->head_size);
        double turns =
            law->context * frequency / (2.0 * UNITS_PI); /* of this wave, in the original context */
        double share = (turns - law->low) / (law->high - law->low);
        share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
        weights->rope_divisor[j] = (float) (1.0 / ((1.0 - share) / law->factor + share));
    }
}

static int read_rope(const json_t *config, struct weights *weights, struct diag *diag)
{
    const json_t *rope = rope_of(config);
    const json_t *type = value_of(rope, "rope_type");
    const char *name = json_string_value(type != NULL ? type : value_of(rope, "type"));
    double factor = 1.0;
    struct llama3 law = {0};
    if (rope == NULL || (name != NULL && strcmp(name, "default") == 0))
        return 0;
    if (name == NULL || (strcmp(name, "linear") != 0 && strcmp(name, "llama3") != 0))
        return refuse("rope_scaling", name != NULL ? name : "without a type", "linear or llama3", diag);
    int rc = read_real(rope, "factor", 0.0, &factor, diag);
    bool is_llama3 = strcmp(name, "llama3") == 0;
    rc = rc == 0 && is_llama3 ? read_llama3(rope, &law, diag) : rc;
    rc = rc == 0 ? weights_scale_rope(weights, factor, diag) : rc;
    if (rc == 0 && is_llama3 && weights->rope_divisor != NULL)
        stretch(weights, &law);
    return rc;
}

/* One id, or the first of several. */
static uint32_t read_id(const json_t *config, const char *key)
{
    const json_t *value = value_of(config, key);
    const json_t *one = json_is_array(value) ? json_array_get(value, 0) : value;
    json_int_t id = json_is_integer(one) ? json_integer_value(one) : -1;
    return id >= 0 && id < UINT32_MAX ? (uint32_t) id : UINT32_MAX;
}

static int read_shape(const json_t *config, struct weights *weights, struct diag *diag)
{
    const struct family *family = NULL;
    struct weights_geometry *geometry = &weights->geometry;
    int rc = find_family(config, &family, diag);
    rc = rc == 0 ? check_extras(config, diag) : rc;
    rc = rc == 0 ? read_sizes(config, geometry, diag) : rc;
    rc = rc == 0 ? read_reals(config, geometry, diag) : rc;
    rc = rc == 0 ? apply_window(config, geometry, diag) : rc;
    if (rc != 0)
        return rc;
    geometry->rotary = WEIGHTS_HALF_SPLIT;
    geometry->is_tied = json_is_true(value_of(config, "tie_word_embeddings"));
    geometry->has_qkv_bias = family->has_qkv_bias;
    rc = weights_check_geometry(geometry, diag);
    if (rc != 0)
        diag_prefix(diag, "config.json");
    return rc;
}

int safetensors_read_config(struct weights *weights, const char *text, size_t size, struct diag *diag)
{
    json_error_t error = {0};
    if (text == NULL)
        return diag_fail(diag, ERR_NOT_FOUND,
                         "config.json is missing; a safetensors model needs it for its shape");
    json_t *config = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (config == NULL)
        return diag_fail(diag, ERR_SYNTAX, "config.json: not JSON: %s, line %d", error.text, error.line);
    if (!json_is_object(config)) {
        json_decref(config);
        return diag_fail(diag, ERR_SYNTAX, "config.json: a JSON object would be right");
    }
    int rc = read_shape(config, weights, diag);
    rc = rc == 0 ? read_rope(config, weights, diag) : rc;
    weights->tokens.begin = read_id(config, "bos_token_id");
    weights->tokens.end = read_id(config, "eos_token_id");
    json_decref(config);
    return rc;
}
