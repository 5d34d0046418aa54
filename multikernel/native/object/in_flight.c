/* Several operations in flight, as in ffwd: they fill a line, and the line comes back with all their
 * results. All lines that are out carry one mode. Where the first is refused, so are those behind
 * it, as no mode comes again; their operations are done one by one, in order, before anything else
 * goes out. */
#include <string.h>

#include "object/delegated.h"

static bool fits_a_word(const struct operation *o)
{
    const uint64_t more = o->value[1] | o->value[2] | o->value[3] | o->kind >> 8 |
                          o->key >> FLIGHT_KEY_BITS | o->value[0] >> FLIGHT_VALUE_BITS;
    return o->kind && !more;
}

static void add_result(struct object *o, const struct result *result)
{
    assert(o->results < FLIGHTS_MOST);
    o->result[(o->results_first + o->results++) % FLIGHT_RESULTS] = *result;
}

/* One after the other, in whatever form there is. */
static void do_now(struct object *o, const uint64_t *words, uint32_t count)
{
    for (uint32_t i = 0; i < count && words[i]; i++) {
        const struct operation operation = flight_unpack(words[i]);
        struct result result;
        object_apply(o, &operation, &result);
        add_result(o, &result);
    }
}

/* The oldest line, if it is back. */
static bool collect(struct object *o)
{
    struct message reply;
    const uint32_t line = o->oldest;
    if (!o->lines_out)
        return false;
    if (!call_try_take(&o->flight, line, &reply)) {
        o->early = false;
        return false;
    }
    o->lines_out--;
    o->oldest = (line + 1) % FLIGHT_LINES;
    /* The owner is ahead of this core: the next line is likely back, and is written soon. */
    if (o->early && o->lines_out)
        arch_prefetch_write(&o->flight.lines[o->oldest]);
    o->early = true;
    if (reply.word[REQUEST_MODE] != REPLY_DONE) {
        do_now(o, o->sent[line], FLIGHT_OPERATIONS);
        return true;
    }
    for (uint32_t i = 0; i < FLIGHT_OPERATIONS && o->sent[line][i]; i++) {
        const struct result result = flight_unpack_result(reply.word[i]);
        add_result(o, &result);
        o->done++;
        o->reads += (o->sent[line][i] & OPERATION_READS) != 0;
    }
    atomic_store_explicit(&o->of_core[o->me].done, o->done, memory_order_relaxed);
    atomic_store_explicit(&o->of_core[o->me].reads, o->reads, memory_order_relaxed);
    return true;
}

static void collect_all(struct object *o)
{
    while (o->lines_out)
        if (!collect(o))
            object_moment(o);
}

static void send_line(struct object *o)
{
    const uint64_t mode = object_mode(o);
    if (o->lines_out && o->flight_mode != mode)
        collect_all(o);
    if ((mode & FORM_MASK) != FORM_DELEGATED || o->me == o->owner) {
        do_now(o, o->filling, o->filled);
        o->filled = 0;
        return;
    }
    while (!call_has_credit(&o->flight))
        if (!collect(o))
            object_moment(o);
    /* A line that was refused meanwhile is done, and so are all behind it. */
    struct message message = {{0}};
    memcpy(message.word, o->filling, o->filled * sizeof *o->filling);
    message.word[REQUEST_MODE] = o->flight_mode = mode;
    const int line = call_try_send(&o->flight, &message);
    memcpy(o->sent[line], message.word, sizeof o->sent[line]);
    o->lines_out++;
    o->filled = 0;
}

void object_flush(struct object *o)
{
    if (o->filled)
        send_line(o);
}

bool object_send(struct object *o, const struct operation *operation)
{
    if (o->results + o->filled + o->lines_out * FLIGHT_OPERATIONS >= FLIGHTS_MOST)
        return false;
    if (!fits_a_word(operation)) {
        struct result result;
        object_flush(o);
        collect_all(o);
        object_apply(o, operation, &result);
        add_result(o, &result);
        return true;
    }
    o->filling[o->filled++] = flight_pack(operation);
    if (o->filled == FLIGHT_OPERATIONS || (object_mode(o) & FORM_MASK) != FORM_DELEGATED ||
        o->me == o->owner)
        send_line(o);
    return true;
}

bool object_take(struct object *o, struct result *result)
{
    if (!o->results && !collect(o))
        return false;
    *result = o->result[o->results_first];
    o->results_first = (o->results_first + 1) % FLIGHT_RESULTS;
    o->results--;
    return true;
}
