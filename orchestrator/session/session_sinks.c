#include "orchestrator/session/session_sinks.h"

#include <assert.h>

void session_sinks_add(struct session_sinks *sinks, struct session_sink sink)
{
    assert(sinks->count < SESSION_SINKS_MAX);
    sinks->sink[sinks->count++] = sink;
}

bool session_sinks_take_episodes(const struct session_sinks *sinks)
{
    bool any = false;
    for (size_t i = 0; i < sinks->count && !any; i++)
        any = sinks->sink[i].episode != NULL;
    return any;
}

int session_sinks_answers(const struct session_sinks *sinks, const struct db_answer *answer, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].answers != NULL)
            rc = sinks->sink[i].answers(sinks->sink[i].user, answer, count);
    return rc;
}

int session_sinks_tasks(const struct session_sinks *sinks, const struct db_task *task, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].tasks != NULL)
            rc = sinks->sink[i].tasks(sinks->sink[i].user, task, count);
    return rc;
}

int session_sinks_episode(const struct session_sinks *sinks, const struct db_episode *episode)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].episode != NULL)
            rc = sinks->sink[i].episode(sinks->sink[i].user, episode);
    return rc;
}

int session_sinks_event(const struct session_sinks *sinks, const struct db_event *event)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].event != NULL)
            rc = sinks->sink[i].event(sinks->sink[i].user, event);
    return rc;
}

int session_sinks_checkpoint(const struct session_sinks *sinks, uint32_t episode, struct policy *policy)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].checkpoint != NULL)
            rc = sinks->sink[i].checkpoint(sinks->sink[i].user, episode, policy);
    return rc;
}

int session_sinks_link(const struct session_sinks *sinks, const struct audit_link *window)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].link != NULL)
            rc = sinks->sink[i].link(sinks->sink[i].user, window);
    return rc;
}

int session_sinks_loop(const struct session_sinks *sinks, const struct audit_loop *interval)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].loop != NULL)
            rc = sinks->sink[i].loop(sinks->sink[i].user, interval);
    return rc;
}

int session_sinks_jobs(const struct session_sinks *sinks, const struct audit_jobs *interval)
{
    int rc = 0;
    for (size_t i = 0; i < sinks->count && rc == 0; i++)
        if (sinks->sink[i].jobs != NULL)
            rc = sinks->sink[i].jobs(sinks->sink[i].user, interval);
    return rc;
}
