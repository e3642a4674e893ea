#include "core/model/layer_times.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"

#define PAIR_MAX 63u /* bytes of the longest ROWS:SECONDS that is looked at */

int layer_times_add(struct layer_times *times, uint64_t rows, double seconds, const char *where,
                    struct diag *diag)
{
    if (times->count >= LAYER_TIMES_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "%s: more than %u measurements", where, LAYER_TIMES_MAX);
    if (rows < 1 || rows > LAYER_TIMES_ROWS_MAX)
        return diag_fail(diag, ERR_RANGE, "%s: rows: %" PRIu64 " is out of range, allowed 1 to %u", where,
                         rows, LAYER_TIMES_ROWS_MAX);
    if (!(seconds > 0.0 && seconds <= LAYER_TIMES_SECONDS_MAX))
        return diag_fail(diag, ERR_RANGE, "%s: seconds: %g is out of range, allowed above 0 to %g s", where,
                         seconds, LAYER_TIMES_SECONDS_MAX);
    if (times->count > 0 && rows <= times->rows[times->count - 1])
        return diag_fail(diag, ERR_SYNTAX, "%s: rows: %" PRIu64 " follows %u, rows must rise", where, rows,
                         times->rows[times->count - 1]);
    times->rows[times->count] = (uint32_t) rows;
    times->seconds[times->count] = seconds;
    times->count++;
    return 0;
}

static int add_pair(struct layer_times *times, const char *pair, struct diag *diag)
{
    char text[PAIR_MAX + 1];
    uint64_t rows = 0;
    double seconds = 0.0;
    char *colon = strchr(strcpy(text, pair), ':');
    if (colon != NULL)
        *colon = '\0';
    if (colon == NULL || parse_u64(text, &rows) != 0 || parse_real(colon + 1, &seconds) != 0)
        return diag_fail(diag, ERR_SYNTAX, "model.times: '%s' is not ROWS:SECONDS", pair);
    return layer_times_add(times, rows, seconds, "model.times", diag);
}

int layer_times_read(struct layer_times *ret_times, const char *text, struct diag *diag)
{
    struct layer_times times = {0};
    for (const char *at = text + strspn(text, " "); *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        char pair[PAIR_MAX + 1];
        if (length > PAIR_MAX)
            return diag_fail(diag, ERR_SYNTAX, "model.times: '%.20s...' is not ROWS:SECONDS", at);
        memcpy(pair, at, length);
        pair[length] = '\0';
        int rc = add_pair(&times, pair, diag);
        if (rc != 0)
            return rc;
        at += length;
    }
    if (times.count == 0)
        return diag_fail(diag, ERR_SYNTAX,
                         "model.times: no measurement, at least one ROWS:SECONDS is needed");
    *ret_times = times;
    return 0;
}

void layer_times_print(const struct layer_times *times, char ret_text[static LAYER_TIMES_TEXT_MAX + 1])
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < times->count; i++) {
        int wrote = snprintf(ret_text + used, LAYER_TIMES_TEXT_MAX + 1 - used, "%s%u:%.17g",
                             i == 0 ? "" : " ", times->rows[i], times->seconds[i]);
        assert(wrote > 0 && used + (size_t) wrote <= LAYER_TIMES_TEXT_MAX);
        used += (size_t) wrote;
    }
}

/* On the line through measurements i and i + 1. */
static double on_line(const struct layer_times *times, uint32_t i, uint32_t rows)
{
    double part = ((double) rows - times->rows[i]) / ((double) times->rows[i + 1] - times->rows[i]);
    return times->seconds[i] + part * (times->seconds[i + 1] - times->seconds[i]);
}

double layer_times_at(const struct layer_times *times, uint32_t rows)
{
    uint32_t last = times->count - 1;
    assert(times->count >= 1 && times->count <= LAYER_TIMES_MAX && rows >= 1);
    if (rows <= times->rows[0])
        return times->seconds[0];
    if (rows > times->rows[last]) {
        double beyond = last > 0 ? on_line(times, last - 1, rows) : times->seconds[0] * rows / times->rows[0];
        return fmax(beyond, times->seconds[last]);
    }
    uint32_t i = 0;
    while (times->rows[i + 1] < rows)
        i++;
    return rows == times->rows[i + 1] ? times->seconds[i + 1] : on_line(times, i, rows);
}
