/* The decoder on arbitrary frame bodies: no crash, no leak; what is refused is refused with a reason in
 * words; what is accepted encodes, and decodes again to the same message. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

#define FRAME_HEAD 4u

/* Encodes into `frame`, decodes that, encodes the result again: both frames must be the same bytes. */
static void check_again(const struct proto_message *message)
{
    struct buf first = {0}, second = {0}, text = {0};
    struct proto_scratch scratch = {{0}};
    struct proto_message again;
    enum proto_refusal refusal;
    require(proto_encode(message, &first, NULL) == 0);
    require(proto_decode(first.data + FRAME_HEAD, first.size - FRAME_HEAD, &scratch, &again, &refusal,
                         NULL) == 0);
    require(again.id == message->id && refusal == PROTO_REFUSE_NONE);
    require(proto_encode(&again, &second, NULL) == 0);
    require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    require(proto_print(message, &text) == 0);
    require(text.size > 0 && strlen((const char *) text.data) == text.size && text.size < 4096);
    require(strchr((const char *) text.data, '\n') == NULL);
    buf_finish(&first);
    buf_finish(&second);
    buf_finish(&text);
    proto_scratch_finish(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proto_scratch scratch = {{0}};
    struct proto_message message = {.id = (enum proto_id) 0};
    enum proto_refusal refusal;
    struct diag diag = {{0}};
    int rc = proto_decode(data, size, &scratch, &message, &refusal, &diag);
    require(scratch.lists.capacity <= 2 * size + 512);
    if (rc != 0)
        require(refusal != PROTO_REFUSE_NONE && diag.text[0] != '\0' && message.id == 0);
    else
        check_again(&message);
    proto_scratch_finish(&scratch);
    return 0;
}
