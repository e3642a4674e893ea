#include "orchestrator/command/leak_record.h"

#include "core/base/clock.h"
#include "core/compute/compute_keys.h"
#include "core/infer/activation_word.h"
#include "db/experiment_file.h"
#include "orchestrator/setup/provenance.h"

int leak_record_check(const char *path, struct diag *diag)
{
    struct experiment_file file = {0};
    int rc = experiment_file_open(&file, path, DB_CREATE, diag);
    return rc == 0 ? experiment_file_close(&file, diag) : rc;
}

/* A setting's law and level, at one split by one attack. */
static struct db_leak row_of(const struct channel_leak *leak, size_t setting, size_t split,
                             enum channel_attack attack)
{
    const struct channel_setting *own = &leak->grid->setting[setting];
    struct db_leak row = {
        .level = own->mode == CHANNEL_MODE_NONE ? 0.0 : own->level,
        .split = leak->grid->split[split],
        .attack = channel_attack_word(attack),
        .tokens = channel_leak_tokens(leak),
        .seeds = channel_leak_seeds(leak, setting),
    };
    for (uint32_t seed = 0; seed < row.seeds; seed++)
        row.found += channel_leak_found(leak, setting, split, seed, attack);
    return row;
}

static int insert_setting(struct store *store, const struct channel_leak *leak, size_t setting,
                          const struct db_leak *about, struct diag *diag)
{
    const struct channel_setting *own = &leak->grid->setting[setting];
    struct damage damage = own->damage;
    char format[ACTIVATION_NAME_MAX], law[DAMAGE_LAW_MAX];
    int rc = 0;
    damage.reference_rms = leak->reference_rms;
    activation_name(own->format, own->k, format);
    damage_law(&damage, law);
    for (size_t split = 0; split < leak->grid->splits && rc == 0; split++)
        for (enum channel_attack attack = 0; attack < CHANNEL_ATTACKS && rc == 0; attack++) {
            if (!leak->attack[attack])
                continue;
            struct db_leak row = row_of(leak, setting, split, attack);
            row.model = about->model;
            row.version = about->version;
            row.measured_utc = about->measured_utc;
            row.format = format;
            row.channel = law;
            rc = store_insert_leak(store, &row, diag);
        }
    return rc;
}

static int insert_all(struct experiment_file *file, const struct channel_leak *leak,
                      const struct db_leak *about, struct diag *diag)
{
    int rc = db_begin(&file->db, diag);
    for (size_t setting = 0; setting < leak->grid->settings && rc == 0; setting++)
        rc = insert_setting(file->store, leak, setting, about, diag);
    if (rc == 0)
        rc = db_commit(&file->db, diag);
    if (rc != 0)
        db_rollback(&file->db);
    return rc;
}

int leak_record(const char *path, const struct channel_leak *leak, const struct weights *weights,
                struct diag *diag)
{
    char model[COMPUTE_HASH_DIGITS + 1], now[CLOCK_UTC_TEXT];
    const struct db_leak about = {.model = model, .version = provenance_version(), .measured_utc = now};
    struct experiment_file file = {0};
    compute_keys_hash(weights, model);
    clock_utc_text(now);
    int rc = experiment_file_open(&file, path, DB_READWRITE, diag);
    if (rc != 0)
        return rc;
    db_set_patience(&file.db, DB_PATIENCE_MS);
    rc = insert_all(&file, leak, &about, diag);
    int closed = experiment_file_close(&file, diag);
    return rc != 0 ? rc : closed;
}
