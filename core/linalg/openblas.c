#include "core/linalg/openblas.h"

#include <assert.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/linalg/kernels_internal.h"
#include "core/linalg/openblas_internal.h"

/* The constants and prototypes of cblas.h, the reference interface of BLAS in C. */
enum cblas_order { ROW_MAJOR = 101 };
enum cblas_transpose { PLAIN = 111, TRANSPOSED = 112 };

struct library {
    void *handle; /* NULL: not loaded */
    const char *kernel, *version;
    void (*set_num_threads)(int threads);
    char *(*get_corename)(void);
    char *(*get_config)(void);
    void (*sgemm)(enum cblas_order order, enum cblas_transpose transpose_a, enum cblas_transpose transpose_b,
                  int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                  float beta, float *c, int ldc);
    void (*sgemv)(enum cblas_order order, enum cblas_transpose transpose_a, int m, int n, float alpha,
                  const float *a, int lda, const float *x, int incx, float beta, float *y, int incy);
};

/* Loaded once: a library that has threads and buffers of its own is not unloaded. */
static struct library library;

static int load(struct library *ret_library, struct diag *diag)
{
    const char *const files[] = {"libopenblas.so.0", "libopenblas.so"};
    const struct {
        const char *name;
        void *to;
    } symbols[] = {
        {"openblas_set_num_threads", &ret_library->set_num_threads},
        {"openblas_get_corename", &ret_library->get_corename},
        {"openblas_get_config", &ret_library->get_config},
        {"cblas_sgemm", &ret_library->sgemm},
        {"cblas_sgemv", &ret_library->sgemv},
    };
    void *handle = NULL;
    struct diag why = {{0}};
    /* Read while it is loaded: it would begin a thread for each processor. */
    (void) setenv("OPENBLAS_NUM_THREADS", "1", 1);
    for (size_t i = 0; i < sizeof files / sizeof *files && handle == NULL; i++) {
        handle = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
        if (handle == NULL) /* the first one's reason stays */
            (void) diag_fail(&why, ERR_NOT_FOUND, "OpenBLAS cannot be loaded: %s", dlerror());
    }
    if (handle == NULL)
        return diag_fail(diag, ERR_NOT_FOUND, "%s", why.text);
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = dlsym(handle, symbols[i].name);
        if (found == NULL) {
            (void) dlclose(handle);
            return diag_fail(diag, ERR_NOT_FOUND, "OpenBLAS cannot be used: it has no %s", symbols[i].name);
        }
        memcpy(symbols[i].to, &found, sizeof found);
    }
    ret_library->handle = handle;
    return 0;
}

int openblas_open(struct diag *diag)
{
    struct library loaded = {0};
    if (library.handle != NULL)
        return 0;
    int rc = load(&loaded, diag);
    if (rc != 0)
        return rc;
    /* The learners' products are too small to share. */
    loaded.set_num_threads(1);
    loaded.kernel = loaded.get_corename();
    loaded.version = loaded.get_config();
    library = loaded;
    rc = openblas_check(diag);
    if (rc != 0)
        library = (struct library){0};
    return rc;
}

const char *openblas_kernel(void)
{
    assert(library.handle != NULL);
    return library.kernel;
}

const char *openblas_version(void)
{
    assert(library.handle != NULL);
    return library.version;
}

static int dim(size_t size)
{
    assert(size <= INT_MAX);
    return (int) size;
}

static enum cblas_transpose transpose_of(const struct linalg_matrix *matrix)
{
    assert(matrix->across == 1 || matrix->down == 1);
    return matrix->across == 1 ? PLAIN : TRANSPOSED;
}

/* The distance between rows as they lie, of which there may be one alone. */
static int stride_of(const struct linalg_matrix *matrix, size_t rows, size_t columns)
{
    size_t stride = matrix->across == 1 ? matrix->down : matrix->across;
    size_t least = matrix->across == 1 ? columns : rows;
    return dim(stride > least ? stride : least);
}

/* One row or one column: y = A x, which is ten times as fast as a product of matrices. A is `matrix`, as it lies. */
static void multiply_vector(const struct linalg_product *p, const struct linalg_matrix *matrix,
                            bool is_column, float beta)
{
    bool lies = matrix->across == 1;
    size_t down = is_column ? p->rows : p->depth, across = is_column ? p->depth : p->columns;
    const float *x = is_column ? p->b.at : p->a.at;
    size_t step = is_column ? p->b.down : p->a.across, y_step = is_column ? p->c_stride : 1;
    enum cblas_transpose transpose = lies == is_column ? PLAIN : TRANSPOSED;
    library.sgemv(ROW_MAJOR, transpose, dim(lies ? down : across), dim(lies ? across : down), 1.0f,
                  matrix->at, stride_of(matrix, down, across), x, dim(step), beta, p->c, dim(y_step));
}

void openblas_multiply(const struct linalg_product *p)
{
    assert(library.handle != NULL);
    float beta = p->start != NULL ? 1.0f : 0.0f;
    for (size_t i = 0; i < p->rows && p->start != NULL; i++)
        memcpy(p->c + i * p->c_stride, p->start, p->columns * sizeof(float));
    if (p->rows == 1)
        multiply_vector(p, &p->b, false, beta);
    else if (p->columns == 1)
        multiply_vector(p, &p->a, true, beta);
    else
        library.sgemm(ROW_MAJOR, transpose_of(&p->a), transpose_of(&p->b), dim(p->rows), dim(p->columns),
                      dim(p->depth), 1.0f, p->a.at, stride_of(&p->a, p->rows, p->depth), p->b.at,
                      stride_of(&p->b, p->depth, p->columns), beta, p->c, dim(p->c_stride));
}

int openblas_use(bool used, struct diag *diag)
{
    static const struct linalg_kernels kernels = {.name = "openblas", .multiply = openblas_multiply};
    int rc = used ? openblas_open(diag) : 0;
    if (rc == 0)
        linalg_replace(used ? &kernels : NULL);
    return rc;
}
