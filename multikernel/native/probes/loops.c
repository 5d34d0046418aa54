/* Loops through the booted driver, as any caller of it goes: round trips, one request to several
 * cores, unmaps and what they need beside them. What each measures: probes.h. */
#include <string.h>

#include "probes/meeting.h"
#include "probes/timed.h"

static enum verdict ping(struct driver *d, uint32_t peer, int via, const struct message *request,
                         struct message *reply)
{
    if (via == VIA_RING)
        return driver_call_over(d, &transport_rings, peer, request, reply);
    return driver_call(d, peer, via == VIA_CALL_LINE ? 0 : d->segment->geometry.user_channels - 1,
                       request, reply);
}

void probe_ping(struct driver *d, uint32_t peer, int via, uint64_t count, uint32_t batch,
                struct histogram *histogram)
{
    struct message request = {{message_head(KIND_PING, 0, 0, 0, 0), 1, 2, 3, 4, 5, 6}}, reply;
    driver_enter(d);
    TIMED_BETWEEN(count, batch, histogram, if (batch == 1) poll_for(d, 400),
                  ping(d, peer, via, &request, &reply))
    driver_leave(d);
}

enum verdict probe_spread(struct driver *d, const uint32_t *groups, uint32_t group_count,
                          uint32_t count, uint64_t *cycles)
{
    enum verdict verdict = VERDICT_OK;
    driver_enter(d);
    for (uint32_t i = 0; i < count && verdict == VERDICT_OK; i++)
        for (uint32_t k = 0; k < group_count && verdict == VERDICT_OK; k++) {
            struct message request = {{message_head(KIND_SPREAD, 0, 0, 0, 0), groups[k]}}, reply;
            uint64_t start = arch_cycles();
            verdict = driver_here(d, &request, &reply);
            cycles[k * count + i] = arch_cycles_behind() - start;
            poll_for(d, 400);
        }
    driver_leave(d);
    return verdict;
}

/* --- unmap --- */

static enum verdict map(struct driver *d, uint64_t frame, uint64_t length, const uint64_t *holders,
                        struct message *mapped)
{
    struct message request = {{message_head(KIND_MAP, 0, 0, 0, 0), frame, length, RIGHTS_WRITE,
                               cores_word(holders, d->cores)}};
    memcpy(d->program_set, holders, 8 * (size_t)core_set_words(d->cores));
    return driver_here(d, &request, mapped);
}

/* On every holder: a page that no TLB holds would be too cheap to take away. */
static enum verdict touch(struct driver *d, const uint64_t *holders, const struct message *mapped)
{
    struct message request = {{message_head(KIND_TOUCH, 0, 0, 0, 0), mapped->word[1],
                               mapped->word[2]}},
                   reply;
    for (uint32_t core = core_set_next(holders, d->cores, 0); core < d->cores;
         core = core_set_next(holders, d->cores, core + 1)) {
        enum verdict verdict = ask(d, core, &request, &reply);
        if (verdict != VERDICT_OK)
            return verdict;
    }
    return VERDICT_OK;
}

static enum verdict unmap(struct driver *d, const struct message *mapped, uint32_t protocol)
{
    struct message request = {{message_head(KIND_UNMAP, 0, 0, 0, 0), mapped->word[1], protocol}},
                   reply;
    return driver_here(d, &request, &reply);
}

static void record(struct histogram *histogram, uint64_t start)
{
    if (histogram)
        histogram_add(histogram, arch_cycles_behind() - start);
}

enum verdict probe_unmap(struct driver *d, uint64_t frame, uint64_t length, const uint64_t *holders,
                         uint32_t protocol, uint32_t count, uint32_t think_us,
                         struct histogram *map_times, struct histogram *touch_times,
                         struct histogram *unmap_times)
{
    enum verdict verdict = VERDICT_OK;
    struct message mapped;
    driver_enter(d);
    for (uint32_t i = 0; i < count && verdict == VERDICT_OK; i++) {
        uint64_t start = arch_cycles();
        verdict = map(d, frame, length, holders, &mapped);
        record(map_times, start);
        if (verdict != VERDICT_OK)
            break;
        start = arch_cycles();
        verdict = touch(d, holders, &mapped);
        record(touch_times, start);
        if (verdict != VERDICT_OK)
            break;
        poll_for(d, think_us * d->cycles_per_us);
        start = arch_cycles();
        verdict = unmap(d, &mapped, protocol);
        record(unmap_times, start);
    }
    driver_leave(d);
    return verdict;
}

enum verdict probe_local(struct driver *d, uint64_t frame, uint32_t count,
                         struct histogram *histogram)
{
    uint64_t own[CORE_SET_WORDS_MAX] = {0};
    struct message mapped;
    enum verdict verdict = VERDICT_OK;
    core_set_add(own, d->me);
    driver_enter(d);
    for (uint32_t i = 0; i < count && verdict == VERDICT_OK; i++) {
        /* A fresh mapping each time, as the unmaps have: one that is reused keeps the host's tables
         * warm. */
        verdict = map(d, frame, PAGE_BYTES, own, &mapped);
        if (verdict == VERDICT_OK)
            verdict = touch(d, own, &mapped);
        if (verdict != VERDICT_OK)
            break;
        poll_for(d, 2 * d->cycles_per_us);
        uint64_t start = arch_cycles();
        vspace_protect(&d->vspace, (uint32_t)mapped.word[1], RIGHTS_NONE);
        histogram_add(histogram, arch_cycles_behind() - start);
        verdict = unmap(d, &mapped, TWO_PHASE);
    }
    driver_leave(d);
    return verdict;
}

enum verdict probe_own_pages(struct driver *d, uint64_t frame, uint32_t pages, uint32_t rounds,
                             uint32_t protocol, uint64_t base, uint64_t *cycles)
{
    enum { MOST = 1024 };
    static struct message mapped[MOST];
    uint64_t own[CORE_SET_WORDS_MAX] = {0};
    enum verdict verdict = VERDICT_OK;
    *cycles = 0;
    core_set_add(own, d->me);
    if (pages > MOST)
        return VERDICT_BAD_REQUEST;
    driver_enter(d);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < pages && verdict == VERDICT_OK; i++) {
            verdict = map(d, frame + (uint64_t)i * PAGE_BYTES, PAGE_BYTES, own, &mapped[i]);
            if (verdict == VERDICT_OK)
                verdict = touch(d, own, &mapped[i]);
        }
        /* Even a core that failed meets the others, or they would wait for ever. */
        meet(d, base + (2 * (uint64_t)round + 1) * d->cores);
        uint64_t start = arch_cycles();
        for (uint32_t i = 0; i < pages && verdict == VERDICT_OK; i++)
            verdict = unmap(d, &mapped[i], protocol);
        *cycles += arch_cycles_behind() - start;
        meet(d, base + (2 * (uint64_t)round + 2) * d->cores);
        while (vspace_reap(&d->vspace, 64))
            ;
    }
    driver_leave(d);
    return verdict;
}
