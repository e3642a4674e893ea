#include "core/linalg/vector_path.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "core/base/err.h"
#include "core/linalg/kernels_internal.h"

struct path {
    const char *word;
    bool (*is_there)(void);
    const struct linalg_kernels *kernels; /* NULL: another architecture's */
};

#if defined(__x86_64__)

/* Clang's __builtin_cpu_supports does not know the word. To ask the processor takes a virtual machine microseconds. */
static bool has_f16c(void)
{
#if defined(__clang__)
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
#else
    return __builtin_cpu_supports("f16c");
#endif
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && has_avx2();
}

static bool has_vnni(void)
{
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
}

#define AVX512 has_avx512, &linalg_kernels_avx512
#define AVX2 has_avx2, &linalg_kernels_avx2

#else

#define AVX512 NULL, NULL
#define AVX2 NULL, NULL

#endif

static bool always(void)
{
    return true;
}

#if defined(__aarch64__)

/* Products of bytes: an extension, which Linux tells of. */
static bool has_dot(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}

#define NEON always, &linalg_kernels_neon
#else
#define NEON NULL, NULL
#endif

/* Widest first. */
static const struct path paths[LINALG_PATHS_MAX] = {
    {"avx512", AVX512},
    {"avx2", AVX2},
    {"neon", NEON},
    {"none", always, &linalg_kernels_none},
};

static bool is_there(const struct path *path)
{
    return path->kernels != NULL && path->is_there();
}

/* Process-wide: the same for every product, and no product knows what was chosen at the start. Several threads may
 * find it empty at once; all put in the same. */
static _Atomic(const struct linalg_kernels *) in_use;

static const struct linalg_kernels *widest(void)
{
    size_t i = 0;
    while (!is_there(&paths[i]))
        i++;
    return paths[i].kernels;
}

const struct linalg_kernels *linalg_kernels_in_use(void)
{
    const struct linalg_kernels *kernels = atomic_load_explicit(&in_use, memory_order_acquire);
    if (kernels == NULL) {
        kernels = widest();
        atomic_store_explicit(&in_use, kernels, memory_order_release);
    }
    return kernels;
}

/* The best of the path. */
const struct linalg_integers *linalg_integers_in_use(void)
{
    const struct linalg_kernels *kernels = linalg_kernels_in_use();
#if defined(__x86_64__)
    if (kernels == &linalg_kernels_avx512 && has_vnni())
        return &linalg_integers_vnni;
    if (kernels != &linalg_kernels_none)
        return &linalg_integers_avx2;
#elif defined(__aarch64__)
    if (kernels != &linalg_kernels_none)
        return has_dot() ? &linalg_integers_dot : &linalg_integers_neon;
#endif
    assert(kernels == &linalg_kernels_none);
    return &linalg_integers_none;
}

int linalg_vector_choose(const char *word, struct diag *diag)
{
    const struct linalg_kernels *chosen = word == NULL ? widest() : NULL;
    for (size_t i = 0; i < LINALG_PATHS_MAX && chosen == NULL; i++)
        if (strcmp(word, paths[i].word) == 0) {
            if (!is_there(&paths[i]))
                return diag_fail(diag, ERR_UNSUPPORTED, "%s is %s, which this processor does not have",
                                 LINALG_VECTOR_VARIABLE, word);
            chosen = paths[i].kernels;
        }
    if (chosen == NULL)
        return diag_fail(diag, ERR_SYNTAX, "%s is '%s', allowed is avx512, avx2, neon or none",
                         LINALG_VECTOR_VARIABLE, word);
    atomic_store_explicit(&in_use, chosen, memory_order_release);
    return 0;
}

const char *linalg_vector_path(void)
{
    return linalg_kernels_in_use()->name;
}

size_t linalg_vector_paths(const char **ret_names)
{
    size_t count = 0;
    for (size_t i = 0; i < LINALG_PATHS_MAX; i++)
        if (is_there(&paths[i]))
            ret_names[count++] = paths[i].word;
    return count;
}
