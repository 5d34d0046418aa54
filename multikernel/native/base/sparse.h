/* Few records for many numbers: a table in a flat block of which only what is in use has a record.
 *
 * Numbers in [own, own + own_count) have a record each, for ever. Any other number gets one by
 * sparse_make and loses it by sparse_drop; up to then it reads as the blank record, which is zero.
 * So a reader asks for a number's record without asking first whether there is one; only a writer
 * has to make it. Nothing is searched: an index leads from a number to its record.
 *
 * The block is zero at first and has no pointers. Records are zero when they are made. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/align.h"

struct sparse {
    uint32_t numbers;
    uint32_t own, own_count;
    uint32_t records; /* that the block has room for: the blank one, own ones, others */
    uint32_t stride;  /* bytes of a record, a multiple of 8, at least 8 */
    uint32_t fresh;   /* records from here on have never been used */
    uint32_t free;    /* the first that was given back, which names the next; 0: none */
    uint32_t others;  /* in use, own ones not counted */
    uint64_t index_offset, records_offset; /* from this struct on */
};

/* Bytes of the index, and of the records, for those numbers. others: records for numbers that are
 * not one's own. */
static inline uint64_t sparse_index_bytes(uint32_t numbers)
{
    return round_up(4 * (uint64_t)numbers, 64);
}
static inline uint64_t sparse_record_bytes(uint32_t own_count, uint32_t others, uint32_t stride)
{
    return round_up(stride, 64) + round_up((uint64_t)stride * (own_count + (uint64_t)others), 64);
}

static inline char *sparse_record(const struct sparse *s, uint32_t record)
{
    return (char *)(uintptr_t)s + s->records_offset + (uint64_t)record * s->stride;
}

static inline uint32_t *sparse_index(const struct sparse *s)
{
    return (uint32_t *)((uintptr_t)s + s->index_offset);
}

/* Which record that number has; 0: the blank one. */
static inline uint32_t sparse_find(const struct sparse *s, uint32_t number)
{
    const uint32_t own = number - s->own;
    return own < s->own_count ? 1 + own : sparse_index(s)[number];
}

/* Its record. Where the stride is a constant, what a product takes is saved at every look. */
static inline void *sparse_at_of(const struct sparse *s, uint32_t number, uint32_t stride)
{
    return (char *)(uintptr_t)s + s->records_offset + (uint64_t)sparse_find(s, number) * stride;
}

static inline void *sparse_at(const struct sparse *s, uint32_t number)
{
    return sparse_at_of(s, number, s->stride);
}

static inline bool sparse_has_room(const struct sparse *s)
{
    return s->free || s->fresh < s->records;
}

/* The number's record, made if it has none; NULL: no room. */
static inline void *sparse_make(struct sparse *s, uint32_t number)
{
    uint32_t record = sparse_find(s, number);
    if (record)
        return sparse_record(s, record);
    if (s->free) {
        record = s->free;
        memcpy(&s->free, sparse_record(s, record), sizeof s->free);
        memset(sparse_record(s, record), 0, 8); /* a word, as it is read next */
    } else if (s->fresh < s->records) {
        record = s->fresh++;
    } else {
        return NULL;
    }
    sparse_index(s)[number] = record;
    s->others++;
    return sparse_record(s, record);
}

/* A number that is not one's own and has a record, of which so many bytes may not be zero. */
static inline void sparse_drop(struct sparse *s, uint32_t number, size_t bytes)
{
    uint32_t *record = &sparse_index(s)[number];
    assert(*record && number - s->own >= s->own_count);
    char *place = sparse_record(s, *record);
    memset(place, 0, bytes);
    memcpy(place, &s->free, sizeof s->free);
    s->free = *record;
    *record = 0;
    s->others--;
}

/* At those offsets, multiples of 64, in a zeroed block. The blank record ends where a cache line
 * does, so that the first own one touches no more lines than it must. */
static inline void sparse_init(struct sparse *s, uint32_t numbers, uint32_t own, uint32_t own_count,
                               uint32_t others, uint32_t stride, uint64_t index_offset,
                               uint64_t records_offset)
{
    *s = (struct sparse){.numbers = numbers,
                         .own = own,
                         .own_count = own_count,
                         .records = 1 + own_count + others,
                         .stride = stride,
                         .fresh = 1 + own_count,
                         .index_offset = index_offset,
                         .records_offset = records_offset + round_up(stride, 64) - stride};
}
