/* Tasks whose activations cross a channel that damages them, and how well the model foretells their prompts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/compute/compute_damage.h"
#include "core/model/channel_missing.h"
#include "tests/unit/compute/node.h"
#include "tests/unit/infer/small_model.h"

#define TOKENS 23u
#define BYTES_MAX ((size_t) SMALL_CONTEXT * SMALL_HIDDEN * sizeof(float))
#define SETS_MAX 8

static char path[NODE_PATH];

static int write_model(void **state)
{
    (void) state;
    node_write_model(5, path);
    return 0;
}

static int remove_model(void **state)
{
    (void) state;
    return unlink(path);
}

#define WORLD(...) node_world(path, (const char *const[]){__VA_ARGS__, NULL})

static struct compute_task task_at(uint32_t device, uint32_t split, double channel)
{
    return (struct compute_task){.device = device,
                                 .id = {RNG_TEST, 1, 2},
                                 .tokens = TOKENS,
                                 .split = split,
                                 .channel = channel,
                                 .server = 1};
}

static struct compute_answer answer_of(const struct world *world, const struct compute_task *task)
{
    struct compute *compute = node_open(world);
    struct compute_answer answer = {0};
    struct diag diag = {{0}};
    if (compute_answer(compute, task, &answer, &diag) != 0)
        fail_msg("%s", diag.text);
    compute_close(compute);
    return answer;
}

static void assert_same(const struct compute_answer *is, const struct compute_answer *due)
{
    assert_int_equal(is->count, due->count);
    assert_int_equal(is->token[0], due->token[0]);
    assert_true(is->score.nats == due->score.nats);
    assert_int_equal(is->score.tokens, due->score.tokens);
    assert_int_equal(is->score.bytes, due->score.bytes);
}

static struct compute_origin origin_of(const struct compute_task *task, bool has_crossed)
{
    return (struct compute_origin){.device = task->device,
                                   .id = task->id,
                                   .has_crossed = has_crossed,
                                   .channel = task->channel,
                                   .server = task->server};
}

/* ---- how well a prompt is foretold ---- */

/* By a plain program in double precision. */
static double nats_by_hand(const struct world *world, const struct compute_task *task)
{
    struct weights *weights = small_model_open(5);
    uint32_t token[TOKENS];
    double logits[TOKENS * SMALL_VOCAB], nats = 0.0;
    compute_prompt(world, task->device, task->id, TOKENS, token);
    small_model_oracle(weights, token, TOKENS, logits);
    for (size_t i = 0; i + 1 < TOKENS; i++) {
        double sum = 0.0;
        for (size_t v = 0; v < SMALL_VOCAB; v++)
            sum += exp(logits[i * SMALL_VOCAB + v]);
        nats += log(sum) - logits[i * SMALL_VOCAB + token[i + 1]];
    }
    weights_close(weights);
    return nats;
}

static void a_prompt_is_scored_token_by_token_behind_the_first(void **state)
{
    (void) state;
    struct world world = WORLD("compute.format=fp32", "compute.nll=on");
    for (uint32_t split = 0; split <= SMALL_LAYERS; split++) {
        const struct compute_task task = task_at(1, split, 0.0);
        struct compute_answer answer = answer_of(&world, &task);
        double due = nats_by_hand(&world, &task);
        assert_int_equal(answer.score.tokens, TOKENS - 1);
        if (fabs(answer.score.nats - due) > 1e-3 * due)
            fail_msg("split %u: %g nats, not %g", split, answer.score.nats, due);
    }
    world_finish(&world);
}

static void a_score_has_the_bytes_of_the_text_behind_its_first_token(void **state)
{
    (void) state;
    uint32_t text[100];
    uint8_t bytes[100];
    struct world world = WORLD("compute.nll=on");
    for (uint32_t i = 0; i < 100; i++) {
        text[i] = i % SMALL_VOCAB;
        bytes[i] = (uint8_t) (1 + text[i] % 9);
    }
    assert_int_equal(world_set_prompt(&world, text, 100, NULL), 0);
    const struct compute_task task = task_at(2, 1, 0.0);
    assert_int_equal(answer_of(&world, &task).score.bytes, 0); /* not known */
    assert_int_equal(world_set_prompt_bytes(&world, bytes, NULL), 0);
    uint32_t token[TOKENS];
    uint64_t due = 0;
    compute_prompt(&world, task.device, task.id, TOKENS, token);
    for (uint32_t i = 1; i < TOKENS; i++)
        due += 1 + token[i] % 9;
    assert_int_equal(answer_of(&world, &task).score.bytes, due);
    world_finish(&world);
}

