#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/infer/cache.h"
#include "core/leak/leak_internal.h"

#define CANDIDATES 1024u /* that go through a layer at once */
#define PARTS 16u        /* of a distance */

_Static_assert(CANDIDATES <= INFER_ROWS_MAX, "they are one call");

/* Observers that have found the same tokens so far, and those tokens' keys and values. */
struct group {
    struct infer_cache *cache; /* layers [0, last); NULL: none are needed */
    uint32_t last;             /* the largest split among them */
    size_t first, count;       /* in search.member */
};

struct search {
    struct leak *leak;
    const struct leak_observer *observer;
    size_t observers;
    uint32_t rows;
    uint32_t *member;           /* [observers] numbers of observers, group by group; in each by split */
    uint32_t *moved;            /* [observers] the same, while groups part */
    uint32_t *best;             /* [observers] the token that is nearest at the present position */
    float *distance;            /* [observers] */
    float *x;                   /* [CANDIDATES][hidden] */
    float *used;                /* [hidden] 1: is compared */
    struct group *group, *next; /* [observers] */
    size_t groups, nexts;
    struct diag *diag;
};

/* ---- distances ---- */

/* Squares of differences in 16 parts, as core/linalg/rows.h adds. */
static float distance(const float *x, const float *y, const float *used, size_t count)
{
    float part[PARTS] = {0.0f};
    size_t whole = count / PARTS * PARTS;
    for (size_t i = 0; i < whole; i += PARTS)
        for (size_t r = 0; r < PARTS; r++) {
            float d = (x[i + r] - y[i + r]) * used[i + r];
            part[r] += d * d;
        }
    for (size_t i = whole; i < count; i++) {
        float d = (x[i] - y[i]) * used[i];
        part[i - whole] += d * d;
    }
    for (size_t half = PARTS / 2; half > 0; half /= 2)
        for (size_t r = 0; r < half; r++)
            part[r] += part[r + half];
    return part[0];
}

/* Candidates `from` and following, at the observer's split. */
static void compare(struct search *s, uint32_t observer, uint32_t position, uint32_t from, uint32_t count)
{
    const size_t hidden = s->leak->geometry->hidden;
    const struct leak_observer *o = &s->observer[observer];
    const float *seen = o->x + position * hidden;
    for (size_t i = 0; i < hidden; i++)
        s->used[i] = o->zeros_are_missing && !(seen[i] < 0.0f || seen[i] > 0.0f) ? 0.0f : 1.0f;
    for (uint32_t c = 0; c < count; c++) {
        float d = distance(seen, s->x + c * hidden, s->used, hidden);
        if (from + c == 0 || d < s->distance[observer]) {
            s->distance[observer] = d;
            s->best[observer] = from + c;
        }
    }
}

/* ---- one group at one position ---- */

static int try_candidates(struct search *s, const struct group *group, uint32_t position, uint32_t from,
                          uint32_t count)
{
    const size_t hidden = s->leak->geometry->hidden;
    uint32_t at = 0;
    int rc = 0;
    memcpy(s->x, s->leak->embedding + from * hidden, count * hidden * sizeof *s->x);
    for (size_t i = 0; i < group->count && rc == 0; i++) {
        uint32_t observer = s->member[group->first + i], split = s->observer[observer].split;
        if (split > at)
            rc = infer_alternatives(s->leak->model, &s->leak->workspace, at, split, group->cache, count, s->x,
                                    s->diag);
        at = split;
        if (rc == 0)
            compare(s, observer, position, from, count);
    }
    return rc;
}

static int try_all(struct search *s, const struct group *group, uint32_t position)
{
    const uint32_t vocab = s->leak->geometry->vocab;
    int rc = 0;
    for (uint32_t from = 0; from < vocab && rc == 0; from += CANDIDATES)
        rc = try_candidates(s, group, position, from, vocab - from < CANDIDATES ? vocab - from : CANDIDATES);
    return rc;
}

/* ---- groups part ---- */

static int create_cache(struct search *s, uint32_t last, struct infer_cache **ret_cache)
{
    *ret_cache = NULL;
    return last > 0 ? infer_cache_create(ret_cache, s->leak->geometry, 0, last, s->rows, s->diag) : 0;
}

/* The first `tokens` tokens of layers [0, last). */
static int copy_cache(struct search *s, const struct infer_cache *from, uint32_t last, uint32_t tokens,
                      struct infer_cache **ret_cache)
{
    const struct infer_cache_part part = {0, last, 0, tokens};
    int rc = create_cache(s, last, ret_cache);
    if (rc != 0 || last == 0 || tokens == 0)
        return rc;
    float *floats = malloc(infer_cache_floats(from, &part) * sizeof *floats);
    if (floats == NULL)
        return diag_fail(s->diag, -ENOMEM, "keys and values: out of memory");
    rc = infer_cache_export(from, &part, floats, s->diag);
    if (rc == 0)
        rc = infer_cache_import(*ret_cache, &part, floats, s->diag);
    free(floats);
    return rc;
}

/* The token that was found joins what stands before. */
static int append(struct search *s, struct group *group, uint32_t position, uint32_t token)
{
    const struct infer_span span = {group->cache, position, 1};
    if (group->cache == NULL)
        return 0;
    memcpy(s->x, s->leak->embedding + token * s->leak->geometry->hidden,
           s->leak->geometry->hidden * sizeof *s->x);
    return infer_layers(s->leak->model, &s->leak->workspace, 0, group->cache->last, &span, 1, s->x, NULL,
                        s->diag);
}

