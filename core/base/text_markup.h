/* Escapes texts from a database for the format that they are written into. Names of sweeps, policies and
 * machines may hold any bytes. */
#ifndef HANDOFF_CORE_BASE_TEXT_MARKUP_H
#define HANDOFF_CORE_BASE_TEXT_MARKUP_H

#include <stddef.h>

#include "core/base/buf.h"

/* For HTML or SVG, as text or between double quotes. A byte that is no UTF-8 character becomes '?', and so
 * does a control character other than tab and line feed. */
int text_markup_html(struct buf *text, const char *from);

/* For one line, of a terminal for example: every control character becomes '?' too. */
int text_markup_line(struct buf *text, const char *from);

/* For one line of a figure's data and script: as text_markup_line, and without what gnuplot cannot read in a
 * CSV file or an array. Quotation marks become typographic ones. A comma becomes '/': gnuplot ends a text
 * there, quoted or not. */
int text_markup_label(struct buf *text, const char *from);

/* A label between gnuplot's single quotes, in which nothing is expanded. */
int text_markup_quoted(struct buf *text, const char *from);

/* A label as a field of a CSV file. */
int text_markup_field(struct buf *text, const char *from);

/* A part of a file's name: small letters, digits and '-'; at most size - 1 of them, size > 0. */
void text_markup_slug(char *ret_slug /* [size] */, size_t size, const char *from);

#endif
