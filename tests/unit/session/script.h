/* The orchestrator's core driven by a script: the test plays the nodes, the worker and the recorder. Events
 * are words,
 *
 *   start   o2 observation of device 2   r2 its report   a1 ADVANCED of server 1   d2, e1 device 2, server 1
 * is lost   k1 server 1 is lost in real time   D2, E1 device 2, server 1 is back   l the update is done
 *
 * and so are the actions they lead to:
 *
 *   grant(0.3) SLOT, episode 0, slot 3; close(0.4) the same, observe_only   allot1[0,2]   decision2
 * revoke1[2] recover2 at its device; sendon2[1] to server 1   learn   tasks   episode0   checkpoint0
 * event(device2,observe)   finish */
#ifndef HANDOFF_TESTS_UNIT_SESSION_SCRIPT_H
#define HANDOFF_TESTS_UNIT_SESSION_SCRIPT_H

#include "orchestrator/session/session_core.h"
#include "tests/unit/model/check.h"

#define SCRIPT_DEVICES 3u
#define SCRIPT_SERVERS 2u
#define SCRIPT_ROWS_MAX 256u
#define SCRIPT_EPISODES_MAX 16u
#define SCRIPT_EVENTS_MAX 16u

struct script {
    struct world world;
    struct policy policy; /* devices 0 and 1 to the server of their number, device 2 local; logs its calls */
    struct session session;
    struct session_core *core;
    struct session_actions actions; /* of the last step */
    struct diag diag;
    uint64_t granted; /* round of the last SLOT */
    uint64_t round;   /* that the words o, r and a speak of: the same, unless a test wants another */
    char text[4096];  /* actions so far, one word each */
    char log[4096];   /* calls of the policy */
    uint32_t previous_load[SCRIPT_SERVERS]; /* as the last decide saw it */
    uint32_t learned, weights;              /* transitions: told, and behind the present weights */
    uint64_t attempt[SCRIPT_DEVICES];       /* of the last RECOVER */
    uint64_t place[SCRIPT_DEVICES];         /* the server of the last DECISION or RECOVER */
    bool updating;                          /* LEARN was executed, and not yet followed by LEARNED */
    struct db_task row[SCRIPT_ROWS_MAX];
    size_t rows;
    struct db_episode episode[SCRIPT_EPISODES_MAX];
    size_t episodes;
    struct db_event event[SCRIPT_EVENTS_MAX];
    size_t events;
    volatile sig_atomic_t stop;
};

void script_open(struct script *script, bool learning, uint32_t episodes, uint32_t slots);
void script_close(struct script *script);

/* One event; executes the actions. The core's code. */
int script_step(struct script *script, const struct session_event *event);
int script_message(struct script *script, const struct proto_message *message);
int script_word(struct script *script, const char *word);

/* The messages of devices and servers, with made-up but fixed numbers. */
struct proto_message script_observation(const struct script *script, uint32_t device, uint64_t round);
struct proto_message script_report(uint32_t device, uint64_t round);
struct proto_message script_advanced(uint32_t server, uint64_t round);

/* Feeds the words and compares the actions that come of all of them. */
void script_run(struct script *script, const char *words, const char *actions);

#endif
