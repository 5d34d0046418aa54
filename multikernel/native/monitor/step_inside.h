/* What the files of the engine share. */
#pragma once

#include "monitor/operation.h"

enum { SEQUENCE_BITS = 48, NOBODY = TREE_NOBODY };
#define SEQUENCE_MASK ((1ull << SEQUENCE_BITS) - 1)

static inline const struct operation_kind *kind_of(const struct environment *env,
                                                   const struct agreement *a)
{
    return env->operations->kind[a->operation];
}

/* The record that an attempt's lane has; the initiator is a core there is. */
static inline uint32_t number_of(const struct monitor *m, uint64_t id)
{
    return (uint32_t)(id >> SEQUENCE_BITS) * m->lanes + (uint32_t)(id & (m->lanes - 1));
}

static inline struct output_entry *emit(struct output *out, enum output_kind kind, uint32_t to)
{
    assert(out->count < OUTPUT_ENTRIES);
    struct output_entry *entry = &out->entry[out->count++];
    entry->kind = kind;
    entry->to = to;
    entry->unawaited = false;
    return entry;
}

/* The first refusal counts, but the initiator's own before all: what it asked with may be gone by
 * now, and then whatever else forbids the operation is beside the point. */
static inline void merge(struct agreement *a, enum verdict verdict, uint32_t core)
{
    if (verdict != VERDICT_OK && (a->verdict == VERDICT_OK || core == agreement_initiator(a))) {
        a->verdict = (uint8_t)verdict;
        a->named = (uint16_t)core;
    }
}

/* The step was about that round, of which this core forwards nothing (leaf) or something. */
static inline void note_round(const struct monitor *m, const struct agreement *a, bool leaf,
                              struct output *out)
{
    static const uint8_t kind_in[] = {
        [PHASE_PREPARING] = KIND_PREPARE,
        [PHASE_APPLYING] = KIND_APPLY,
        [PHASE_COMMITTING] = KIND_COMMIT,
        [PHASE_ABORTING] = KIND_ABORT,
    };
    out->work.operation = a->operation;
    out->work.kind = kind_in[a->phase];
    out->work.role = a->root == m->me ? ROLE_ROOT : leaf ? ROLE_LEAF : ROLE_INNER;
}

/* --- What a message may say --- */

static inline bool object_exists(const struct monitor *m, const struct operation_kind *kind,
                                 uint32_t number)
{
    return kind->object->count ? number < kind->object->count(m) : m->cspace_offset != 0;
}

/* Does it come down the tree of another core, and is there such a tree? */
static inline bool travels(const struct monitor *m, const struct environment *env,
                           const struct message *message)
{
    const uint32_t root = message_core(message), place = message_place(message);
    if (root >= m->cores || root == m->me || place > TREE_PLACES)
        return false;
    return place == TREE_FLAT ||
           tree_is_made(env->routing->links(env->routing->context, root, place), root);
}

/* It may be forged, and no more is known of it than that this core can make sense of it. */
static inline enum verdict message_check(const struct monitor *m, const struct environment *env,
                                         const struct message *message)
{
    const uint32_t kind = message_kind(message), operation = message_operation(message);
    const uint32_t initiator = (uint32_t)(message->word[1] >> SEQUENCE_BITS);
    if (message_view(message) != m->view)
        return VERDICT_STALE_VIEW;
    return kind == 0 || kind >= AGREEMENT_KINDS || operation >= OPERATIONS ||
                   initiator >= m->cores || !message->word[1] ||
                   (kind <= KIND_ABORT && !travels(m, env, message)) ||
                   (kind == KIND_APPLY && !env->operations->kind[operation]->one_phase) ||
                   !object_exists(m, env->operations->kind[operation], (uint32_t)message->word[2])
               ? VERDICT_BAD_REQUEST
               : VERDICT_OK;
}

/* --- Records --- */

