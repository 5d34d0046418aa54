/* Replays the log of a core's monitor (native/multikernel/record.h) into a fresh state: every input
 * must ask of the environment what it asked then, in that order and inside of its step, put out the
 * same, and leave the same bytes. It knows the monitor and no driver.
 *
 *     replay [--steps] FILE
 *
 * Exit status 0 and a summary, or 1 and the first difference. --steps: says what each step was, with
 * its place in the file, so that two cores' logs can be read beside each other. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "multikernel/record.h"
#include "operation_names.h"
#include "replay/replay.h"

/* A log that was damaged may make a loop of a tree. */
enum { SECONDS_MOST = 60 };

static const char *const input_names[] = {"message", "reply", "request", "continue",
                                          "tick",    "pin",   "unpin",   "create"};
static const char *const item_names[] = {"?",      "state", "planted", "step", "insert", "protect",
                                         "retire", "links", "publish", "set",  "keep",   "output"};
static const char *const kind_names[] = {"-",     "PREPARE", "APPLY", "COMMIT",
                                         "ABORT", "RELEASE", "ASK",   "ANSWER"};
static const char *const role_names[] = {"-", "root", "inner", "leaf"};

static struct record_header *header;
static const uint64_t *start, *at, *end;
struct monitor *monitor;
static struct tree_link *tables;
static uint64_t steps, answers;
static int said;

_Noreturn void differ(const char *format, ...)
{
    va_list arguments;
    printf("step %llu: ", (unsigned long long)steps);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    exit(1);
}

static uint64_t place(const uint64_t *word)
{
    return (uint64_t)((const char *)word - (const char *)header);
}

/* --- The log --- */

static const void *take(size_t bytes)
{
    const uint64_t *from = at;
    if ((size_t)(end - at) < record_words(bytes))
        differ("the log ends inside of it");
    at += record_words(bytes);
    return from;
}

static uint64_t word(void)
{
    return *(const uint64_t *)take(8);
}

static uint32_t small(uint64_t item)
{
    return item >> 8 & 0xff;
}
static uint32_t middle(uint64_t item)
{
    return item >> 16 & 0xffff;
}
static uint32_t large(uint64_t item)
{
    return (uint32_t)(item >> 32);
}

/* The monitor asks: the log must say that it asked that then, with those words behind it. */
static uint64_t asked(enum record_tag tag, uint64_t expected, const uint64_t *more, size_t count)
{
    const uint64_t *from = at;
    const uint64_t item = word(), answer = record_item(0, 0xff, 0, 0);
    if ((item & 0xff) != tag)
        differ("asks for %s, the log has %s", item_names[tag],
               item_names[(item & 0xff) <= RECORD_OUTPUT ? item & 0xff : 0]);
    if ((item & ~answer) != expected)
        differ("asks for %s %llx, the log has %llx", item_names[tag], (unsigned long long)expected,
               (unsigned long long)(item & ~answer));
    for (size_t i = 0; i < count; i++)
        if (word() != more[i])
            differ("asks for %s with %llx as word %zu, the log has %llx", item_names[tag],
                   (unsigned long long)more[i], i, (unsigned long long)at[-1]);
    if (said)
        printf("  @%llu %s %u: %u\n", (unsigned long long)place(from), item_names[tag], large(item),
               small(item));
    answers++;
    return item;
}

/* --- The environment --- */

static enum verdict insert(void *context, uint32_t slot, uint64_t address, uint64_t frame,
                           uint64_t length, uint32_t rights)
{
    (void)context;
    const uint64_t more[] = {address, frame, length, rights};
    return (enum verdict)small(
        asked(RECORD_INSERT, record_item(RECORD_INSERT, 0, 0, slot), more, 4));
}

static enum verdict protect(void *context, uint32_t slot, uint32_t rights)
{
    (void)context;
    const uint64_t more[] = {rights};
    return (enum verdict)small(
        asked(RECORD_PROTECT, record_item(RECORD_PROTECT, 0, 0, slot), more, 1));
}

