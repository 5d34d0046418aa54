/* System calls of programs: requests to this core's own driver and to others', waited for. */
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

enum { RELAXES_AHEAD = 2, OWN_LOOKS = 64, LOOKS_A_TURN = 4 };

/* No reply comes sooner than a line goes there and back, and a look before that takes the line away
 * from the core that is about to write it. (Measured where that takes least: 300 cycles a round
 * trip without this, 240 with it.) */
static void before_the_first_look(void)
{
    for (int i = 0; i < RELAXES_AHEAD; i++)
        arch_relax();
}

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

enum verdict driver_here(struct driver *d, const struct message *request, struct message *result)
{
    struct slot line;
    slot_put(&line, request);
    if (dispatch_in_place(d, &line)) {
        notify_all(d);
        slot_get(&line, result);
        return message_verdict(result);
    }
    uint64_t address = driver_begin(d, request);
    notify_all(d);
    if (!driver_awaits_programs(message_kind(request)))
        return await(d, address, result);
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

enum verdict driver_call(struct driver *d, uint32_t to, uint32_t channel,
                         const struct message *request, struct message *reply)
{
    const bool programs = driver_awaits_programs(message_kind(request));
    struct call_sender *sender = user_sender(d, to, channel);
    struct wait wait = {0};
    int line;
    while ((line = user_send(d, to, sender, request)) < 0) {
        if (programs && driver_to_be_cancelled(d))
            return cancelled(reply);
        driver_wait(d, &wait);
    }
    before_the_first_look();
    if (look_at_own_line(d, sender, (uint32_t)line, reply))
        return message_verdict(reply);
    uint64_t address = driver_local_address(d);
    watch_reply(d, sender, to, (uint32_t)line, address);
    if (!programs)
        return await(d, address, reply);
    if (await_programs(d, address, reply))
        return message_verdict(reply);
    driver_drop_reply(d, address);
    return cancelled(reply);
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
    before_the_first_look();
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
