/* The log of the replicated form and of the combined one: a ring of entries, which say where their
 * core has left the operations.
 *
 * An entry is one word, put there by one compare-and-swap, for one operation or for several that
 * follow each other: position, how many, core, and the place of the first among the core's. A
 * position is an operation's: an entry of n of them is followed by the one n positions on. They
 * count on from one log to the next; of one only these bits are kept, and compared as what wraps
 * around.
 *
 * An entry of no operation is the log's close. Its own word says so, for an operation may be
 * overwritten unawares by a core that comes long after the close: entries of several operations leave
 * gaps in the ring, where a word stays for many laps. So who finds the close knows it, and who finds
 * that it was overwritten finds a word of a later position. */
#pragma once

#include "object/object_inside.h"

enum {
    PLACE_BITS = 12, /* 2 * OBJECT_LOG_MOST */
    CORE_BITS = 6,
    COUNT_BITS = 7,
    COUNT_SHIFT = PLACE_BITS + CORE_BITS,
    TAG_SHIFT = COUNT_SHIFT + COUNT_BITS,
};
static_assert(1 << PLACE_BITS == 2 * OBJECT_LOG_MOST, "a place for each");
static_assert(1 << CORE_BITS == OBJECT_CORES_MOST, "a number for each");
static_assert(1 << COUNT_BITS > OBJECT_CORES_MOST, "an operation of each, or none");

enum log_look { LOG_END, LOG_ENTRY, LOG_PAST };

/* What an entry's word says of a position: nothing yet, it is that one, or a later one. */
static inline enum log_look entry_at(uint64_t entry, uint64_t position)
{
    const int64_t ahead = (int64_t)((entry & ~((1ull << TAG_SHIFT) - 1)) - (position << TAG_SHIFT));
    return ahead < 0 ? LOG_END : ahead ? LOG_PAST : LOG_ENTRY;
}

/* 0: it is the close. */
static inline uint32_t entry_count(uint64_t entry)
{
    return (uint32_t)(entry >> COUNT_SHIFT) & ((1 << COUNT_BITS) - 1);
}

static inline _Atomic uint64_t *log_at(const struct object *o, uint64_t position)
{
    return &o->log[position & (o->log_slots - 1)];
}

static inline uint64_t log_entry(const struct object *o, uint64_t position)
{
    /* Pairs with the compare-and-swap in log_append. */
    return atomic_load_explicit(log_at(o, position), memory_order_acquire);
}

/* Within the block, whatever an entry says. */
static inline struct slot *operation_slot(const struct object *o, uint64_t core, uint64_t place)
{
    const uint64_t places = 2 * o->log_slots;
    return &o->operations[(core < o->cores ? core : 0) * places + (place & (places - 1))];
}

/* The nth operation of an entry that is there; false: it has been overwritten. */
static inline bool read_entry(const struct object *o, uint64_t position, uint64_t entry,
                              uint32_t nth, struct operation *operation)
{
    const uint64_t core = entry >> PLACE_BITS & (OBJECT_CORES_MOST - 1);
    const uint64_t place = (entry & ((1 << PLACE_BITS) - 1)) + nth;
    object_get_operation(operation_slot(o, core, place), operation);
    /* Pairs with the release fence in log_put: who sees a word of an operation two laps on sees the
     * log a lap on, for as long as the log is open. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(log_at(o, position), memory_order_relaxed) == entry;
}

/* The nth operation of the entry that this core appends next. */
static inline void log_put(const struct object *o, uint32_t nth, const struct operation *operation)
{
    /* Pairs with the acquire fence in read_entry. */
    atomic_thread_fence(memory_order_release);
    object_put_operation(operation_slot(o, o->me, o->appended + nth), operation);
}

/* Where that entry, behind the log's end, was found; false: another core was first. */
static inline bool log_append(struct object *o, uint64_t position, uint64_t found, uint32_t count)
{
    const uint64_t entry = position << TAG_SHIFT | (uint64_t)count << COUNT_SHIFT |
                           (uint64_t)o->me << PLACE_BITS | (o->appended & ((1 << PLACE_BITS) - 1));
    /* Release: pairs with the acquire in log_entry, of who finds the entry. */
    if (!atomic_compare_exchange_strong_explicit(log_at(o, position), &found, entry,
                                                 memory_order_release, memory_order_relaxed))
        return false;
    o->appended += count;
    arch_prefetch_write(operation_slot(o, o->me, o->appended));
    return true;
}
