/* Laws in words: what is told of each kind, and that nothing else is. */
#include "core/damage/damage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_law_has_its_words(void **state)
{
    static const struct {
        struct damage damage;
        const char *law;
    } laws[] = {
        {{.kind = DAMAGE_NONE}, "none"},
        {{.kind = DAMAGE_ELEMENTS}, "erasure, fill zero"},
        {{.kind = DAMAGE_ELEMENTS, .fill = DAMAGE_PREVIOUS}, "erasure, fill previous"},
        {{.kind = DAMAGE_PACKETS, .packet_bytes = 1500, .layout = DAMAGE_INTERLEAVED, .fill = DAMAGE_MEAN},
         "packets of 1500 bytes, interleaved, fill mean"},
        {{.kind = DAMAGE_ANALOG, .power = DAMAGE_FIXED, .reference_rms = 2.5}, "analog, power fixed at 2.5"},
        {{.kind = DAMAGE_ANALOG, .power = DAMAGE_PER_TOKEN}, "analog, power per_token"},
        {{.kind = DAMAGE_ANALOG,
          .power = DAMAGE_PER_REQUEST,
          .fading = DAMAGE_RAYLEIGH,
          .block_rows = 1,
          .equalised = true},
         "analog, power per_request, rayleigh"},
        {{.kind = DAMAGE_ANALOG,
          .power = DAMAGE_FIXED,
          .reference_rms = 1.0 / 3.0,
          .fading = DAMAGE_NAKAGAMI,
          .nakagami_m = 0.5,
          .block_rows = UINT32_MAX},
         "analog, power fixed at 0.333333, nakagami:0.5 over 4294967295 rows, not equalised"},
        {{.kind = DAMAGE_ANALOG, .power = DAMAGE_PER_TOKEN, .fading = DAMAGE_RAYLEIGH, .equalised = true},
         "analog, power per_token, rayleigh over all rows"},
        {{.kind = DAMAGE_BITS}, "bits"},
        {{.kind = DAMAGE_BITS, .protected_bits = 2}, "bits, 2 protected"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        char law[DAMAGE_LAW_MAX];
        damage_law(&laws[i].damage, law);
        assert_string_equal(law, laws[i].law);
    }
}

static void how_bad_it_is_and_what_another_kind_takes_is_not_in_a_law(void **state)
{
    const float mean[2] = {1, 2};
    char plain[DAMAGE_LAW_MAX], full[DAMAGE_LAW_MAX];
    (void) state;
    for (enum damage_kind kind = DAMAGE_NONE; kind <= DAMAGE_BITS; kind++) {
        struct damage damage = {.kind = kind, .packet_bytes = 100, .reference_rms = 1.0};
        damage_law(&damage, plain);
        damage.loss = 0.5;
        damage.snr_db = 3.0;
        damage.bit_error = 0.1;
        damage.mean = mean;
        damage.packet_bytes = kind == DAMAGE_PACKETS ? 100 : 7;
        damage.layout = kind == DAMAGE_PACKETS ? DAMAGE_ROWS : DAMAGE_INTERLEAVED;
        damage.protected_bits = kind == DAMAGE_BITS ? 0 : 3;
        damage.power = kind == DAMAGE_ANALOG ? DAMAGE_FIXED : DAMAGE_PER_TOKEN;
        damage.block_rows = 9; /* without fading there are no blocks */
        damage_law(&damage, full);
        assert_string_equal(full, plain);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_law_has_its_words),
        cmocka_unit_test(how_bad_it_is_and_what_another_kind_takes_is_not_in_a_law),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
