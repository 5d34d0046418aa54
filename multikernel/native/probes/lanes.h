/* Memory for a pair of bare ends, one lane a direction: given by the caller, or scratch lines of
 * both cores. It is used by one pair after another, so a use begins and ends with a meeting: both
 * sides clear what they receive on before either writes, and neither leaves while the other may
 * still write (an acknowledgement). */
#pragma once

#include "probes/timed.h"

/* The first page of given memory. */
struct lanes_page {
    _Alignas(PAD_BYTES) _Atomic uint64_t meeting;
    _Alignas(PAD_BYTES) _Atomic uint64_t progress;     /* sent so far, by the sender now and then */
    _Alignas(PAD_BYTES) _Atomic uint64_t acknowledged; /* of the plain ring */
};

struct lanes {
    struct lanes_page *page; /* NULL: scratch lines */
    struct slot *outgoing, *incoming;
    uint32_t slots;
    _Atomic uint64_t *meeting;
    uint64_t token; /* never the same twice on any line: the pair, and how often it has met */
};

/* False where there is no such ring, or no memory for it. form: of bare rings. */
bool lanes_begin(struct driver *d, const struct probe *p, uint32_t form, struct lanes *lanes);
void lanes_finish(struct driver *d, const struct probe *p, const struct lanes *lanes);
