#include "capability/request.h"

#include "capability/cspace_inside.h"

enum capability_verdict capability_check_copy(const struct cspace *cs, struct capability_task *t,
                                              bool away)
{
    const uint32_t slot = cspace_find(cs, t->source);
    if (slot == NO_CAPABILITY)
        return CAP_STALE;
    const struct capability *c = cspace_slot(cs, slot);
    enum capability_verdict verdict;
    if (t->move && cspace_is_root(cs, slot))
        return CAP_PERMANENT;
    if (t->move)
        t->rights = c->rights;
    if (!away)
        return t->move && cspace_touched(cs, c) ? CAP_BUSY : CAP_OK;
    if (t->move && (verdict = cspace_mapped(cs, slot)) != CAP_OK)
        return verdict;
    if (!capability_rules[c->type].copyable || !capability_rules[c->type].remote)
        return CAP_NOT_COPYABLE;
    /* what is only prepared may yet be taken back */
    if (!(c->rights & CAP_GRANT) || t->rights & ~(uint32_t)c->rights)
        return cspace_touched(cs, c) ? CAP_BUSY : CAP_RIGHTS_EXCEEDED;
    return t->place.index < CNODE_SLOTS || t->place.index == CNODE_ANY ? CAP_NEEDS_AGREEMENT
                                                                       : CAP_NO_SLOTS;
}

enum capability_verdict capability_find_frame(const struct cspace *cs,
                                              const struct capability_task *t, uint32_t *slot)
{
    *slot = cspace_find(cs, t->source);
    if (*slot == NO_CAPABILITY)
        return CAP_STALE;
    return cspace_slot(cs, *slot)->type == CAP_FRAME ? CAP_OK : CAP_WRONG_TYPE;
}

enum capability_verdict capability_went(const struct cspace *cs, struct capability_task *t,
                                        enum capability_verdict verdict,
                                        const struct cspace_progress *progress)
{
    if (verdict == CAP_STALE && t->begun)
        return CAP_OK; /* others have done the rest */
    if (verdict == CAP_NEEDS_AGREEMENT)
        t->victim = cspace_reference(cs, progress->slot);
    if (progress->done)
        t->begun = 1;
    return verdict;
}

/* What could refuse it, a page, is asked about before anything goes. */
enum capability_verdict capability_delete(struct cspace *cs, struct capability_task *t,
                                          uint32_t work)
{
    struct cspace_progress progress = {.slot = (uint32_t)t->source};
    const uint32_t slot = cspace_find(cs, t->source);
    enum capability_verdict verdict = slot == NO_CAPABILITY ? CAP_OK : cspace_going(cs, slot);
    if (verdict == CAP_OK)
        verdict = cspace_delete(cs, t->source, 0, work, &progress);
    return capability_went(cs, t, verdict, &progress);
}