/* A new attempt: nothing is left of the last one. (Field by field: of a memset gcc makes a string
 * instruction here, some 30 cycles.) */
static inline void agreement_renew(struct agreement *a, uint64_t id, uint32_t slot,
                                   uint32_t generation, uint32_t operation)
{
    a->id = id;
    a->slot = slot;
    a->generation = generation;
    a->argument[0] = a->argument[1] = a->argument[2] = a->argument[3] = 0;
    a->token = a->opponent = a->began = 0;
    a->next = 0;
    a->from = a->named = a->root = 0;
    a->operation = (uint8_t)operation;
    a->protocol = a->phase = a->verdict = 0;
    a->local = a->saved = a->place = a->notify_home = 0;
    a->joined = a->strength = 0;
}

static inline void agreement_adopt(struct agreement *a, const struct message *message)
{
    agreement_renew(a, message->word[1], (uint32_t)message->word[2],
                    (uint32_t)(message->word[2] >> 32), message_operation(message));
    memcpy(a->argument, &message->word[3], sizeof a->argument);
    a->named = NOBODY;
}

/* Is nothing under way by that record, of another core, so that it can be used anew? What one phase
 * has applied is kept for the case that it is taken back. */
static inline bool agreement_is_over(const struct agreement *a)
{
    return a->phase == PHASE_IDLE || a->phase == PHASE_APPLIED;
}

/* The record for what the message is about, made if need be; NULL: no room. */
static inline struct agreement *agreement_record_for(struct monitor *m,
                                                     const struct message *message)
{
    const uint32_t number = number_of(m, message->word[1]);
    struct agreement *a = sparse_make(&m->agreements, number);
    if (a)
        a->number = number;
    return a;
}

/* Another core's is over here: its record is given back. */
static inline void agreement_forget(struct monitor *m, struct agreement *a)
{
    if (agreement_is_own(m, a)) {
        a->phase = PHASE_IDLE;
    } else if (sparse_find(&m->agreements, a->number)) {
        assert(core_set_is_empty(a->awaited, m->cores));
        sparse_drop(&m->agreements, a->number, sizeof *a);
    }
}

/* This core takes part: what is to be locked is made, and locked. */
static inline void agreement_take(struct monitor *m, const struct environment *env,
                                  struct agreement *a)
{
    const struct operation_kind *kind = kind_of(env, a);
    if (kind->adopt)
        kind->adopt(m, env, a);
    kind->object->take(m, a);
}

static inline void agreement_fill(struct message *message, const struct monitor *m,
                                  const struct agreement *a, uint32_t kind, uint32_t core)
{
    message->word[0] = message_head(kind, a->operation, a->verdict, core, m->view) |
                       (uint64_t)a->place << 25 | (uint64_t)a->strength << 27;
    message->word[1] = a->id;
    message->word[2] = a->slot | (uint64_t)a->generation << 32;
    for (int i = 0; i < 4; i++)
        message->word[3 + i] = a->argument[i];
}

/* Its caller is answered before the acknowledgements have come: nobody waits for those. */
static inline bool agreement_is_early(const struct environment *env, const struct agreement *a)
{
    return kind_of(env, a)->early && a->root == agreement_initiator(a);
}

/* The caller hears what has become of an own agreement. */
static inline void agreement_tell(const struct monitor *m, const struct agreement *a,
                                  enum verdict verdict, uint32_t core, struct output *out)
{
    struct output_entry *entry = emit(out, OUTPUT_DONE, m->me);
    entry->token = agreement_workflow(m, a)->ticket;
    agreement_fill(&entry->message, m, a, 0, core);
    entry->message.word[0] = message_head(0, a->operation, verdict, core, m->view);
}

/* The tree that its rounds travel by; NULL: flat. */
static inline const struct tree_link *agreement_links(const struct environment *env,
                                                      const struct agreement *a)
{
    const struct routing *routing = env->routing;
    return a->place == TREE_FLAT ? NULL : routing->links(routing->context, a->root, a->place);
}

