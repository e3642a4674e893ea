/* The canonical text of a sweep: keys in a fixed order, defaults written out. */
#include "orchestrator/sweep/sweep_file.h"

#include <assert.h>
#include <string.h>

static int print_text(const char *value, struct buf *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";
    if (value[0] != '\0' && strspn(value, plain) == strlen(value))
        return buf_printf(text, "%s", value);
    int rc = buf_printf(text, "\"");
    for (; rc == 0 && *value != '\0'; value++)
        rc = buf_printf(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    return rc == 0 ? buf_printf(text, "\"") : rc;
}

static int print_settings(const char *key, const struct sweep_settings *settings, const char *indent,
                          struct buf *text)
{
    int rc = settings->count > 0 ? buf_printf(text, "%s%s:\n", indent, key) : 0;
    for (size_t i = 0; i < settings->count && rc == 0; i++) {
        rc = buf_printf(text, "%s  %s: ", indent, settings->list[i].key);
        if (rc == 0)
            rc = print_text(settings->list[i].value, text);
        if (rc == 0)
            rc = buf_printf(text, "\n");
    }
    return rc;
}

static int print_seeds(const char *key, const struct sweep_seeds *seeds, struct buf *text)
{
    assert(!seeds->all); /* reading has put the seeds in its place */
    int rc = buf_printf(text, "    %s: ", key);
    if (rc == 0 && seeds->count == 0)
        return buf_printf(text, "none\n");
    for (size_t i = 0; i < seeds->count && rc == 0; i++)
        rc = buf_printf(text, "%s%llu", i > 0 ? ", " : "[", (unsigned long long) seeds->list[i]);
    return rc == 0 ? buf_printf(text, "]\n") : rc;
}

static int print_policies(const struct policy_names *list, struct buf *text)
{
    int rc = 0;
    assert(list->count > 0); /* the first opens the list */
    for (size_t i = 0; i < list->count && rc == 0; i++)
        rc = buf_printf(text, "%s%s", i > 0 ? ", " : "    policies: [", list->kind[i]->name);
    return rc == 0 ? buf_printf(text, "]\n") : rc;
}

static int print_axis(const struct sweep_axis *axis, struct buf *text)
{
    assert(axis->count > 0);
    int rc = buf_printf(text, "      %s: [", axis->key);
    for (size_t i = 0; i < axis->count && rc == 0; i++) {
        rc = i > 0 ? buf_printf(text, ", ") : 0;
        if (rc == 0)
            rc = print_text(axis->value[i], text);
    }
    return rc == 0 ? buf_printf(text, "]\n") : rc;
}

static int print_experiment(const struct sweep_experiment *own, struct buf *text)
{
    int rc = buf_printf(text, "  - name: ");
    if (rc == 0)
        rc = print_text(own->name, text);
    if (rc == 0)
        rc = buf_printf(text, "\n");
    if (rc == 0)
        rc = print_policies(&own->policies, text);
    if (rc == 0)
        rc = print_seeds("seeds", &own->seeds, text);
    if (rc == 0)
        rc = print_settings("set", &own->set, "    ", text);
    if (rc == 0 && own->axes > 0)
        rc = buf_printf(text, "    vary:\n");
    for (size_t i = 0; i < own->axes && rc == 0; i++)
        rc = print_axis(&own->axis[i], text);
    if (rc == 0)
        rc = print_settings("train_set", &own->train_set, "    ", text);
    if (rc == 0)
        rc = print_settings("test_set", &own->test_set, "    ", text);
    if (rc == 0)
        rc = buf_printf(text, "    train: %s\n    curve: %s\n", own->train_once ? "once" : "each",
                        own->curve ? "true" : "false");
    if (rc == 0 && own->record_training) /* a file without it has the text it had before there was the key */
        rc = buf_printf(text, "    record_training: true\n");
    return rc == 0 ? print_seeds("record_tasks", &own->task_seeds, text) : rc;
}

int sweep_file_print(const struct sweep_file *file, struct buf *text)
{
    int rc = buf_printf(text, "name: ");
    if (rc == 0)
        rc = print_text(file->name, text);
    if (rc == 0)
        rc = buf_printf(text, "\nscenario: ");
    if (rc == 0)
        rc = print_text(file->scenario, text);
    if (rc == 0)
        rc = buf_printf(text, "\n");
    if (rc == 0)
        rc = print_settings("set", &file->set, "", text);
    if (rc == 0)
        rc = buf_printf(text, "experiments:\n");
    for (size_t i = 0; i < file->experiments && rc == 0; i++)
        rc = print_experiment(&file->experiment[i], text);
    return rc;
}
