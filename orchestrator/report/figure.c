#include "orchestrator/report/figure.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/text_markup.h"
#include "orchestrator/report/gnuplot.h"
#include "orchestrator/report/output.h"
#include "orchestrator/report/palette.h"

#define SVG_BYTES_MAX ((size_t) 64 * 1024 * 1024)

const char *figure_template_text(const char *name)
{
    size_t i = 0;
    while (i < report_template_count && strcmp(report_templates[i].name, name) != 0)
        i++;
    assert(i < report_template_count);
    return report_templates[i].text;
}

void figure_finish(struct figure *figure)
{
    buf_finish(&figure->title);
    buf_finish(&figure->caption);
    buf_finish(&figure->head);
    buf_finish(&figure->csv);
    buf_finish(&figure->svg);
}

__attribute__((format(printf, 3, 0))) static void print(struct figure *figure, struct buf *text,
                                                        const char *format, va_list args)
{
    char line[2048];
    (void) vsnprintf(line, sizeof line, format, args); /* a cut sentence is still one */
    if (figure->code == 0)
        figure->code = buf_printf(text, "%s", line);
}

void figure_title(struct figure *figure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(figure, &figure->title, format, args);
    va_end(args);
}

void figure_caption(struct figure *figure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(figure, &figure->caption, format, args);
    va_end(args);
}

void figure_set_text(struct figure *figure, const char *name, const char *text)
{
    if (figure->code == 0)
        figure->code = buf_printf(&figure->head, "%s = ", name);
    if (figure->code == 0)
        figure->code = text_markup_quoted(&figure->head, text);
    if (figure->code == 0)
        figure->code = buf_printf(&figure->head, "\n");
}

void figure_set_number(struct figure *figure, const char *name, double value)
{
    if (figure->code == 0)
        figure->code = buf_printf(&figure->head, "%s = %.10g\n", name, value);
}

void figure_set_texts(struct figure *figure, const char *name, const char *const *text, size_t count)
{
    if (figure->code == 0)
        figure->code = buf_printf(&figure->head, "array %s[%zu] = [", name, count);
    for (size_t i = 0; i < count && figure->code == 0; i++) {
        figure->code = buf_printf(&figure->head, "%s", i > 0 ? ", " : "");
        if (figure->code == 0)
            figure->code = text_markup_quoted(&figure->head, text[i]);
    }
    if (figure->code == 0)
        figure->code = buf_printf(&figure->head, "]\n");
}

void figure_set_policies(struct figure *figure, const struct evidence_policy *const *policy, size_t count)
{
    static const char *const names[] = {"policy", "colour", "dash", "point", "learns"};
    for (size_t column = 0; column < 5 && figure->code == 0; column++) {
        figure->code = buf_printf(&figure->head, "array %s[%zu] = [", names[column], count);
        for (size_t i = 0; i < count && figure->code == 0; i++) {
            struct palette_style style = palette_style(policy[i]->kind);
            figure->code = buf_printf(&figure->head, "%s", i > 0 ? ", " : "");
            if (figure->code == 0 && column < 2)
                figure->code =
                    text_markup_quoted(&figure->head, column == 0 ? policy[i]->name : style.colour);
            else if (figure->code == 0)
                figure->code = buf_printf(&figure->head, "%d",
                                          column == 2   ? style.dash
                                          : column == 3 ? style.point
                                                        : (int) evidence_is_learned(policy[i]));
        }
        if (figure->code == 0)
            figure->code = buf_printf(&figure->head, "]\n");
    }
}

static void separate(struct figure *figure)
{
    size_t size = figure->csv.size;
    if (figure->code == 0 && size > 0 && figure->csv.data[size - 1] != '\n')
        figure->code = buf_printf(&figure->csv, ",");
}

/* An empty first field would be taken for the beginning of a row: no figure has one. */
void figure_text(struct figure *figure, const char *text)
{
    separate(figure);
    if (figure->code == 0)
        figure->code = text_markup_field(&figure->csv, text[0] != '\0' ? text : "-");
}

void figure_number(struct figure *figure, double value)
{
    separate(figure);
    if (figure->code == 0 && isfinite(value))
        figure->code = buf_printf(&figure->csv, "%.10g", value);
}

