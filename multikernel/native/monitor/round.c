/* A round of an agreement: down the tree, this core's own part, and the answers; and what the root
 * makes of it. The engine as a whole: step.c. */
#include "monitor/step_inside.h"

void agreement_take(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const struct operation_kind *kind = kind_of(env, a);
    const struct object_kind *object = kind->object;
    if (kind->adopt)
        kind->adopt(m, env, a);
    if (object->lock)
        *object->lock(m, a->slot) = a->id;
    else
        object->take(m, a);
}

static void give(struct monitor *m, const struct environment *env, const struct agreement *a)
{
    const struct object_kind *object = kind_of(env, a)->object;
    if (!object->lock) {
        object->give(m, a);
        return;
    }
    uint64_t *lock = object->lock(m, a->slot);
    if (*lock != a->id)
        return;
    *lock = 0;
    if (object->unlocked)
        object->unlocked(m, env, a->slot);
}

static void fill(struct message *message, const struct monitor *m, const struct agreement *a,
                 uint32_t kind, uint32_t core)
{
    message->word[0] = message_head(kind, a->operation, a->verdict, core, m->view) |
                       (uint64_t)a->place << 25 | (uint64_t)a->strength << 27;
    message->word[1] = a->id;
    message->word[2] = a->slot | (uint64_t)a->generation << 32;
    for (int i = 0; i < 4; i++)
        message->word[3 + i] = a->argument[i];
}

void agreement_reply(const struct monitor *m, const struct agreement *a, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_REPLY, a->from);
    entry->token = a->token;
    fill(&entry->message, m, a, a->phase, a->named);
    if (a->verdict == VERDICT_BUSY && a->opponent)
        entry->message.word[3] = a->opponent; /* an inner node passes on what it heard */
}

/* --- Sending down the tree --- */

/* Sends to this core's children: the participants below it in the root's tree with no participant
 * in between. */
static void forward(const struct monitor *m, const struct environment *env,
                    const struct agreement *a, uint32_t kind, enum output_kind as,
                    struct output *out)
{
    uint64_t buffer[CORE_SET_WORDS_MAX];
    const struct routing *routing = env->routing;
    const struct tree_link *link =
        a->place == TREE_FLAT ? NULL : routing->links(routing->context, a->root, a->place);
    if (tree_is_leaf(link, a->root, m->me))
        return;
    const uint64_t *participants = kind_of(env, a)->object->participants(m, a, buffer);
    for (uint32_t core = NOBODY;
         (core = tree_next(link, participants, m->cores, a->root, m->me, core)) != NOBODY;)
        fill(&emit(out, as, core)->message, m, a, kind, a->root);
}

void agreement_forward_release(const struct monitor *m, const struct environment *env,
                               const struct agreement *a, struct output *out)
{
    forward(m, env, a, KIND_RELEASE, OUTPUT_NOTICE, out);
}

/* --- A round: forward, own part, gather --- */

/* This core's own part of the round. A root that does not hold the page has none, but for its
 * directory entry. */
void agreement_own_part(struct monitor *m, const struct environment *env, struct agreement *a,
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
            give(m, env, a);
        } /* else at the ABORT that this brings, which must not undo what another did meanwhile */
        break;
    case PHASE_COMMITTING:
        kind->commit(m, env, a);
        if (!(root || agreement_is_own(m, a)) || !kind->settled)
            give(m, env, a);
        break;
    case PHASE_ABORTING:
        kind->undo(m, env, a);
        give(m, env, a);
        break;
    default:
        break;
    }
}

