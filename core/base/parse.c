#include "core/base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#define WORD_MOST 63u /* bytes of one number in a list */

/* Digits only, no leading zero except "0" itself. */
static bool is_plain_integer(const char *text)
{
    if (!isdigit((unsigned char) text[0]) || (text[0] == '0' && text[1] != '\0'))
        return false;
    return text[strspn(text, "0123456789")] == '\0';
}

int parse_u64(const char *text, uint64_t *ret_value)
{
    if (!is_plain_integer(text))
        return ERR_SYNTAX;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno == ERANGE)
        return ERR_RANGE;
    *ret_value = value;
    return 0;
}

int parse_i64(const char *text, int64_t *ret_value)
{
    bool negative = text[0] == '-';
    uint64_t magnitude = 0;
    int rc = parse_u64(text + (negative ? 1 : 0), &magnitude);
    if (rc != 0)
        return rc;
    if (magnitude > (uint64_t) INT64_MAX)
        return ERR_RANGE;
    *ret_value = negative ? -(int64_t) magnitude : (int64_t) magnitude;
    return 0;
}

int parse_real(const char *text, double *ret_value)
{
    const char *digits = text + (text[0] == '-' ? 1 : 0);
    bool leading_zero = digits[0] == '0' && isdigit((unsigned char) digits[1]);
    if (!isdigit((unsigned char) digits[0]) || leading_zero || text[strspn(text, "0123456789+-.eE")] != '\0')
        return ERR_SYNTAX;
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (*end != '\0')
        return ERR_SYNTAX;
    if (!isfinite(value))
        return ERR_RANGE;
    *ret_value = value;
    return 0;
}

int parse_real_list(const char *text, double *ret_value, uint32_t most)
{
    int count = 0;
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        char word[WORD_MOST + 1] = {0};
        size_t size = strcspn(text, " ");
        if (size > WORD_MOST)
            return ERR_SYNTAX;
        if ((uint32_t) count == most)
            return ERR_TOO_BIG;
        memcpy(word, text, size);
        int rc = parse_real(word, &ret_value[count]);
        if (rc != 0)
            return rc;
        count++;
        text += size;
    }
    return count;
}

int parse_bool(const char *text, bool *ret_value)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return ERR_SYNTAX;
    *ret_value = yes;
    return 0;
}
