/* What a learned outcome model foresees, as the source of a forecast. */
#include <math.h>

#include "orchestrator/policy/plus/outcome_internal.h"

/* Out of memory: nothing but what is known to be bad. */
static void forbid(struct forecast_spent *ret, uint32_t count)
{
    for (uint32_t s = 0; s < count; s++)
        ret[s] = (struct forecast_spent){HUGE_VAL, HUGE_VAL};
}

static struct forecast_spent at(const struct outcome_spent *spent, size_t row)
{
    return (struct forecast_spent){(double) spent->s[row], (double) spent->j[row]};
}

static void device(void *user, const struct env_view *view, uint32_t n, struct forecast_spent *ret)
{
    struct outcome_model *own = user;
    uint32_t layers = own->world->llm->layers;
    if (!outcome_table_device(own, n, view->tokens[n])) {
        forbid(ret, layers + 1);
        return;
    }
    for (uint32_t s = 0; s <= layers; s++)
        ret[s] = at(&own->device, (size_t) n * (layers + 1) + s);
}

static void link_way(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                     struct forecast_spent *ret)
{
    struct outcome_model *own = user;
    uint32_t codings = own->world->codings.count, layers = own->world->llm->layers;
    if (!outcome_table_reserve(own, (size_t) codings * own->runs) ||
        !outcome_table_device(own, n, view->tokens[n])) {
        forbid(ret, codings * layers);
        return;
    }
    const struct outcome_way way = {n, m, task_features_load(load)};
    outcome_table_links(own, outcome_table_put(own, &way, 0));
    for (uint32_t coding = 0; coding < codings; coding++, ret += layers)
        for (uint32_t r = 0; r < own->runs; r++)
            for (uint32_t s = own->run[r].first; s < own->run[r].end; s++)
                ret[s] = at(&own->link, (size_t) coding * own->runs + r);
}

static void server(void *user, const struct env_view *view, uint32_t n, uint32_t m,
                   struct forecast_spent *ret)
{
    struct outcome_model *own = user;
    uint32_t layers = own->world->llm->layers;
    const struct outcome_servers *servers = outcome_table_servers(own, view->tokens[n], 1);
    if (servers == NULL) {
        forbid(ret, layers);
        return;
    }
    for (uint32_t s = 0; s < layers; s++)
        ret[s] = at(&servers->spent, (size_t) m * layers + s);
}

/* Its coverage may be gone: the gain is what it is. */
static double rest_s(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                     double bits)
{
    struct outcome_model *own = user;
    if (!outcome_table_reserve(own, 1))
        return HUGE_VAL;
    const struct task_way way = {
        .gain = task_features_gain(view->gain[(size_t) n * own->world->servers + m]),
        .load = task_features_load(load),
        .size = task_features_size(bits),
        .margin = own->margin[0],
    };
    task_features_link(own->world, &way, own->x);
    outcome_table_links(own, 1);
    return (double) own->link.s[0];
}

static double damage(void *user, const struct env_view *view, uint32_t n, uint32_t m, uint32_t load,
                     struct forecast_way way)
{
    const struct outcome_model *own = user;
    (void) view; /* outcome_model_look has seen it */
    (void) m;
    (void) load;
    return (double) outcome_table_damage(own, n, way.coding)[way.split];
}

struct forecast_source outcome_model_source(struct outcome_model *model)
{
    return (struct forecast_source){
        .device = device,
        .link = link_way,
        .server = server,
        .rest_s = rest_s,
        .damage = model->damage != NULL ? damage : NULL,
        .user = model,
    };
}
