/* What a driver does ahead of a step (monitor_foresees) is what the step comes to. */
#pragma once

#include <string.h>

#include "monitor/monitor.h"

/* What the MMU was asked for in a step. */
struct asked {
    uint32_t protects, slot, rights; /* the first of those */
    bool refused;
};

static inline void asked_to_protect(struct asked *asked, uint32_t slot, uint32_t rights,
                                    bool refused)
{
    if (!asked->protects++) {
        asked->slot = slot;
        asked->rights = rights;
        asked->refused = refused;
    }
}

/* NULL, or what is not as it was foreseen. Where the MMU refuses the driver has answered nothing. */
static inline const char *foreseen_wrongly(const struct foresight *f, const struct input *in,
                                           const struct asked *asked, const struct output *out)
{
    struct message reply = *in->message;
    reply.word[0] = f->head;
    if (asked->protects != f->protects ||
        (f->protects && (asked->slot != f->slot || asked->rights != f->rights)))
        return "what the MMU is asked for";
    if (asked->refused)
        return NULL;
    if (out->count != 1 || out->local != NO_OPERATION || out->entry[0].kind != OUTPUT_REPLY ||
        out->entry[0].to != in->from || out->entry[0].token != in->token || out->entry[0].unawaited)
        return "what is put out";
    return memcmp(&out->entry[0].message, &reply, sizeof reply) ? "the answer" : NULL;
}
