/* The rows of data files in memory: prompt lengths, and places in metres. world.h names the functions that
 * others use. */
#ifndef HANDOFF_CORE_MODEL_DATASET_H
#define HANDOFF_CORE_MODEL_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "core/model/trace.h"
#include "core/model/world.h"

/* Places of one file, in file order. Owns both arrays. */
struct dataset_places {
    double *latitude_deg;
    double *longitude_deg;
    struct vec2 *position; /* [count] metres in the area, once both files are known */
    size_t count;
};

struct dataset {
    uint32_t *tokens; /* prompt lengths in file order, owned; NULL: no file */
    size_t token_count;
    struct dataset_places devices;
    struct dataset_places servers;
    struct tracks rate_tracks; /* radio.trace's, as many as devices play */
    struct trace *place_trace; /* [place_traces] mobility.trace's files, owned */
    uint32_t place_traces;
    struct tracks place_tracks; /* made of them, once the area is known */
};

/* Degrees to metres: x = (longitude - west) metres_x + margin, y likewise from the south. */
struct dataset_projection {
    double west_deg, south_deg;
    double metres_x, metres_y; /* of one degree */
    double margin_m;
};

/* Whether a scenario names a file of measured times that its own text does not hold yet; and the file, read into that
 * text (dataset_times.c). */
bool dataset_names_times(const struct scenario *scenario);
int dataset_load_times(struct scenario *scenario, struct diag *diag);
/* The same of measured quality (dataset_quality.c). */
bool dataset_names_quality(const struct scenario *scenario);
int dataset_load_quality(struct scenario *scenario, struct diag *diag);

/* The traces that a scenario names (dataset_traces.c). */
int dataset_load_traces(struct dataset *data, const struct scenario *scenario, struct diag *diag);
int dataset_place_traces(struct dataset *data, const struct dataset_projection *projection, uint32_t devices,
                         struct diag *diag);
int dataset_check_tracks(const struct dataset *data, struct diag *diag);

#endif
