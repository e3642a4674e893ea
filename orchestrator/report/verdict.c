#include "orchestrator/report/verdict.h"

struct verdict verdict_of(const struct verdict_winners *winners)
{
    if (winners->compared < 2)
        return (struct verdict){"open", "nothing to compare"};
    if (winners->few)
        return (struct verdict){"open", "open: too few seeds"};
    if (winners->rules == 0 && winners->others == 0)
        return (struct verdict){"learner", "learning pays"};
    if (winners->learners == 0 && winners->others == 0)
        return (struct verdict){"rule", "a rule wins"};
    return (struct verdict){"tie", winners->rules == 0 ? "not told apart" : "a rule is not beaten"};
}
