/* A guest: a device with a prompt of its own, which joins a run while it goes on. In each slot its task's prompt is the
 * guest's text and what was answered so far, and its answer is the next token of it. A task that is lost is tried again
 * with the same prompt.
 *
 * Pure but for the model's files, which are read: no clock, no socket, nothing is printed. The shell asks what to tell,
 * and prints what comes out. */
#ifndef HANDOFF_MOBILE_NODE_GUEST_H
#define HANDOFF_MOBILE_NODE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "mobile-node/device_messages.h"
#include "proto/message.h"

#define GUEST_SPLIT_NONE UINT32_MAX

struct guest_options {
    const char *prompt;
    uint32_t answer; /* tokens, at most; > 0 */
    uint32_t split;  /* in place of the policy's; GUEST_SPLIT_NONE: as the policy decides */
    bool json;       /* a line a token in place of text */
};

struct guest;

/* Reads the tokenizer of the model at `path`; copies the options but for the text, which is read here. ERR_RANGE: a
 * prompt without a token. Others are those of weights_open and tokenizer_open. */
int guest_create(struct guest **ret_guest, const struct guest_options *options, const char *path,
                 struct diag *diag);
/* NULL is allowed. */
void guest_destroy(struct guest *guest);

/* A slot begins: what its state machine tells of it. `follows`: a task of an earlier slot may still be under way, and
 * then there is none in this one. Else it is lost, and tried again. */
struct device_own guest_own(struct guest *guest, bool follows);
/* The last `tokens` tokens of the text so far: the task's prompt. They are there. */
void guest_prompt(const struct guest *guest, uint32_t tokens, uint32_t *ret_token);
/* The text has become longer than the model's context: its end is kept. */
bool guest_is_cut(const struct guest *guest);

/* A DECISION of the device. */
void guest_decided(struct guest *guest, const struct msg_decision *decision);
/* Adds to a REPORT what only the guest knows. Lists are borrowed until the next call. */
void guest_complete(const struct guest *guest, struct msg_report *report);
/* Takes the answer of a REPORT; what is to be printed is appended: whole characters, or lines of JSON. What is
 * not of its last DECISION changes nothing. -ENOMEM. */
int guest_take(struct guest *guest, const struct msg_report *report, struct buf *said);

/* It has its answer: all tokens, or the model has ended it. */
bool guest_is_done(const struct guest *guest);
/* Tokens so far. */
uint32_t guest_answered(const struct guest *guest);

#endif
