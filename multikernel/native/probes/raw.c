/* Special loops on scratch lines, which poll nothing else: the floor, two lines, and what a message
 * costs either side. What each measures: table.c; how they wait and time: timed.h. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/call_line.h"
#include "probes/lanes.h"

/* Numbers there, and the next ones back; on one line or two. */
static int64_t bounce(struct driver *d, const struct probe *p, _Atomic uint64_t *there,
                      _Atomic uint64_t *back)
{
    uint64_t next = p->base + 1;
    ROUND_TRIPS(
        p,
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
    return 0;
}

int64_t probe_floor(struct driver *d, const struct probe *p)
{
    _Atomic uint64_t *word = scratch(d, p->core, p->line);
    return bounce(d, p, word, word);
}

int64_t probe_two_lines(struct driver *d, const struct probe *p)
{
    _Atomic uint64_t *mine = scratch(d, d->me, p->line), *others = scratch(d, p->core, p->line);
    return p->role ? bounce(d, p, mine, others) : bounce(d, p, others, mine);
}

int probe_home(struct driver *d, uint32_t core, uint32_t line)
{
    uintptr_t address = (uintptr_t)scratch(d, core, line);
    void *page = (void *)(address - address % (uintptr_t)sysconf(_SC_PAGESIZE));
    int node = -ENODATA;
    /* Without a list of nodes it moves nothing, and says where each page is. */
    return syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) < 0 ? -errno : node;
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

int64_t probe_message(struct driver *d, const struct probe *p)
{
    const uint64_t count = p->count;
    struct message message = {{1, 2, 3, 4, 5, 6, 7}};
    struct lanes lanes;
    if (p->result_count < (p->role ? 1 : 2) * count)
        return -EINVAL;
    lanes_begin(d, p, RINGS_CALLS, &lanes);
    uint64_t clock = clock_cost(), start, took = 0;
    int line;
    if (p->role) {
        struct call_receiver end;
        call_open_receiver(&end, lanes.incoming, 1);
        for (uint64_t i = 0; i < 2 * count; i++) {
            if (i < count)
                settle(d); /* does not look: the first look is what is timed */
            start = arch_cycles();
            while ((line = call_try_receive(&end, &message)) < 0) {
                spin(d);
                start = arch_cycles();
            }
            took = arch_cycles_behind() - start;
            if (i < count)
                p->results[i] = took > clock ? took - clock : 0;
            call_reply(&end, (uint32_t)line, &message);
        }
    } else {
        struct call_sender end;
        call_open_sender(&end, lanes.outgoing, 1);
        for (uint64_t i = 0; i < 2 * count; i++) {
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
            p->results[i] = took > clock ? took - clock : 0;
        }
    }
    lanes_finish(d, p, &lanes);
    return 0;
}

int64_t probe_compute(struct driver *d, const struct probe *p)
{
    _Atomic uint64_t *stop = scratch(d, d->me, SCRATCH_STOP),
                     *published = scratch(d, d->me, SCRATCH_TURNS);
    volatile uint64_t value = 1;
    int64_t turns = 0;
    (void)p;
    while (!atomic_load_explicit(stop, memory_order_relaxed)) {
        for (int i = 0; i < 64; i++)
            value = value * 6364136223846793005ull + 1442695040888963407ull;
        atomic_store_explicit(published, (uint64_t)++turns, memory_order_relaxed);
        leave_if_stopped(d);
    }
    atomic_store_explicit(published, 0, memory_order_relaxed);
    atomic_store_explicit(stop, 0, memory_order_relaxed);
    return turns;
}

void probe_stop_computing(struct segment *segment, uint32_t core)
{
    struct region region;
    segment_region(&segment->geometry, &region);
    _Atomic uint64_t *stop = segment_at(segment, core, region.scratch + SCRATCH_STOP * PAD_BYTES);
    atomic_store_explicit(stop, 1, memory_order_relaxed);
}

int64_t probe_turns(struct driver *d, const struct probe *p)
{
    return (int64_t)atomic_load_explicit(scratch(d, p->core, SCRATCH_TURNS), memory_order_relaxed);
}
