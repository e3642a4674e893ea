#include "core/base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static struct {
    const char *program;
    enum log_level level;
} sink = {"handoff", LOG_WARN};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

_Static_assert(sizeof level_names / sizeof *level_names == LOG_DEBUG + 1, "a name for each level");

void log_setup(const char *program, enum log_level level)
{
    assert(program != NULL && level <= LOG_DEBUG);
    sink.program = program;
    sink.level = level;
}

void log_write(enum log_level level, const char *topic, const char *format, ...)
{
    assert(level <= LOG_DEBUG);
    if (level > sink.level)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    (void) vsnprintf(text, sizeof text, format, args); /* a cut line is still a line */
    va_end(args);
    (void) fprintf(stderr, "%s: %s: %s: %s\n", sink.program, level_names[level], topic, text);
}
