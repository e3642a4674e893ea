#include "tests/unit/infer/small_model.h"

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD_SIZE (SMALL_HIDDEN / SMALL_HEADS)

/* A number between -1 and 1. */
static float drawn(uint32_t seed, uint32_t place)
{
    uint32_t x = seed * 0x9e3779b9u + place * 0x85ebca6bu + 0x27d4eb2fu;
    x = (x ^ (x >> 15)) * 0x2c1b3c6du;
    x = (x ^ (x >> 12)) * 0x297a2d39u;
    x ^= x >> 15;
    return (float) ((double) x / 2147483648.0 - 1.0);
}

uint32_t small_model_token(uint32_t seed, uint32_t place)
{
    return (uint32_t) ((drawn(seed, place) + 1.0f) / 2.0f * (SMALL_VOCAB - 1));
}

static void write_floats(FILE *file, uint32_t seed, uint32_t *place, uint32_t count, float middle,
                         float width)
{
    for (uint32_t i = 0; i < count; i++) {
        float value = middle + width * drawn(seed, (*place)++);
        assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    }
}

static void write_model(FILE *file, uint32_t seed)
{
    const int32_t header[] = {SMALL_HIDDEN,   SMALL_FF,    SMALL_LAYERS, SMALL_HEADS,
                              SMALL_KV_HEADS, SMALL_VOCAB, SMALL_CONTEXT};
    const uint32_t d = SMALL_HIDDEN, kv = SMALL_KV_HEADS * HEAD_SIZE;
    uint32_t place = 0;
    assert_int_equal(fwrite(header, sizeof header, 1, file), 1);
    write_floats(file, seed, &place, SMALL_VOCAB * d, 0.0f, 1.0f);
    write_floats(file, seed, &place, SMALL_LAYERS * d, 1.0f, 0.3f);
    write_floats(file, seed, &place, SMALL_LAYERS * d * d, 0.0f, 0.3f);
    write_floats(file, seed, &place, 2 * SMALL_LAYERS * d * kv, 0.0f, 0.3f);
    write_floats(file, seed, &place, SMALL_LAYERS * d * d, 0.0f, 0.2f);
    write_floats(file, seed, &place, SMALL_LAYERS * d, 1.0f, 0.3f);
    write_floats(file, seed, &place, 3 * SMALL_LAYERS * d * SMALL_FF, 0.0f, 0.2f);
    write_floats(file, seed, &place, d, 1.0f, 0.3f);
    write_floats(file, seed, &place, SMALL_CONTEXT * HEAD_SIZE, 0.0f,
                 0.0f); /* two tables that nobody reads */
}

void small_model_write(const char *path, uint32_t seed)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    write_model(file, seed);
    assert_int_equal(fclose(file), 0);
}

