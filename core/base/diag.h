/* A diagnosis: the one sentence that tells a person what was wrong, where, and what would be right. Library
 * code fills it beside the error code; only a program prints it. The first diagnosis wins: a caller's wider
 * context never hides the cause. */
#ifndef HANDOFF_CORE_BASE_DIAG_H
#define HANDOFF_CORE_BASE_DIAG_H

#define DIAG_TEXT_MAX 1024

struct diag {
    char text[DIAG_TEXT_MAX]; /* empty: nothing said */
};

/* Writes the sentence unless one is there already; returns `code` so that a caller can `return
 * diag_fail(...)`. `diag` may be NULL. */
__attribute__((format(printf, 3, 4))) int diag_fail(struct diag *diag, int code, const char *format, ...);

/* Puts "prefix: " before what is there (a file's name, say). No effect on an empty diagnosis. */
__attribute__((format(printf, 2, 3))) void diag_prefix(struct diag *diag, const char *format, ...);

/* Puts more behind what is there; it brings its own punctuation. No effect on an empty diagnosis. */
__attribute__((format(printf, 2, 3))) void diag_add(struct diag *diag, const char *format, ...);

/* The sentence, or the code's own text when nothing was said. */
const char *diag_text(const struct diag *diag, int code);

#endif
