/* Tables of quality by format (quality.formats). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/model/quality.h"

#define PART_MAX QUALITY_TEXT_MAX

int quality_format_find(const char *word, size_t size, uint32_t *ret_format, struct diag *diag)
{
    for (uint32_t i = 0; i < QUALITY_FORMATS; i++)
        if (strlen(scenario_compute_format_words[i]) == size &&
            strncmp(scenario_compute_format_words[i], word, size) == 0) {
            *ret_format = i;
            return 0;
        }
    return diag_fail(diag, ERR_UNKNOWN,
                     "quality.formats: '%.*s' is no format, allowed fp32, fp16, int8, q4, topk",
                     (int) (size < 20 ? size : 20), word);
}

/* One `FORMAT = TABLE`, without its end. */
static int read_part(struct quality_table **tables, const char *part, struct diag *diag)
{
    const char *word = part + strspn(part, " "), *equals = strchr(word, '=');
    uint32_t format = 0;
    if (equals == NULL)
        return diag_fail(diag, ERR_SYNTAX, "quality.formats: '%.20s' is no `FORMAT = TABLE`", word);
    size_t size = (size_t) (equals - word);
    while (size > 0 && word[size - 1] == ' ')
        size--;
    int rc = quality_format_find(word, size, &format, diag);
    if (rc != 0)
        return rc;
    if (tables[format] != NULL)
        return diag_fail(diag, ERR_SYNTAX, "quality.formats: %s has two tables",
                         scenario_compute_format_words[format]);
    tables[format] = malloc(sizeof *tables[format]);
    if (tables[format] == NULL)
        return -ENOMEM;
    rc = quality_table_read(tables[format], equals + 1, diag);
    if (rc != 0)
        diag_prefix(diag, "quality.formats: %s", scenario_compute_format_words[format]);
    return rc;
}

void quality_formats_free(struct quality_table *tables[static QUALITY_FORMATS])
{
    for (uint32_t i = 0; i < QUALITY_FORMATS; i++) {
        free(tables[i]);
        tables[i] = NULL;
    }
}

int quality_formats_read(struct quality_table *ret_tables[static QUALITY_FORMATS], const char *text,
                         struct diag *diag)
{
    struct quality_table *tables[QUALITY_FORMATS] = {0};
    char part[PART_MAX + 1];
    int rc = 0;
    while (rc == 0 && *text != '\0') {
        size_t size = strcspn(text, ";");
        if (size > PART_MAX)
            rc = diag_fail(diag, ERR_TOO_BIG, "quality.formats: a table is longer than %u bytes", PART_MAX);
        if (rc != 0)
            break;
        memcpy(part, text, size);
        part[size] = '\0';
        text += size + (text[size] == ';' ? 1 : 0);
        rc = read_part(tables, part, diag);
    }
    if (rc == 0)
        memcpy(ret_tables, tables, sizeof tables);
    else
        quality_formats_free(tables);
    return rc;
}
