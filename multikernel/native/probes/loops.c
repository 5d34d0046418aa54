/* Loops through the booted driver, as any caller of it goes: round trips, one request to several
 * cores, unmaps and what they need beside them. What each measures: table.c. */
#include <errno.h>
#include <string.h>

#include "probes/meeting.h"
#include "probes/timed.h"

static enum verdict ping(struct driver *d, const struct probe *p, const struct message *request,
                         struct message *reply)
{
    const uint32_t last = d->segment->geometry.user_channels - 1;
    if (p->form == VIA_RING)
        return driver_call_over(d, &transport_rings, p->core, request, reply);
    return driver_call(d, p->core, p->form == VIA_CALL_LINE ? 0 : last, request, reply);
}

int64_t probe_ping(struct driver *d, const struct probe *p)
{
    struct message request = {{message_head(KIND_PING, 0, 0, 0, 0), 1, 2, 3, 4, 5, 6}}, reply;
    if (p->core == d->me) {
        TIMED_BETWEEN(p, (void)0, {
            /* disable, work, check the mark, enable: each call a system call of its own */
            driver_enter(d);
            driver_here(d, &request, &reply);
            driver_leave(d);
        })
        return 0;
    }
    driver_enter(d);
    TIMED_BETWEEN(p, if (p->batch == 1) poll_for(d, 400), ping(d, p, &request, &reply))
    driver_leave(d);
    return 0;
}

int64_t probe_spread(struct driver *d, const struct probe *p)
{
    enum verdict verdict = VERDICT_OK;
    if (p->result_count < p->each_count * p->count)
        return -EINVAL;
    driver_enter(d);
    for (uint64_t i = 0; i < p->count && verdict == VERDICT_OK; i++)
        for (uint64_t k = 0; k < p->each_count && verdict == VERDICT_OK; k++) {
            struct message request = {{message_head(KIND_SPREAD, 0, 0, 0, 0), p->each[k]}}, reply;
            uint64_t start = arch_cycles();
            verdict = driver_here(d, &request, &reply);
            p->results[k * p->count + i] = arch_cycles_behind() - start;
            poll_for(d, 400);
        }
    driver_leave(d);
    return verdict;
}

/* --- unmap --- */

static enum verdict map_as(struct driver *d, uint32_t afresh, uint64_t frame, uint64_t name,
                           const uint64_t *holders, struct message *mapped)
{
    struct message request = {{message_head(KIND_MAP, 0, 0, 0, 0), frame, PAGE_BYTES,
                               RIGHTS_WRITE | afresh, cores_word(holders, d->cores), name}};
    memcpy(d->program_set, holders, 8 * (size_t)core_set_words(d->cores));
    return driver_here(d, &request, mapped);
}

