/* Build tool: prints docs/protocol.md, made from messages.def and refusals.def. A test compares. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "proto/schema.h"

static const char opening[] =
    "<!-- Made by proto/protocol_doc from proto/messages.def. Do not edit: `meson test` notices.\n"
    "     To renew it: build/proto/protocol_doc > docs/protocol.md -->\n"
    "\n"
    "# The protocol\n"
    "\n";

static const char frames[] =
    "## Frames\n"
    "\n"
    "Everything travels over TCP as frames: a length, then a body of that many bytes.\n"
    "\n"
    "```\n"
    "  0       1       2       3       4                                4 + length\n"
    "  +-------+-------+-------+-------+--------------------------------+\n"
    "  |   length, u32 big-endian      |  body: one msgpack array       |\n"
    "  +-------+-------+-------+-------+--------------------------------+\n"
    "                                  |  [ id, field 1, field 2, ... ] |\n"
    "                                  +--------------------------------+\n"
    "```\n"
    "\n"
    "A length of 0 or above the limit closes the connection before any memory is taken. The fields stand in "
    "the order of\n"
    "the tables below, without names. How a field travels:\n"
    "\n"
    "| type | msgpack | checked |\n"
    "|---|---|---|\n"
    "| uint | any integer form; we send the shortest | not negative, within the range |\n"
    "| real | float 64, nothing else | finite, within the range |\n"
    "| text | str | UTF-8 without zero bytes, at most so many bytes |\n"
    "| bytes | bin | at most so many bytes |\n"
    "| uint list | bin: u32 little-endian each | at most so many elements, each within the range |\n"
    "| real list | bin: f64 little-endian each | at most so many elements, each finite and within the range "
    "|\n"
    "\n"
    "Lists travel as bin, so that their size is known, and bounded, before anything is decoded. Every "
    "declared count and\n"
    "length is compared with the bytes that are really there before it is believed. Extra values behind the "
    "last field are\n"
    "skipped (nested at most 8 deep); a missing field, or bytes behind the array, are refused.\n"
    "\n";

static const char joining[] =
    "## Joining\n"
    "\n"
    "One control connection for each process. A node needs the orchestrator's address and nothing else.\n"
    "\n"
    "```\n"
    "  node                                  orchestrator\n"
    "   |  HELLO  version, role, count            |\n"
    "   |---------------------------------------->|   or REFUSE: version, full, started\n"
    "   |  WELCOME  who you are, the scenario     |\n"
    "   |<----------------------------------------|\n"
    "   |  DEVICE, REQUESTS  its own rows         |   mobile nodes only\n"
    "   |<----------------------------------------|\n"
    "   |  TRACE, PROMPTS  what they play         |   mobile nodes only\n"
    "   |<----------------------------------------|\n"
    "   |  SERVER  where each server is           |\n"
    "   |<----------------------------------------|\n"
    "   |  READY                                  |\n"
    "   |---------------------------------------->|   or REFUSE: model\n"
    "   |  ... slots ...                          |\n"
    "   |  GOODBYE                                |\n"
    "   |<----------------------------------------|\n"
    "```\n"
    "\n"
    "A mobile node opens its own data connection to a server when its first task goes there. ATTACH is the "
    "first frame; it\n"
    "shows the token from WELCOME.\n"
    "\n";

static const char slot[] =
    "## One slot\n"
    "\n"
    "```\n"
    "  mobile node              orchestrator             edge server\n"
    "   |        SLOT                |                        |\n"
    "   |<---------------------------|                        |\n"
    "   |        OBSERVATION         |                        |   one for each device\n"
    "   |--------------------------->|                        |\n"
    "   |                            |        ALLOT           |   which devices will come\n"
    "   |                            |----------------------->|\n"
    "   |        DECISION            |                        |   one for each device\n"
    "   |<---------------------------|                        |\n"
    "   |        TASK  (data connection; waits for an ALLOT it overtook)\n"
    "   |---------------------------------------------------->|\n"
    "   |                            |        REVOKE          |   a device was lost on the way\n"
    "   |                            |----------------------->|\n"
    "   |        RESULT              |                        |\n"
    "   |<----------------------------------------------------|\n"
    "   |        REPORT              |        ADVANCED        |\n"
    "   |--------------------------->|<-----------------------|\n"
    "```\n"
    "\n"
    "A task that stays local sends no TASK: OBSERVATION, DECISION, REPORT. A message that comes at another "
    "time, or from\n"
    "the wrong side, is refused (out of state).\n"
    "\n";

static const char agents[] =
    "## An agent\n"
    "\n"
    "A program that decides in the place of a policy (docs/external-policies.md): a connection of its own, "
    "to "
    "the port that\n"
    "the orchestrator prints as `AGENT port=N`.\n"
    "\n"
    "```\n"
    "  agent                                 orchestrator\n"
    "   |  AGENT  version                         |\n"
    "   |---------------------------------------->|   or REFUSE: version, full\n"
    "   |  WORLD  what is played                  |\n"
    "   |<----------------------------------------|\n"
    "   |  READY                                  |\n"
    "   |---------------------------------------->|\n"
    "   |  VIEW  round r                          |\n"
    "   |<----------------------------------------|\n"
    "   |  ACTION  round r                        |\n"
    "   |---------------------------------------->|   within external.timeout_s\n"
    "   |  OUTCOME  round r                       |   when the slot is over\n"
    "   |<----------------------------------------|\n"
    "   |  ... VIEW of the next slot; behind an OUTCOME that is truncated, one that closes the episode ...\n"
    "   |  GOODBYE                                |\n"
    "   |<----------------------------------------|\n"
    "```\n"
    "\n"
    "An ACTION of an older round is late: it is dropped, and the connection goes on. One of a round that was "
    "not asked for, or\n"
    "a second one, is refused (out of state).\n"
    "\n";

static const char versions[] =
    "## Versions\n"
    "\n"
    "HELLO and WELCOME carry major and minor version and the hash of the message table. The hash is recorded "
    "with the run,\n"
    "never enforced. What a change costs:\n"
    "\n"
    "| change | bump |\n"
    "|---|---|\n"
    "| a new message, a new refusal code | minor |\n"
    "| a field appended to a message | minor; older receivers skip it, but a newer receiver refuses an older "
    "sender's "
    "message, so it is sent only by a side that is updated first |\n"
    "| a wider range or limit | minor; the sender uses it only towards peers of that minor version |\n"
    "| a narrower range or limit, a field removed, reordered or of another type, another meaning | major |\n"
    "| an id used again | never |\n"
    "\n"
    "Another major version is refused. `proto/CHANGES.md` is the log.\n";

static void print_uint(uint64_t value)
{
    if (value == UINT64_MAX)
        (void) printf("2^64 - 1");
    else if (value == UINT32_MAX)
        (void) printf("2^32 - 1");
    else
        (void) printf("%" PRIu64, value);
}

static void print_uints(const struct schema_field *field)
{
    print_uint(field->low);
    (void) printf(" to ");
    print_uint(field->high);
}

static void print_reals(const struct schema_field *field)
{
    (void) printf("%.9g to %.9g", field->real_low, field->real_high);
}

static void print_allowed(const struct schema_field *field)
{
    switch (field->kind) {
    case SCHEMA_UINT:
        (void) printf("uint | ");
        print_uints(field);
        return;
    case SCHEMA_REAL:
        (void) printf("real | ");
        print_reals(field);
        return;
    case SCHEMA_TEXT: (void) printf("text | at most %" PRIu64 " bytes", field->limit); return;
    case SCHEMA_BYTES: (void) printf("bytes | at most %" PRIu64 " bytes", field->limit); return;
    case SCHEMA_UINT_LIST:
        (void) printf("uint list | at most %" PRIu64 " elements, ", field->limit);
        print_uints(field);
        return;
    case SCHEMA_REAL_LIST:
        (void) printf("real list | at most %" PRIu64 " elements, ", field->limit);
        print_reals(field);
        return;
    }
}

static void print_message(const struct schema_row *row)
{
    (void) printf("### %s\n\n%s.\n\nId 0x%02x, %s, since version %u.\n\n", row->name, row->meaning,
                  (unsigned) row->id, schema_direction_name(row->direction), row->since);
    if (row->field_count == 0) {
        (void) printf("No fields.\n\n");
        return;
    }
    (void) printf("| field | type | allowed | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < row->field_count; i++) {
        (void) printf("| %s | ", row->fields[i].name);
        print_allowed(&row->fields[i]);
        (void) printf(" | %s |\n", row->fields[i].meaning);
    }
    (void) printf("\n");
}

static void print_index_row(const struct schema_row *row)
{
    (void) printf("| 0x%02x | [%s](#", (unsigned) row->id, row->name);
    for (const char *at = row->name; *at != '\0'; at++)
        (void) putchar(tolower((unsigned char) *at)); /* a heading's anchor is in small letters */
    (void) printf(") | %s | %s |\n", schema_direction_name(row->direction), row->meaning);
}

