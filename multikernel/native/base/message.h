/* A message is one cache line: seven payload words and, last, the control word that publishes them
 * (Barrelfish's UMP: include/barrelfish/ump_impl.h keeps the control word in the last eight bytes
 * and writes it last). Words move one by one through C11 atomics, so that race detectors and model
 * checkers see every one of them. */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

enum {
    LINE_BYTES = 64,
    PAD_BYTES = 128, /* between two writers: the adjacent-line prefetcher pairs 64-byte lines */
    MESSAGE_WORDS = 7,
};

/* A message at rest, private to one core. */
struct message {
    uint64_t word[MESSAGE_WORDS];
};

/* A message in flight: one line of a segment. */
struct slot {
    _Alignas(LINE_BYTES) _Atomic uint64_t word[MESSAGE_WORDS];
    _Atomic uint64_t control;
};

static_assert(sizeof(struct slot) == LINE_BYTES, "a slot is one cache line");

/* Word by word, written out: a compiler that leaves this a loop (gcc at -O2) halves the throughput
 * of a ring. */
#define EACH_WORD(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6)
static_assert(MESSAGE_WORDS == 7, "EACH_WORD names them all");

/* Word by word: a copy in pieces of 16 bytes, as compilers make it, has to wait until a word that
 * was just written by itself has left the store buffer. */
static inline void message_copy(struct message *to, const struct message *from)
{
#define COPY(i)                                                                       \
    __atomic_store_n(&to->word[i], __atomic_load_n(&from->word[i], __ATOMIC_RELAXED), \
                     __ATOMIC_RELAXED);
    EACH_WORD(COPY)
#undef COPY
}

/* Relaxed on purpose: the release store of slot->control orders them (writer side of ring.h and
 * call_line.h). */
static inline void slot_put(struct slot *slot, const struct message *message)
{
#define PUT(i) atomic_store_explicit(&slot->word[i], message->word[i], memory_order_relaxed);
    EACH_WORD(PUT)
#undef PUT
}

/* A word of a line in this core's turn, read once: another process may write it all the same. */
static inline uint64_t slot_word(const struct slot *slot, uint32_t word)
{
    return atomic_load_explicit(&slot->word[word], memory_order_relaxed);
}
static inline void slot_set(struct slot *slot, uint32_t word, uint64_t value)
{
    atomic_store_explicit(&slot->word[word], value, memory_order_relaxed);
}

/* Relaxed on purpose: the acquire load of slot->control that saw the message orders them. */
static inline void slot_get(const struct slot *slot, struct message *message)
{
#define GET(i) message->word[i] = atomic_load_explicit(&slot->word[i], memory_order_relaxed);
    EACH_WORD(GET)
#undef GET
}
