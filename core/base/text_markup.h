/* Texts from a database, made harmless for where they are going. Names of sweeps, policies and machines may
 * hold anything. */
#ifndef HANDOFF_CORE_BASE_TEXT_MARKUP_H
#define HANDOFF_CORE_BASE_TEXT_MARKUP_H

#include <stddef.h>

#include "core/base/buf.h"

/* Into HTML or SVG, as text or between double quotes: what is no character becomes '?', and of control
 * characters only tab and line feed stay. */
int text_markup_html(struct buf *text, const char *from);

/* Onto one line, of a terminal say: likewise without control characters. */
int text_markup_line(struct buf *text, const char *from);

/* Onto one line of a figure's data and script: likewise, and what gnuplot cannot read from a CSV file or in
 * an array becomes something else: quotation marks the typographic one, a comma '/' (it takes a text for
 * ended there, quotation marks or not). */
int text_markup_label(struct buf *text, const char *from);

/* A label between gnuplot's single quotes, in which nothing is expanded. */
int text_markup_quoted(struct buf *text, const char *from);

/* A label as a field of a CSV file. */
int text_markup_field(struct buf *text, const char *from);

/* A part of a file's name: small letters, digits and '-'; at most size - 1 of them. */
void text_markup_slug(char *ret_slug /* [size] */, size_t size, const char *from);

#endif
