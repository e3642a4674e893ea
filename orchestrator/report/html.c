#include "orchestrator/report/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/base/text_markup.h"

#define PIECE_MAX 4096

void html_raw(struct html *html, const char *format, ...)
{
    char piece[PIECE_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (html->code == 0)
        html->code = length >= 0 && length < PIECE_MAX ? buf_printf(html->text, "%s", piece) : ERR_TOO_BIG;
}

void html_text(struct html *html, const char *text)
{
    if (html->code == 0)
        html->code = text_markup_html(html->text, text);
}

/* About four digits, without an exponent where a person would not write one. */
static const char *format_number(double value, char text[static 32])
{
    double size = fabs(value);
    if (!isfinite(value))
        (void) snprintf(text, 32, "&#8211;"); /* a dash; all of these fit */
    else if (size >= 1e6 || (size < 1e-3 && size > 0.0))
        (void) snprintf(text, 32, "%.3g", value);
    else
        (void) snprintf(text, 32, "%.*f",
                        size >= 1000.0  ? 0
                        : size >= 100.0 ? 1
                        : size >= 10.0  ? 2
                                        : 3,
                        value);
    return text;
}

void html_number_cell(struct html *html, double value)
{
    char number[32];
    html_raw(html, "<td>%s</td>", format_number(value, number));
}

void html_interval_cell(struct html *html, double value, const struct interval *interval)
{
    char number[32], low[32], high[32];
    if (isnan(interval->low))
        html_number_cell(html, value);
    else
        html_raw(html, "<td>%s <span class=\"interval\">[%s, %s]</span></td>", format_number(value, number),
                 format_number(interval->low, low), format_number(interval->high, high));
}