static void pieces_of_a_prompt_have_the_score_of_the_whole(void **state)
{
    (void) state;
    struct world world = WORLD("compute.nll=on", "compute.format=int8");
    uint8_t prompt[4 * TOKENS], rows[BYTES_MAX];
    const struct compute_task task = task_at(3, 1, 0.0);
    const struct compute_origin origin = origin_of(&task, true);
    struct compute_answer whole = answer_of(&world, &task), answer;
    node_prompt(&world, &task, prompt);
    for (uint32_t piece = 1; piece <= TOKENS; piece += 2) {
        struct compute *device = node_open(&world), *server = node_open(&world);
        node_run(device, &world,
                 &(struct node_part){
                     .part = {.last = 1, .tokens = TOKENS}, .in = prompt, .out = rows, .piece = piece},
                 NULL);
        node_run(server, &world,
                 &(struct node_part){
                     .part = {.first = 1, .last = SMALL_LAYERS, .tokens = TOKENS, .origin = &origin},
                     .in = rows,
                     .piece = piece},
                 &answer);
        assert_same(&answer, &whole);
        compute_close(device);
        compute_close(server);
    }
    world_finish(&world);
}

static void nobody_scores_a_prompt_of_ones_own_or_when_not_asked(void **state)
{
    (void) state;
    static const uint32_t own[TOKENS] = {1, 2, 3};
    struct world world = WORLD("compute.nll=on"), off = WORLD("compute.nll=off");
    struct compute_task task = task_at(1, 1, 0.0);
    struct compute_answer scored = answer_of(&world, &task), answer = answer_of(&off, &task);
    assert_int_equal(answer.score.tokens, 0);
    assert_int_equal(answer.token[0], scored.token[0]);
    task.prompt = own;
    assert_int_equal(answer_of(&world, &task).score.tokens, 0);
    world_finish(&world);
    world_finish(&off);
}

static void a_prompt_of_one_token_has_nothing_to_foretell(void **state)
{
    (void) state;
    struct world world = WORLD("compute.nll=on");
    struct compute_task task = task_at(1, 1, 0.0);
    task.tokens = 1;
    struct compute_answer answer = answer_of(&world, &task);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.score.tokens, 0);
    world_finish(&world);
}

/* ---- what arrives ---- */

static const struct {
    const char *set[SETS_MAX];
    double condition;
} channels[] = {
    {{"channel.mode=erasure", "compute.format=fp16"}, 0.3},
    {{"channel.mode=erasure", "compute.format=topk", "compute.kept=9", "channel.fill=mean"}, 0.5},
    {{"channel.mode=bounded", "compute.format=fp32", "channel.fill=previous", "channel.margin_db=-3"}, 0.86},
    {{"channel.mode=bounded", "compute.format=int8", "channel.layout=interleaved", "channel.margin_db=-3"},
     0.86},
    {{"channel.mode=analog", "compute.format=fp32", "channel.fading=rayleigh"}, 5.0},
    {{"channel.mode=analog", "compute.format=fp32", "channel.power=per_token"}, 0.0},
    {{"channel.mode=bits", "compute.format=q4"}, 0.02},
    {{"channel.mode=bits", "compute.format=fp16", "channel.protected_bits=6"}, 0.05},
};
#define CHANNELS (sizeof channels / sizeof *channels)

static struct world damaging_world(size_t channel)
{
    const char *set[SETS_MAX + 2] = {"compute.nll=on"};
    size_t count = 1;
    for (size_t i = 0; i < SETS_MAX && channels[channel].set[i] != NULL; i++)
        set[count++] = channels[channel].set[i];
    set[count] = NULL;
    return node_world(path, set);
}

/* Rows that have been damaged by hand, through a reliable channel, as floats. */
static struct compute_answer answer_by_hand(const struct world *world, const struct compute_task *task)
{
    struct world reliable = WORLD("compute.format=fp32", "compute.nll=on");
    struct compute *device = node_open(world), *server = node_open(&reliable);
    const struct compute_origin origin = origin_of(task, true);
    const struct activation_shape shape = compute_shape(world, TOKENS, 0);
    const struct rng_at at = {.seed = world->seed,
                              .phase = task->id.phase,
                              .entity = task->device,
                              .episode = task->id.episode,
                              .slot = task->id.slot};
    uint8_t prompt[4 * TOKENS], rows[BYTES_MAX];
    float x[SMALL_CONTEXT * SMALL_HIDDEN];
    struct damage damage;
    struct damage_result result = {0};
    struct compute_answer answer;
    node_prompt(world, task, prompt);
    node_run(device, world,
             &(struct node_part){.part = {.last = task->split, .tokens = TOKENS}, .in = prompt, .out = rows},
             NULL);
    compute_damage(world, task->channel, NULL, &damage);
    uint8_t missing[64] = {0};
    const struct channel_crossing crossing = {.id = task->id,
                                              .device = task->device,
                                              .server = task->server,
                                              .use = channel_up_coded(world, task->split, task->coding),
                                              .bits = 8.0 *
                                                      (double) compute_bytes(world, task->split, TOKENS, 0)};
    for (uint32_t p = 0; damage.kind == DAMAGE_PACKETS && p < transfer_packets(crossing.bits); p++)
        missing[p] = channel_packet_missing(world, &crossing, p) ? 1 : 0;
    damage.missing_packets = missing;
    assert_int_equal(damage_receive(&damage, &shape, &at, rows, compute_bytes(world, task->split, TOKENS, 0),
                                    x, &result, NULL),
                     0);
    assert_true(result.missing + result.turned > 0 || damage.kind == DAMAGE_ANALOG);
    node_run(server, &reliable,
             &(struct node_part){
                 .part = {.first = task->split, .last = SMALL_LAYERS, .tokens = TOKENS, .origin = &origin},
                 .in = (const uint8_t *) x},
             &answer);
    compute_close(device);
    compute_close(server);
    world_finish(&reliable);
    return answer;
}