struct weights *small_model_open(uint32_t seed)
{
    char path[] = "/tmp/handoff-small-model-XXXXXX";
    struct weights *weights = NULL;
    struct diag diag = {{0}};
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    small_model_write(path, seed);
    if (weights_open(path, &weights, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(unlink(path), 0); /* it stays mapped */
    return weights;
}

/* ---- the oracle ---- */

struct oracle {
    const struct weights *weights;
    const struct weights_geometry *g;
    double *key, *value; /* [layers][context][kv width] */
};

static float *read_all(const struct oracle *oracle, enum weights_role role, uint32_t layer)
{
    struct weights_tensor tensor;
    assert_int_equal(weights_find(oracle->weights, role, layer, &tensor), 0);
    float *rows = malloc((size_t) tensor.rows * tensor.columns * sizeof *rows);
    assert_non_null(rows);
    weights_read_rows(&tensor, 0, tensor.rows, rows);
    return rows;
}

static void times(const struct oracle *oracle, enum weights_role role, uint32_t layer, const double *x,
                  double *y)
{
    uint32_t rows, columns;
    weights_shape(oracle->g, role, &rows, &columns);
    float *w = read_all(oracle, role, layer);
    for (uint32_t i = 0; i < rows; i++) {
        y[i] = 0.0;
        for (uint32_t j = 0; j < columns; j++)
            y[i] += (double) w[(size_t) i * columns + j] * x[j];
    }
    free(w);
}

static void norm(const struct oracle *oracle, enum weights_role role, uint32_t layer, const double *x,
                 double *y)
{
    float *gain = read_all(oracle, role, layer);
    double sum = 0.0;
    for (uint32_t i = 0; i < SMALL_HIDDEN; i++)
        sum += x[i] * x[i];
    for (uint32_t i = 0; i < SMALL_HIDDEN; i++)
        y[i] = x[i] / sqrt(sum / SMALL_HIDDEN + (double) oracle->g->norm_epsilon) * (double) gain[i];
    free(gain);
}

static void turn(double *row, uint32_t heads, uint32_t position)
{
    for (uint32_t h = 0; h < heads; h++, row += HEAD_SIZE)
        for (uint32_t i = 0; i < HEAD_SIZE; i += 2) { /* llama2.c turns neighbours */
            double angle = position * pow(10000.0, -(double) i / HEAD_SIZE), x = row[i], y = row[i + 1];
            row[i] = x * cos(angle) - y * sin(angle);
            row[i + 1] = x * sin(angle) + y * cos(angle);
        }
}

static void attend(const struct oracle *oracle, uint32_t layer, uint32_t position, const double *query,
                   double *seen)
{
    const uint32_t kv = SMALL_KV_HEADS * HEAD_SIZE;
    for (uint32_t h = 0; h < SMALL_HEADS; h++) {
        double weight[SMALL_CONTEXT], sum = 0.0;
        const size_t at =
            (size_t) layer * SMALL_CONTEXT * kv + h / (SMALL_HEADS / SMALL_KV_HEADS) * HEAD_SIZE;
        for (uint32_t t = 0; t <= position; t++) {
            double score = 0.0;
            for (uint32_t i = 0; i < HEAD_SIZE; i++)
                score += query[h * HEAD_SIZE + i] * oracle->key[at + t * kv + i];
            weight[t] = exp(score / sqrt(HEAD_SIZE));
            sum += weight[t];
        }
        for (uint32_t i = 0; i < HEAD_SIZE; i++) {
            seen[h * HEAD_SIZE + i] = 0.0;
            for (uint32_t t = 0; t <= position; t++)
                seen[h * HEAD_SIZE + i] += weight[t] / sum * oracle->value[at + t * kv + i];
        }
    }
}

static void run_layer(const struct oracle *oracle, uint32_t layer, uint32_t position, double *x)
{
    double normed[SMALL_HIDDEN], query[SMALL_HIDDEN], seen[SMALL_HIDDEN], gate[SMALL_FF], up[SMALL_FF];
    const size_t kv = SMALL_KV_HEADS * HEAD_SIZE, at = ((size_t) layer * SMALL_CONTEXT + position) * kv;
    norm(oracle, WEIGHTS_ATTENTION_NORM, layer, x, normed);
    times(oracle, WEIGHTS_QUERY, layer, normed, query);
    times(oracle, WEIGHTS_KEY, layer, normed, oracle->key + at);
    times(oracle, WEIGHTS_VALUE, layer, normed, oracle->value + at);
    turn(query, SMALL_HEADS, position);
    turn(oracle->key + at, SMALL_KV_HEADS, position);
    attend(oracle, layer, position, query, seen);
    times(oracle, WEIGHTS_ATTENTION_OUTPUT, layer, seen, normed);
    for (uint32_t i = 0; i < SMALL_HIDDEN; i++)
        x[i] += normed[i];
    norm(oracle, WEIGHTS_FF_NORM, layer, x, normed);
    times(oracle, WEIGHTS_GATE, layer, normed, gate);
    times(oracle, WEIGHTS_UP, layer, normed, up);
    for (uint32_t i = 0; i < SMALL_FF; i++)
        gate[i] = gate[i] / (1.0 + exp(-gate[i])) * up[i];
    times(oracle, WEIGHTS_DOWN, layer, gate, normed);
    for (uint32_t i = 0; i < SMALL_HIDDEN; i++)
        x[i] += normed[i];
}

void small_model_oracle(const struct weights *weights, const uint32_t *token, uint32_t tokens,
                        double *ret_logits)
{
    const size_t kept = (size_t) SMALL_LAYERS * SMALL_CONTEXT * SMALL_KV_HEADS * HEAD_SIZE;
    struct oracle oracle = {.weights = weights,
                            .g = weights_geometry(weights),
                            .key = calloc(kept, sizeof(double)),
                            .value = calloc(kept, sizeof(double))};
    float *embedding = read_all(&oracle, WEIGHTS_EMBEDDING, 0);
    assert_non_null(oracle.key);
    assert_non_null(oracle.value);
    for (uint32_t t = 0; t < tokens; t++) {
        double x[SMALL_HIDDEN], normed[SMALL_HIDDEN];
        for (uint32_t i = 0; i < SMALL_HIDDEN; i++)
            x[i] = (double) embedding[token[t] * SMALL_HIDDEN + i];
        for (uint32_t l = 0; l < SMALL_LAYERS; l++)
            run_layer(&oracle, l, t, x);
        norm(&oracle, WEIGHTS_FINAL_NORM, 0, x, normed);
        times(&oracle, WEIGHTS_HEAD, 0, normed, ret_logits + (size_t) t * SMALL_VOCAB);
    }
    free(embedding);
    free(oracle.key);
    free(oracle.value);
}
