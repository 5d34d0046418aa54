/* The paper's Figure 3, Table 1 and section 4.6: updates of shared lines against messages to one
 * server core, requests that stay on their core, and an open loop. What each measures: probes.h. */
#include <math.h>

#include "probes/timed.h"

/* A kind of request of this probe's own. 1 lines <= UPDATE_LINES -> 1 cycles it took */
enum { KIND_UPDATE = DRIVER_KINDS, UPDATE_LINES = 8 };

/* A word in each of so many lines is changed. Atomically, so that every update has to own its line:
 * a plain load and store is served by the store buffer for as long as it likes, and would show no
 * sharing at all. */
static void update(_Atomic uint64_t *line, uint64_t lines)
{
    for (uint64_t i = 0; i < lines; i++)
        atomic_fetch_add_explicit(line + i * (PAD_BYTES / 8), 1, memory_order_relaxed);
}

void probe_update_shared(struct driver *d, uint32_t lines, uint64_t count, uint32_t batch,
                         struct histogram *histogram)
{
    _Atomic uint64_t *shared = scratch(d, 0, 0);
    TIMED_BETWEEN(count, batch, histogram, (void)0, update(shared, lines))
}

/* The server: data that only its core touches, updated on behalf of others. */
static enum verdict serve(struct driver *d, const struct message *request, struct message *reply)
{
    if (request->word[1] > UPDATE_LINES)
        return VERDICT_BAD_REQUEST;
    uint64_t start = arch_cycles();
    update(scratch(d, d->me, 0), request->word[1]);
    reply->word[1] = arch_cycles_behind() - start;
    return VERDICT_OK;
}

void probe_update_serve(struct driver *d)
{
    driver_serve(d, KIND_UPDATE, serve);
}

enum verdict probe_update_message(struct driver *d, uint32_t server, uint32_t lines, uint64_t count,
                                  uint32_t batch, struct histogram *histogram,
                                  struct histogram *at_server)
{
    struct message request = {{message_head(KIND_UPDATE, 0, 0, 0, 0), lines}}, reply;
    enum verdict verdict = VERDICT_OK;
    driver_enter(d);
    for (uint64_t done = 0; done < count && verdict == VERDICT_OK; done += batch) {
        uint64_t start = arch_cycles();
        for (uint32_t i = 0; i < batch; i++) {
            if (server != d->me && d->transport->by_host) /* as the cores of this system talk */
                verdict = driver_call_over(d, d->transport, server, &request, &reply);
            else
                verdict = ask(d, server, &request, &reply);
        }
        histogram_add(histogram, (arch_cycles_behind() - start) / batch);
        histogram_add(at_server, reply.word[1]);
    }
    driver_leave(d);
    return verdict;
}

void probe_here(struct driver *d, uint64_t count, uint32_t batch, struct histogram *histogram)
{
    struct message request = {{message_head(KIND_PING, 0, 0, 0, 0), 1, 2, 3, 4, 5, 6}}, reply;
    TIMED_BETWEEN(count, batch, histogram, (void)0, {
        /* disable, work, check the mark, enable: each call a system call of its own */
        driver_enter(d);
        driver_here(d, &request, &reply);
        driver_leave(d);
    })
}

void probe_open_loop(struct driver *d, uint32_t peer, uint64_t count, uint64_t mean_cycles,
                     uint64_t seed, struct histogram *histogram)
{
    struct message request = {{message_head(KIND_PING, 0, 0, 0, 0), 1, 2, 3, 4, 5, 6}}, reply;
    driver_enter(d);
    uint64_t intended = arch_cycles();
    for (uint64_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        double uniform = ((double)(seed >> 11) + 1) / 9007199254740993.0;
        intended += (uint64_t)(-log(uniform) * (double)mean_cycles);
        while (arch_cycles() < intended)
            driver_poll(d);
        driver_call(d, peer, 0, &request, &reply);
        /* From when it should have been sent: a late start is the system's fault too (coordinated
         * omission). */
        histogram_add(histogram, arch_cycles_behind() - intended);
    }
    driver_leave(d);
}
