/* The scenario reader on arbitrary bytes: no crash, no leak, and whatever is accepted can be printed and
 * reads back to the same struct and the same text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/policy/catalog/full_scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct full_scenario first;
    struct full_scenario second;
    struct diag diag = {{0}};
    full_scenario_defaults(&first);
    full_scenario_defaults(&second);
    if (full_scenario_read(&first, &(struct scenario_text){(const char *) data, size, "fuzz"}, &diag) != 0) {
        require(diag.text[0] != '\0' && strchr(diag.text, '\n') == NULL);
        require(memcmp(&first, &second, sizeof first) == 0); /* changed only on success */
        return 0;
    }
    struct buf text = {0};
    require(full_scenario_print(&first, &text) == 0 && text.size <= SCENARIO_TEXT_MAX);
    require(full_scenario_read(&second, &(struct scenario_text){(const char *) text.data, text.size, "again"},
                               &diag) == 0);
    require(memcmp(&first, &second, sizeof first) == 0);
    buf_finish(&text);
    return 0;
}
