#include "core/infer/activation_word.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "core/base/text_format.h"

#define TOPK "topk:"
#define Q4 "q4" /* int4, as scenarios call it */

static const char *const words[ACTIVATION_FORMATS] = {
    [ACTIVATION_FP32] = "fp32", [ACTIVATION_FP16] = "fp16", [ACTIVATION_INT8] = "int8",
    [ACTIVATION_INT4] = "int4", [ACTIVATION_TOPK] = "topk",
};

const char *activation_word(enum activation_format format)
{
    assert((size_t) format < ACTIVATION_FORMATS);
    return words[format];
}

void activation_name(enum activation_format format, uint32_t k, char ret_name[static ACTIVATION_NAME_MAX])
{
    bool fits;
    if (format == ACTIVATION_TOPK)
        fits = text_format(ret_name, ACTIVATION_NAME_MAX, TOPK "%u", k);
    else
        fits = text_format(ret_name, ACTIVATION_NAME_MAX, "%s",
                           format == ACTIVATION_INT4 ? Q4 : activation_word(format));
    assert(fits);
}

static int parse_topk(const char *number, uint32_t *ret_k)
{
    uint64_t k = 0;
    if (parse_u64(number, &k) != 0 || k < 1 || k > ACTIVATION_COLUMNS_MAX)
        return ERR_SYNTAX;
    *ret_k = (uint32_t) k;
    return 0;
}

int activation_word_parse(const char *word, enum activation_format *ret_format, uint32_t *ret_k,
                          struct diag *diag)
{
    uint32_t k = 0;
    for (size_t i = 0; i < ACTIVATION_FORMATS; i++) {
        const char *own = i == ACTIVATION_INT4 && strcmp(word, Q4) == 0 ? Q4 : words[i];
        bool fits = i == ACTIVATION_TOPK
                        ? strncmp(word, TOPK, strlen(TOPK)) == 0 && parse_topk(word + strlen(TOPK), &k) == 0
                        : strcmp(word, own) == 0;
        if (!fits)
            continue;
        *ret_format = (enum activation_format) i;
        *ret_k = k;
        return 0;
    }
    return diag_fail(
        diag, ERR_SYNTAX,
        "'%s' is no encoding of activations; there are fp32, fp16, int8, int4 (or q4) and topk:K "
        "(the K largest of each token)",
        word);
}
