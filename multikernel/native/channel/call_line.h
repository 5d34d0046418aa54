/* The call line: request and reply in one cache line. One side calls, the other answers; reply k is
 * written over request k, so a round trip moves one line there and back where two rings move two.
 *
 * A window of w lines allows w requests in flight. Requests are FIFO (line r mod w carries request
 * r); replies may be written in any order. The control word says whose turn it is: lap l of a line
 * is 2l+1 while it holds a request, 2l+2 while it holds the reply. Each side writes the line only
 * in its own turn, so the two never write at once.
 *
 * Related: FFWD (SOSP'17) pairs request and response lines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/message.h"

enum { CALL_WINDOW_MAX = 32 };

/* The calling end. */
struct call_sender {
    struct slot *lines;
    uint32_t window;
    uint32_t next;        /* the line the next request goes to */
    uint64_t lap;         /* of that line */
    uint32_t outstanding; /* one bit a line: requested, reply not yet taken */
};

/* The answering end. */
struct call_receiver {
    struct slot *lines;
    uint32_t window;
    uint32_t next;
    uint64_t lap;
};

static inline void call_open_sender(struct call_sender *end, struct slot *lines, uint32_t window)
{
    assert(window >= 1 && window <= CALL_WINDOW_MAX);
    *end = (struct call_sender){.lines = lines, .window = window};
}

static inline void call_open_receiver(struct call_receiver *end, struct slot *lines,
                                      uint32_t window)
{
    assert(window >= 1 && window <= CALL_WINDOW_MAX);
    *end = (struct call_receiver){.lines = lines, .window = window};
}

static inline bool call_has_credit(const struct call_sender *end)
{
    return !(end->outstanding >> end->next & 1);
}

/* Was nothing sent yet? */
static inline bool call_is_unused(const struct call_sender *end)
{
    return !end->lap && !end->next;
}

/* Sends a request; returns the line that its reply will come in, or -1 when that line is still in
 * use. */
static inline int call_try_send(struct call_sender *end, const struct message *request)
{
    uint32_t line = end->next;
    if (!call_has_credit(end))
        return -1;
    struct slot *slot = &end->lines[line];
    slot_put(slot, request);
    /* Pairs with the acquire in call_try_receive. */
    atomic_store_explicit(&slot->control, 2 * end->lap + 1, memory_order_release);
    end->outstanding |= 1u << line;
    if (++end->next == end->window) {
        end->next = 0;
        end->lap++;
    }
    return (int)line;
}

/* What the control word of a line with an outstanding request becomes when the reply is there. */
static inline uint64_t call_reply_control(const struct call_sender *end, uint32_t line)
{
    /* Lines at or after next were last used a lap ago. */
    uint64_t lap = line < end->next ? end->lap : end->lap - 1;
    return 2 * lap + 2;
}

/* Takes the reply out of a line with an outstanding request; false while there is none. */
static inline bool call_try_take(struct call_sender *end, uint32_t line, struct message *reply)
{
    struct slot *slot = &end->lines[line];
    /* Pairs with the release in call_reply. */
    uint64_t control = atomic_load_explicit(&slot->control, memory_order_acquire);
    if (control != call_reply_control(end, line))
        return false;
    slot_get(slot, reply);
    end->outstanding &= ~(1u << line);
    return true;
}

/* The line that the next request has come on, in order; NULL when there is none. It may be answered
 * where it lies. */
static inline struct slot *call_arrived(const struct call_receiver *end)
{
    struct slot *slot = &end->lines[end->next];
    /* Pairs with the release in call_try_send. */
    uint64_t control = atomic_load_explicit(&slot->control, memory_order_acquire);
    return control == 2 * end->lap + 1 ? slot : NULL;
}

/* It is taken up; returns its line for call_reply. */
static inline uint32_t call_take_up(struct call_receiver *end)
{
    const uint32_t line = end->next;
    if (++end->next == end->window) {
        end->next = 0;
        end->lap++;
    }
    return line;
}

/* The next request in order; returns its line for call_reply, or -1 when there is none. */
static inline int call_try_receive(struct call_receiver *end, struct message *request)
{
    const struct slot *slot = call_arrived(end);
    if (!slot)
        return -1;
    slot_get(slot, request);
    return (int)call_take_up(end);
}

/* Its words are the reply's now. */
static inline void call_return(struct slot *slot)
{
    /* Relaxed: it is our turn, and nobody else writes. */
    uint64_t control = atomic_load_explicit(&slot->control, memory_order_relaxed);
    /* Pairs with the acquire in call_try_take. */
    atomic_store_explicit(&slot->control, control + 1, memory_order_release);
}

/* Answers a received request, each exactly once, in any order. */
static inline void call_reply(struct call_receiver *end, uint32_t line, const struct message *reply)
{
    slot_put(&end->lines[line], reply);
    call_return(&end->lines[line]);
}
