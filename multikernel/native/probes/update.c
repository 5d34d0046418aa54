/* The paper's Figure 3 and section 4.6: updates of shared lines against messages to one server
 * core, and an open loop. What each measures: table.c. */
#include <errno.h>
#include <math.h>

#include "probes/timed.h"

/* A kind of request of this probe's own. 1 lines <= UPDATE_LINES, 2 times -> 1 cycles of one, the
 * mean of so many, where there are several: a clock around a single one would be two thirds of it.
 */
enum { KIND_UPDATE = KIND_SERVED, SERVED_IN_A_ROW = 64 };

/* A word in each of so many lines is changed. Atomically, so that every update has to own its line:
 * a plain load and store is served by the store buffer for as long as it likes, and would show no
 * sharing at all. */
static void update(_Atomic uint64_t *line, uint64_t lines)
{
    for (uint64_t i = 0; i < lines; i++)
        atomic_fetch_add_explicit(line + i * (PAD_BYTES / 8), 1, memory_order_relaxed);
}

int64_t probe_update_shared(struct driver *d, const struct probe *p)
{
    _Atomic uint64_t *shared = scratch(d, 0, 0);
    TIMED_BETWEEN(p, (void)0, update(shared, p->lines))
    return 0;
}

/* The server: data that only its core touches, updated on behalf of others. */
static enum verdict serve(struct driver *d, const struct message *request, struct message *reply)
{
    const uint64_t lines = request->word[1], times = request->word[2];
    if (lines > UPDATE_LINES || !times || times > SERVED_IN_A_ROW)
        return VERDICT_BAD_REQUEST;
    if (times == 1) {
        update(scratch(d, d->me, 0), lines);
        return VERDICT_OK;
    }
    uint64_t start = arch_cycles();
    for (uint64_t i = 0; i < times; i++)
        update(scratch(d, d->me, 0), lines);
    reply->word[1] = (arch_cycles_behind() - start) / times;
    return VERDICT_OK;
}

int64_t probe_update_serve(struct driver *d, const struct probe *p)
{
    (void)p;
    driver_serve(d, serve);
    return 0;
}

/* As the cores of this system talk. */
static enum verdict ask_server(struct driver *d, uint32_t core, const struct message *request,
                               struct message *reply)
{
    if (core != d->me && d->transport->by_host)
        return driver_call_over(d, d->transport, core, request, reply);
    return ask(d, core, request, reply);
}

int64_t probe_update_message(struct driver *d, const struct probe *p)
{
    const struct message request = {{message_head(KIND_UPDATE, 0, 0, 0, 0), p->lines, 1}},
                         in_a_row = {{request.word[0], p->lines, SERVED_IN_A_ROW}};
    struct message reply;
    enum verdict verdict = VERDICT_OK;
    if (!p->times[1])
        return -EINVAL;
    driver_enter(d);
    for (uint64_t done = 0; done < p->count && verdict == VERDICT_OK; done += p->batch) {
        uint64_t start = arch_cycles();
        for (uint32_t i = 0; i < p->batch; i++)
            verdict = ask_server(d, p->core, &request, &reply);
        histogram_add(p->times[0], (arch_cycles_behind() - start) / p->batch);
        if (verdict == VERDICT_OK)
            verdict = ask_server(d, p->core, &in_a_row, &reply);
        histogram_add(p->times[1], reply.word[1]);
    }
    driver_leave(d);
    return verdict;
}

int64_t probe_open_loop(struct driver *d, const struct probe *p)
{
    struct message request = {{message_head(KIND_PING, 0, 0, 0, 0), 1, 2, 3, 4, 5, 6}}, reply;
    uint64_t seed = p->seed;
    driver_enter(d);
    uint64_t intended = arch_cycles();
    for (uint64_t i = 0; i < p->count; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        double uniform = ((double)(seed >> 11) + 1) / 9007199254740993.0;
        intended += (uint64_t)(-log(uniform) * (double)p->cycles);
        while (arch_cycles() < intended)
            driver_poll(d);
        driver_call(d, p->core, 0, &request, &reply);
        /* From when it should have been sent: a late start is the system's fault too (coordinated
         * omission). */
        histogram_add(p->times[0], arch_cycles_behind() - intended);
    }
    driver_leave(d);
    return 0;
}
