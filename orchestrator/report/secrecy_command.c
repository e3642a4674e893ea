/* What is missing, and the command that measures it. */
#include "orchestrator/report/secrecy.h"

#include <math.h>
#include <string.h>

#include "core/base/parse.h"
#include "core/base/text_format.h"
#include "core/compute/compute_damage.h"
#include "core/model/channel.h"

#define NUMBER_MAX 32u
#define DIGITS_LEAST 6u /* a person's numbers have no more */
#define DIGITS_MOST 17u /* a double's */
#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-"

/* Is the word one of those with commas between? */
static bool has_word(const struct buf *list, const char *word)
{
    const size_t size = strlen(word);
    for (const char *at = list->size > 0 ? (const char *) list->data : NULL; at != NULL;) {
        const size_t own = strcspn(at, ",");
        if (own == size && strncmp(at, word, size) == 0)
            return true;
        at = at[own] == ',' ? at + own + 1 : NULL;
    }
    return false;
}

int secrecy_gap_add(struct secrecy_gap *gap, const struct secrecy_crossing *crossing)
{
    const bool is_first = gap->formats.size == 0;
    gap->first = is_first || crossing->split < gap->first ? crossing->split : gap->first;
    gap->last = is_first || crossing->split > gap->last ? crossing->split : gap->last;
    gap->low = is_first ? crossing->level : fmin(gap->low, crossing->level);
    gap->high = is_first ? crossing->level : fmax(gap->high, crossing->level);
    if (has_word(&gap->formats, crossing->format))
        return 0;
    return buf_printf(&gap->formats, "%s%s", is_first ? "" : ",", crossing->format);
}

/* As few digits as read back to the same number. */
static void print_number(double number, char ret_text[static NUMBER_MAX])
{
    double back = (double) NAN;
    for (unsigned digits = DIGITS_LEAST; digits <= DIGITS_MOST && !(back >= number && back <= number);
         digits++) {
        (void) text_format(ret_text, NUMBER_MAX, "%.*g", (int) digits, number); /* fits */
        if (parse_real(ret_text, &back) != 0)
            back = (double) NAN;
    }
}

/* Between single quotes where the shell would read more into it. */
static int print_word(const char *word, struct buf *text)
{
    int rc = 0;
    if (word[0] != '\0' && word[0] != '-' && word[strspn(word, PLAIN)] == '\0')
        return buf_printf(text, "%s", word);
    rc = buf_printf(text, "'");
    for (const char *at = word; *at != '\0' && rc == 0; at++)
        rc = *at == '\'' ? buf_printf(text, "'\\''") : buf_printf(text, "%c", *at);
    return rc == 0 ? buf_printf(text, "'") : rc;
}

/* The least, the middle and the greatest: of what the scenario draws, or of what was met. */
static int print_levels(const char *flag, const struct secrecy_gap *gap, const struct scenario *scenario,
                        struct buf *text)
{
    char least[NUMBER_MAX], middle[NUMBER_MAX], most[NUMBER_MAX];
    double low = gap->low, high = gap->high;
    if (scenario->channel.mode == CHANNEL_ERASURE ||
        (scenario->channel.mode == CHANNEL_ANALOG && scenario->channel.snr == SNR_FIXED))
        channel_range(scenario, &low, &high);
    print_number(low, least);
    print_number(low + (high - low) / 2.0, middle);
    print_number(high, most);
    return high > low ? buf_printf(text, " %s=%s,%s,%s", flag, least, middle, most)
                      : buf_printf(text, " %s=%s", flag, least);
}

static int print_packets(const struct secrecy_gap *gap, const struct scenario *scenario,
                         const struct damage *damage, struct buf *text)
{
    int rc = print_levels("--loss", gap, scenario, text);
    return rc == 0 ? buf_printf(text, " --layout=%s --packet-bytes=%u --fill=%s",
                                scenario_layout_words[scenario->channel.layout], damage->packet_bytes,
                                scenario_fill_words[scenario->channel.fill])
                   : rc;
}

static int print_analog(const struct secrecy_gap *gap, const struct scenario *scenario,
                        const struct damage *damage, struct buf *text)
{
    char number[NUMBER_MAX];
    int rc = print_levels("--snr", gap, scenario, text);
    if (rc == 0)
        rc = buf_printf(text, " --power=%s --fading=%s", scenario_power_words[scenario->channel.power],
                        scenario_channel_fading_words[scenario->channel.fading]);
    print_number(damage->nakagami_m, number);
    if (rc == 0 && damage->fading == DAMAGE_NAKAGAMI)
        rc = buf_printf(text, ":%s", number);
    print_number(damage->reference_rms, number);
    if (rc == 0 && damage->power == DAMAGE_FIXED)
        rc = buf_printf(text, " --reference-rms=%s", number);
    return rc == 0 && !damage->equalised ? buf_printf(text, " --unequalised") : rc;
}

static int print_mode(const struct secrecy_gap *gap, const struct scenario *scenario, struct buf *text)
{
    static const char *const modes[] = {
        [DAMAGE_NONE] = "none",     [DAMAGE_ELEMENTS] = "erasure", [DAMAGE_PACKETS] = "packets",
        [DAMAGE_ANALOG] = "analog", [DAMAGE_BITS] = "bits",
    };
    struct damage damage;
    compute_damage_of(scenario, gap->low, NULL, &damage);
    int rc = buf_printf(text, " --mode=%s", modes[damage.kind]);
    if (rc == 0 && damage.kind != DAMAGE_ANALOG) /* there the elements are the symbols */
        rc = buf_printf(text, " --format=%s", (const char *) gap->formats.data);
    if (rc != 0)
        return rc;
    switch (damage.kind) {
    case DAMAGE_NONE: return 0;
    case DAMAGE_ELEMENTS:
        rc = print_levels("--loss", gap, scenario, text);
        return rc == 0 ? buf_printf(text, " --fill=%s", scenario_fill_words[scenario->channel.fill]) : rc;
    case DAMAGE_PACKETS: return print_packets(gap, scenario, &damage, text);
    case DAMAGE_ANALOG: return print_analog(gap, scenario, &damage, text);
    case DAMAGE_BITS:
        rc = print_levels("--bit-error", gap, scenario, text);
        return rc == 0 && damage.protected_bits > 0
                   ? buf_printf(text, " --protected-bits=%u", damage.protected_bits)
                   : rc;
    }
    return 0;
}

int secrecy_print_command(const struct secrecy_gap *gap, const struct scenario *scenario, struct buf *text)
{
    int rc = buf_printf(text, "handoff-orchestrator leak --db FILE --model ");
    if (rc == 0)
        rc = print_word(scenario->model.file, text);
    if (rc == 0)
        rc = buf_printf(text, " --attack=search --splits=%u-%u", gap->first, gap->last);
    return rc == 0 ? print_mode(gap, scenario, text) : rc;
}
