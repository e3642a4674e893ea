#include "orchestrator/setup/stop_signal.h"

#include <stddef.h>
#include <unistd.h>

#include "core/base/process.h"

static volatile sig_atomic_t raised;

static void on_signal(int number)
{
    (void) number;
    if (raised != 0)
        _exit(PROCESS_SIGNAL);
    raised = 1;
}

void stop_signal_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void) sigaction(SIGINT, &action, NULL); /* both exist on every system: cannot fail */
    (void) sigaction(SIGTERM, &action, NULL);
}

const volatile sig_atomic_t *stop_signal_flag(void)
{
    return &raised;
}

bool stop_signal_raised(void)
{
    return raised != 0;
}
