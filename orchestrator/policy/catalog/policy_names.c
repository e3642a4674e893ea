#include "orchestrator/policy/catalog/policy_names.h"

#include <assert.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/policy/catalog/catalog.h"

static void add(struct policy_names *list, const struct policy_kind *kind)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->kind[i] == kind)
            return;
    assert(list->count < POLICY_NAMES_MAX); /* the table is far shorter, and each is listed once */
    list->kind[list->count++] = kind;
}

static int add_default(struct policy_names *list, const char *first, enum policy_modes mode,
                       struct diag *diag)
{
    const struct policy_kind *kind = NULL;
    int rc = first != NULL ? catalog_find(first, &kind, diag) : 0;
    if (kind != NULL)
        add(list, kind);
    for (size_t i = 0; i < catalog_count(); i++)
        if (!policy_is_trained(catalog_at(i)) && !catalog_at(i)->only_named &&
            policy_suits(catalog_at(i), mode))
            add(list, catalog_at(i));
    return rc;
}

int policy_names_parse(struct policy_names *ret_list, const char *names, const char *first,
                       enum policy_modes mode, struct diag *diag)
{
    struct policy_names list = {.count = 0};
    int rc = names == NULL ? add_default(&list, first, mode, diag) : 0;
    while (rc == 0 && names != NULL) {
        char name[64];
        const struct policy_kind *kind = NULL;
        size_t length = strcspn(names, ",");
        if (length >= sizeof name)
            return diag_fail(diag, ERR_UNKNOWN, "unknown policy '%.80s...'", names);
        memcpy(name, names, length);
        name[length] = '\0';
        rc = catalog_find(name, &kind, diag);
        if (rc == 0)
            add(&list, kind);
        names = names[length] == ',' ? names + length + 1 : NULL;
    }
    if (rc == 0)
        *ret_list = list;
    return rc;
}
