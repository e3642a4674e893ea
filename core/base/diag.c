#include "core/base/diag.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

/* What a file or a peer had written may stand in a sentence; it must not break the line or steer a terminal. */
static void keep_one_line(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char) *text < 0x20 || *text == 0x7f)
            *text = '?';
}

int diag_fail(struct diag *diag, int code, const char *format, ...)
{
    assert(code <= 0); /* an errno value has to be negated; 0: a note */
    if (diag == NULL || diag->text[0] != '\0')
        return code;
    va_list args;
    va_start(args, format);
    (void) vsnprintf(diag->text, sizeof diag->text, format, args); /* a cut sentence is still a sentence */
    va_end(args);
    keep_one_line(diag->text);
    return code;
}

void diag_prefix(struct diag *diag, const char *format, ...)
{
    if (diag == NULL || diag->text[0] == '\0')
        return;
    char prefix[DIAG_TEXT_MAX / 2];
    va_list args;
    va_start(args, format);
    (void) vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    keep_one_line(prefix);
    size_t used = strlen(prefix);
    size_t keep = strlen(diag->text);
    if (used + 2 + keep >= sizeof diag->text)
        keep = sizeof diag->text - used - 3;
    assert(used + 2 + keep < sizeof diag->text);
    memmove(diag->text + used + 2, diag->text, keep);
    memcpy(diag->text, prefix, used);
    memcpy(diag->text + used, ": ", 2);
    diag->text[used + 2 + keep] = '\0';
}

void diag_add(struct diag *diag, const char *format, ...)
{
    if (diag == NULL || diag->text[0] == '\0')
        return;
    size_t used = strlen(diag->text);
    va_list args;
    va_start(args, format);
    (void) vsnprintf(diag->text + used, sizeof diag->text - used, format,
                     args); /* a cut sentence is still one */
    va_end(args);
    keep_one_line(diag->text + used);
}

const char *diag_text(const struct diag *diag, int code)
{
    return diag != NULL && diag->text[0] != '\0' ? diag->text : err_text(code);
}
