/* The rows of data files in memory: prompt lengths, and places in metres. world.h names the functions that
 * others use. */
#ifndef HANDOFF_CORE_MODEL_DATASET_H
#define HANDOFF_CORE_MODEL_DATASET_H

#include <stddef.h>
#include <stdint.h>

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
};

#endif
