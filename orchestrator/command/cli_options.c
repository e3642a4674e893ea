#include "orchestrator/command/cli_options.h"

struct scenario_source cli_scenario_source(const struct cli *cli)
{
    return (struct scenario_source){
        .name = cli->scenario,
        .set = cli->set,
        .set_count = cli->set_count,
        .policy = cli->command == CLI_RUN ? cli->policy : NULL, /* elsewhere --policy says who is compared */
        .data = cli->data,
    };
}

struct host_options cli_host_options(const struct cli *cli)
{
    return (struct host_options){
        .kind = cli->host,
        .listen_host = cli->listen_host,
        .listen_port = cli->listen_port,
        .agent_host = cli->agent_host,
        .agent_port = cli->agent_port,
        .wait_s = cli->wait_s,
        .stall_s = cli->stall_s,
        .quiet = cli->quiet,
    };
}

struct trained_run_options cli_trained_run(const struct cli *cli)
{
    return (struct trained_run_options){
        .path = cli->db,
        .run_id = cli->command == CLI_RUN ? cli->from : cli->run,
        .checkpoint = cli->checkpoint,
        .host = cli_host_options(cli),
    };
}

struct resume_options cli_resume(const struct cli *cli)
{
    return (struct resume_options){
        .path = cli->db,
        .run_id = cli->run,
        .episodes = cli->episodes,
        .host_given = cli->host_given,
        .host = cli->host,
    };
}