static void retire(void *context, uint32_t slot)
{
    (void)context;
    asked(RECORD_RETIRE, record_item(RECORD_RETIRE, 0, 0, slot), NULL, 0);
}

static const struct tree_link *links(void *context, uint32_t root, uint32_t at_place)
{
    (void)context;
    const uint32_t cores = header->shape.cores;
    struct tree_link *table = tables + ((size_t)root * TREE_PLACES + at_place - 1) * cores;
    if (small(asked(RECORD_LINKS, record_item(RECORD_LINKS, 0, at_place, root), NULL, 0)))
        memcpy(table, take(cores * sizeof *table), cores * sizeof *table);
    return table;
}

static bool publish(void *context, uint32_t at_place, uint64_t ticket)
{
    (void)context;
    const uint64_t more[] = {ticket};
    return small(asked(RECORD_PUBLISH, record_item(RECORD_PUBLISH, 0, at_place, 0), more, 1)) != 0;
}

static const uint64_t *set(void *context, uint32_t core, uint32_t lane)
{
    (void)context;
    asked(RECORD_SET, record_item(RECORD_SET, 0, lane, core), NULL, 0);
    return take(8 * (size_t)core_set_words(header->shape.cores));
}

static void keep(void *context, uint32_t lane, const uint64_t *kept)
{
    (void)context;
    (void)kept; /* the request's own */
    asked(RECORD_KEEP, record_item(RECORD_KEEP, 0, lane, 0), NULL, 0);
}

static const struct mmu mmu = {NULL, insert, protect, retire};
static const struct routing routing = {NULL, links, publish, set, keep};

/* --- Steps --- */

static void say(const struct input *in, const struct output *out, const uint64_t *from)
{
    printf("@%llu %llu %s", (unsigned long long)place(from), (unsigned long long)steps,
           input_names[in->kind]);
    if (in->message)
        printf(" from %u, attempt %llx", in->from, (unsigned long long)in->message->word[1]);
    printf(": %s %s %s, %u out\n", operation_names[out->work.operation], kind_names[out->work.kind],
           role_names[out->work.role], out->count);
}

static void step(uint64_t item, struct output *out)
{
    const uint64_t *from = at - 1;
    const struct environment environment = {.operations = &monitor_operations,
                                            .mmu = &mmu,
                                            .routing = &routing,
                                            .now = word(),
                                            .backoff = header->backoff};
    struct request request;
    struct creation creation;
    struct frames_request frames;
    struct input in = {.kind = (enum input_kind)small(item), .from = middle(item)};
    switch (in.kind) {
    case INPUT_MESSAGE:
    case INPUT_REPLY:
        in.token = word();
        in.message = take(sizeof *in.message);
        break;
    case INPUT_REQUEST:
        memcpy(&request, take(sizeof request), sizeof request);
        if (request.kept)
            request.kept = take(8 * (size_t)monitor->set_words);
        if (request.task)
            request.task = take(sizeof *request.task);
        in.request = &request;
        break;
    case INPUT_CONTINUE:
        in.operation = large(item);
        if (in.operation >= monitor->cores * monitor->lanes)
            differ("continues %u, which there is not", in.operation);
        break;
    case INPUT_PIN:
    case INPUT_UNPIN:
        in.slot = large(item);
        in.generation = (uint32_t)word();
        break;
    case INPUT_CREATE:
        memcpy(&creation, take(sizeof creation), sizeof creation);
        in.creation = &creation;
        break;
    case INPUT_FRAMES:
        memcpy(&frames, take(sizeof frames), sizeof frames);
        in.frames = &frames;
        break;
    case INPUT_TICK:
        break;
    default:
        differ("an input of kind %u", small(item));
    }
    if (in.from >= monitor->cores)
        differ("from core %u, which there is not", in.from);
    monitor_step(monitor, &environment, &in, out);
    const uint64_t tag = word();
    if (tag != RECORD_OUTPUT)
        differ("ends, the log goes on with %s",
               item_names[(tag & 0xff) <= RECORD_OUTPUT ? tag & 0xff : 0]);
    if (word() != record_output_hash(out))
        differ("puts out something else");
    work_check(&in, out);
    if (said)
        say(&in, out, from);
    steps++;
}

