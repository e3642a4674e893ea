/* A model file, its tokenizer, and a text as tokens: what is measured behind a channel. */
#ifndef HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_MODEL_H
#define HANDOFF_ORCHESTRATOR_CHANNEL_CHANNEL_MODEL_H

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/weights/tokenizer.h"
#include "core/weights/weights.h"

#define CHANNEL_MODEL_DEFAULT "deploy/models/house"

/* Owned; a zeroed struct is empty. */
struct channel_model {
    struct weights *weights;
    struct tokenizer *tokenizer;
    struct buf text_path; /* of the text, as it was given or found */
};

/* NULL model: the house model, where this is a checkout of the project. NULL text: the folder `evaluation` in the
 * model's. NULL tokenizer: the model's own. Errors are those of weights_open and tokenizer_open, and ERR_NOT_FOUND with
 * the flag that is needed. */
int channel_model_open(const char *model, const char *text, const char *tokenizer,
                       struct channel_model *ret_model, struct diag *diag);
void channel_model_close(struct channel_model *model);

/* A file's tokens, or those of all files of a folder, one behind the other in byte order of their names. Each begins
 * with BOS where the model wants it. They are appended to ret_ids. */
int channel_model_read(const struct channel_model *model, const char *path, struct tokenizer_ids *ids,
                       struct diag *diag);

#endif