static void a_server_computes_with_what_arrived(void **state)
{
    (void) state;
    for (size_t c = 0; c < CHANNELS; c++)
        for (uint32_t split = 1; split < SMALL_LAYERS; split++) {
            struct world world = damaging_world(c);
            const struct compute_task task = task_at((uint32_t) c % 8, split, channels[c].condition);
            struct compute_answer answer = answer_of(&world, &task), due = answer_by_hand(&world, &task);
            assert_same(&answer, &due);
            struct compute_task clean = task;
            clean.stays = true;
            assert_true(answer_of(&world, &clean).score.nats != answer.score.nats);
            world_finish(&world);
        }
}

/* Another server, or another rate with a deadline: other packets. */
static void the_server_and_the_rate_say_which_packets_are_missing(void **state)
{
    (void) state;
    struct world world = WORLD("channel.mode=bounded", "compute.format=fp32", "compute.nll=on",
                               "channel.margin_db=0", "channel.deadline_s=0.5");
    unsigned others = 0;
    for (uint32_t device = 0; device < 8; device++) {
        struct compute_task task = task_at(device, 1, 0.6);
        task.rate_bps = 1e9;
        double first = answer_of(&world, &task).score.nats;
        task.server = 0;
        others += answer_of(&world, &task).score.nats != first ? 1 : 0;
        task.server = 1;
        task.rate_bps = 1e4; /* nothing comes in time */
        double late = answer_of(&world, &task).score.nats;
        struct world gone = WORLD("channel.mode=erasure", "compute.format=fp32", "compute.nll=on");
        task.channel = 1.0;
        assert_true(answer_of(&gone, &task).score.nats == late);
        world_finish(&gone);
    }
    assert_true(others > 3);
    world_finish(&world);
}

static void tokens_and_what_stays_at_the_device_arrive_whole(void **state)
{
    (void) state;
    for (size_t c = 0; c < CHANNELS; c++) {
        struct world world = damaging_world(c), reliable = damaging_world(c);
        reliable.scenario.channel.mode = CHANNEL_RELIABLE;
        for (uint32_t split = 0; split <= SMALL_LAYERS; split++) {
            struct compute_task task = task_at(4, split, channels[c].condition);
            task.stays = split > 0 && split < SMALL_LAYERS;
            struct compute_answer answer = answer_of(&world, &task), due = answer_of(&reliable, &task);
            assert_same(&answer, &due);
        }
        world_finish(&world);
        world_finish(&reliable);
    }
}

#define COMPANY 16u

/* More rows than go through a layer in one call, so that payloads are cut. */
static void company_changes_nothing_of_what_arrives(void **state)
{
    (void) state;
    static uint8_t rows[COMPANY][BYTES_MAX];
    struct world world =
        WORLD("channel.mode=erasure", "compute.nll=on", "channel.fill=mean", "task.tokens=88");
    struct compute *device = node_open(&world), *server = node_open(&world);
    struct compute_step step[COMPANY];
    struct compute_origin origin[COMPANY];
    struct compute_answer due[COMPANY];
    for (uint32_t i = 0; i < COMPANY; i++) {
        struct compute_task task = task_at(i % 8, 1 + i % 2, 0.2 + 0.01 * i);
        uint8_t prompt[4 * SMALL_CONTEXT];
        task.tokens = 80 + i % 9;
        due[i] = answer_of(&world, &task);
        origin[i] = origin_of(&task, true);
        node_prompt(&world, &task, prompt);
        node_run(device, &world,
                 &(struct node_part){
                     .part = {.last = task.split, .tokens = task.tokens}, .in = prompt, .out = rows[i]},
                 NULL);
        const struct compute_part part = {
            .first = task.split, .last = SMALL_LAYERS, .tokens = task.tokens, .origin = &origin[i]};
        step[i] = (struct compute_step){
            .rows = task.tokens, .in = rows[i], .in_size = compute_bytes(&world, task.split, task.tokens, 0)};
        assert_int_equal(compute_pass_create(&step[i].pass, server, &part, NULL), 0);
    }
    assert_int_equal(compute_run(server, step, COMPANY, NULL), 0);
    for (uint32_t i = 0; i < COMPANY; i++) {
        struct compute_answer answer;
        assert_int_equal(step[i].code, 0);
        assert_int_equal(compute_pass_answer(step[i].pass, &answer), 0);
        assert_same(&answer, &due[i]);
        compute_pass_destroy(step[i].pass);
    }
    compute_close(device);
    compute_close(server);
    world_finish(&world);
}

