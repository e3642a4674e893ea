#include "core/infer/model.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"

#define PORTION_FLOATS (1u << 18) /* rows that are read at once: at most a megabyte, or one row */

static const char *const format_names[INFER_WEIGHTS_FORMATS] = {
    [INFER_STORED] = "stored",
    [INFER_F32] = "f32",
    [INFER_Q8] = "q8",
    [INFER_Q4] = "q4",
};

const char *infer_weights_name(enum infer_weights format)
{
    assert((size_t) format < INFER_WEIGHTS_FORMATS);
    return format_names[format];
}

int infer_weights_parse(const char *word, enum infer_weights *ret_format, struct diag *diag)
{
    for (size_t i = 0; i < INFER_WEIGHTS_FORMATS; i++)
        if (strcmp(word, format_names[i]) == 0) {
            *ret_format = (enum infer_weights) i;
            return 0;
        }
    return diag_fail(diag, ERR_SYNTAX, "'%s' is no format of weights; there are stored, f32, q8 and q4",
                     word);
}

/* ---- one tensor ---- */

static enum linalg_weights format_of(enum infer_weights asked, enum weights_type stored)
{
    static const enum linalg_weights as_stored[WEIGHTS_TYPES] = {
        [WEIGHTS_F32] = LINALG_F32,   [WEIGHTS_F16] = LINALG_F32,   [WEIGHTS_BF16] = LINALG_F32,
        [WEIGHTS_Q8_0] = LINALG_Q8_0, [WEIGHTS_Q4_0] = LINALG_Q4_0, [WEIGHTS_Q4_K] = LINALG_Q4_K,
        [WEIGHTS_Q6_K] = LINALG_Q6_K,
    };
    assert((size_t) stored < WEIGHTS_TYPES);
    switch (asked) {
    case INFER_STORED: return as_stored[stored];
    case INFER_F32: return LINALG_F32;
    case INFER_Q8: return LINALG_Q8_0;
    case INFER_Q4: return LINALG_Q4_0;
    }
    assert(false); /* every format is above */
    return LINALG_F32;
}

/* A tensor that is on its way into memory. */
struct loading {
    struct weights_tensor tensor;
    enum weights_role role;
    uint32_t layer;
    float *values;    /* [portion][columns] */
    void *quantized;  /* [portion] rows of the format, where it is rounded to */
    uint32_t portion; /* rows */
    struct diag *diag;
};

static int fail_tensor(const struct loading *loading, int rc, const char *what)
{
    char name[WEIGHTS_NAME_MAX];
    weights_name(loading->role, loading->layer, name);
    return diag_fail(loading->diag, rc, "%s: %s", name, what);
}

static bool are_finite(const float *values, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite &= isfinite(values[i]) != 0;
    return finite;
}

static int read_values(const struct loading *loading, uint32_t first, uint32_t count)
{
    weights_read_rows(&loading->tensor, first, count, loading->values);
    if (are_finite(loading->values, (size_t) count * loading->tensor.columns))
        return 0;
    return fail_tensor(loading, ERR_CORRUPT, "has a number that is not finite");
}

/* Rows as they lie in the file, when it has them in the format, or else by way of floats. */
static int pack_portion(const struct loading *loading, struct infer_matrix *matrix, uint32_t first,
                        uint32_t count)
{
    const struct weights_tensor *tensor = &loading->tensor;
    const void *rows = loading->values;
    int rc = 0;
    if (loading->values == NULL)
        rows = (const char *) tensor->at + first * weights_row_bytes(tensor->type, tensor->columns);
    else
        rc = read_values(loading, first, count);
    if (rc == 0 && loading->quantized != NULL) {
        rows = loading->quantized;
        if (linalg_quantize_rows(matrix->format, count, tensor->columns, loading->values,
                                 loading->quantized) != 0)
            rc = fail_tensor(loading, ERR_RANGE, "has a number that is too large for 8 or 4 bits");
    }
    if (rc == 0 && linalg_pack_rows(matrix->format, matrix->columns, matrix->depth, first, count, rows,
                                    matrix->packed) != 0)
        rc = fail_tensor(loading, ERR_CORRUPT, "has a scale that is not finite");
    return rc;
}

static int pack_rows(struct loading *loading, struct infer_matrix *matrix)
{
    const struct weights_tensor *tensor = &loading->tensor;
    bool is_kept = tensor->type == WEIGHTS_Q8_0 || tensor->type == WEIGHTS_Q4_0 ||
                   tensor->type == WEIGHTS_Q4_K || tensor->type == WEIGHTS_Q6_K;
    is_kept = is_kept && matrix->format == format_of(INFER_STORED, tensor->type);
    int rc = 0;
    uint32_t most = PORTION_FLOATS / tensor->columns;
    loading->portion = most == 0 ? 1 : most < tensor->rows ? most : tensor->rows;
    if (!is_kept) {
        loading->values = malloc((size_t) loading->portion * tensor->columns * sizeof(float));
        if (matrix->format != LINALG_F32)
            loading->quantized = malloc(loading->portion * linalg_row_bytes(matrix->format, tensor->columns));
        if (loading->values == NULL || (matrix->format != LINALG_F32 && loading->quantized == NULL))
            rc = fail_tensor(loading, -ENOMEM, "out of memory");
    }
    for (uint32_t first = 0; first < tensor->rows && rc == 0; first += loading->portion) {
        uint32_t left = tensor->rows - first;
        rc = pack_portion(loading, matrix, first, left < loading->portion ? left : loading->portion);
    }
    free(loading->values);
    free(loading->quantized);
    return rc;
}

