/* Memory of capabilities that none names any more. What becomes of it core 0 cannot know by itself:
 * the RAM that it made may be deleted while other cores have what was derived, and they part with
 * that without a message. So it is found out when it is needed: when there is no memory left, core
 * 0 asks about what it has given out, piece by piece, whether anybody has any of it
 * (monitor/capability/reclaim.c), and what nobody has is free. That is one agreement for each piece
 * that core 0 has nothing of itself, once for every request that finds no memory. A request that
 * waits for this is kept and tried again (dispatch.c); several share one search.
 *
 * What costs nothing is done at once: where core 0 deletes RAM that nobody else can have a part of
 * (capability_requests.c).
 *
 * Who calls it: dispatch.c and capability_requests.c, on core 0. */
#include "shared/capabilities.h"

/* In the multikernel: BUSY until the others have answered. OK: this one is looked at, and is free
 * if it may be. */
static enum verdict ask(struct driver *d, uint64_t offset, uint64_t length)
{
    struct frames *f = &d->frames;
    const struct mapping_database *db = cspace_database(monitor_cspace(d->monitor));
    if (mapping_database_overlapping(db, offset, offset + length) != NO_CAPABILITY)
        return VERDICT_OK; /* this core has some: nobody need be asked */
    struct request request = {
        .row = ROW_CAP_RECLAIM, .protocol = TWO_PHASE, .frame = offset, .length = length};
    struct message reply;
    request.ticket = driver_local_address(d);
    enum verdict verdict = d->kernel->begin(d, &request, &reply);
    if (verdict == VERDICT_PENDING) {
        f->ticket = request.ticket;
        f->asked = offset;
        f->asked_length = length;
        return VERDICT_OK; /* on one core alone it is done already */
    }
    d->completions[request.ticket & 0xff].used = false;
    return verdict == VERDICT_BUSY ? VERDICT_BUSY : VERDICT_OK;
}

static enum verdict search(struct driver *d)
{
    struct frames *f = &d->frames;
    struct message reply;
    uint64_t offset, length;
    if (f->ticket) {
        if (!driver_done(d, f->ticket, &reply))
            return VERDICT_BUSY;
        f->ticket = 0;
        if (message_verdict(&reply) == VERDICT_OK)
            frames_free(f, f->asked, f->asked_length);
        return VERDICT_OK;
    }
    if (!frames_next_kept(f, &offset, &length))
        return VERDICT_OK;
    if (!d->monitor && shared_unused(d, offset, length))
        frames_free(f, offset, length);
    if (d->monitor && ask(d, offset, length) == VERDICT_BUSY)
        return VERDICT_BUSY; /* the same one again, when there is a lane */
    frames_looked_at(f, length);
    return VERDICT_OK;
}

enum verdict driver_allocate(struct driver *d, uint64_t length, uint64_t *offset)
{
    struct frames *f = &d->frames;
    *offset = frames_allocate(f, length);
    if (*offset != UINT64_MAX)
        return VERDICT_OK;
    if (!length || length % CAP_PAGE || length / CAP_PAGE > f->pages)
        return VERDICT_NO_MEMORY;
    if (!d->retrying)
        frames_search(f);
    while (f->to_look_at || f->ticket) {
        if (search(d) == VERDICT_BUSY)
            return VERDICT_BUSY;
        *offset = frames_allocate(f, length);
        if (*offset != UINT64_MAX)
            return VERDICT_OK;
    }
    return VERDICT_NO_MEMORY;
}
