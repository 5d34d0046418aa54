/* What delegation costs where the owner does nothing but serve, and what comes of it:
 *
 *     object_delegation [ROUNDS [OPERATIONS]]
 *
 * Prints a line for each round and operation, with cycles of an operation:
 *
 *     trip     a cache line there and back, nothing beside
 *     call     a call line there and back (channel/call_line.h), with an answer that is there
 *     asked    delegated, the caller waits for each
 *     flight   delegated, several in flight
 *     alone    the owner, in the same form, where nobody else asks
 *     apply    what the operation does to the state, and no form
 *
 * trip and call are of the same round. The operations: counters of some lines, a map, and a counter
 * whose next value takes so many steps of work, each a multiplication that waits for the last one:
 * the bench's own type. */
#include <stdio.h>

#include "base/wait.h"
#include "channel/call_line.h"
#include "two_cores.h"

enum { PARTS = 6, TRIP = 0, CALL, ASKED, FLIGHT, ALONE, APPLY, WARM = 1000 };

struct kind {
    uint32_t type, shape, steps;
};

static const struct kind kinds[] = {
    {TYPE_COUNTERS, 1, 0},  {TYPE_COUNTERS, 8, 0},  {TYPE_MAP, 1024, 0},
    {TYPE_COUNTERS, 16, 0}, {TYPE_COUNTERS, 32, 0}, {TYPE_COUNTERS, 1, 8},
    {TYPE_COUNTERS, 1, 16}, {TYPE_COUNTERS, 1, 24}, {TYPE_COUNTERS, 1, 48},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *now;
static uint64_t operations;

/* --- A counter whose next value takes work --- */

static uint64_t worked(uint64_t x)
{
    for (uint32_t i = 0; i < now->steps; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        __asm__ volatile("" : "+r"(x)); /* step by step */
    }
    return x;
}

static void apply_work(void *state, const struct operation *o, struct result *result)
{
    (void)o;
    state_word *word = state;
    const uint64_t next = worked(state_get(word));
    state_set(word, next);
    *result = (struct result){RESULT_OK, next & 0xffff};
}

static const struct object_type with_work = {.name = "work", .apply = apply_work};

static void take_type(void)
{
    if (now->steps)
        object.type = &with_work;
}

/* --- A line, and a call --- */

static void trip_theirs(void)
{
    for (uint64_t i = 0; i < WARM + operations; i++) {
        while (atomic_load_explicit(&common->line.control, memory_order_acquire) != 2 * i + 1)
            ;
        atomic_store_explicit(&common->line.control, 2 * i + 2, memory_order_release);
    }
}

static void trip_ours(void)
{
    uint64_t from = 0;
    for (uint64_t i = 0; i < WARM + operations; i++) {
        if (i == WARM)
            from = arch_cycles();
        atomic_store_explicit(&common->line.control, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&common->line.control, memory_order_acquire) != 2 * i + 2)
            ;
    }
    common->result = arch_cycles() - from;
}

static void call_theirs(void)
{
    struct call_sender asks;
    struct message message = {{COUNTERS_ADD, 0, 1}};
    uint64_t from = 0;
    const uint32_t pauses = pauses_for_a_line();
    call_open_sender(&asks, &common->line, 1);
    for (uint64_t i = 0; i < WARM + operations; i++) {
        if (i == WARM)
            from = arch_cycles();
        call_try_send(&asks, &message);
        wait_for_a_line(pauses);
        while (!call_try_take(&asks, 0, &message))
            ;
    }
    common->result = arch_cycles() - from;
    end();
}

static void call_ours(void)
{
    struct call_receiver answers;
    call_open_receiver(&answers, &common->line, 1);
    while (!has_ended()) {
        struct slot *slot = call_arrived(&answers);
        if (!slot)
            continue;
        call_take_up(&answers);
        call_return(slot);
    }
}

/* --- The object --- */

static void serve(void)
{
    take_type();
    while (!has_ended())
        object_poll(&object);
}

static void ask(void)
{
    struct operation operation = {0};
    struct result result;
    uint64_t seed = 78, from = 0;
    for (uint64_t i = 0; i < WARM + operations; i++) {
        if (i == WARM)
            from = arch_cycles();
        draw(&seed, &operation);
        object_apply(&object, &operation, &result);
    }
    common->result = arch_cycles() - from;
    end();
}

static void send_many(void)
{
    struct operation operation = {0};
    struct result result;
    uint64_t seed = 78, from = 0, taken = 0, sent = 0;
    draw(&seed, &operation);
    while (taken < WARM + operations) {
        /* As many under way as may be: a result is taken where nothing more can be sent. */
        while (sent < WARM + operations && object_send(&object, &operation)) {
            draw(&seed, &operation);
            if (++sent == WARM + operations)
                object_flush(&object);
        }
        if (object_take(&object, &result) && ++taken == WARM)
            from = arch_cycles();
    }
    common->result = arch_cycles() - from;
    end();
}

static void alone(bool in_a_form)
{
    struct operation operation = {0};
    struct result result;
    uint64_t seed = 78, from = 0;
    take_type();
    for (uint64_t i = 0; i < WARM + operations; i++) {
        if (i == WARM)
            from = arch_cycles();
        draw(&seed, &operation);
        if (in_a_form)
            object_apply(&object, &operation, &result);
        else
            object.type->apply(object.state, &operation, &result);
    }
    common->result = arch_cycles() - from;
}

static double run(int part)
{
    make_object(FORM_DELEGATED);
    switch (part) {
    case TRIP:
        on_both(trip_theirs, trip_ours);
        break;
    case CALL:
        on_both(call_theirs, call_ours);
        break;
    case ASKED:
        on_both(ask, serve);
        break;
    case FLIGHT:
        on_both(send_many, serve);
        break;
    default:
        alone(part == ALONE);
    }
    return (double)common->result / (double)operations;
}

int main(int argc, char **argv)
{
    const uint64_t rounds = number(argc, argv, 1, 5);
    operations = number(argc, argv, 2, 20000);
    check(operations, "no operations");
    two_cores_begin();
    for (uint64_t round = 0; round < rounds; round++)
        for (now = kinds; now < kinds + KINDS; now++) {
            geometry.type = now->type;
            geometry.shape = now->shape;
            printf("%s,%u", now->steps ? "work" : object_types[now->type]->name,
                   now->steps ? now->steps : now->shape);
            for (int part = 0; part < PARTS; part++)
                printf(",%.1f", run(part));
            printf("\n");
            fflush(stdout);
        }
    return 0;
}
