#include "multikernel/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct record {
    struct record_header *header;
    struct monitor *monitor;
    uint64_t *log, *at, *end;
    struct environment asked; /* what is asked, and what is asked instead */
    struct mmu mmu;
    struct routing routing;
    struct tree_link *tables; /* by root and place, as they were last written down */
    uint32_t cores;
};

/* --- Words --- */

static void put_bytes(struct record *r, const void *from, size_t bytes)
{
    const size_t words = record_words(bytes);
    if ((size_t)(r->end - r->at) < words) {
        r->at = r->end;
        r->header->full = 1;
        return;
    }
    memcpy(r->at, from, bytes);
    r->at += words;
}

/* Those words. */
#define PUT(RECORD, ...) \
    put_bytes(RECORD, (uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}))

/* --- What the environment answers --- */

static enum verdict insert(void *record, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    struct record *r = record;
    const enum verdict verdict =
        r->asked.mmu->insert(r->asked.mmu->context, slot, address, frame, length, rights);
    PUT(r, record_item(RECORD_INSERT, verdict, 0, slot), address, frame, length, rights);
    return verdict;
}

static enum verdict protect(void *record, uint32_t slot, uint32_t rights)
{
    struct record *r = record;
    const enum verdict verdict = r->asked.mmu->protect(r->asked.mmu->context, slot, rights);
    PUT(r, record_item(RECORD_PROTECT, verdict, 0, slot), rights);
    return verdict;
}

static void retire(void *record, uint32_t slot)
{
    struct record *r = record;
    r->asked.mmu->retire(r->asked.mmu->context, slot);
    PUT(r, record_item(RECORD_RETIRE, 0, 0, slot));
}

static const struct tree_link *links(void *record, uint32_t root, uint32_t place)
{
    struct record *r = record;
    const struct tree_link *table = r->asked.routing->links(r->asked.routing->context, root, place);
    struct tree_link *before = r->tables + ((size_t)root * TREE_PLACES + place - 1) * r->cores;
    const size_t bytes = r->cores * sizeof *table;
    const bool other = memcmp(before, table, bytes) != 0;
    PUT(r, record_item(RECORD_LINKS, other, place, root));
    if (other) {
        memcpy(before, table, bytes);
        put_bytes(r, before, bytes);
    }
    return before; /* what was written down, whatever becomes of the other */
}

static bool publish(void *record, uint32_t place, uint64_t ticket)
{
    struct record *r = record;
    const bool answer = r->asked.routing->publish(r->asked.routing->context, place, ticket);
    PUT(r, record_item(RECORD_PUBLISH, answer, place, 0), ticket);
    return answer;
}

static const uint64_t *set(void *record, uint32_t core, uint32_t lane)
{
    struct record *r = record;
    const uint64_t *answer = r->asked.routing->set(r->asked.routing->context, core, lane);
    PUT(r, record_item(RECORD_SET, 0, lane, core));
    put_bytes(r, answer, 8 * (size_t)core_set_words(r->cores));
    return answer;
}

static void keep(void *record, uint32_t lane, const uint64_t *kept)
{
    struct record *r = record;
    r->asked.routing->keep(r->asked.routing->context, lane, kept);
    PUT(r, record_item(RECORD_KEEP, 0, lane, 0));
}

/* --- Steps --- */

static void put_state(struct record *r)
{
    PUT(r, record_item(RECORD_STATE, 0, 0, 0), record_state_hash(r->monitor));
}

static void put_input(struct record *r, const struct environment *env, const struct input *in)
{
    const bool about_slot = in->kind == INPUT_PIN || in->kind == INPUT_UNPIN;
    PUT(r, record_item(RECORD_STEP, in->kind, in->from, about_slot ? in->slot : in->operation),
        env->now);
    switch (in->kind) {
    case INPUT_MESSAGE:
    case INPUT_REPLY:
        PUT(r, in->token);
        put_bytes(r, in->message, sizeof *in->message);
        break;
    case INPUT_REQUEST:
        put_bytes(r, in->request, sizeof *in->request);
        if (in->request->kept)
            put_bytes(r, in->request->kept, 8 * (size_t)core_set_words(r->cores));
        if (in->request->task)
            put_bytes(r, in->request->task, sizeof *in->request->task);
        break;
    case INPUT_PIN:
    case INPUT_UNPIN:
        PUT(r, in->generation);
        break;
    case INPUT_CREATE:
        put_bytes(r, in->creation, sizeof *in->creation);
        break;
    case INPUT_FRAMES:
        put_bytes(r, in->frames, sizeof *in->frames);
        break;
    default:
        break;
    }
}

void record_step(struct record *r, const struct environment *env, const struct input *in,
                 struct output *out)
{
    struct record_header *h = r->header;
    if (h->full) {
        monitor_step(r->monitor, env, in, out);
        return;
    }
    h->begun++;
    put_input(r, env, in);
    monitor_step(r->monitor, env, in, out);
    PUT(r, record_item(RECORD_OUTPUT, 0, 0, 0), record_output_hash(out));
    if (h->full)
        return;
    h->steps++;
    h->used = (uint64_t)(r->at - r->log);
    if (h->steps % RECORD_LOOKS == 0)
        put_state(r);
}

/* --- Opening --- */

struct record *record_open(const char *path, uint32_t me, const struct monitor_shape *shape,
                           uint64_t address_base, uint64_t address_size, struct monitor **monitor)
{
    const size_t log_offset = RECORD_PAGE + round_up(monitor_size(shape), RECORD_PAGE);
    const size_t share = round_up(RECORD_ALL_BYTES / shape->cores, RECORD_PAGE);
    const size_t log_bytes = share < RECORD_LOG_BYTES ? share : RECORD_LOG_BYTES;
    const size_t bytes = log_offset + log_bytes;
    struct record *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->cores = shape->cores;
    r->tables = calloc((size_t)r->cores * TREE_PLACES, r->cores * sizeof *r->tables);
    if (!r->tables)
        return NULL;
    const int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return NULL;
    /* all of it now: a page that is missing later would end the core */
    errno = posix_fallocate(file, 0, (off_t)bytes);
    if (errno)
        return NULL;
    char *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (block == MAP_FAILED)
        return NULL;
    close(file);
    r->header = (struct record_header *)(void *)block;
    *monitor = r->monitor = (struct monitor *)(void *)(block + RECORD_PAGE);
    r->at = r->log = (uint64_t *)(void *)(block + log_offset);
    r->end = r->log + log_bytes / 8;
    *r->header = (struct record_header){.build = record_build,
                                        .state_offset = RECORD_PAGE,
                                        .log_offset = log_offset,
                                        .log_bytes = log_bytes,
                                        .address_base = address_base,
                                        .address_size = address_size,
                                        .me = me,
                                        .shape = *shape};
    return r;
}

void record_begin(struct record *r, struct environment *env)
{
    r->asked = *env;
    r->mmu = (struct mmu){r, insert, protect, retire};
    r->routing = (struct routing){r, links, publish, set, keep};
    env->mmu = &r->mmu;
    env->routing = &r->routing;
    for (uint32_t root = 0; root < r->cores; root++)
        if (monitor_tree(r->monitor, root)->version != TREE_FLAT)
            PUT(r, record_item(RECORD_PLANTED, 0, 0, root));
    put_state(r);
    r->header->backoff = env->backoff;
    r->header->used = (uint64_t)(r->at - r->log);
    r->header->magic = RECORD_MAGIC;
}