/* --- handed_over.c --- */

/* Another core has asked this one to drive its operation. */
RARE void agreement_asked(struct monitor *m, const struct environment *env, const struct input *in,
                          struct output *out);
/* What became of an agreement that another core drove. */
RARE void agreement_answered(struct monitor *m, const struct environment *env,
                             const struct input *in, struct agreement *a, struct output *out);

/* --- waiting.c --- */

/* The attempt that holds the object, or a part of it; 0: none. */
static inline uint64_t agreement_holder(const struct monitor *m, const struct environment *env,
                                        const struct agreement *a)
{
    return kind_of(env, a)->object->holder(m, a);
}
/* Is it stronger than the attempt that holds its object here? Of any two all cores agree which one
 * is: what was aborted more often, then the lower number. */
RARE bool agreement_may_wait(const struct monitor *m, const struct agreement *a, uint64_t holder);
/* Another core drives it, and asked this one to take part. */
static inline bool agreement_waits_to_join(const struct monitor *m, const struct agreement *a)
{
    return a->phase == PHASE_QUEUED && a->root != m->me;
}
/* Until a tick after that time at which nobody else holds the object. */
RARE void agreement_wait(struct monitor *m, struct agreement *a, uint64_t until);
/* If it does. */
RARE void agreement_leave(struct monitor *m, struct agreement *a);
static inline void agreement_wait_no_longer(struct monitor *m, struct agreement *a)
{
    if (m->waiting)
        agreement_leave(m, a);
}
/* The one that has waited longest, of those that nothing stands in the way of any more; NULL: none.
 * One a tick keeps the output within its bound. One that still has to wait becomes the youngest,
 * and so keeps no other waiting. */
RARE struct agreement *agreement_waiting_longest(struct monitor *m, const struct environment *env);
/* Something waits: when is a tick wanted? What is locked here is unlocked by another input, and
 * then this is asked again. */
RARE uint64_t agreement_next_tick(const struct monitor *m, const struct environment *env);

/* --- round.c --- */

/* A participant has done a round, or refuses to. */
void agreement_reply(const struct monitor *m, const struct environment *env,
                     const struct agreement *a, struct output *out);
/* Sends a RELEASE on to this core's children. */
RARE void agreement_forward_release(const struct monitor *m, const struct environment *env,
                                    const struct agreement *a, struct output *out);
/* Forwards, then this core's own part, at once or by INPUT_CONTINUE; the round ends when that is
 * done and all children have answered, and another one may begin. The second: that INPUT_CONTINUE.
 * The third: a child has answered. True: the last round of one that this core drives has ended. */
bool agreement_begin_round(struct monitor *m, const struct environment *env, struct agreement *a,
                           uint32_t kind, struct output *out);
bool agreement_continue(struct monitor *m, const struct environment *env, struct agreement *a,
                        struct output *out);
bool agreement_answer(struct monitor *m, const struct environment *env, const struct input *in,
                      struct agreement *a, struct output *out);

/* --- attempt.c --- */

/* Are others to be asked about a workflow's next step, or about what was asked of this core? Else
 * it waits, or is done. */
bool agreement_looks(struct monitor *m, const struct environment *env, struct agreement *a,
                     struct output *out);
/* A workflow's next step is tried, or what was asked of this core. */
void agreement_attempt(struct monitor *m, const struct environment *env, struct agreement *a,
                       struct output *out);
/* Its last round has ended: it has come to its end everywhere, or is tried again. */
void agreement_end(struct monitor *m, const struct environment *env, struct agreement *a,
                   struct output *out);
void agreement_succeed(struct monitor *m, const struct environment *env, struct agreement *a,
                       struct output *out);
/* Its outcome is put out. */
void agreement_done(struct monitor *m, struct agreement *a, enum verdict verdict, uint32_t core,
                    struct output *out);
