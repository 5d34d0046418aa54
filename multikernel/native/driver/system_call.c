/* System calls of programs: requests to this core's own driver and to others', waited for. */
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

enum { OWN_LOOKS = 64, LOOKS_A_TURN = 4 };

/* A cancelled program waits no longer: true if there was a reply before. */
static bool await_programs(struct driver *d, uint64_t address, struct message *reply)
{
    struct wait wait = {0};
    while (!driver_done(d, address, reply)) {
        if (driver_to_be_cancelled(d))
            return false;
        driver_wait(d, &wait);
    }
    return true;
}

static enum verdict cancelled(struct message *reply)
{
    *reply = (struct message){{message_head(0, 0, VERDICT_CANCELLED, 0xffff, 0)}};
    return VERDICT_CANCELLED;
}

static enum verdict await(struct driver *d, uint64_t address, struct message *reply)
{
    struct wait wait = {0};
    while (!driver_done(d, address, reply))
        driver_wait(d, &wait);
    return message_verdict(reply);
}

uint64_t driver_begin(struct driver *d, const struct message *request)
{
    uint64_t address = driver_local_address(d);
    dispatch(d, address, request);
    return address;
}

/* The root of a round looks at its children's lines. One that is closed meanwhile has none left. */
static bool spreads(struct driver *d, const struct message *request, uint64_t address)
{
    struct group *g = collective_spreads(d, request, address);
    if (!g)
        return false;
    wait_for_a_line(d->line_pauses);
    const uint32_t opened = g->opened;
    for (uint32_t looks = 1; looks <= OWN_LOOKS && collective_looks(d, g); looks++) {
        if (looks % LOOKS_A_TURN == 0)
            driver_poll(d);
        if (!g->open || g->opened != opened)
            return true;
    }
    collective_leaves(d, g);
    return true;
}

enum verdict driver_here(struct driver *d, const struct message *request, struct message *result)
{
    struct slot line = {.control = 0};
    slot_put(&line, request);
    if (dispatch_in_place(d, &line, d->me)) {
        notify_all(d);
        slot_get(&line, result);
        return message_verdict(result);
    }
    const uint32_t kind = message_kind(request);
    const uint64_t address = driver_local_address(d);
    const bool root = (kind == KIND_SPREAD || kind == KIND_ORDER) && spreads(d, request, address);
    if (!root)
        dispatch(d, address, request);
    notify_all(d);
    if (!driver_awaits_programs(kind))
        return await(d, address, result);
    if (!root && d->awaited_count)
        wait_for_a_line(d->line_pauses);
    if (await_programs(d, address, result))
        return message_verdict(result);
    dispatch_forget(d, address);
    collective_give_up(d, address);
    driver_forget(d, address);
    return cancelled(result);
}

/* Mostly the reply is there soon: who waits looks at that line, and answers the others meanwhile. */
static bool look_at_own_line(struct driver *d, struct call_sender *sender, uint32_t line,
                             struct message *reply)
{
    for (uint32_t looks = 0; looks < OWN_LOOKS; looks++) {
        if (call_try_take(sender, line, reply))
            return true;
        if (looks % LOOKS_A_TURN == LOOKS_A_TURN - 1)
            driver_poll(d);
        else
            wait_relax(looks);
    }
    return false;
}

/* The reply to what was sent on that line; otherwise: who takes it when this program is cancelled
 * while it waits, 0: nobody. */
static enum verdict await_line(struct driver *d, uint32_t to, struct call_sender *sender,
                               uint32_t line, uint64_t otherwise, struct message *reply,
                               bool programs)
{
    wait_for_a_line(d->line_pauses);
    if (look_at_own_line(d, sender, line, reply))
        return message_verdict(reply);
    const uint64_t address = driver_local_address(d);
    watch_reply(d, sender, to, line, address);
    if (!programs)
        return await(d, address, reply);
    if (await_programs(d, address, reply))
        return message_verdict(reply);
    if (otherwise) {
        watch_hand_over(d, address, otherwise);
        driver_forget(d, address);
    } else {
        driver_drop_reply(d, address);
    }
    return cancelled(reply);
}

enum verdict driver_call(struct driver *d, uint32_t to, uint32_t channel,
                         const struct message *request, struct message *reply)
{
    const bool programs = driver_awaits_programs(message_kind(request));
    struct call_sender *sender = user_sender(d, to, channel);
    struct wait wait = {0};
    struct message order;
    struct group *g = NULL;
    for (;;) {
        /* Of an atomic broadcast the reply may bring the own copy. */
        if (message_kind(request) == KIND_ORDER)
            g = collective_orders(d, to, request, &order);
        const int line = user_send(d, to, sender, g ? &order : request);
        if (line < 0 && programs && driver_to_be_cancelled(d))
            return cancelled(reply);
        if (line < 0) {
            driver_wait(d, &wait);
            continue;
        }
        const uint64_t group = g ? collective_ordered(d, g, to, sender, (uint32_t)line) : 0;
        const enum verdict verdict =
            await_line(d, to, sender, (uint32_t)line, group, reply, programs);
        if (group && verdict != VERDICT_CANCELLED)
            collective_reply(d, group, reply);
        return verdict;
    }
}

enum verdict driver_allocate(struct driver *d, uint64_t length, struct message *reply)
{
    const struct message allocate = {{message_head(KIND_ALLOCATE, 0, 0, 0, 0), length}};
    const struct message run = {{message_head(KIND_BORROW, 0, 0, 0, 0), length}};
    for (;;) {
        enum verdict verdict = driver_here(d, &allocate, reply);
        if (verdict != VERDICT_NO_MEMORY || d->me == 0)
            return verdict;
        verdict = driver_call(d, 0, 0, &run, reply);
        if (verdict != VERDICT_OK)
            return verdict;
        struct frames_request borrowed = {.action = FRAMES_BORROW,
                                          .offset = reply->word[1],
                                          .length = reply->word[2],
                                          .used = reply->word[3]};
        d->kernel->frames(d, &borrowed);
        /* Only from now on core 0 may ask for it back. */
        const struct message has_it = {
            {message_head(KIND_BORROWED, 0, 0, 0, 0), borrowed.offset, borrowed.length}};
        driver_call(d, 0, 0, &has_it, reply);
    }
}

enum verdict driver_call_over(struct driver *d, const struct transport *transport, uint32_t to,
                              const struct message *request, struct message *reply)
{
    uint64_t address = d->peers[to].caller = driver_local_address(d);
    struct wait wait = {0};
    while (!transport->send(d, to, request))
        driver_wait(d, &wait);
    if (!transport->by_host)
        doorbell_call(d->peers[to].doorbell, d->me, d->cores, false);
    wait_for_a_line(d->line_pauses);
    return await(d, address, reply);
}

enum verdict driver_access(struct driver *d, uint32_t slot, uint32_t generation, uint64_t address,
                           void *buffer, size_t length, int write)
{
    struct wait wait = {0};
    for (;;) {
        enum verdict verdict = memory_access(d, slot, generation, address, buffer, length, write);
        if (verdict != VERDICT_BUSY)
            return verdict;
        driver_wait(d, &wait);
    }
}

int driver_finish(struct driver *d, const char *result, uint64_t bytes)
{
    char *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return -1;
    memcpy(copy, result, bytes);
    driver_enter(d);
    program_ended(d, copy, bytes);
    driver_leave(d);
    return 0;
}
