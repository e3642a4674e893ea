/* Text into an array of the caller's: what pure files use instead of stdio. */
#ifndef HANDOFF_CORE_BASE_TEXT_FORMAT_H
#define HANDOFF_CORE_BASE_TEXT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

/* As printf, ended by a zero byte. What does not fit is cut off, and then the answer is false. size > 0. */
bool text_format(char *ret_text /* [size] */, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
