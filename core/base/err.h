/* Error codes. A fallible function returns 0 or a negative code: an errno value negated, or one of err.def. */
#ifndef HANDOFF_CORE_BASE_ERR_H
#define HANDOFF_CORE_BASE_ERR_H

enum err {
    ERR_OK = 0,
#define ERR(name, value, text) name = value,
#include "core/base/err.def"
#undef ERR
};

/* The code's name ("ERR_RANGE"), or NULL for a code that is not ours. Static storage. */
const char *err_name(int code);

/* A short text for any code, ours or the system's. Static storage; never NULL. */
const char *err_text(int code);

#endif