/* Members of a group that have found a token, in their order, as a group of their own at s->moved[at]. */
static size_t gather(const struct search *s, const struct group *group, uint32_t token, size_t at)
{
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++)
        if (s->best[s->member[group->first + i]] == token)
            s->moved[at + count++] = s->member[group->first + i];
    return count;
}

/* The first subgroup keeps the cache, the others get copies. */
static int part_group(struct search *s, struct group *group, uint32_t position)
{
    const size_t first_next = s->nexts;
    size_t at = group->first;
    int rc = 0;
    for (size_t i = 0; i < group->count && rc == 0; i++) {
        const uint32_t token = s->best[s->member[group->first + i]];
        bool is_known = false;
        for (size_t n = first_next; n < s->nexts; n++)
            is_known |= s->best[s->moved[s->next[n].first]] == token;
        if (is_known)
            continue;
        struct group *next = &s->next[s->nexts];
        *next = (struct group){.first = at, .count = gather(s, group, token, at)};
        next->last = s->observer[s->moved[at + next->count - 1]].split;
        at += next->count;
        s->nexts++;
        if (s->nexts - 1 > first_next)
            rc = copy_cache(s, group->cache, next->last, position, &next->cache);
    }
    struct group *heir = &s->next[first_next];
    heir->cache = group->cache;
    group->cache = NULL;
    for (size_t n = first_next; n < s->nexts && rc == 0; n++)
        rc = append(s, &s->next[n], position, s->best[s->moved[s->next[n].first]]);
    return rc;
}

static int find_token(struct search *s, uint32_t position)
{
    int rc = 0;
    s->nexts = 0;
    for (size_t g = 0; g < s->groups && rc == 0; g++) {
        rc = try_all(s, &s->group[g], position);
        if (rc == 0)
            rc = part_group(s, &s->group[g], position);
    }
    for (size_t i = 0; i < s->observers && rc == 0; i++)
        s->observer[i].ret_token[position] = s->best[i];
    if (rc != 0)
        return rc;
    struct group *groups = s->group;
    uint32_t *members = s->member;
    s->group = s->next;
    s->next = groups;
    s->groups = s->nexts;
    s->nexts = 0;
    s->member = s->moved;
    s->moved = members;
    return 0;
}

/* ---- the whole ---- */

/* All begin as one group, by split. */
static int start(struct search *s)
{
    const size_t hidden = s->leak->geometry->hidden, n = s->observers;
    s->member = calloc(n, sizeof *s->member);
    s->moved = calloc(n, sizeof *s->moved);
    s->best = calloc(n, sizeof *s->best);
    s->distance = calloc(n, sizeof *s->distance);
    s->group = calloc(n, sizeof *s->group);
    s->next = calloc(n, sizeof *s->next);
    s->x = calloc(CANDIDATES * hidden, sizeof *s->x);
    s->used = calloc(hidden, sizeof *s->used);
    if (s->member == NULL || s->moved == NULL || s->best == NULL || s->distance == NULL || s->group == NULL ||
        s->next == NULL || s->x == NULL || s->used == NULL)
        return diag_fail(s->diag, -ENOMEM, "a search: out of memory");
    for (uint32_t i = 0; i < n; i++) { /* insertion, stable */
        size_t at = i;
        for (; at > 0 && s->observer[s->member[at - 1]].split > s->observer[i].split; at--)
            s->member[at] = s->member[at - 1];
        s->member[at] = i;
    }
    s->group[0] = (struct group){.last = s->observer[s->member[n - 1]].split, .count = n};
    s->groups = 1;
    int rc = infer_model_load(s->leak->model, 0, s->group[0].last, s->diag);
    return rc == 0 ? create_cache(s, s->group[0].last, &s->group[0].cache) : rc;
}

static void finish(struct search *s)
{
    for (size_t i = 0; s->group != NULL && i < s->groups; i++)
        infer_cache_destroy(s->group[i].cache);
    for (size_t i = 0; s->next != NULL && i < s->nexts; i++)
        infer_cache_destroy(s->next[i].cache);
    free(s->member);
    free(s->moved);
    free(s->best);
    free(s->distance);
    free(s->group);
    free(s->next);
    free(s->x);
    free(s->used);
}

int leak_search(struct leak *leak, const struct leak_observer *observer, size_t observers, uint32_t rows,
                bool (*tell)(void *user, uint32_t found), void *user, struct diag *diag)
{
    struct search s = {
        .leak = leak, .observer = observer, .observers = observers, .rows = rows, .diag = diag};
    if (rows == 0 || rows > leak->geometry->context)
        return diag_fail(diag, ERR_RANGE, "a prompt of %u tokens: the model has a context of %u", rows,
                         leak->geometry->context);
    for (size_t i = 0; i < observers; i++)
        if (observer[i].split > leak->geometry->layers)
            return diag_fail(diag, ERR_RANGE, "split %u: the model has %u layers", observer[i].split,
                             leak->geometry->layers);
    if (observers == 0)
        return 0;
    int rc = start(&s);
    for (uint32_t t = 0; t < rows && rc == 0; t++) {
        rc = find_token(&s, t);
        if (rc == 0 && tell != NULL && !tell(user, t + 1))
            rc = diag_fail(diag, -EINTR, "interrupted");
    }
    finish(&s);
    return rc;
}