void agreement_begin_round(struct monitor *m, const struct environment *env, struct agreement *a,
                           uint32_t kind, struct output *out)
{
    static const uint8_t phase_of[] = {
        [KIND_PREPARE] = PHASE_PREPARING,
        [KIND_APPLY] = PHASE_APPLYING,
        [KIND_COMMIT] = PHASE_COMMITTING,
        [KIND_ABORT] = PHASE_ABORTING,
    };
    a->phase = phase_of[kind];
    const uint32_t before = out->count;
    /* A child that refused has forwarded nothing and keeps nothing, but for pieces before. */
    if (kind != KIND_ABORT || a->joined || kind_of(env, a)->more)
        forward(m, env, a, kind, OUTPUT_REQUEST, out);
    for (uint32_t i = before; i < out->count; i++)
        core_set_add(a->awaited, out->entry[i].to);
    a->local = 1;
    note_round(m, a, out->count == before, out);
    if (kind == KIND_ABORT && a->root == m->me) {
        a->began = env->now;
        m->aborting++;
    }
    if (out->count > before) {
        /* The messages leave first; this core works while they travel. */
        out->local = a->number;
        return;
    }
    agreement_own_part(m, env, a, out);
    agreement_finish_round(m, env, a, out);
}

/* --- The end --- */

void agreement_forget(struct monitor *m, struct agreement *a)
{
    if (agreement_is_own(m, a))
        a->phase = PHASE_IDLE;
    else if (sparse_find(&m->agreements, a->number))
        sparse_drop(&m->agreements, a->number);
}

void agreement_done(struct monitor *m, struct agreement *a, enum verdict verdict, uint32_t core,
                    struct output *out)
{
    const bool own = agreement_is_own(m, a);
    struct output_entry *entry =
        own ? emit(out, OUTPUT_DONE, m->me) : emit(out, OUTPUT_NOTICE, agreement_initiator(a));
    a->verdict = (uint8_t)verdict;
    entry->token = 0;
    fill(&entry->message, m, a, own ? 0 : KIND_ANSWER, core);
    if (own) {
        struct workflow *w = agreement_workflow(m, a);
        entry->token = w->ticket;
        w->state = WORKFLOW_FREE;
    }
    agreement_forget(m, a);
}

void agreement_succeed(struct monitor *m, const struct environment *env, struct agreement *a,
                       struct output *out)
{
    const struct operation_kind *kind = kind_of(env, a);
    const bool own = agreement_is_own(m, a);
    if (kind->settled) {
        give(m, env, a);
        if (own && !kind->settled(m, agreement_workflow(m, a), a)) {
            agreement_wait(m, a, env->now); /* this was a step on the way to what was asked for */
            return;
        }
    }
    if (a->notify_home)
        fill(&emit(out, OUTPUT_NOTICE, monitor_home(m, a->slot))->message, m, a, KIND_RELEASE,
             m->me);
    agreement_done(m, a, VERDICT_OK, m->me, out);
}

/* --- Attempts --- */

/* After an abort. The stronger attempt that this one met comes next, if it waits here already; else
 * it is let pass: its messages are here by the time that an abort takes, and then its lock says for
 * how long to wait. Where that has not been enough, chance keeps several apart. Nothing of this
 * depends on a core's number, nor on how many there are. */
static void back_off(struct monitor *m, const struct environment *env, struct agreement *a)
{
    struct workflow *w = agreement_is_own(m, a) ? agreement_workflow(m, a) : NULL;
    const struct agreement *other = monitor_agreement(m, number_of(m, a->opponent));
    const uint64_t took = env->now - a->began;
    const uint64_t lap = took > env->backoff ? took : env->backoff;
    const uint32_t attempts = w ? ++w->attempts : a->strength + 1u;
    uint64_t wait = other->phase == PHASE_QUEUED && other->id == a->opponent ? 0 : lap;
    if (attempts > 2)
        wait += lap * (hash_mix(a->id, attempts) % attempts);
    a->strength = (uint8_t)(attempts < m->strength_max ? attempts : m->strength_max);
    agreement_wait(m, a, env->now + wait);
}

/* What is this core to drive now, for a workflow of its own or for another core? */
static enum verdict next_step(struct monitor *m, const struct environment *env, struct agreement *a)
{
    const struct operation_kind *kind;
    enum verdict verdict;
    if (agreement_is_own(m, a)) {
        struct workflow *w = agreement_workflow(m, a);
        kind = env->operations->kind[w->operation];
        a->protocol = w->protocol;
        verdict = kind->resume ? kind->resume(m, w, a) : kind->check(m, a);
        return verdict == VERDICT_OK && agreement_holder(m, env, a) ? VERDICT_BUSY : verdict;
    }
    /* While an outcome is awaited here, its owner is not known. */
    if (agreement_holder(m, env, a))
        return VERDICT_BUSY;
    kind = kind_of(env, a);
    verdict = kind->sequence(m, a);
    if (verdict == VERDICT_OK && agreement_holder(m, env, a))
        return VERDICT_BUSY;
    return verdict == VERDICT_OK ? kind->check(m, a) : verdict;
}

