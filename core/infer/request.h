/* One request computed in one process, as two nodes would compute it: the layers below the split, the activations
 * encoded and decoded as they would cross a link, the layers from the split on, and the head. What nodes compute
 * apart has to be this, bit for bit. */
#ifndef HANDOFF_CORE_INFER_REQUEST_H
#define HANDOFF_CORE_INFER_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/infer/activation.h"
#include "core/infer/cache.h"
#include "core/infer/layers.h"
#include "core/infer/model.h"

struct infer_request_options {
    uint32_t split;    /* layers below it are the device's; 0 and all layers: nothing is encoded */
    uint32_t capacity; /* tokens of the prompt and the answer */
    uint32_t portion;  /* tokens of the prompt in one call; 0: 256. No result depends on it */
    enum activation_format activation;
    uint32_t activation_k; /* of top-k, else 0 */
};

struct infer_request {
    struct infer_model *model;         /* borrowed */
    struct infer_workspace *workspace; /* borrowed */
    struct infer_request_options options;
    struct infer_cache *lower, *upper; /* owned; NULL: no layers */
    uint32_t tokens;                   /* so far */
    uint64_t bytes;                    /* that have crossed the split */
    float *x;                          /* [portion][hidden] */
    float *logits;                     /* [vocab], of the last token */
    uint8_t *encoded;                  /* of a portion */
};

/* ERR_RANGE: a split or a capacity that the model does not have. -ENOMEM. The model and the workspace may serve
 * several requests, one call at a time. */
int infer_request_create(struct infer_request **ret_request, struct infer_model *model,
                         struct infer_workspace *workspace, const struct infer_request_options *options,
                         struct diag *diag);
/* NULL is allowed. */
void infer_request_destroy(struct infer_request *request);

/* Takes the request's next tokens through all layers; then request->logits are those of the last. ERR_RANGE: there is
 * no room, or a token is unknown, or a value is no finite number. After an error the request is of no more use. */
int infer_request_feed(struct infer_request *request, const uint32_t *token, size_t tokens,
                       struct diag *diag);

#endif
