#include "orchestrator/setup/provenance.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/linalg/openblas.h"
#include "core/linalg/vector_path.h"
#include "orchestrator/setup/revision.h"

const char *provenance_version(void)
{
    return HANDOFF_VERSION " (" HANDOFF_REVISION ")";
}

int provenance_cpu(struct buf *text)
{
    struct buf info = {0};
    const char *model = "unknown CPU";
    size_t length = strlen(model);
    int rc = file_read("/proc/cpuinfo", 16u * 1024u * 1024u, &info, NULL);
    if (rc == -ENOMEM)
        return rc;
    if (rc == 0) {
        const char *line = strstr((const char *) info.data, "model name");
        const char *colon = line != NULL ? strchr(line, ':') : NULL;
        if (colon != NULL && colon[1] != '\0') {
            model = colon + 2;
            length = strcspn(model, "\n");
        }
    }
    rc = buf_printf(text, "%.*s", (int) length, model);
    buf_finish(&info);
    return rc;
}

int provenance_libc(struct buf *text)
{
    char name[64] = "";
#ifdef _CS_GNU_LIBC_VERSION
    if (confstr(_CS_GNU_LIBC_VERSION, name, sizeof name) == 0)
        name[0] = '\0';
#endif
    return buf_printf(text, "%s", name[0] != '\0' ? name : "unknown");
}

const char *provenance_vector_path(void)
{
    return strcmp(linalg_name(), "openblas") == 0 ? openblas_kernel() : linalg_vector_path();
}