void figure_end_row(struct figure *figure)
{
    assert(figure->code != 0 || figure->csv.size > 0); /* behind the head */
    if (figure->code == 0)
        figure->code = buf_printf(&figure->csv, "\n");
}

static int write_part(const struct figure *figure, const char *folder, const char *ending,
                      const struct buf *text, struct diag *diag)
{
    char name[FIGURE_STEM_MAX + 8];
    assert(strlen(ending) < 7);
    (void) snprintf(name, sizeof name, "%s.%s", figure->stem, ending); /* fits */
    return output_write(folder, name, text, diag);
}

int figure_write(struct figure *figure, const char *folder, struct diag *diag)
{
    struct buf script = {0}, title = {0};
    int rc = figure->code;
    if (rc == 0)
        rc = text_markup_label(&title, (const char *) figure->title.data);
    if (rc == 0)
        rc = buf_printf(
            &script, "# %s\n# `gnuplot %s.gp` draws %s.svg and %s.pdf of %s.csv.\n\nname = '%s'\n%s\n%s\n%s",
            (const char *) title.data, figure->stem, figure->stem, figure->stem, figure->stem, figure->stem,
            (const char *) figure->head.data, figure_template_text("style.gp"),
            figure_template_text(figure->template));
    if (rc == 0)
        rc = write_part(figure, folder, "csv", &figure->csv, diag);
    if (rc == 0)
        rc = write_part(figure, folder, "gp", &script, diag);
    buf_finish(&script);
    buf_finish(&title);
    return rc != 0 ? diag_fail(diag, rc, "%s: %s", figure->stem, err_text(rc)) : 0;
}

int figure_draw(struct figure *figure, const char *folder, struct diag *diag)
{
    char script[FIGURE_STEM_MAX + 8];
    struct buf path = {0};
    (void) snprintf(script, sizeof script, "%s.gp", figure->stem); /* fits */
    int rc = gnuplot_run(folder, script, diag);
    if (rc == 0)
        rc = buf_printf(&path, "%s/%s.svg", folder, figure->stem);
    if (rc == 0)
        rc = file_read((const char *) path.data, SVG_BYTES_MAX, &figure->svg, diag);
    buf_finish(&path);
    return rc;
}

/* What an id, and a reference to one, begin with in gnuplot's SVG. */
static const char *const id_marks[] = {" id=\"", " id='", "href='#", "href=\"#", "url(#"};

static size_t mark_at(const char *svg)
{
    for (size_t i = 0; i < sizeof id_marks / sizeof *id_marks; i++)
        if (strncmp(svg, id_marks[i], strlen(id_marks[i])) == 0)
            return strlen(id_marks[i]);
    return 0;
}

/* Ids are told apart by the stem: the page has several figures, and each of gnuplot's has the same ids. */
static int print_renamed(const char *svg, const char *stem, struct buf *text)
{
    int rc = 0;
    const char *plain = svg; /* what has not been copied yet begins here */
    for (; *svg != '\0' && rc == 0; svg++) {
        size_t mark = mark_at(svg);
        if (mark == 0)
            continue;
        rc = buf_push(text, plain, (size_t) (svg - plain) + mark);
        if (rc == 0)
            rc = buf_printf(text, "%s-", stem);
        plain = svg + mark;
        svg += mark - 1;
    }
    return rc == 0 ? buf_printf(text, "%s", plain) : rc;
}

int figure_print_svg(const struct figure *figure, struct buf *text)
{
    static const char own_title[] = "</desc>"; /* behind gnuplot's own title and description */
    const char *svg = figure->svg.size > 0 ? strstr((const char *) figure->svg.data, "<svg") : NULL;
    const char *head_end = svg != NULL ? strchr(svg, '>') : NULL;
    const char *body = head_end != NULL ? strstr(head_end, own_title) : NULL;
    if (body == NULL)
        return ERR_CORRUPT;
    int rc = buf_printf(text, "<svg role=\"img\" aria-labelledby=\"%s-title\"%.*s>\n<title id=\"%s-title\">",
                        figure->stem, (int) (head_end - svg - 4), svg + 4, figure->stem);
    if (rc == 0)
        rc = text_markup_html(text, (const char *) figure->title.data);
    if (rc == 0)
        rc = buf_printf(text, "</title>");
    return rc == 0 ? print_renamed(body + strlen(own_title), figure->stem, text) : rc;
}
