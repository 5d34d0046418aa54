/* A round of an agreement: down the tree, this core's own part, and the answers; and which round
 * comes next. The engine as a whole: step.c. */
#include "monitor/step_inside.h"

void agreement_reply(const struct monitor *m, const struct environment *env,
                     const struct agreement *a, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, a->from);
    entry->token = a->token;
    agreement_fill(&entry->message, m, a, a->phase, a->named);
    if (a->verdict == VERDICT_BUSY && a->opponent)
        entry->message.word[3] = a->opponent; /* an inner node passes on what it heard */
    entry->unawaited = a->phase == PHASE_COMMITTED && agreement_is_early(env, a);
}

/* --- Sending down the tree --- */

/* To this core's children: the participants below it in that tree with no participant in between.
 * asked: they are added to that set. False: there is none. */
APART static bool forward_below(const struct monitor *m, const struct environment *env,
                                const struct agreement *a, const struct tree_link *link,
                                uint32_t kind, enum output_kind as, uint64_t *asked,
                                struct output *out)
{
    uint64_t buffer[CORE_SET_WORDS_MAX];
    const uint64_t *participants = kind_of(env, a)->object->participants(m, a, buffer);
    out->below_count = 0;
    for (uint32_t core = NOBODY;
         (core = tree_next(link, participants, m->cores, a->root, m->me, core)) != NOBODY;) {
        out->below[out->below_count++] = (uint16_t)core;
        if (asked)
            core_set_add(asked, core);
    }
    if (!out->below_count)
        return false;
    agreement_fill(&emit(out, as, OUTPUT_BELOW)->message, m, a, kind, a->root);
    return true;
}

static inline bool forward(const struct monitor *m, const struct environment *env,
                           const struct agreement *a, uint32_t kind, enum output_kind as,
                           uint64_t *asked, struct output *out)
{
    const struct tree_link *link = agreement_links(env, a);
    return !tree_is_leaf(link, a->root, m->me) &&
           forward_below(m, env, a, link, kind, as, asked, out);
}

void agreement_forward_release(const struct monitor *m, const struct environment *env,
                               const struct agreement *a, struct output *out)
{
    forward(m, env, a, KIND_RELEASE, OUTPUT_NOTICE, NULL, out);
}

/* --- A round: forward, own part, gather --- */

/* This core's own part of the round. A root that does not hold the page has none, but for its
 * directory entry. */
static inline void own_part(struct monitor *m, const struct environment *env, struct agreement *a,
                            struct output *out)
{
    const struct operation_kind *kind = kind_of(env, a);
    const bool root = a->root == m->me;
    enum verdict verdict;
    a->local = 0;
    out->work.own_part = 1;
    switch (a->phase) {
    case PHASE_PREPARING:
        merge(a, kind->prepare(m, env, a), m->me);
        break;
    case PHASE_APPLYING:
        verdict = kind->prepare(m, env, a);
        merge(a, verdict, m->me);
        if (root)
            break; /* commits when all have answered: its lock orders concurrent ones */
        if (verdict == VERDICT_OK) {
            kind->commit(m, env, a);
            kind->object->give(m, env, a);
        } /* else at the ABORT that this brings, which must not undo what another did meanwhile */
        break;
    case PHASE_COMMITTING:
        kind->commit(m, env, a);
        if (!(root || agreement_is_own(m, a)) || !kind->settled || agreement_is_early(env, a))
            kind->object->give(m, env, a);
        break;
    case PHASE_ABORTING:
        kind->undo(m, env, a);
        kind->object->give(m, env, a);
        break;
    default:
        break;
    }
}

/* Sends what is to be sent: the messages leave first, and this core does its own part, by
 * INPUT_CONTINUE, while they travel. False: there is nothing to send. */
ALWAYS_INLINE bool begin(struct monitor *m, const struct environment *env, struct agreement *a,
                         uint32_t kind, struct output *out)
{
    static const uint8_t phase_of[] = {
        [KIND_PREPARE] = PHASE_PREPARING,
        [KIND_APPLY] = PHASE_APPLYING,
        [KIND_COMMIT] = PHASE_COMMITTING,
        [KIND_ABORT] = PHASE_ABORTING,
    };
    bool sent = false;
    a->phase = phase_of[kind];
    /* An outcome is for those that took part. A child that refused has forwarded nothing and keeps
     * nothing, but for pieces before. */
    if (kind <= KIND_APPLY || a->joined || kind_of(env, a)->more)
        sent = forward(m, env, a, kind, OUTPUT_REQUEST, a->awaited, out);
    note_round(m, a, !sent, out);
    if (kind == KIND_ABORT && a->root == m->me) {
        a->began = env->now;
        m->aborting++;
    }
    if (!sent)
        return false;
    a->local = 1;
    out->local = a->number;
    return true;
}

