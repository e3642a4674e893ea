/* handoff-edge-server: plays one edge server of a run. */
#include "core/base/log.h"
#include "core/base/process.h"
#include "edge-server/server.h"

int main(int argc, char **argv)
{
    struct node_options options;
    process_begin("handoff-edge-server");
    node_options_parse(&options, NODE_SERVER, argc, argv);
    log_setup("handoff-edge-server", options.verbose ? LOG_DEBUG : LOG_WARN);
    if (options.die_with_parent && process_die_with_parent() != 0)
        return PROCESS_LOST;
    return server_run(&options);
}
