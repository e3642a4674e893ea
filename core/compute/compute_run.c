/* Steps through their layers. Their rows go in waves: as many at once as engine->rows_max. Within a wave, steps join at
 * their first layer, behind those that are there already, and leave behind their last. */
#include "core/compute/compute.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/compute/compute_internal.h"

#define TOKEN_BYTES 4u
#define TOKENS_AT_ONCE 256u

/* The rows of one step that go in this wave. */
struct share {
    size_t step;
    uint32_t from, rows; /* of the step's own */
};

struct run {
    struct compute *compute;
    struct compute_step *step; /* [steps] */
    size_t steps;
    uint32_t done[COMPUTE_STEPS_MAX]; /* rows of each step that have been in a wave */
    /* Of this wave, by rising first layer: [0, active) are in x, one behind the other; [waiting, shares) come later. */
    struct share share[COMPUTE_STEPS_MAX];
    size_t active, waiting, shares;
    size_t rows;                     /* in x */
    size_t ended[COMPUTE_STEPS_MAX]; /* steps whose prompt's last row is in compute->last, in this order */
    size_t ends;
    struct likelihood score[COMPUTE_STEPS_MAX]; /* of each pass's rows so far */
};

static const struct weights_geometry *geometry_of(const struct run *run)
{
    return run->compute->model->geometry;
}

static struct compute_step *step_of(const struct run *run, const struct share *share)
{
    return &run->step[share->step];
}

static const struct compute_part *part_of(const struct run *run, const struct share *share)
{
    return &step_of(run, share)->pass->part;
}

static float *row_at(const struct run *run, size_t row)
{
    return run->compute->x + row * geometry_of(run)->hidden;
}

/* ---- what is asked for ---- */

/* Nobody but us makes passes, rooms for outputs, and lists of steps. */
static void assert_step(const struct run *run, size_t number)
{
    const struct compute_step *step = &run->step[number];
    const struct compute_part *part = &step->pass->part;
    const struct world *world = run->compute->world;
    assert(step->pass->compute == run->compute);
    for (size_t i = 0; i < number; i++)
        assert(run->step[i].pass != step->pass);
    if (part->last < world->llm->layers)
        assert(step->out != NULL &&
               step->out_size == compute_bytes(world, part->last, step->rows, part->coding));
    else
        assert(step->out == NULL || step->out_size == compute_row_bytes(world, part->coding));
}

static int check_step(const struct run *run, struct compute_step *step)
{
    const struct compute_pass *pass = step->pass;
    size_t due = compute_bytes(run->compute->world, pass->part.first, step->rows, pass->part.coding);
    if (step->from != pass->rows)
        return diag_fail(&step->reason, ERR_STATE, "rows from %u on: %u have come so far, the next is %u",
                         step->from, pass->rows, pass->rows);
    if (step->rows == 0 || step->rows > pass->part.tokens - pass->rows)
        return diag_fail(&step->reason, ERR_RANGE, "%u rows behind %u: the prompt has %u", step->rows,
                         pass->rows, pass->part.tokens);
    if (pass->is_damaged && step->rows != pass->part.tokens)
        return diag_fail(&step->reason, ERR_STATE,
                         "%u rows of %u: a channel that damages takes a prompt whole", step->rows,
                         pass->part.tokens);
    if (step->in_size != due)
        return diag_fail(&step->reason, ERR_CORRUPT, "%zu bytes of %u rows: %zu are due", step->in_size,
                         step->rows, due);
    return 0;
}

static bool is_last(const struct compute_step *step)
{
    return step->pass->rows + step->rows == step->pass->part.tokens;
}