static void the_worst_channels_still_give_an_answer(void **state)
{
    (void) state;
    static const struct {
        const char *set[SETS_MAX];
        double condition;
    } worst[] = {
        {{"channel.mode=erasure"}, 1.0},
        {{"channel.mode=bounded", "channel.fill=previous", "channel.margin_db=-10"}, 1.0},
        {{"channel.mode=bits", "compute.format=fp32"}, 0.5},
        {{"channel.mode=bits", "compute.format=fp16"}, 0.5},
        {{"channel.mode=analog", "compute.format=fp32", "channel.fading=nakagami", "channel.nakagami_m=0.5"},
         -40},
        {{"channel.mode=analog", "compute.format=fp32", "channel.power=per_request"}, -200},
    };
    for (size_t i = 0; i < sizeof worst / sizeof *worst; i++)
        for (uint32_t device = 0; device < 8; device++) {
            const char *set[SETS_MAX + 2] = {"compute.nll=on"};
            for (size_t s = 0; s < SETS_MAX; s++)
                set[1 + s] = worst[i].set[s];
            struct world world = node_world(path, set);
            const struct compute_task task = task_at(device, 1, worst[i].condition);
            struct compute_answer answer = answer_of(&world, &task);
            assert_int_equal(answer.count, 1);
            assert_true(isfinite(answer.score.nats) && answer.score.nats > 0.0);
            world_finish(&world);
        }
}

/* ---- what is refused ---- */

static void a_condition_that_is_none_is_refused(void **state)
{
    (void) state;
    struct world world = WORLD("channel.mode=erasure");
    struct compute *compute = node_open(&world);
    struct compute_task task = task_at(1, 1, 7.0);
    struct compute_answer answer;
    struct diag diag = {{0}};
    assert_int_equal(compute_answer(compute, &task, &answer, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "damage: the loss is 7, allowed 0 to 1");
    compute_close(compute);
    world_finish(&world);
}

static void a_damaged_prompt_in_pieces_is_refused(void **state)
{
    (void) state;
    struct world world = WORLD("channel.mode=erasure");
    struct compute *compute = node_open(&world);
    const struct compute_task task = task_at(1, 1, 0.5);
    const struct compute_origin origin = origin_of(&task, true);
    const struct compute_part part = {.first = 1, .last = SMALL_LAYERS, .tokens = TOKENS, .origin = &origin};
    static uint8_t rows[BYTES_MAX];
    struct compute_step step = {.rows = 3, .in = rows, .in_size = compute_bytes(&world, 1, 3, 0)};
    assert_int_equal(compute_pass_create(&step.pass, compute, &part, NULL), 0);
    assert_int_equal(compute_run(compute, &step, 1, NULL), 0);
    assert_int_equal(step.code, ERR_STATE);
    compute_pass_destroy(step.pass);
    compute_close(compute);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_is_scored_token_by_token_behind_the_first),
        cmocka_unit_test(a_score_has_the_bytes_of_the_text_behind_its_first_token),
        cmocka_unit_test(pieces_of_a_prompt_have_the_score_of_the_whole),
        cmocka_unit_test(nobody_scores_a_prompt_of_ones_own_or_when_not_asked),
        cmocka_unit_test(a_prompt_of_one_token_has_nothing_to_foretell),
        cmocka_unit_test(a_server_computes_with_what_arrived),
        cmocka_unit_test(the_server_and_the_rate_say_which_packets_are_missing),
        cmocka_unit_test(tokens_and_what_stays_at_the_device_arrive_whole),
        cmocka_unit_test(company_changes_nothing_of_what_arrives),
        cmocka_unit_test(the_worst_channels_still_give_an_answer),
        cmocka_unit_test(a_condition_that_is_none_is_refused),
        cmocka_unit_test(a_damaged_prompt_in_pieces_is_refused),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
