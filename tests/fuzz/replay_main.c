/* Runs a harness over the files of its corpus, without libFuzzer: replay_main DIRECTORY. TAP, one file a
 * test. A finding is a crash or an abort, as under the fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

#define FILE_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly the file's size: a sanitizer then sees the first byte read too far. */
static int run_copy(const struct buf *input)
{
    uint8_t *copy = malloc(input->size > 0 ? input->size : 1);
    if (copy == NULL)
        return -1;
    if (input->size > 0)
        memcpy(copy, input->data, input->size);
    int rc = LLVMFuzzerTestOneInput(copy, input->size);
    free(copy);
    return rc;
}

static int run_file(const char *directory, const char *name)
{
    char path[4096];
    struct buf input = {0};
    struct diag diag = {{0}};
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int) sizeof path)
        return -1;
    int rc = file_read(path, FILE_MAX, &input, &diag);
    if (rc != 0)
        (void) printf("# %s\n", diag_text(&diag, rc));
    else
        rc = run_copy(&input);
    buf_finish(&input);
    return rc;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int count = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;
    if (count <= 0) {
        (void) printf("Bail out! no corpus: wanted %s DIRECTORY\n", argv[0]);
        return 2;
    }
    int failed = 0;
    (void) printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        (void) fflush(stdout); /* should the next one crash */
        int rc = run_file(argv[1], entries[i]->d_name);
        (void) printf("%s %d - %s\n", rc == 0 ? "ok" : "not ok", i + 1, entries[i]->d_name);
        failed += rc != 0;
        free(entries[i]);
    }
    free(entries);
    return failed > 0;
}
