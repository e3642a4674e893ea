#include "core/base/err.h"

#include <stddef.h>
#include <string.h>

struct err_row {
    int code;
    const char *name;
    const char *text;
};

static const struct err_row rows[] = {
#define ERR(name, value, text) {value, #name, text},
#include "core/base/err.def"
#undef ERR
};

/* Beyond every errno value, so that a code names one thing. */
#define ERR(name, value, text) _Static_assert((value) < -10000, "apart from the system's codes");
#include "core/base/err.def"
#undef ERR

static const struct err_row *find_row(int code)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

const char *err_name(int code)
{
    const struct err_row *row = find_row(code);
    return row != NULL ? row->name : NULL;
}

const char *err_text(int code)
{
    if (code == 0)
        return "no error";
    const struct err_row *row = find_row(code);
    if (row != NULL)
        return row->text;
    return code < 0 ? strerror(-code) : "unknown error";
}
