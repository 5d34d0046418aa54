/* Operations on capabilities through the booted driver: what a program on a core pays for each,
 * alone or with many in flight, in either kernel. Each round prepares what the operation needs,
 * does the operation, timed, and clears away what it made; preparing and clearing are requests like
 * any others, and are not timed.
 *
 * Source: the paper's figure 8 (retype, alone and pipelined). */
#include <errno.h>

#include "probes/asking.h"
#include "probes/timed.h"

/* The object that operation i makes, or is about, lies in the i-th page of the source. */
static struct message retype_of(const struct probe *p, uint32_t i)
{
    return asking_for_frames(p->source, p->cnode, p->index + i, 1, (uint64_t)i * PAGE_BYTES);
}

static struct message copy_of(uint64_t source, uint64_t cnode, uint32_t index, uint32_t core)
{
    struct message request = asking_about(KIND_CAP_COPY, source);
    request.word[2] = cnode;
    request.word[3] = index | (uint64_t)CAP_RIGHTS_ALL << ASKING_RIGHTS_SHIFT |
                      (uint64_t)core << ASKING_HIGH_SHIFT;
    return request;
}

/* made: the Frame that operation i is about, where there is one. */
static struct message timed_request(const struct probe *p, uint32_t i, uint64_t made)
{
    switch (p->form) {
    case PROBE_RETYPE:
        return retype_of(p, i);
    case PROBE_COPY:
        return copy_of(made, p->to_cnode, p->to_index + i, p->core);
    case PROBE_REVOKE:
        return asking_about(KIND_CAP_REVOKE, made);
    default:
        return asking_about(KIND_CAP_DELETE, made);
    }
}

/* The capability that was made, where the request makes one. */
static enum verdict ask_for(struct driver *d, uint32_t core, struct message request, uint64_t *made)
{
    struct message reply;
    enum verdict verdict = ask(d, core, &request, &reply);
    *made = reply.word[1];
    return verdict;
}

static enum verdict ask_to_delete(struct driver *d, uint32_t core, uint64_t reference)
{
    struct message request = asking_about(KIND_CAP_DELETE, reference), reply;
    return ask(d, core, &request, &reply);
}

/* Copies of operation i's Frame, as many as asked for, on the cores from p->core on, by turns. */
static enum verdict spread(struct driver *d, const struct probe *p, uint64_t frame,
                           uint64_t *copies)
{
    enum verdict verdict = VERDICT_OK;
    for (uint32_t i = 0; i < p->copies && verdict == VERDICT_OK; i++) {
        uint32_t core = (p->core + i % p->cores) % d->cores;
        uint64_t cnode = core == d->me ? p->cnode : CSPACE_ROOT;
        verdict =
            ask_for(d, d->me, copy_of(frame, cnode, p->to_index + i / p->cores, core), &copies[i]);
    }
    return verdict;
}

static enum verdict prepare(struct driver *d, const struct probe *p, uint32_t batch, uint64_t *made,
                            uint64_t *copies)
{
    enum verdict verdict = VERDICT_OK;
    for (uint32_t i = 0; i < batch && verdict == VERDICT_OK && p->form != PROBE_RETYPE; i++)
        verdict = ask_for(d, d->me, retype_of(p, i), &made[i]);
    if (verdict == VERDICT_OK && p->copies)
        verdict = spread(d, p, made[0], copies);
    return verdict;
}

static enum verdict clear(struct driver *d, const struct probe *p, uint32_t batch,
                          const uint64_t *made, const uint64_t *result, const uint64_t *copies)
{
    enum verdict verdict = VERDICT_OK;
    for (uint32_t i = 0; i < batch && verdict == VERDICT_OK; i++) {
        if (p->form == PROBE_COPY)
            verdict = ask_to_delete(d, p->core, result[i]);
        if (verdict == VERDICT_OK && p->form != PROBE_DELETE)
            verdict = ask_to_delete(d, d->me, p->form == PROBE_RETYPE ? result[i] : made[i]);
    }
    for (uint32_t i = 0; i < p->copies && verdict == VERDICT_OK && p->form == PROBE_DELETE; i++)
        verdict = ask_to_delete(d, (p->core + i % p->cores) % d->cores, copies[i]);
    return verdict;
}