static void print_messages(void)
{
    (void) printf("## Messages\n\n| id | message | direction | meaning |\n|---|---|---|---|\n");
    for (uint64_t id = 0; id < SCHEMA_ID_END; id++)
        if (schema_row(id) != NULL)
            print_index_row(schema_row(id));
    (void) printf("\n");
    for (uint64_t id = 0; id < SCHEMA_ID_END; id++)
        if (schema_row(id) != NULL)
            print_message(schema_row(id));
}

static void print_refusals(void)
{
    static const enum proto_refusal reasons[] = {
#define REFUSAL(NAME, code, text) PROTO_REFUSE_##NAME,
#include "proto/refusals.def"
#undef REFUSAL
    };
    (void) printf(
        "## Refusals\n\nThe side that noticed sends REFUSE with one of these codes, then closes.\n\n"
        "| code | reason |\n|---|---|\n");
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        (void) printf("| %d | %s |\n", (int) reasons[i], proto_refusal_text(reasons[i]));
    (void) printf("\n");
}

int main(void)
{
    (void) fputs(opening, stdout); /* output is checked once, at the end */
    (void) printf("Version %u.%u. Table hash %016" PRIx64
                  " (FNV-1a, 64 bits). A frame body has at most %u bytes.\n\n",
                  PROTO_MAJOR, PROTO_MINOR, proto_schema_hash(), PROTO_BODY_MAX);
    (void) fputs(frames, stdout);
    (void) fputs(joining, stdout);
    (void) fputs(slot, stdout);
    (void) fputs(agents, stdout);
    print_messages();
    print_refusals();
    (void) fputs(versions, stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
