#include "db/binder.h"

#include <assert.h>
#include <math.h>

#include <sqlite3.h>

void binder_integer(struct binder *binder, int64_t value)
{
    if (binder->code == SQLITE_OK)
        binder->code = sqlite3_bind_int64(binder->statement, ++binder->index, value);
}

static void bind_null(struct binder *binder)
{
    if (binder->code == SQLITE_OK)
        binder->code = sqlite3_bind_null(binder->statement, ++binder->index);
}

void binder_integer_or_null(struct binder *binder, int64_t value, int64_t null_value)
{
    if (value == null_value)
        bind_null(binder);
    else
        binder_integer(binder, value);
}

void binder_real(struct binder *binder, double value)
{
    if (isnan(value))
        bind_null(binder);
    else if (binder->code == SQLITE_OK)
        binder->code = sqlite3_bind_double(binder->statement, ++binder->index, value);
}

void binder_text(struct binder *binder, const char *value)
{
    if (binder->code == SQLITE_OK)
        binder->code = sqlite3_bind_text(binder->statement, ++binder->index, value, -1, SQLITE_STATIC);
}

void binder_blob(struct binder *binder, const void *bytes, size_t size)
{
    assert(bytes != NULL || size == 0);
    if (binder->code == SQLITE_OK)
        binder->code = sqlite3_bind_blob64(binder->statement, ++binder->index, bytes, size, SQLITE_STATIC);
}
