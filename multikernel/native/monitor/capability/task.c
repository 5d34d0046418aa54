/* What is asked about capabilities, as far as one core decides it alone: a copy or move within the
 * core, whatever concerns an object of this core without relations to others, and the deletion of
 * foreign copies. Nothing here sends anything.
 *
 * Deleting and revoking are done in pieces of bounded work, MORE in between. */
#include "monitor/capability/ranges.h"

enum verdict monitor_verdict(enum capability_verdict verdict)
{
    if (verdict == CAP_OK)
        return VERDICT_OK;
    if (verdict == CAP_BUSY)
        return VERDICT_BUSY;
    if (verdict == CAP_MORE)
        return VERDICT_MORE;
    if (verdict == CAP_NEEDS_AGREEMENT)
        return VERDICT_PENDING;
    return (enum verdict)(VERDICT_CAPABILITY + verdict);
}

/* A local move is a copy and the deletion of its source at once. */
static enum capability_verdict copy(struct cspace *cs, struct capability_task *t)
{
    enum capability_verdict verdict = capability_check_copy(cs, t, t->to != cs->me);
    if (verdict == CAP_OK)
        verdict = cspace_mint(cs, t->source, t->rights, &t->place, 0, &t->made);
    return verdict == CAP_OK && t->move ? cspace_delete(cs, t->source, 0, 1, NULL) : verdict;
}

static enum capability_verdict retype(const struct monitor *m, struct cspace *cs,
                                      struct capability_task *t)
{
    enum capability_verdict verdict = capability_retype(cs, t, 0);
    if (verdict != CAP_NEEDS_AGREEMENT || m->capability_protocol != CAPABILITIES_OWNER)
        return verdict;
    /* A core with a foreign copy asks the owner before it derives: so an owner without descendants
     * elsewhere knows of all there are. No lock is in the way either: that would have come
     * first. */
    const struct capability *c = cspace_slot(cs, (uint32_t)t->source);
    bool vouches = c->owner == cs->me && !(c->flags & CAP_REMOTE_DESCENDANTS);
    return vouches ? capability_retype(cs, t, CSPACE_OUTCOME) : verdict;
}

/* Is anything of it mapped, as far as this core has the Mappings? */
static bool mapped(const struct cspace *cs, const struct capability *of)
{
    uint32_t i = NO_CAPABILITY;
    while ((i = cspace_overlapping(cs, i, of->address, capability_end(of))) != NO_CAPABILITY) {
        const struct capability *c = cspace_slot(cs, i);
        if (c->type == CAP_MAPPING && c->flags & CAP_REMOTE_COPIES)
            return true;
    }
    return false;
}

static enum capability_verdict revoke(const struct monitor *m, struct cspace *cs,
                                      struct capability_task *t)
{
    struct cspace_revocation revocation;
    struct cspace_progress progress;
    enum capability_verdict verdict = cspace_revoke_begin(cs, t->source, &revocation);
    if (verdict == CAP_STALE && t->begun) {
        /* It was in a CNode that went with the rest: RAM. */
        revocation = (struct cspace_revocation){
            .of = {.address = t->offset, .size = t->size, .type = CAP_RAM}};
        verdict = CAP_OK;
    } else if (verdict == CAP_OK) {
        t->offset = revocation.of.address;
        t->size = revocation.of.size;
        /* All of it at once, or nothing: pages in CNodes first, with those of the memory itself,
         * else those alone. */
        verdict = m->recorded ? cspace_revoking(cs, (uint32_t)t->source) : CAP_OK;
        if (verdict == CAP_NEEDS_AGREEMENT)
            t->victim = t->source;
        if (verdict == CAP_OK && m->recorded && mapped(cs, &revocation.of))
            verdict = CAP_NEEDS_AGREEMENT;
    }
    if (verdict != CAP_OK)
        return verdict;
    verdict = cspace_revoke_step(cs, &revocation, 0, m->capability_work, &progress);
    return capability_went(cs, t, verdict, &progress);
}

enum verdict capability_alone(struct monitor *m, struct capability_task *t)
{
    struct cspace *cs = monitor_cspace(m);
    t->made = t->victim = t->fresh = t->fresh_size = 0;
    switch (t->operation) {
    case OPERATION_COPY:
        return t->to < m->cores ? monitor_verdict(copy(cs, t)) : VERDICT_BAD_REQUEST;
    case OPERATION_RETYPE:
        return monitor_verdict(retype(m, cs, t));
    case OPERATION_REVOKE:
        return monitor_verdict(revoke(m, cs, t));
    case OPERATION_DELETE:
        return monitor_verdict(capability_delete(cs, t, m->capability_work));
    default:
        return VERDICT_BAD_REQUEST;
    }
}
