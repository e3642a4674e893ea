/* Characters of UTF-8, and the classes that cut a text into words. */
#ifndef HANDOFF_CORE_WEIGHTS_UNICODE_H
#define HANDOFF_CORE_WEIGHTS_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum unicode_class {
    UNICODE_OTHER,
    UNICODE_LETTER, /* \p{L} */
    UNICODE_NUMBER, /* \p{N} */
    UNICODE_SPACE,  /* \s: White_Space */
};

#define UNICODE_NONE UINT32_MAX

/* The character that the bytes begin with, and how many bytes it has. What is no UTF-8 (overlong forms and surrogates
 * too) is UNICODE_NONE, one byte. size > 0. */
uint32_t unicode_decode(const char *text, size_t size, size_t *ret_bytes);

/* UNICODE_NONE is UNICODE_OTHER. */
enum unicode_class unicode_class_of(uint32_t character);

#endif
