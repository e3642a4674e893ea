/* What a table of the page says of those that are best: whether learning pays. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_VERDICT_H
#define HANDOFF_ORCHESTRATOR_REPORT_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

/* The best policy, and those not clearly worse, by what they are. */
struct verdict_winners {
    size_t compared; /* policies in all */
    bool few;        /* seeds: nothing is told */
    size_t rules, learners, others;
};

struct verdict {
    const char *class; /* of the page's style */
    const char *text;  /* static storage, both */
};

struct verdict verdict_of(const struct verdict_winners *winners);

#endif
