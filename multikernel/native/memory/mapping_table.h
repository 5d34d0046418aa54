/* The table of mappings, one entry a page and a slot: of the shared kernel, and of a core's replica
 * in the multikernel. What may be done with an entry, and the order of errors, is the same in both;
 * how cores agree on it, or wait for each other, is the kernels' own. */
#pragma once

#include <stdatomic.h>

#include "base/hash.h"
#include "base/sparse.h"
#include "memory/address_range.h"
#include "memory/mmu.h"

enum mapping_state {
    MAPPING_FREE = 0,
    MAPPING_MAPPED,
    MAPPING_RESERVED, /* an operation on it is under way; in the multikernel, its map */
    MAPPING_GONE,     /* unmapped by one phase, not yet final: kept so that it can be restored */
};

/* One entry, the same slot number on every core that holds the page, at the same virtual address.
 * The slot's home is the core that mapped it (slot / slots_per_core); the home also keeps entries
 * of pages that it does not hold itself, as a directory. */
struct mapping {
    union {
        _Atomic uint64_t word; /* all of it, for looks without a lock */
        struct {
            uint32_t generation; /* first: a record that is given back has its link there */
            uint8_t state;
            uint8_t rights;
            uint8_t released; /* locked: its unmap by others is final, free it at the unlock */
            uint8_t recorded; /* there is a Mapping capability, with those rights; 0: none */
        };
    };
    uint32_t pins;   /* core-local: outside the digest */
    uint8_t held;    /* this core is one of the holders */
    uint8_t last;    /* free, and remembered: nobody else is given its address */
    uint16_t keeper; /* the core that keeps the frame (frames.h), and 1; 0: capabilities do */
    uint64_t lock;   /* core-local: the attempt that holds this entry, 0 when none */
    uint64_t address;
    uint64_t frame;   /* offset in the memory segment */
    uint64_t length;  /* bytes */
    uint64_t holders; /* cores in a word; CORES_KEPT: bits 0-31 its place among the sets */
    uint64_t slot;    /* its own number */
};
static_assert(sizeof(struct mapping) == 64, "an entry is one cache line");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the generation is a word's lower half");

/* Where a table's new mappings go: own slots and addresses, one after the other. But a frame that
 * was mapped before gets the slot and the address that it had, if nothing came in between: cores may
 * still have that mapping, without rights (vspace.h). */
struct new_mappings {
    struct address_range addresses;
    uint64_t next;       /* the slot, counted from the first own one */
    uint64_t remembered; /* how many frames there is room for: a power of two, or 0 */
    uint64_t offset;     /* of those, from here on */
};

/* Of a frame, by the number of its first page. */
struct remembered {
    uint32_t slot;       /* counted from 1; 0: none */
    uint32_t generation; /* the frame's: another owner's is another frame */
};

/* As many as make sense beside so many own slots. */
static inline uint32_t mappings_remembered(uint32_t slots)
{
    uint32_t count = 64;
    while (count > 1 && count > slots / 4)
        count /= 2;
    return slots ? count : 0;
}

/* --- An entry --- */

static inline uint64_t mapping_word(const struct mapping *m)
{
    /* Acquire pairs with mapping_set: an entry seen mapped, so is its address. */
    return atomic_load_explicit(&m->word, memory_order_acquire);
}
static inline enum mapping_state word_state(uint64_t word)
{
    return word >> 32 & 0xff;
}
static inline enum mapping_state mapping_state(const struct mapping *m)
{
    return word_state(mapping_word(m));
}
static inline bool mapping_is_mapped(const struct mapping *m, uint32_t generation)
{
    const uint64_t word = mapping_word(m);
    return word_state(word) == MAPPING_MAPPED && (uint32_t)word == generation;
}

/* Another operation is at it, and what becomes of it is not known here. */
static inline bool mapping_is_undecided(const struct mapping *m, uint32_t generation)
{
    return m->lock && m->state != MAPPING_FREE && m->generation == generation;
}

static inline void mapping_set(struct mapping *m, enum mapping_state state, uint32_t rights)
{
    const uint64_t word = atomic_load_explicit(&m->word, memory_order_relaxed);
    atomic_store_explicit(
        &m->word, (word & ~(0xffffull << 32)) | (uint64_t)state << 32 | (uint64_t)rights << 40,
        memory_order_release);
}

/* Reserved from now on, with nothing pinned. */
static inline void mapping_fill(struct mapping *m, uint32_t generation, uint32_t rights,
                                uint32_t recorded, uint64_t address, uint64_t frame,
                                uint64_t length)
{
    m->pins = 0;
    m->address = address;
    m->frame = frame;
    m->length = length;
    atomic_store_explicit(&m->word,
                          generation | (uint64_t)MAPPING_RESERVED << 32 | (uint64_t)rights << 40 |
                              (uint64_t)recorded << 56,
                          memory_order_release);
}

/* What unmap and protect have in common. */
static inline enum verdict mapping_check_unpinned(const struct mapping *m, uint32_t generation,
                                                  bool pinned)
{
    if (!mapping_is_mapped(m, generation))
        return VERDICT_NOT_MAPPED;
    return pinned ? VERDICT_PINNED : VERDICT_OK;
}

/* A core's pin, or the end of one; pins: how many it has of the page. */
static inline enum verdict mapping_pin(const struct mapping *m, uint32_t generation, bool held,
                                       uint32_t *pins, bool pinned)
{
    if (pinned && held && mapping_is_undecided(m, generation))
        return VERDICT_BUSY;
    if (!mapping_is_mapped(m, generation) || !held)
        return VERDICT_NOT_MAPPED;
    if (!pinned && !*pins)
        return VERDICT_BAD_REQUEST;
    *pins += pinned ? 1 : UINT32_MAX;
    return VERDICT_OK;
}

/* What a fault on an entry with that word means. */
static inline enum verdict mapping_fault(uint64_t word, uint32_t generation, bool held,
                                         bool under_way, bool write)
{
    if ((uint32_t)word != generation || !held)
        return VERDICT_FAULT;
    if (under_way)
        return VERDICT_BUSY;
    if (word_state(word) != MAPPING_MAPPED)
        return VERDICT_FAULT;
    return write && (word >> 40 & 0xff) != RIGHTS_WRITE ? VERDICT_FAULT : VERDICT_OK;
}

/* Of what is the same wherever the page is held. */
static inline uint64_t mapping_hash(const struct mapping *m)
{
    const uint64_t hash =
        hash_mix(hash_mix(hash_mix(m->slot, m->generation), m->rights), m->address);
    return hash_mix(hash_mix(hash, m->frame), m->length);
}

/* --- The table --- */

/* A free own entry is filled, with the next generation and an address: those that the frame of that
 * generation had last, unless that is 0. NO_SLOT, NO_ADDRESS. */
enum verdict mapping_reserve(struct sparse *table, struct new_mappings *to, uint64_t frame,
                             uint32_t frame_generation, uint64_t length, uint32_t rights,
                             uint32_t recorded, struct mapping **reserved);
/* Mapped entries, and those that an operation has. */
void mapping_count(const struct sparse *table, uint32_t *mapped, uint32_t *locked);
/* Is a page mapped of that memory, as far as it has that keeper? FRAME_IN_USE; BUSY: what becomes of
 * it is being decided; OK: there is none. */
enum verdict mapping_of_frame(const struct sparse *table, uint32_t keeper, uint64_t frame,
                              uint64_t length);
