/* handoff-mobile-node: plays one or more mobile devices of a run. */
#include "core/base/log.h"
#include "core/base/process.h"
#include "mobile-node/client.h"

int main(int argc, char **argv)
{
    struct node_options options;
    process_begin("handoff-mobile-node");
    node_options_parse(&options, NODE_MOBILE, argc, argv);
    log_setup("handoff-mobile-node", options.verbose ? LOG_DEBUG : LOG_WARN);
    if (options.die_with_parent && process_die_with_parent() != 0)
        return PROCESS_LOST;
    return client_run(&options);
}