/* A batch with that many in flight: as soon as one is done the next one begins. */
static enum verdict fly(struct driver *d, const struct probe *p, uint32_t batch,
                        const uint64_t *made, uint64_t *result)
{
    uint64_t ticket[OPERATIONS_IN_FLIGHT];
    uint32_t which[OPERATIONS_IN_FLIGHT], flying = 0, begun = 0;
    enum verdict first = VERDICT_OK;
    struct wait wait = {0};
    while (begun < batch || flying) {
        bool any = false;
        for (; flying < p->in_flight && begun < batch; flying++) {
            const struct message request = timed_request(p, begun, made[begun]);
            ticket[flying] = driver_begin(d, &request);
            which[flying] = begun++;
        }
        for (uint32_t i = 0; i < flying;) {
            struct message reply;
            if (!driver_done(d, ticket[i], &reply)) {
                i++;
                continue;
            }
            result[which[i]] = reply.word[1];
            if (first == VERDICT_OK)
                first = message_verdict(&reply);
            ticket[i] = ticket[--flying];
            which[i] = which[flying];
            any = true;
        }
        if (any)
            wait_restart(&wait);
        else
            driver_wait(d, &wait);
    }
    return first;
}

int64_t probe_operations(struct driver *d, const struct probe *p)
{
    uint64_t made[CNODE_SLOTS] = {0}, result[CNODE_SLOTS] = {0}, copies[CNODE_SLOTS] = {0};
    enum verdict verdict = VERDICT_OK;
    if (p->batch > CNODE_SLOTS || !p->in_flight || p->in_flight > OPERATIONS_IN_FLIGHT ||
        p->copies > CNODE_SLOTS || (p->copies && (p->batch != 1 || !p->cores)))
        return VERDICT_BAD_REQUEST;
    driver_enter(d);
    for (uint64_t done = 0; done < p->count && verdict == VERDICT_OK; done += p->batch) {
        verdict = prepare(d, p, p->batch, made, copies);
        if (p->batch == 1)
            poll_for(d, 2 * d->cycles_per_us);
        uint64_t start = arch_cycles();
        if (verdict == VERDICT_OK)
            verdict = fly(d, p, p->batch, made, result);
        if (verdict == VERDICT_OK)
            histogram_add(p->times[0], (arch_cycles_behind() - start) / p->batch);
        if (verdict == VERDICT_OK)
            verdict = clear(d, p, p->batch, made, result, copies);
    }
    driver_leave(d);
    return verdict;
}

int64_t probe_revoke(struct driver *d, const struct probe *p)
{
    enum verdict verdict = VERDICT_OK;
    struct message request, reply;
    if (p->pages > p->each_count * CNODE_SLOTS)
        return -EINVAL;
    driver_enter(d);
    for (uint64_t done = 0; done < p->count && verdict == VERDICT_OK; done++) {
        for (uint32_t first = 0; first < p->pages && verdict == VERDICT_OK; first += CNODE_SLOTS) {
            uint64_t some = p->pages - first < CNODE_SLOTS ? p->pages - first : CNODE_SLOTS;
            request = asking_for_frames(p->source, p->each[first / CNODE_SLOTS], 0, some,
                                        (uint64_t)first * PAGE_BYTES);
            verdict = driver_here(d, &request, &reply);
        }
        if (verdict != VERDICT_OK)
            break;
        poll_for(d, 2 * d->cycles_per_us);
        request = asking_about(KIND_CAP_REVOKE, p->source);
        uint64_t start = arch_cycles();
        verdict = driver_here(d, &request, &reply);
        if (verdict == VERDICT_OK)
            record(p->times[0], start);
    }
    driver_leave(d);
    return verdict;
}