/* A round of one that this core drives has ended: the kind of the next; 0: that was the last. */
static inline uint32_t next_round(struct monitor *m, const struct environment *env,
                                  struct agreement *a, struct output *out)
{
    const struct operation_kind *kind = kind_of(env, a);
    const bool yes = a->verdict == VERDICT_OK;
    if (a->phase == PHASE_PREPARING)
        return !yes ? KIND_ABORT : kind->more && kind->more(m, a) ? KIND_PREPARE : KIND_COMMIT;
    if (a->phase != PHASE_APPLYING)
        return 0;
    if (!yes)
        return KIND_ABORT;
    if (m->notifies_all) /* while the participants are known */
        agreement_forward_release(m, env, a, out);
    a->phase = PHASE_COMMITTING;
    own_part(m, env, a, out);
    return 0;
}

/* ... and of one that another core drives. */
static inline void report(struct monitor *m, const struct environment *env, struct agreement *a,
                          struct output *out)
{
    static const uint8_t next[] = {
        [PHASE_PREPARING] = PHASE_PREPARED,
        [PHASE_APPLYING] = PHASE_APPLIED,
        [PHASE_COMMITTING] = PHASE_COMMITTED,
        [PHASE_ABORTING] = PHASE_ABORTED,
    };
    a->phase = next[a->phase];
    if (a->phase == PHASE_PREPARED)
        m->engaged++;
    else if (a->protocol == TWO_PHASE)
        m->engaged--;
    agreement_reply(m, env, a, out);
    if (agreement_is_own(m, a)) {
        if (a->phase == PHASE_ABORTED)
            a->phase = PHASE_ASKED;
    } else if (a->phase == PHASE_COMMITTED || a->phase == PHASE_ABORTED) {
        agreement_forget(m, a);
    }
}

bool agreement_begin_round(struct monitor *m, const struct environment *env, struct agreement *a,
                           uint32_t kind, struct output *out)
{
    while (!begin(m, env, a, kind, out)) {
        own_part(m, env, a, out);
        if (a->root != m->me) {
            report(m, env, a, out);
            return false;
        }
        kind = next_round(m, env, a, out);
        if (!kind)
            return true;
    }
    return false;
}

/* All children have answered, and this core has done its own part. */
static bool end_round(struct monitor *m, const struct environment *env, struct agreement *a,
                      struct output *out)
{
    if (a->root != m->me) {
        report(m, env, a, out);
        return false;
    }
    const uint32_t kind = next_round(m, env, a, out);
    return !kind || agreement_begin_round(m, env, a, kind, out);
}

/* The record stays as it is, up to the acknowledgements. */
static inline void answer_early(struct monitor *m, const struct environment *env,
                                struct agreement *a, struct output *out)
{
    const struct operation_kind *kind = kind_of(env, a);
    struct workflow *w = agreement_workflow(m, a);
    struct agreement told = *a;
    const bool all = !kind->settled || kind->settled(m, w, &told);
    assert(all); /* an early kind asks for nothing more */
    (void)all;
    agreement_tell(m, &told, VERDICT_OK, m->me, out);
    w->state = WORKFLOW_ANSWERED;
}

bool agreement_continue(struct monitor *m, const struct environment *env, struct agreement *a,
                        struct output *out)
{
    if (!a->local)
        return false;
    note_round(m, a, false, out);
    own_part(m, env, a, out);
    if (core_set_is_empty(a->awaited, m->cores))
        return end_round(m, env, a, out);
    if (a->phase == PHASE_COMMITTING && a->root == m->me && agreement_is_early(env, a))
        answer_early(m, env, a, out);
    return false;
}

bool agreement_answer(struct monitor *m, const struct environment *env, const struct input *in,
                      struct agreement *a, struct output *out)
{
    const struct message *message = in->message;
    const enum verdict verdict = message_verdict(message);
    if (a->id != message->word[1] || !core_set_has(a->awaited, in->from))
        return false;
    note_round(m, a, false, out);
    core_set_remove(a->awaited, in->from);
    a->joined |= message_kind(message) != PHASE_REFUSED;
    if (verdict == VERDICT_BUSY && a->verdict == VERDICT_OK)
        a->opponent = message->word[3] >> SEQUENCE_BITS < m->cores ? message->word[3] : 0;
    merge(a, verdict, message_core(message));
    if (a->phase == PHASE_PREPARING && verdict == VERDICT_OK && kind_of(env, a)->gather)
        kind_of(env, a)->gather(a, &message->word[3]);
    return !a->local && core_set_is_empty(a->awaited, m->cores) && end_round(m, env, a, out);
}
