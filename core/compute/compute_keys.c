#include "core/compute/compute_keys.h"

#include <string.h>

#include "core/base/err.h"
#include "core/compute/compute_internal.h"
#include "core/model/llm_keys.h"

#define GATED_MATRICES 3u /* SwiGLU: gate, up, down */

#define BITS_MIN 0.01 /* model.bits_per_element's own limit (scenario.def) */

struct llm compute_keys_llm(const struct weights_geometry *geometry)
{
    return (struct llm){
        .layers = geometry->layers,
        .hidden = geometry->hidden,
        .query = geometry->heads * geometry->head_size,
        .kv = geometry->kv_heads * geometry->head_size,
        .ff = geometry->ff,
        .ff_mats = GATED_MATRICES,
        .vocab = geometry->vocab,
        .source = "a model file",
    };
}

void compute_keys_hash(const struct weights *weights, char ret_hash[COMPUTE_HASH_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[WEIGHTS_HASH_SIZE];
    weights_hash(weights, NULL, NULL, hash);
    for (size_t i = 0; i < WEIGHTS_HASH_SIZE; i++) {
        ret_hash[2 * i] = digits[hash[i] >> 4];
        ret_hash[2 * i + 1] = digits[hash[i] & 15];
    }
    ret_hash[COMPUTE_HASH_DIGITS] = '\0';
}

int compute_keys_write_bits(struct scenario *scenario, struct diag *diag)
{
    struct scenario defaults;
    struct llm llm;
    if (scenario->compute.kind != COMPUTE_MODEL)
        return 0;
    int rc = llm_keys_read(scenario, &llm, diag);
    if (rc != 0)
        return rc;
    const struct activation_shape shape = compute_shape_of(scenario, llm.hidden, 1);
    rc = activation_check(&shape, diag);
    if (rc != 0)
        return rc;
    double given = scenario->model.bits_per_element;
    double bits = 8.0 * (double) activation_bytes(shape.format, 1, llm.hidden, shape.k) / llm.hidden;
    scenario_defaults(&defaults);
    if (given != defaults.model.bits_per_element && given != bits)
        return diag_fail(
            diag, ERR_MISMATCH,
            "model.bits_per_element: is %g, and compute.format makes rows of %g bits an element: leave it "
            "out",
            given, bits);
    if (bits < BITS_MIN)
        return diag_fail(
            diag, ERR_RANGE,
            "compute.kept: %u of %u elements are %g bits an element, and model.bits_per_element is at "
            "least %g",
            shape.k, llm.hidden, bits, BITS_MIN);
    scenario->model.bits_per_element = bits;
    return 0;
}

int compute_keys_check_hash(const struct scenario *scenario, const struct weights *weights, const char *path,
                            struct diag *diag)
{
    const char *wanted = scenario->model.hash;
    char found[COMPUTE_HASH_DIGITS + 1];
    if (wanted[0] == '\0')
        return 0;
    compute_keys_hash(weights, found);
    if (strcmp(found, wanted) == 0)
        return 0;
    return diag_fail(diag, ERR_MISMATCH,
                     "%s: its SHA-256 is %s, and the scenario's model.hash is %s: it is another model", path,
                     found, wanted);
}