static void replay(struct output *out)
{
    while (at < end) {
        const uint64_t item = word();
        switch (item & 0xff) {
        case RECORD_STATE:
            if (word() != record_state_hash(monitor))
                differ("begins with another state");
            break;
        case RECORD_PLANTED:
            if (steps || large(item) >= monitor->cores)
                differ("a tree is planted");
            monitor_planted(monitor, large(item));
            break;
        case RECORD_STEP:
            step(item, out);
            break;
        default:
            differ("%s in front of it, outside of any step",
                   item_names[(item & 0xff) <= RECORD_OUTPUT ? item & 0xff : 0]);
        }
    }
}

/* --- The file --- */

static _Noreturn void unusable(const char *path, const char *why)
{
    printf("%s: %s\n", path, why);
    exit(1);
}

static void read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        unusable(path, "cannot be opened");
    fseek(file, 0, SEEK_END);
    const size_t bytes = (size_t)ftell(file);
    rewind(file);
    char *block = aligned_alloc(64, round_up(bytes + 1, 64));
    if (!block || fread(block, 1, bytes, file) != bytes)
        unusable(path, "cannot be read");
    fclose(file);
    header = (struct record_header *)(void *)block;
    if (bytes < RECORD_PAGE || header->magic != RECORD_MAGIC)
        unusable(path, "no log of a monitor, or of a build that did not name itself in it");
    if (header->build != record_build) {
        printf("%s: of build %016llx, and this replayer is of build %016llx\n", path,
               (unsigned long long)header->build, (unsigned long long)record_build);
        exit(1);
    }
    const uint64_t log = RECORD_PAGE + round_up(monitor_size(&header->shape), RECORD_PAGE);
    if (header->state_offset != RECORD_PAGE || header->log_offset != log ||
        bytes != log + header->log_bytes || header->used > header->log_bytes / 8 ||
        header->me >= header->shape.cores)
        unusable(path, "damaged");
    start = at = (const uint64_t *)(void *)(block + log);
    end = at + header->used;
}

static void *zeroed(size_t bytes)
{
    void *block = aligned_alloc(64, round_up(bytes + 1, 64));
    if (!block)
        unusable("replay", "out of memory");
    memset(block, 0, round_up(bytes + 1, 64));
    return block;
}

static void compare_states(void)
{
    const char *then = (const char *)header + header->state_offset, *now = (const char *)monitor;
    for (uint64_t i = 0; i < monitor->size; i++)
        if (then[i] != now[i])
            differ("all are replayed, and byte %llu of %llu of the state differs",
                   (unsigned long long)i, (unsigned long long)monitor->size);
}

int main(int count, char **argument)
{
    said = count == 3 && strcmp(argument[1], "--steps") == 0;
    if (count != 2 + said)
        unusable("replay", "[--steps] FILE");
    alarm(SECONDS_MOST);
    read_file(argument[count - 1]);
    const uint32_t cores = header->shape.cores;
    monitor = zeroed(monitor_size(&header->shape));
    tables = zeroed((size_t)cores * TREE_PLACES * cores * sizeof *tables);
    work_open(zeroed((size_t)cores * header->shape.lanes * sizeof(struct sent)));
    struct output *out = zeroed(monitor_output_size(cores));
    monitor_init(monitor, header->me, &header->shape, header->address_base, header->address_size);
    replay(out);
    if (steps != header->steps)
        differ("all are replayed, and the log says that there are %llu",
               (unsigned long long)header->steps);
    const bool whole = !header->full && header->begun == header->steps;
    if (whole)
        compare_states();
    printf("core %u of %u: %llu steps, %llu answers, %llu rounds, the same bytes%s\n", header->me,
           cores, (unsigned long long)steps, (unsigned long long)answers,
           (unsigned long long)work_rounds,
           whole          ? ""
           : header->full ? " up to where the log is full"
                          : " up to the step in which the core ended");
    return 0;
}