bool agreement_looks(struct monitor *m, const struct environment *env, struct agreement *a,
                     struct output *out)
{
    a->root = (uint16_t)m->me;
    const enum verdict verdict = next_step(m, env, a);
    out->work.operation = a->operation;
    if (verdict == VERDICT_BUSY)
        agreement_wait(m, a, env->now + env->backoff);
    else if (verdict == VERDICT_MORE)
        agreement_wait(m, a, env->now);
    else if (verdict != VERDICT_OK)
        agreement_done(m, a, verdict == VERDICT_ALONE ? VERDICT_OK : verdict, m->me, out);
    return verdict == VERDICT_OK;
}

void agreement_attempt(struct monitor *m, const struct environment *env, struct agreement *a,
                       struct output *out)
{
    agreement_wait_no_longer(m, a);
    if (!agreement_looks(m, env, a, out))
        return;
    if (agreement_is_own(m, a))
        a->id = (uint64_t)m->me << SEQUENCE_BITS |
                ((++m->sequence * m->lanes + agreement_lane(m, a)) & SEQUENCE_MASK);
    /* Else the id is kept: all that was sent by it has been answered, so nothing is mistaken. */
    a->verdict = VERDICT_OK;
    a->named = NOBODY;
    a->opponent = 0;
    a->joined = 0;
    if (a->root != m->me) {
        a->phase = PHASE_ASKED;
        agreement_workflow(m, a)->moved = 0;
        fill(&emit(out, OUTPUT_NOTICE, a->root)->message, m, a, KIND_ASK, a->root);
        return;
    }
    a->place = (uint8_t)tree_place(monitor_tree(m, m->me)->version);
    agreement_take(m, env, a);
    agreement_begin_round(m, env, a, a->protocol == ONE_PHASE ? KIND_APPLY : KIND_PREPARE, out);
}

/* --- Rounds end --- */

static void finish_driven(struct monitor *m, const struct environment *env, struct agreement *a,
                          struct output *out)
{
    const struct operation_kind *kind = kind_of(env, a);
    const bool yes = a->verdict == VERDICT_OK;
    switch (a->phase) {
    case PHASE_PREPARING:
        if (yes && kind->more && kind->more(m, a))
            agreement_begin_round(m, env, a, KIND_PREPARE, out);
        else
            agreement_begin_round(m, env, a, yes ? KIND_COMMIT : KIND_ABORT, out);
        break;
    case PHASE_APPLYING:
        if (yes) {
            if (m->notifies_all) /* while the participants are known */
                agreement_forward_release(m, env, a, out);
            a->phase = PHASE_COMMITTING;
            agreement_own_part(m, env, a, out);
            agreement_succeed(m, env, a, out);
        } else {
            agreement_begin_round(m, env, a, KIND_ABORT, out);
        }
        break;
    case PHASE_COMMITTING:
        agreement_succeed(m, env, a, out);
        break;
    case PHASE_ABORTING:
        m->aborting--;
        if (agreement_retries(a))
            back_off(m, env, a);
        else
            agreement_done(m, a, (enum verdict)a->verdict, a->named, out);
        break;
    default:
        break;
    }
}

void agreement_finish_round(struct monitor *m, const struct environment *env, struct agreement *a,
                            struct output *out)
{
    if (a->local || !core_set_is_empty(a->awaited, m->cores))
        return;
    if (a->root == m->me) {
        finish_driven(m, env, a, out);
        return;
    }
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
    agreement_reply(m, a, out);
    if (agreement_is_own(m, a)) {
        if (a->phase == PHASE_ABORTED)
            a->phase = PHASE_ASKED;
    } else if (a->phase == PHASE_COMMITTED || a->phase == PHASE_ABORTED) {
        agreement_forget(m, a);
    }
}
