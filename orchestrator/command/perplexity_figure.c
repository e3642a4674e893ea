#include "orchestrator/command/perplexity_figure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/report/figure.h"
#include "orchestrator/report/output.h"

#define ENDING ".svg"
#define ENDING_SIZE (sizeof ENDING - 1)

/* Where the name begins, and how long it is without the ending. */
static const char *stem_of(const char *path, size_t *ret_size)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    size_t size = strlen(name);
    bool is_svg = size > ENDING_SIZE && strcmp(name + size - ENDING_SIZE, ENDING) == 0;
    *ret_size = is_svg ? size - ENDING_SIZE : 0;
    return name;
}

int perplexity_figure_check(const char *path, struct diag *diag)
{
    size_t size;
    const char *name = stem_of(path, &size);
    if (size == 0 || size >= FIGURE_STEM_MAX || strcspn(name, "'\"\\\n") < size)
        return diag_fail(diag, ERR_SYNTAX, "--figure: '%s' is no FILE.svg", path);
    return 0;
}

static void add_rows(struct figure *figure, const struct channel_study *study, size_t setting,
                     const char *name)
{
    for (size_t s = 0; s < study->grid->splits; s++) {
        const struct channel_band band = channel_study_perplexity(study, setting, s);
        figure_text(figure, name);
        figure_number(figure, study->grid->split[s]);
        figure_number(figure, band.mean);
        figure_number(figure, band.low);
        figure_number(figure, band.high);
        figure_end_row(figure);
    }
}

static void fill(struct figure *figure, const struct channel_study *study, char (*name)[CHANNEL_NAME_MAX],
                 const char **names)
{
    const struct likelihood clean = perplexity_clean(study->perplexity);
    figure_title(figure, "Perplexity by split");
    figure_set_number(figure, "clean", likelihood_perplexity(&clean));
    figure->code =
        figure->code == 0 ? buf_printf(&figure->csv, "setting,split,mean,low,high\n") : figure->code;
    for (size_t i = 0; i < study->grid->settings; i++) {
        channel_setting_name(&study->grid->setting[i], name[i]);
        for (char *comma; (comma = strchr(name[i], ',')) != NULL;)
            *comma = ';'; /* gnuplot ends a text there */
        names[i] = name[i];
        add_rows(figure, study, i, name[i]);
    }
    figure_set_texts(figure, "setting", names, study->grid->settings);
}

static int write_and_draw(struct figure *figure, const char *folder, struct diag *diag)
{
    int rc = output_make_folder(folder, diag);
    if (rc == 0)
        rc = figure_write(figure, folder, diag);
    return rc == 0 ? figure_draw(figure, folder, diag) : rc;
}

int perplexity_figure_draw(const struct channel_study *study, const char *path, struct diag *diag)
{
    struct figure figure = {.template = "channel.gp"};
    struct buf folder = {0};
    size_t size, settings = study->grid->settings;
    const char *stem = stem_of(path, &size);
    char(*name)[CHANNEL_NAME_MAX] = calloc(settings, sizeof *name);
    const char **names = calloc(settings, sizeof *names);
    int rc = name != NULL && names != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = buf_printf(&folder, "%.*s", (int) (stem - path), stem != path ? path : ".");
    if (rc == 0 && stem == path)
        rc = buf_printf(&folder, ".");
    if (rc == 0) {
        (void) snprintf(figure.stem, sizeof figure.stem, "%.*s", (int) size,
                        stem); /* perplexity_figure_check */
        fill(&figure, study, name, names);
        rc = write_and_draw(&figure, (const char *) folder.data, diag);
    }
    figure_finish(&figure);
    buf_finish(&folder);
    free(names);
    free(name);
    return rc != 0 ? diag_fail(diag, rc, "--figure: %s", err_text(rc)) : 0;
}