/* One that is reused keeps the host's tables warm. */
static enum verdict map(struct driver *d, uint64_t frame, uint64_t name, const uint64_t *holders,
                        struct message *mapped)
{
    return map_as(d, MAP_AFRESH, frame, name, holders, mapped);
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

int64_t probe_unmap(struct driver *d, const struct probe *p)
{
    uint64_t holders[CORE_SET_WORDS_MAX] = {0};
    enum verdict verdict = VERDICT_OK;
    struct message mapped;
    if (p->each_count > CORE_SET_WORDS_MAX)
        return -EINVAL;
    if (p->form == UNMAP_LOCAL)
        core_set_add(holders, d->me);
    else
        memcpy(holders, p->each, p->each_count * sizeof *p->each);
    driver_enter(d);
    for (uint64_t i = 0; i < p->count && verdict == VERDICT_OK; i++) {
        uint64_t start = arch_cycles();
        verdict = map(d, p->frame, p->frame_name, holders, &mapped);
        record(p->times[1], start);
        if (verdict != VERDICT_OK)
            break;
        start = arch_cycles();
        verdict = touch(d, holders, &mapped);
        record(p->times[2], start);
        if (verdict != VERDICT_OK)
            break;
        poll_for(d, p->think_us * d->cycles_per_us);
        start = arch_cycles();
        if (p->form == UNMAP_LOCAL) {
            vspace_protect(&d->vspace, (uint32_t)mapped.word[1], RIGHTS_NONE);
            record(p->times[0], start);
            verdict = unmap(d, &mapped, p->protocol);
        } else {
            verdict = unmap(d, &mapped, p->protocol);
            record(p->times[0], start);
        }
    }
    driver_leave(d);
    return verdict;
}

static enum verdict live(struct driver *d, const struct probe *p)
{
    struct message mapped;
    enum verdict verdict = map_as(d, p->form == LIFE_FRESH ? MAP_AFRESH : 0, p->frame,
                                  p->frame_name, p->each, &mapped);
    if (verdict == VERDICT_OK)
        verdict = touch(d, p->each, &mapped);
    return verdict == VERDICT_OK ? unmap(d, &mapped, p->protocol) : verdict;
}

int64_t probe_life(struct driver *d, const struct probe *p)
{
    enum verdict verdict = VERDICT_OK;
    if (p->each_count != core_set_words(d->cores))
        return -EINVAL;
    driver_enter(d);
    TIMED(p, if (verdict == VERDICT_OK) verdict = live(d, p))
    driver_leave(d);
    return verdict;
}

/* --- own pages --- */

enum { OWN_PAGES_MOST = 1024 };

/* That many frames of this core, as KIND_ALLOCATE's replies. */
static enum verdict allocate(struct driver *d, uint32_t pages, struct message *frames)
{
    enum verdict verdict = VERDICT_OK;
    for (uint32_t i = 0; i < pages && verdict == VERDICT_OK; i++)
        verdict = driver_allocate(d, PAGE_BYTES, &frames[i]);
    return verdict;
}

static void give_back(struct driver *d, uint32_t pages, const struct message *frames)
{
    for (uint32_t i = 0; i < pages && message_verdict(&frames[i]) == VERDICT_OK; i++) {
        struct message request = {{message_head(KIND_FREE, 0, 0, 0, 0), frames[i].word[1],
                                   PAGE_BYTES, (uint32_t)frames[i].word[2]}},
                       reply;
        driver_here(d, &request, &reply);
    }
}

int64_t probe_own_pages(struct driver *d, const struct probe *p)
{
    static struct message frames[OWN_PAGES_MOST], mapped[OWN_PAGES_MOST];
    uint64_t own[CORE_SET_WORDS_MAX] = {0}, unmapping = 0, mapping = 0;
    core_set_add(own, d->me);
    if (p->pages > OWN_PAGES_MOST || p->result_count < 2)
        return -EINVAL;
    driver_enter(d);
    enum verdict verdict = allocate(d, p->pages, frames);
    for (uint64_t round = 0; round < p->count; round++) {
        uint64_t start = arch_cycles();
        for (uint32_t i = 0; i < p->pages && verdict == VERDICT_OK; i++) {
            verdict = map(d, frames[i].word[1], frames[i].word[2], own, &mapped[i]);
            if (verdict == VERDICT_OK)
                verdict = touch(d, own, &mapped[i]);
        }
        mapping += arch_cycles_behind() - start;
        /* Even a core that failed meets the others, or they would wait for ever. */
        meet(d, p->base + (2 * round + 1) * d->cores);
        start = arch_cycles();
        for (uint32_t i = 0; i < p->pages && verdict == VERDICT_OK; i++)
            verdict = unmap(d, &mapped[i], p->protocol);
        unmapping += arch_cycles_behind() - start;
        meet(d, p->base + (2 * round + 2) * d->cores);
        while (vspace_reap(&d->vspace, 0))
            ;
    }
    give_back(d, p->pages, frames);
    driver_leave(d);
    p->results[0] = unmapping;
    p->results[1] = mapping;
    return verdict;
}
