#include "core/assign/packing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/array.h"

int packing_init(struct packing *ret_packing, uint32_t tasks, uint32_t rows)
{
    assert(tasks > 0 && rows > 0);
    struct packing packing = {
        .tasks = tasks,
        .rows = rows,
        .capacity = calloc(rows, sizeof *packing.capacity),
        .price = calloc(rows, sizeof *packing.price),
        .best = calloc(tasks, sizeof *packing.best),
    };
    if (packing.capacity == NULL || packing.price == NULL || packing.best == NULL) {
        packing_finish(&packing);
        return -ENOMEM;
    }
    for (uint32_t r = 0; r < rows; r++)
        packing.capacity[r] = packing.price[r] = 1.0;
    *ret_packing = packing;
    return 0;
}

void packing_finish(struct packing *packing)
{
    free(packing->capacity);
    free(packing->price);
    free(packing->best);
    free(packing->column);
    free(packing->use);
    *packing = (struct packing){0};
}

int packing_add(struct packing *packing, const struct packing_column *column, const struct packing_use *use)
{
    assert(column->task < packing->tasks);
    if (array_reserve(&packing->column, &packing->column_room, packing->columns + 1) != 0 ||
        array_reserve(&packing->use, &packing->use_room, packing->uses + column->uses) != 0)
        return -ENOMEM;
    struct packing_column *own = &packing->column[packing->columns++];
    *own = *column;
    own->x = 0.0;
    own->first = packing->uses;
    for (uint32_t i = 0; i < column->uses; i++) {
        assert(use[i].row < packing->rows && use[i].amount >= 0.0);
        assert(i == 0 || use[i].row > use[i - 1].row);
        packing->use[packing->uses++] = use[i];
    }
    return 0;
}

double packing_reduced(const struct packing *packing, const struct packing_column *column)
{
    const struct packing_use *use = &packing->use[column->first];
    double reduced = column->worth;
    for (uint32_t i = 0; i < column->uses; i++)
        reduced -= use[i].amount * packing->price[use[i].row];
    return reduced;
}

static void look(struct packing *packing)
{
    for (uint32_t i = 0; i < packing->tasks; i++)
        packing->best[i] = 0.0;
    for (size_t k = 0; k < packing->columns; k++) {
        double *best = &packing->best[packing->column[k].task];
        double reduced = packing_reduced(packing, &packing->column[k]);
        *best = reduced > *best ? reduced : *best;
    }
}

void packing_drop(struct packing *packing, double margin)
{
    size_t kept = 0;
    look(packing);
    for (size_t k = 0; k < packing->columns; k++) {
        const struct packing_column *column = &packing->column[k];
        if (packing_reduced(packing, column) >= packing->best[column->task] - margin)
            packing->column[kept++] = *column;
    }
    packing->columns = kept;
}
