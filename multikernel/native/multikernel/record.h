/* A log of everything that a core's monitor was given: each step's input, its time, and what the
 * environment answered inside of it. For finding out why replicas differ: the log, replayed into a
 * fresh state, gives the same bytes, so any moment of a real run can be looked at again
 * (tests/s3_agreement/replay).
 *
 * A file: the header; the monitor's block itself, which is thus the state that the last step left,
 * however the core ended; and the log, of 64-bit words. The first word of an item says what it is:
 * tag 0-7, then three numbers, 8-15, 16-31 and 32-63. What the header counts is whole steps. */
#pragma once

#include "monitor/monitor.h"

#define RECORD_MAGIC 0x32676f6c6b6d756dull

/* The build: a hash of the sources that it is made from, computed by CMake. */
extern const uint64_t record_build;

enum {
    RECORD_ALL_BYTES = 256 << 20, /* of a system's logs */
    RECORD_LOG_BYTES = 16 << 20,  /* of one, at most */
    RECORD_PAGE = 4096,
    RECORD_LOOKS = 1024, /* steps from one hash of the state to the next */
};

enum record_tag {
    RECORD_STATE = 1, /* between steps. A hash of all of it */
    RECORD_PLANTED,   /* root; before the first step */
    /* A step begins. Kind, from, and operation or slot; now; then of a message its token and words;
     * of a request the struct, its set if one is kept, and its task if it has one; of a pin the
     * generation; of a creation, or a request for frames, the struct */
    RECORD_STEP,
    /* Inside of a step, in the order of the calls, answers in 8-15. */
    RECORD_INSERT,  /* verdict, -, slot; address, frame, length, rights */
    RECORD_PROTECT, /* verdict, -, slot; rights */
    RECORD_RETIRE,  /* -, -, slot */
    RECORD_LINKS,   /* is it another table than before?, place, root; the table if so */
    RECORD_PUBLISH, /* answer, place; ticket */
    RECORD_SET,     /* -, lane, core; the set */
    RECORD_KEEP,    /* -, lane */
    RECORD_OUTPUT,  /* The step ends. A hash of its output */
};

struct record_header {
    uint64_t magic;
    uint64_t build;                    /* that wrote it */
    uint64_t state_offset, log_offset; /* in the file */
    uint64_t log_bytes;                /* that there is room for */
    uint64_t address_base, address_size;
    uint64_t backoff;
    uint64_t used;  /* words of the log */
    uint64_t steps; /* that it has */
    uint64_t begun; /* not steps: the core ended inside of one, and the state is half done */
    uint32_t full;  /* there was no room for the next step: the state is a later one's */
    uint32_t me;
    struct monitor_shape shape;
};
static_assert(sizeof(struct record_header) <= RECORD_PAGE, "the header has a page");

static inline uint64_t record_item(enum record_tag tag, uint32_t small, uint32_t middle,
                                   uint32_t large)
{
    return (uint64_t)tag | (uint64_t)(small & 0xff) << 8 | (uint64_t)(middle & 0xffff) << 16 |
           (uint64_t)large << 32;
}

/* Words that so many bytes take. */
static inline size_t record_words(size_t bytes)
{
    return (bytes + 7) / 8;
}

static inline uint64_t record_hash(uint64_t hash, const void *block, size_t bytes)
{
    const uint64_t *word = block;
    for (size_t i = 0; i < bytes / 8; i++)
        hash = hash_mix(hash, word[i]);
    return hash;
}

static inline uint64_t record_state_hash(const struct monitor *m)
{
    return record_hash(0, m, m->size);
}

/* Of all that a step says, but for what it leaves as it was. */
static inline uint64_t record_output_hash(const struct output *out)
{
    const struct work *work = &out->work;
    uint64_t hash = hash_mix(out->count, out->local);
    hash = hash_mix(hash_mix(hash_mix(hash, out->next_tick), out->verdict), out->made);
    hash = hash_mix(hash, (uint64_t)work->operation | (uint64_t)work->kind << 8 |
                              (uint64_t)work->role << 16 | (uint64_t)work->own_part << 24);
    for (uint32_t i = 0; i < out->count; i++) {
        const struct output_entry *entry = &out->entry[i];
        hash = hash_mix(hash, entry->kind);
        for (uint32_t n = 0; n < output_receivers(out, entry); n++)
            hash = hash_mix(hash, output_receiver(out, entry, n));
        if (entry->kind == OUTPUT_REPLY || entry->kind == OUTPUT_DONE)
            hash = hash_mix(hash, entry->token);
        hash = record_hash(hash, &entry->message, sizeof entry->message);
    }
    return hash;
}

struct record;

/* Makes the file, which nothing outgrows; NULL, with errno. monitor: the block for it, zeroed. */
struct record *record_open(const char *path, uint32_t me, const struct monitor_shape *shape,
                           uint64_t address_base, uint64_t address_size, struct monitor **monitor);
/* The state is laid out: from now on what the environment answers is written down. */
void record_begin(struct record *record, struct environment *environment);
/* monitor_step, written down for as long as there is room. */
RARE void record_step(struct record *record, const struct environment *environment,
                      const struct input *input, struct output *output);
