/* The trainer's state in a file. All numbers are little-endian:
 *
 *   bytes   what
 *   0..3    "HTRN"
 *   4..7    u32 version
 *   8..15   u64 number of settings
 *   ...     f64 for each of them, in the order of `settings_of`; integers are exact
 *   8       u64 seed
 *   8       u64 FNV-1a of the text's tokens
 *   8       u64 steps done
 *   ...     f32 parameters, first moments, second moments
 *   last 8  u64 FNV-1a of everything before it */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/linalg/product.h"
#include "core/train/trainer_internal.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "numbers are written as they lie in memory, and have to be little-endian"
#endif

#define VERSION 1u
#define SETTINGS 19u
#define HEAD_BYTES (16u + 8u * SETTINGS + 24u)

static const char magic[4] = {'H', 'T', 'R', 'N'};

uint64_t trainer_hash(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    return hash;
}

struct setting {
    const char *name;
    double value;
};

static void settings_of(const struct trainer_settings *s, struct setting ret_setting[static SETTINGS])
{
    const struct setting settings[SETTINGS] = {
        {"layers", s->shape.layers},
        {"width", s->shape.width},
        {"heads", s->shape.heads},
        {"kv_heads", s->shape.kv_heads},
        {"hidden", s->shape.hidden},
        {"vocabulary", s->shape.vocabulary},
        {"context", s->shape.context},
        {"steps", s->steps},
        {"warm_up", s->warm_up},
        {"batch", s->batch},
        {"shards", s->shards},
        {"rate", s->rate},
        {"decay", s->decay},
        {"clip", s->clip},
        {"noise_share", s->noise_share},
        {"noise_low_db", s->noise_low_db},
        {"noise_high_db", s->noise_high_db},
        {"exit_weight", s->exit_weight},
        {"arithmetic", LINALG_ARITHMETIC},
    };
    memcpy(ret_setting, settings, sizeof settings);
}

struct head {
    char magic[4];
    uint32_t version;
    uint64_t settings;
    double setting[SETTINGS];
    uint64_t seed, text_hash, step;
};

_Static_assert(sizeof(struct head) == HEAD_BYTES, "no gaps");

static struct head head_of(const struct trainer *trainer)
{
    struct head head = {.version = VERSION,
                        .settings = SETTINGS,
                        .seed = trainer->settings.seed,
                        .text_hash = trainer->text_hash,
                        .step = trainer->step};
    struct setting setting[SETTINGS];
    settings_of(&trainer->settings, setting);
    memcpy(head.magic, magic, sizeof magic);
    for (size_t i = 0; i < SETTINGS; i++)
        head.setting[i] = setting[i].value;
    return head;
}

int trainer_save(const struct trainer *trainer, const char *path, struct diag *diag)
{
    const struct head head = head_of(trainer);
    const size_t bytes = trainer->parameters * sizeof(float);
    struct buf file = {0};
    int rc = buf_push(&file, &head, sizeof head);
    if (rc == 0)
        rc = buf_push(&file, trainer->params, bytes);
    if (rc == 0)
        rc = buf_push(&file, trainer->first, bytes);
    if (rc == 0)
        rc = buf_push(&file, trainer->second, bytes);
    uint64_t hash = rc == 0 ? trainer_hash(TRAINER_HASH_START, file.data, file.size) : 0;
    if (rc == 0)
        rc = buf_push(&file, &hash, sizeof hash);
    rc = rc == 0 ? file_replace(path, file.data, file.size, diag) : diag_fail(diag, rc, "out of memory");
    buf_finish(&file);
    return rc;
}

static int check_settings(const struct trainer *trainer, const struct head *head, struct diag *diag)
{
    struct setting setting[SETTINGS];
    settings_of(&trainer->settings, setting);
    for (size_t i = 0; i < SETTINGS; i++)
        if (!(head->setting[i] == setting[i].value))
            return diag_fail(diag, ERR_MISMATCH, "was trained with %s %g, and is to go on with %g",
                             setting[i].name, head->setting[i], setting[i].value);
    if (head->seed != trainer->settings.seed)
        return diag_fail(diag, ERR_MISMATCH, "was trained with seed %llu, and is to go on with %llu",
                         (unsigned long long) head->seed, (unsigned long long) trainer->settings.seed);
    if (head->text_hash != trainer->text_hash)
        return diag_fail(diag, ERR_MISMATCH, "was trained on another text, or with another tokenizer");
    if (head->step > trainer->settings.steps)
        return diag_fail(diag, ERR_CORRUPT, "says that %llu of %u steps are done",
                         (unsigned long long) head->step, trainer->settings.steps);
    return 0;
}

/* Finite, and squares not negative. */
static bool are_sound(const float *values, size_t count, bool are_squares)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]) || (are_squares && values[i] < 0.0f))
            return false;
    return true;
}

static int check(const struct trainer *trainer, const struct buf *file, struct head *ret_head,
                 struct diag *diag)
{
    const size_t values = 3 * trainer->parameters, whole = sizeof(struct head) + values * sizeof(float) + 8;
    uint64_t hash;
    if (file->size < sizeof *ret_head)
        return diag_fail(diag, ERR_TRUNCATED, "%zu bytes are too short for a state of training", file->size);
    memcpy(ret_head, file->data, sizeof *ret_head);
    if (memcmp(ret_head->magic, magic, sizeof magic) != 0)
        return diag_fail(diag, ERR_TYPE, "is no state of training");
    if (ret_head->version != VERSION || ret_head->settings != SETTINGS)
        return diag_fail(diag, ERR_VERSION, "has version %u, and %u is known", ret_head->version, VERSION);
    int rc = check_settings(trainer, ret_head, diag);
    if (rc != 0)
        return rc;
    if (file->size != whole)
        return diag_fail(diag, ERR_TRUNCATED, "has %zu bytes, and %zu are right", file->size, whole);
    memcpy(&hash, file->data + whole - sizeof hash, sizeof hash);
    if (hash != trainer_hash(TRAINER_HASH_START, file->data, whole - sizeof hash))
        return diag_fail(diag, ERR_CORRUPT, "content is damaged: its sum does not match");
    return 0;
}

int trainer_load(struct trainer *trainer, const char *path, struct diag *diag)
{
    const size_t values = trainer->parameters, bytes = values * sizeof(float);
    struct buf file = {0};
    struct head head;
    int rc = file_read(path, sizeof head + 3 * bytes + 8, &file, diag);
    if (rc != 0)
        return rc;
    rc = check(trainer, &file, &head, diag);
    const float *from = rc == 0 ? (const float *) (const void *) (file.data + sizeof head) : NULL;
    if (rc == 0 && !(are_sound(from, 2 * values, false) && are_sound(from + 2 * values, values, true)))
        rc = diag_fail(diag, ERR_CORRUPT, "holds numbers that no training makes");
    if (rc == 0) {
        memcpy(trainer->params, from, bytes);
        memcpy(trainer->first, from + values, bytes);
        memcpy(trainer->second, from + 2 * values, bytes);
        trainer->step = (uint32_t) head.step;
    } else {
        diag_prefix(diag, "%s", path);
    }
    buf_finish(&file);
    return rc;
}
