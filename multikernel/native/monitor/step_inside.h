/* What the files monitor/step.c, monitor/round.c share; for nobody else. */
#pragma once

#include "monitor/operation.h"

enum { SEQUENCE_BITS = 48, NOBODY = TREE_NOBODY };
#define SEQUENCE_MASK ((1ull << SEQUENCE_BITS) - 1)

static inline uint32_t initiator_of(const struct operation *op)
{
    return (uint32_t)(op->id >> SEQUENCE_BITS);
}

/* Asked for here? (Before its first attempt it has no id.) */
static inline bool is_own(const struct monitor *m, const struct operation *op)
{
    return !op->id || initiator_of(op) == m->me;
}

/* The initiator is a core there is. */
static inline struct operation *record_of(struct monitor *m, uint64_t id)
{
    return monitor_operation(m, (uint32_t)(id >> SEQUENCE_BITS) * m->lanes +
                                    (uint32_t)(id & (m->lanes - 1)));
}

static inline struct output_entry *emit(struct output *out, enum output_kind kind, uint32_t to)
{
    struct output_entry *entry = &out->entry[out->count++];
    entry->kind = kind;
    entry->to = to;
    return entry;
}

/* The first refusal counts, but the initiator's own before all: what it asked with may be gone by
 * now, and then whatever else forbids the operation is beside the point. */
static inline void merge(struct operation *op, enum verdict verdict, uint32_t core)
{
    if (verdict != VERDICT_OK && (op->verdict == VERDICT_OK || core == initiator_of(op))) {
        op->verdict = (uint8_t)verdict;
        op->named = (uint16_t)core;
    }
}

/* Who else holds the object, or a part of it; 0: nobody. */
uint64_t agreement_holder(struct monitor *m, const struct operation *op);
void agreement_take(struct monitor *m, const struct operation *op);
/* A participant has done a round, or refuses to. */
void agreement_reply(struct monitor *m, const struct operation *op, struct output *out);
/* Forwards, then this core's own part, at once or by INPUT_CONTINUE; the round ends when both are
 * done and all children have answered. */
void agreement_begin_round(struct monitor *m, const struct environment *env, struct operation *op,
                           uint32_t kind, struct output *out);
void agreement_own_part(struct monitor *m, const struct environment *env, struct operation *op);
void agreement_finish_round(struct monitor *m, const struct environment *env, struct operation *op,
                            struct output *out);
/* This core drives it, or asks who is to; or it waits for a tick. */
void agreement_attempt(struct monitor *m, const struct environment *env, struct operation *op,
                       struct output *out);
void agreement_wait_for_tick(struct monitor *m, const struct environment *env,
                             struct operation *op);
/* It has come to its end everywhere; and what is told whom. */
void agreement_succeed(struct monitor *m, const struct environment *env, struct operation *op,
                       struct output *out);
void agreement_done(struct monitor *m, struct operation *op, enum verdict verdict, uint32_t core,
                    struct output *out);
