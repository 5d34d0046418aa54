/* Special loops on scratch lines, which poll nothing else: the floor, two lines, and ends with
 * nothing around them. What each measures: probes.h; how they wait and time: timed.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/timed.h"

enum { RING_LINES = RING_SLOTS * LINE_BYTES / PAD_BYTES };

/* Numbers there, and the next ones back; on one line or two. */
static void bounce(struct driver *d, _Atomic uint64_t *there, _Atomic uint64_t *back, int role,
                   uint64_t base, uint64_t count, uint32_t batch, struct histogram *histogram)
{
    uint64_t next = base + 1;
    ROUND_TRIPS(
        role, count, batch, histogram,
        {
            atomic_store_explicit(there, next, memory_order_release);
            while (atomic_load_explicit(back, memory_order_acquire) != next + 1)
                spin(d);
            next += 2;
        },
        {
            while (atomic_load_explicit(there, memory_order_acquire) != next)
                spin(d);
            atomic_store_explicit(back, next + 1, memory_order_release);
            next += 2;
        })
}

void probe_floor(struct driver *d, uint32_t b, int role, uint32_t line, uint64_t base,
                 uint64_t count, uint32_t batch, struct histogram *histogram)
{
    _Atomic uint64_t *word = scratch(d, b, line);
    bounce(d, word, word, role, base, count, batch, histogram);
}

void probe_two_lines(struct driver *d, uint32_t from, uint32_t to, int role, uint32_t line,
                     uint64_t base, uint64_t count, uint32_t batch, struct histogram *histogram)
{
    bounce(d, scratch(d, to, line), scratch(d, from, line), role, base, count, batch, histogram);
}

int probe_home(struct driver *d, uint32_t core, uint32_t line)
{
    uintptr_t address = (uintptr_t)scratch(d, core, line);
    void *page = (void *)(address - address % (uintptr_t)sysconf(_SC_PAGESIZE));
    int node = -ENODATA;
    /* Without a list of nodes it moves nothing, and says where each page is. */
    return syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) < 0 ? -errno : node;
}

/* --- Bare ends. Their lines are scratch, used by one pair after another, so a use begins and ends
 * with a meeting: both sides clear what they receive on before either writes, and neither leaves
 * while the other may still write (an acknowledgement). The answerer opens it, on a line of its own
 * region: a third core that wants to call it next waits for that, and touches nothing of a pair at
 * work. --- */

struct meeting {
    _Atomic uint64_t *line;
    uint64_t token; /* never the same twice on any line: the pair, and how often it has met */
    int role;
};

static void await_token(struct driver *d, const struct meeting *m, uint64_t step)
{
    /* Pairs with the release in say(). */
    while (atomic_load_explicit(m->line, memory_order_acquire) != m->token + step)
        spin(d);
}

static void say(const struct meeting *m, uint64_t step)
{
    atomic_store_explicit(m->line, m->token + step, memory_order_release);
}

static void clear(struct driver *d, uint32_t line, uint32_t lines)
{
    _Atomic uint64_t *word = scratch(d, d->me, line);
    for (uint32_t i = 0; i < lines * (PAD_BYTES / 8); i++)
        atomic_store_explicit(word + i, 0, memory_order_relaxed);
}

static struct meeting begin(struct driver *d, uint32_t peer, int role)
{
    static uint32_t *uses; /* by peer; both sides count alike */
    if (!uses && !(uses = calloc(d->cores, sizeof *uses)))
        abort();
    uint32_t caller = role ? peer : d->me, answerer = role ? d->me : peer;
    struct meeting m = {scratch(d, answerer, SCRATCH_MEET), 0, role};
    m.token = ((uint64_t)++uses[peer] << 24 | caller << 14 | answerer << 4) + 1;
    clear(d, SCRATCH_CALL, 1);
    clear(d, SCRATCH_RING, RING_LINES);
    if (role == 0) {
        await_token(d, &m, 0);
        say(&m, 1);
    } else {
        say(&m, 0);
        await_token(d, &m, 1);
    }
    return m;
}

static void finish(struct driver *d, const struct meeting *m)
{
    if (m->role == 0) {
        say(m, 2);
        /* Or the next use would write over what the other has yet to read. It may have gone on to
         * another caller already. */
        while (atomic_load_explicit(m->line, memory_order_acquire) == m->token + 2)
            spin(d);
    } else {
        await_token(d, m, 2);
        say(m, 3);
    }
}

