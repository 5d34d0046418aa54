/* The bell of a side: how a receiver sleeps until something has come, and what it gives a caller to
 * poll for.
 *
 * A receiver that goes to sleep says so on its own line, has every other process that may send see
 * it, and looks once more; a sender reads that line after its message and writes to the receiver's
 * eventfd. Store, then load, on both sides (Dekker); but the sender, who is in a hurry, has no
 * fence: the sleeper makes the others fence, by membarrier(2). Where either side has no such call, a
 * sleep is a millisecond at most.
 *
 * The descriptor to poll for is an epoll set: the bell, or the host's own descriptor where that
 * carries; and whatever shows that the other side's process is gone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct channel;

/* On the line of a receiver. The rest of the word is a count, so that each sleep is rung for once. */
enum { CHANNEL_CALLS_FOR_ITS_BELL = 1, CHANNEL_SLEEP = 2 };

struct channel_bell {
    int own, other; /* eventfds; -1: there is none */
    int set;        /* the epoll set, -1: not made yet */
    uint32_t sleeps;
    uint32_t rung; /* the other side's sleep that was rung for last */
    bool armed;    /* what comes now rings */
    bool calls;    /* the own line says so */
    bool naps;     /* nobody rings for sure: it looks again and again */
    bool asked;    /* the caller polls for the set itself */
};

/* At opening; -1 twice: there are none. */
void channel_bell_open(struct channel *channel, int own, int other);
void channel_bell_close(struct channel *channel);

/* The other side sleeps, as its line says. */
void channel_ring(struct channel *channel, uint32_t asleep);

/* Can a receiver sleep until it is woken? */
bool channel_can_sleep(const struct channel *channel);
/* From here on what comes rings; to be followed by a look. What the descriptor said is taken back. */
void channel_arm(struct channel *channel);
/* Armed: until the bell rings, the other side's process goes, or so many milliseconds. */
void channel_sleep(struct channel *channel, uint32_t most_ms);
/* The wait has ended, if it had come to arming: there may be more, and the descriptor says so. */
void channel_awake(struct channel *channel);

/* Once the side is open: is the other one asleep, it is woken, to see who has come. */
void channel_opened(struct channel *channel);

/* The descriptor that is readable when something may have come, or nothing more will: from here on a
 * look that finds nothing must arm the bell and look again. -1: there is none, as errno says. */
int channel_fileno(struct channel *channel);