/* Layers, and room for rows, before anything is computed. */
static int prepare(struct run *run, struct diag *diag)
{
    struct compute *compute = run->compute;
    size_t rows = 0, ends = 0, hidden = geometry_of(run)->hidden;
    int rc = 0;
    for (size_t i = 0; i < run->steps && rc == 0; i++) {
        struct compute_step *step = &run->step[i];
        const struct compute_part *part = &step->pass->part;
        step->reason.text[0] = '\0';
        assert_step(run, i);
        step->code = check_step(run, step);
        run->score[i] = step->pass->score;
        if (step->code != 0)
            continue;
        rows += step->rows;
        rc = infer_model_load(compute->model, part->first, part->last, diag);
        if (part->last < geometry_of(run)->layers)
            continue;
        ends += is_last(step) ? 1 : 0;
        if (rc == 0 && (step->pass->prompt != NULL || (is_last(step) && step->out == NULL)))
            rc = infer_model_load_head(compute->model, diag);
    }
    rows = rows < compute->rows_max ? rows : compute->rows_max;
    if (rc == 0 && (array_reserve(&compute->x, &compute->x_capacity, rows * hidden) != 0 ||
                    array_reserve(&compute->last, &compute->last_capacity, ends * hidden) != 0))
        rc = diag_fail(diag, -ENOMEM, "%zu rows of a model: out of memory", rows);
    return rc;
}

/* ---- rows join ---- */

static int read_tokens(struct run *run, const struct share *share, uint32_t first, uint32_t count)
{
    struct compute_step *step = step_of(run, share);
    uint32_t token[TOKENS_AT_ONCE];
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = step->in + (size_t) TOKEN_BYTES * (share->from + first + i);
        token[i] = at[0] | (uint32_t) at[1] << 8 | (uint32_t) at[2] << 16 | (uint32_t) at[3] << 24;
        if (token[i] >= geometry_of(run)->vocab)
            return diag_fail(&step->reason, ERR_RANGE, "token %u is %u: the vocabulary has %u",
                             step->from + share->from + first + i, token[i], geometry_of(run)->vocab);
    }
    return infer_embed(run->compute->model, token, count, row_at(run, run->rows + first), &step->reason);
}

static int embed(struct run *run, const struct share *share)
{
    int rc = 0;
    for (uint32_t first = 0; first < share->rows && rc == 0; first += TOKENS_AT_ONCE) {
        uint32_t left = share->rows - first;
        rc = read_tokens(run, share, first, left < TOKENS_AT_ONCE ? left : TOKENS_AT_ONCE);
    }
    return rc;
}

/* What arrived of a payload: all of it at its first share. */
static int receive(struct run *run, const struct share *share)
{
    struct compute_step *step = step_of(run, share);
    size_t hidden = geometry_of(run)->hidden;
    int rc = share->from == 0 ? compute_receive(step->pass, step->in, step->in_size, &step->reason) : 0;
    if (rc == 0)
        memcpy(row_at(run, run->rows), step->pass->received + share->from * hidden,
               share->rows * hidden * sizeof(float));
    return rc;
}

static int decode(struct run *run, const struct share *share)
{
    if (step_of(run, share)->pass->is_damaged)
        return receive(run, share);
    struct compute_step *step = step_of(run, share);
    uint32_t coding = step->pass->part.coding;
    const struct activation_shape shape = compute_shape(run->compute->world, share->rows, coding);
    size_t row = compute_row_bytes(run->compute->world, coding);
    int rc = activation_decode(&shape, step->in + row * share->from, row * share->rows,
                               row_at(run, run->rows), &step->reason);
    if (rc != 0)
        diag_prefix(&step->reason, "rows from %u on", step->from + share->from);
    return rc;
}

static void join(struct run *run, uint32_t layer)
{
    while (run->waiting < run->shares && part_of(run, &run->share[run->waiting])->first == layer) {
        const struct share share = run->share[run->waiting++];
        struct compute_step *step = step_of(run, &share);
        step->code = layer == 0 ? embed(run, &share) : decode(run, &share);
        if (step->code != 0)
            continue;
        run->share[run->active++] = share;
        run->rows += share.rows;
    }
}

/* ---- rows leave ---- */

/* Of the active share `number`, whose rows begin at `row`. Those behind it move up. */
static void leave(struct run *run, size_t number, size_t row)
{
    uint32_t rows = run->share[number].rows;
    memmove(row_at(run, row), row_at(run, row + rows),
            (run->rows - row - rows) * geometry_of(run)->hidden * sizeof(float));
    run->rows -= rows;
    run->active--;
    memmove(&run->share[number], &run->share[number + 1], (run->active - number) * sizeof run->share[0]);
}

