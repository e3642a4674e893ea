/* What is said of every mix of winners. */
#include "orchestrator/report/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* By whether there are rules, learners, others among the winners: somebody is best. */
static const char *const said[2][2][2][2] = {
    [0] = {[0] = {[1] = {"tie", "not told apart"}},
           [1] = {[0] = {"learner", "learning pays"}, [1] = {"tie", "not told apart"}}},
    [1] = {[0] = {[0] = {"rule", "a rule wins"}, [1] = {"tie", "a rule is not beaten"}},
           [1] = {[0] = {"tie", "a rule is not beaten"}, [1] = {"tie", "a rule is not beaten"}}},
};

static void every_mix_of_winners_has_its_verdict(void **state)
{
    (void) state;
    for (size_t mix = 1; mix < 8; mix++)
        for (size_t times = 1; times < 3; times++) {
            size_t rules = mix & 1, learners = mix >> 1 & 1, others = mix >> 2;
            struct verdict_winners winners = {.compared = 2 + mix,
                                              .rules = times * rules,
                                              .learners = times * learners,
                                              .others = times * others};
            struct verdict verdict = verdict_of(&winners);
            assert_string_equal(verdict.class, said[rules][learners][others][0]);
            assert_string_equal(verdict.text, said[rules][learners][others][1]);
            winners.few = true;
            assert_string_equal(verdict_of(&winners).text, "open: too few seeds");
            assert_string_equal(verdict_of(&winners).class, "open");
            winners.compared = 1;
            assert_string_equal(verdict_of(&winners).text, "nothing to compare");
            assert_string_equal(verdict_of(&winners).class, "open");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_mix_of_winners_has_its_verdict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
