#include "core/base/text_format.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

bool text_format(char *ret_text, size_t size, const char *format, ...)
{
    assert(size > 0);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(ret_text, size, format, arguments);
    va_end(arguments);
    return length >= 0 && (size_t) length < size;
}