static int encode(const struct run *run, const struct share *share, const float *x)
{
    struct compute_step *step = step_of(run, share);
    uint32_t coding = step->pass->part.coding;
    const struct activation_shape shape = compute_shape(run->compute->world, share->rows, coding);
    size_t at = compute_row_bytes(run->compute->world, coding) * share->from;
    int rc = activation_encode(&shape, x, step->out + at, &step->reason);
    if (rc != 0)
        diag_prefix(&step->reason, "rows from %u on", step->from + share->from);
    return rc;
}

/* Each row's token is followed by one of the prompt, but for the last. */
static int score(struct run *run, const struct share *share, const float *x)
{
    struct compute_step *step = step_of(run, share);
    const struct compute_pass *pass = step->pass;
    uint32_t first = step->from + share->from, left = pass->part.tokens - 1 - first;
    if (pass->prompt == NULL)
        return 0;
    return compute_score(run->compute, x, share->rows < left ? share->rows : left, pass->prompt + first + 1,
                         &run->score[share->step], &step->reason);
}

/* Behind a share's last layer. */
static void finish(struct run *run, const struct share *share, const float *x)
{
    struct compute_step *step = step_of(run, share);
    size_t hidden = geometry_of(run)->hidden;
    if (part_of(run, share)->last < geometry_of(run)->layers) {
        step->code = encode(run, share, x);
        return;
    }
    step->code = score(run, share, x);
    if (is_last(step) && share->from + share->rows == step->rows) {
        memcpy(run->compute->last + run->ends * hidden, x + (share->rows - 1) * hidden, hidden * sizeof *x);
        run->ended[run->ends++] = share->step;
    }
}

static void leave_behind(struct run *run, uint32_t layers)
{
    size_t row = 0, number = 0;
    while (number < run->active) {
        const struct share share = run->share[number];
        if (part_of(run, &share)->last > layers) {
            row += share.rows;
            number++;
            continue;
        }
        finish(run, &share, row_at(run, row));
        leave(run, number, row);
    }
}

/* ---- through layers ---- */

static void drop_failed(struct run *run, const bool *failed, uint32_t first, uint32_t last)
{
    size_t row = 0, number = 0, active = run->active;
    for (size_t i = 0; i < active; i++) {
        const struct share share = run->share[number];
        struct compute_step *step = step_of(run, &share);
        if (!failed[i]) {
            row += share.rows;
            number++;
            continue;
        }
        step->code =
            diag_fail(&step->reason, ERR_RANGE, "rows from %u on: a value in layers %u to %u is not finite",
                      step->from + share.from, first, last);
        leave(run, number, row);
    }
}

/* The active rows through layers that all of them take. */
static int run_layers(struct run *run, uint32_t first, uint32_t last, struct diag *diag)
{
    struct infer_span span[COMPUTE_STEPS_MAX];
    bool failed[COMPUTE_STEPS_MAX];
    struct diag reason = {{0}};
    for (size_t i = 0; i < run->active; i++) {
        const struct compute_step *step = step_of(run, &run->share[i]);
        span[i] = (struct infer_span){.cache = step->pass->cache,
                                      .position = step->from + run->share[i].from,
                                      .rows = run->share[i].rows};
    }
    int rc = infer_layers(run->compute->model, &run->compute->workspace, first, last, span, run->active,
                          run->compute->x, failed, &reason);
    if (rc != 0 && rc != ERR_RANGE) /* that is values alone: the spans fit, and the layers are loaded */
        return diag_fail(diag, rc, "%s", reason.text);
    drop_failed(run, failed, first, last);
    return 0;
}

/* The next layer at which somebody joins or leaves. */
static uint32_t next_change(const struct run *run)
{
    uint32_t next = geometry_of(run)->layers;
    if (run->waiting < run->shares)
        next = part_of(run, &run->share[run->waiting])->first;
    for (size_t i = 0; i < run->active; i++)
        if (part_of(run, &run->share[i])->last < next)
            next = part_of(run, &run->share[i])->last;
    return next;
}