static void free_matrix(struct infer_matrix *matrix)
{
    free(matrix->packed);
    free(matrix->start);
    *matrix = (struct infer_matrix){.columns = 0};
}

static int find(const struct infer_model *model, enum weights_role role, uint32_t layer,
                struct weights_tensor *ret_tensor)
{
    int rc = weights_find(model->weights, role, layer, ret_tensor);
    assert(rc == 0 || rc == ERR_NOT_FOUND); /* only a bias may not be there */
    return rc;
}

/* A tensor of one row: a norm or a bias. */
static int load_row(struct infer_model *model, enum weights_role role, uint32_t layer, float **ret_row,
                    struct diag *diag)
{
    struct loading loading = {.role = role, .layer = layer, .diag = diag};
    int rc = find(model, role, layer, &loading.tensor);
    assert(rc == 0 && loading.tensor.rows == 1);
    loading.values = malloc(loading.tensor.columns * sizeof(float));
    if (loading.values == NULL)
        return fail_tensor(&loading, -ENOMEM, "out of memory");
    rc = read_values(&loading, 0, 1);
    if (rc != 0) {
        free(loading.values);
        return rc;
    }
    model->bytes += loading.tensor.columns * sizeof(float);
    *ret_row = loading.values;
    return 0;
}

static int load_matrix(struct infer_model *model, enum weights_role role, uint32_t layer,
                       struct infer_matrix *ret, struct diag *diag)
{
    struct loading loading = {.role = role, .layer = layer, .diag = diag};
    int rc = find(model, role, layer, &loading.tensor);
    assert(rc == 0);
    const struct weights_tensor *tensor = &loading.tensor;
    struct infer_matrix matrix = {
        .format = format_of(model->format, tensor->type), .columns = tensor->rows, .depth = tensor->columns};
    size_t bytes = linalg_packed_bytes(matrix.format, matrix.columns, matrix.depth);
    assert(bytes > 0 && bytes % LINALG_PACKED_ALIGNMENT == 0); /* infer_model_create has looked */
    matrix.packed = aligned_alloc(LINALG_PACKED_ALIGNMENT, bytes);
    if (matrix.packed == NULL)
        return fail_tensor(&loading, -ENOMEM, "out of memory");
    rc = pack_rows(&loading, &matrix);
    weights_forget(model->weights, tensor);
    if (rc != 0) {
        free_matrix(&matrix);
        return rc;
    }
    model->bytes += bytes;
    *ret = matrix;
    return 0;
}

/* ---- layers ---- */

static void free_layer(struct infer_layer *layer)
{
    struct infer_matrix *const matrix[] = {&layer->query, &layer->key, &layer->value, &layer->output,
                                           &layer->gate,  &layer->up,  &layer->down};
    for (size_t i = 0; i < sizeof matrix / sizeof *matrix; i++)
        free_matrix(matrix[i]);
    free(layer->attention_norm);
    free(layer->ff_norm);
    *layer = (struct infer_layer){.is_loaded = false};
}

static int load_biases(struct infer_model *model, uint32_t number, struct infer_layer *layer,
                       struct diag *diag)
{
    if (!model->geometry->has_qkv_bias)
        return 0;
    int rc = load_row(model, WEIGHTS_QUERY_BIAS, number, &layer->query.start, diag);
    if (rc == 0)
        rc = load_row(model, WEIGHTS_KEY_BIAS, number, &layer->key.start, diag);
    if (rc == 0)
        rc = load_row(model, WEIGHTS_VALUE_BIAS, number, &layer->value.start, diag);
    return rc;
}

static int load_layer(struct infer_model *model, uint32_t number, struct diag *diag)
{
    struct infer_layer layer = {.is_loaded = true};
    const struct {
        enum weights_role role;
        struct infer_matrix *matrix;
    } matrices[] = {
        {WEIGHTS_QUERY, &layer.query}, {WEIGHTS_KEY, &layer.key},
        {WEIGHTS_VALUE, &layer.value}, {WEIGHTS_ATTENTION_OUTPUT, &layer.output},
        {WEIGHTS_GATE, &layer.gate},   {WEIGHTS_UP, &layer.up},
        {WEIGHTS_DOWN, &layer.down},
    };
    size_t before = model->bytes;
    int rc = load_row(model, WEIGHTS_ATTENTION_NORM, number, &layer.attention_norm, diag);
    if (rc == 0)
        rc = load_row(model, WEIGHTS_FF_NORM, number, &layer.ff_norm, diag);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices && rc == 0; i++)
        rc = load_matrix(model, matrices[i].role, number, matrices[i].matrix, diag);
    if (rc == 0)
        rc = load_biases(model, number, &layer, diag);
    if (rc != 0) {
        free_layer(&layer);
        model->bytes = before;
        return rc;
    }
    model->layer[number] = layer;
    return 0;
}

