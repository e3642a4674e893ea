#include "orchestrator/sweep/sweep_eta.h"

#include <assert.h>
#include <math.h>

static size_t find(const struct sweep_eta *pace, const struct policy_kind *kind)
{
    size_t i = 0;
    while (i < pace->policies.count && pace->policies.kind[i] != kind)
        i++;
    return i;
}

void sweep_eta_note(struct sweep_eta *pace, const struct policy_kind *kind, double work, double wall_s)
{
    size_t i = find(pace, kind);
    assert(i < POLICY_NAMES_MAX); /* the catalog is far shorter */
    assert(work >= 0.0 && wall_s >= 0.0);
    if (i == pace->policies.count)
        pace->policies.kind[pace->policies.count++] = kind;
    pace->wall_s[i] += wall_s;
    pace->work[i] += work;
    pace->all_wall_s += wall_s;
    pace->all_work += work;
}

double sweep_eta_guess_s(const struct sweep_eta *pace, const struct policy_kind *kind, double work)
{
    size_t i = find(pace, kind);
    if (i < pace->policies.count && pace->work[i] > 0.0)
        return work * pace->wall_s[i] / pace->work[i];
    return pace->all_work > 0.0 ? work * pace->all_wall_s / pace->all_work : (double) NAN;
}

struct sweep_eta_part sweep_eta_part(double spent_s, double left_s, bool runs)
{
    if (isnan(left_s))
        return (struct sweep_eta_part){.done = 0, .total = 1};
    uint64_t done = (uint64_t) (1e3 * spent_s), left = (uint64_t) (1e3 * left_s);
    bool is_empty = done + left == 0;
    return (struct sweep_eta_part){.done = done, .total = done + left + (runs || is_empty ? 1 : 0)};
}