/* ---- waves ---- */

static void add_share(struct run *run, struct share share)
{
    size_t place = run->shares++;
    for (; place > 0 && part_of(run, &run->share[place - 1])->first > part_of(run, &share)->first; place--)
        run->share[place] = run->share[place - 1];
    run->share[place] = share;
}

/* Whose rows come next; false: nobody's. */
static bool fill_wave(struct run *run)
{
    uint32_t room = run->compute->rows_max;
    run->active = run->waiting = run->shares = run->rows = 0;
    for (size_t i = 0; i < run->steps && room > 0; i++) {
        uint32_t left = run->step[i].rows - run->done[i], rows = left < room ? left : room;
        if (run->step[i].code != 0 || rows == 0)
            continue;
        add_share(run, (struct share){.step = i, .from = run->done[i], .rows = rows});
        run->done[i] += rows;
        room -= rows;
    }
    return run->shares > 0;
}

static int run_wave(struct run *run, struct diag *diag)
{
    uint32_t layer = 0;
    int rc = 0;
    while (rc == 0 && (run->active > 0 || run->waiting < run->shares)) {
        if (run->active == 0)
            layer = part_of(run, &run->share[run->waiting])->first;
        join(run, layer);
        if (run->active == 0)
            continue;
        uint32_t next = next_change(run);
        rc = run_layers(run, layer, next, diag);
        layer = next;
        leave_behind(run, layer);
    }
    return rc;
}

/* ---- ends ---- */

/* Encodes the last rows that go back; those that stay, of which it returns the number, move to the front. */
static size_t return_rows(struct run *run)
{
    size_t stay = 0, hidden = geometry_of(run)->hidden;
    for (size_t i = 0; i < run->ends; i++) {
        struct compute_step *step = &run->step[run->ended[i]];
        float *row = run->compute->last + i * hidden;
        if (step->out != NULL) {
            const struct activation_shape shape =
                compute_shape(run->compute->world, 1, step->pass->part.coding);
            step->code = activation_encode(&shape, row, step->out, &step->reason);
            continue;
        }
        memmove(run->compute->last + stay * hidden, row, hidden * sizeof *row);
        run->ended[stay++] = run->ended[i];
    }
    return stay;
}

static int answer(struct run *run, struct diag *diag)
{
    uint32_t token[COMPUTE_STEPS_MAX];
    size_t answers = return_rows(run);
    int rc = compute_tokens(run->compute, run->compute->last, answers, token, diag);
    for (size_t i = 0; i < answers && rc == 0; i++)
        run->step[run->ended[i]].pass->answer = (struct compute_answer){.count = 1, .token = {token[i]}};
    return rc;
}

static void keep(const struct compute_step *step, const struct likelihood *score)
{
    struct compute_pass *pass = step->pass;
    pass->rows += step->rows;
    pass->score = *score;
    if (pass->answer.count == 0 || pass->prompt == NULL)
        return;
    const struct compute_origin *origin = &pass->origin;
    pass->score.bytes =
        compute_prompt_bytes(pass->compute->world, origin->device, origin->id, pass->part.tokens);
    pass->answer.score = pass->score;
}

/* What has gone well stays; of all else nothing is left. */
static void settle(const struct run *run, bool is_well)
{
    for (size_t i = 0; i < run->steps; i++) {
        struct compute_step *step = &run->step[i];
        if (is_well && step->code == 0)
            keep(step, &run->score[i]);
        else
            infer_cache_cut(step->pass->cache, step->pass->rows);
    }
}

int compute_run(struct compute *compute, struct compute_step *step, size_t steps, struct diag *diag)
{
    struct run run = {.compute = compute, .step = step, .steps = steps};
    assert(steps <= COMPUTE_STEPS_MAX);
    int rc = prepare(&run, diag);
    while (rc == 0 && fill_wave(&run))
        rc = run_wave(&run, diag);
    if (rc == 0)
        rc = answer(&run, diag);
    settle(&run, rc == 0);
    return rc;
}