int infer_model_load(struct infer_model *model, uint32_t first, uint32_t last, struct diag *diag)
{
    if (first > last || last > model->geometry->layers)
        return diag_fail(diag, ERR_RANGE, "layers %u to %u: the model has layers 0 to %u", first, last,
                         model->geometry->layers);
    int rc = 0;
    for (uint32_t l = first; l < last && rc == 0; l++)
        if (!model->layer[l].is_loaded)
            rc = load_layer(model, l, diag);
    return rc;
}

int infer_model_load_head(struct infer_model *model, struct diag *diag)
{
    if (model->head.packed != NULL)
        return 0;
    float *norm = NULL;
    size_t before = model->bytes;
    int rc = load_row(model, WEIGHTS_FINAL_NORM, 0, &norm, diag);
    if (rc == 0)
        rc = load_matrix(model, WEIGHTS_HEAD, 0, &model->head, diag);
    if (rc != 0) {
        free(norm);
        model->bytes = before;
        return rc;
    }
    model->final_norm = norm;
    return 0;
}

/* ---- the model ---- */

/* A width that the format asked for cannot have. */
static int check_format(const struct infer_model *model, enum weights_role role, uint32_t layer,
                        struct diag *diag)
{
    struct loading loading = {.role = role, .layer = layer, .diag = diag};
    int rc = find(model, role, layer, &loading.tensor);
    assert(rc == 0);
    enum linalg_weights format = format_of(model->format, loading.tensor.type);
    if (linalg_packed_bytes(format, loading.tensor.rows, loading.tensor.columns) != 0)
        return 0;
    char name[WEIGHTS_NAME_MAX];
    weights_name(role, layer, name);
    return diag_fail(diag, ERR_UNSUPPORTED,
                     "%s: its rows have %u weights, of which the format %s takes blocks of %zu", name,
                     loading.tensor.columns, linalg_weights_name(format), linalg_weights_block(format));
}

static int check_formats(const struct infer_model *model, struct diag *diag)
{
    static const enum weights_role role[] = {
        WEIGHTS_QUERY, WEIGHTS_KEY, WEIGHTS_VALUE, WEIGHTS_ATTENTION_OUTPUT,
        WEIGHTS_GATE,  WEIGHTS_UP,  WEIGHTS_DOWN};
    int rc = check_format(model, WEIGHTS_HEAD, 0, diag);
    for (uint32_t l = 0; l < model->geometry->layers; l++)
        for (size_t i = 0; i < sizeof role / sizeof *role && rc == 0; i++)
            rc = check_format(model, role[i], l, diag);
    return rc;
}

/* Frequency j: theta^(-2 j / head_size), perhaps divided (weights.h). */
static void set_frequencies(struct infer_model *model)
{
    const struct weights_geometry *g = model->geometry;
    for (uint32_t j = 0; j < g->head_size / 2; j++) {
        double frequency = elementary_pow((double) g->rope_theta, -2.0 * j / g->head_size);
        model->frequency[j] = g->rope_divisor != NULL ? frequency / (double) g->rope_divisor[j] : frequency;
    }
}

int infer_model_create(struct infer_model **ret_model, const struct weights *weights,
                       enum infer_weights format, struct diag *diag)
{
    struct infer_model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return diag_fail(diag, -ENOMEM, "a model: out of memory");
    model->weights = weights;
    model->geometry = weights_geometry(weights);
    model->format = format;
    int rc = check_formats(model, diag);
    if (rc == 0) {
        model->layer = calloc(model->geometry->layers, sizeof *model->layer);
        model->frequency = calloc(model->geometry->head_size / 2, sizeof *model->frequency);
        if (model->layer == NULL || model->frequency == NULL)
            rc = diag_fail(diag, -ENOMEM, "a model: out of memory");
    }
    if (rc != 0) {
        infer_model_destroy(model);
        return rc;
    }
    set_frequencies(model);
    *ret_model = model;
    return 0;
}

void infer_model_destroy(struct infer_model *model)
{
    if (model == NULL)
        return;
    for (uint32_t l = 0; model->layer != NULL && l < model->geometry->layers; l++)
        free_layer(&model->layer[l]);
    free(model->layer);
    free(model->final_norm);
    free_matrix(&model->head);
    free(model->frequency);
    free(model);
}
