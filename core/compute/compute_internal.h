/* What the files of this room share. */
#ifndef HANDOFF_CORE_COMPUTE_COMPUTE_INTERNAL_H
#define HANDOFF_CORE_COMPUTE_COMPUTE_INTERNAL_H

#include "core/infer/activation.h"
#include "core/model/world.h"

/* How rows are encoded where they cross a split. */
struct activation_shape compute_shape(const struct world *world, uint32_t rows);

#endif
