/* Messages between two sides, there and back and one way, whatever carries them. Two loops, to be
 * inlined together with the functions that try: so an end that is a local variable stays in
 * registers. */
#pragma once

#include <errno.h>

#include "probes/timed.h"

#define EXCHANGE_INLINE static inline __attribute__((always_inline))

enum { SAMPLE_EVERY = 16 };

/* One try: 1 when it went, 0 when it is to be tried again, or minus an errno. */
typedef int attempt(void *end, struct message *message);

/* A function that tries what an end of that type can do. */
#define ATTEMPT(NAME, TYPE, TRY)                                     \
    EXCHANGE_INLINE int NAME(void *untyped, struct message *message) \
    {                                                                \
        TYPE *end = untyped;                                         \
        return TRY;                                                  \
    }

EXCHANGE_INLINE int until_it_goes(struct driver *d, attempt *once, void *end,
                                  struct message *message)
{
    int went;
    while (!(went = once(end, message)))
        spin(d);
    return went;
}

/* Numbers there and back. Returns how many were wrong, or minus an errno. */
EXCHANGE_INLINE int64_t echo(struct driver *d, const struct probe *p, void *out, attempt *send,
                             void *in, attempt *receive)
{
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    uint64_t number = p->base;
    int64_t wrong = 0;
    int went;
    if (p->count % p->batch)
        return -EINVAL;
    ROUND_TRIPS(
        p,
        {
            message.word[0] = number;
            if ((went = until_it_goes(d, send, out, &message)) < 0 ||
                (went = until_it_goes(d, receive, in, &message)) < 0)
                return went;
            wrong += message.word[0] != number++;
        },
        {
            if ((went = until_it_goes(d, receive, in, &message)) < 0 ||
                (went = until_it_goes(d, send, out, &message)) < 0)
                return went;
            wrong += message.word[0] != number++;
        })
    return wrong;
}

/* Every how many messages the sender says how far it is: a power of two, a quarter of the ring at
 * most. */
static inline uint64_t often_of(uint32_t slots)
{
    uint32_t quarter = slots < 4 ? 1 : slots / 4;
    return quarter < SAMPLE_EVERY ? quarter : SAMPLE_EVERY;
}

/* Numbers one way, in batches, each timed and not divided, as a message in a stream takes few
 * cycles; then what is left. progress: where the sender says how far it is, or NULL. */
EXCHANGE_INLINE int64_t stream(struct driver *d, const struct probe *p, void *out, attempt *send,
                               void *in, attempt *receive, _Atomic uint64_t *progress)
{
    const uint64_t often = often_of(p->slots), count = p->count, batch = p->batch;
    int64_t wrong = 0;
    int went;
    for (uint64_t i = 0, end; i < count;) {
        const bool whole = i + batch <= count;
        end = whole ? i + batch : count;
        const uint64_t start = arch_cycles();
        /* What is sent is not what was received last: constants, which cost the loop nothing. */
        struct message message = {{1, 2, 3, 4, 5, 6, 7}};
        if (p->role) {
            for (; i < end; i++) {
                if ((went = until_it_goes(d, receive, in, &message)) < 0)
                    return went;
                wrong += message.word[0] != i;
            }
        } else {
            for (; i < end; i++) {
                message.word[0] = i;
                if ((went = until_it_goes(d, send, out, &message)) < 0)
                    return went;
                if (progress && (i & (often - 1)) == 0)
                    atomic_store_explicit(progress, i + 1, memory_order_relaxed);
            }
        }
        if (!whole)
            break;
        histogram_add(p->times[0], arch_cycles_behind() - start);
        if (progress && p->role) {
            const uint64_t sent = atomic_load_explicit(progress, memory_order_relaxed);
            histogram_add(p->times[1], sent > i ? sent - i : 0);
        }
    }
    return wrong;
}