void probe_call_line(struct driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch,
                     struct histogram *histogram)
{
    struct meeting meeting = begin(d, peer, role);
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    struct call_sender caller;
    struct call_receiver answerer;
    int line;
    call_open_sender(&caller, scratch_slot(d, peer, SCRATCH_CALL), 1);
    call_open_receiver(&answerer, scratch_slot(d, d->me, SCRATCH_CALL), 1);
    ROUND_TRIPS(
        role, count, batch, histogram,
        {
            while ((line = call_try_send(&caller, &message)) < 0)
                spin(d);
            while (!call_try_take(&caller, (uint32_t)line, &message))
                spin(d);
        },
        {
            while ((line = call_try_receive(&answerer, &message)) < 0)
                spin(d);
            call_reply(&answerer, (uint32_t)line, &message);
        })
    finish(d, &meeting);
}

/* cycles after which a message that was sent at once is there, on any machine */
enum { SETTLED = 3000 };

static uint64_t clock_cost(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 32; i++) {
        uint64_t start = arch_cycles(), took = arch_cycles_behind() - start;
        least = took < least ? took : least;
    }
    return least;
}

static void settle(struct driver *d)
{
    for (uint64_t until = arch_cycles() + SETTLED; arch_cycles() < until;)
        spin(d);
}

void probe_message(struct driver *d, uint32_t peer, int role, uint32_t count, uint64_t *cycles)
{
    struct meeting meeting = begin(d, peer, role);
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    uint64_t clock = clock_cost(), start, took = 0;
    int line;
    if (role == 1) {
        struct call_receiver end;
        call_open_receiver(&end, scratch_slot(d, d->me, SCRATCH_CALL), 1);
        for (uint32_t i = 0; i < 2 * count; i++) {
            if (i < count)
                settle(d); /* does not look: the first look is what is timed */
            start = arch_cycles();
            while ((line = call_try_receive(&end, &message)) < 0) {
                spin(d);
                start = arch_cycles();
            }
            took = arch_cycles_behind() - start;
            if (i < count)
                cycles[i] = took > clock ? took - clock : 0;
            call_reply(&end, (uint32_t)line, &message);
        }
    } else {
        struct call_sender end;
        call_open_sender(&end, scratch_slot(d, peer, SCRATCH_CALL), 1);
        for (uint32_t i = 0; i < 2 * count; i++) {
            think(1);
            start = arch_cycles();
            line = call_try_send(&end, &message);
            if (i < count) {
                /* As behind every send of a driver (doorbell_ring): until it is done the core does
                 * nothing else. */
                atomic_thread_fence(memory_order_seq_cst);
                took = arch_cycles_behind() - start;
            }
            while (!call_try_take(&end, (uint32_t)line, &message))
                spin(d);
            if (i >= count)
                took = arch_cycles_behind() - start;
            cycles[i] = took > clock ? took - clock : 0;
        }
    }
    finish(d, &meeting);
}

void probe_ring(struct driver *d, uint32_t peer, int role, uint64_t count, uint32_t batch,
                struct histogram *histogram)
{
    struct meeting meeting = begin(d, peer, role);
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    struct ring_end ring;
    ring_open(&ring, scratch_slot(d, peer, SCRATCH_RING), scratch_slot(d, d->me, SCRATCH_RING),
              RING_SLOTS);
    ROUND_TRIPS(
        role, count, batch, histogram,
        {
            while (!ring_try_send(&ring, &message))
                spin(d);
            while (!ring_try_receive(&ring, &message))
                spin(d);
        },
        {
            while (!ring_try_receive(&ring, &message))
                spin(d);
            while (!ring_try_send(&ring, &message))
                spin(d);
        })
    finish(d, &meeting);
}

uint64_t probe_compute(struct driver *d, uint64_t *cycles)
{
    _Atomic uint64_t *stop = scratch(d, d->me, SCRATCH_STOP),
                     *published = scratch(d, d->me, SCRATCH_TURNS);
    volatile uint64_t value = 1;
    uint64_t turns = 0, start = arch_cycles();
    while (!atomic_load_explicit(stop, memory_order_relaxed)) {
        for (int i = 0; i < 64; i++)
            value = value * 6364136223846793005ull + 1442695040888963407ull;
        turns++;
        atomic_store_explicit(published, turns, memory_order_relaxed);
        leave_if_stopped(d);
    }
    *cycles = arch_cycles_behind() - start;
    atomic_store_explicit(published, 0, memory_order_relaxed);
    atomic_store_explicit(stop, 0, memory_order_relaxed);
    return turns;
}

void probe_stop_computing(struct segment *segment, uint32_t core)
{
    struct region region;
    segment_region(&segment->geometry, &region);
    char *line = segment_scratch(segment, &region, core) + (size_t)SCRATCH_STOP * PAD_BYTES;
    atomic_store_explicit((_Atomic uint64_t *)(void *)line, 1, memory_order_relaxed);
}

uint64_t probe_turns(struct driver *d, uint32_t core)
{
    return atomic_load_explicit(scratch(d, core, SCRATCH_TURNS), memory_order_relaxed);
}
