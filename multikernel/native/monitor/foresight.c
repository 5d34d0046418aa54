/* What a step will come to, so that a core can answer before it keeps its books. Nothing is changed
 * here, and nothing decided: the step says the same, in all states that the explorer reaches.
 *
 * (An unmap's participant has some 600 instructions before its mprotect and 250 behind it; of those
 * its answer needs a third.) */
#include "monitor/step_inside.h"

static bool is_new(const struct monitor *m, const struct message *message)
{
    const uint32_t number = number_of(m, message->word[1]);
    return sparse_find(&m->agreements, number) ? agreement_is_over(monitor_agreement(m, number))
                                               : sparse_has_room(&m->agreements);
}

bool monitor_foresees(const struct monitor *m, const struct environment *env,
                      const struct message *message, struct foresight *f)
{
    const uint32_t way = message_kind(message), operation = message_operation(message);
    if (way > KIND_APPLY || operation >= OPERATIONS)
        return false;
    const struct operation_kind *kind = env->operations->kind[operation];
    if (!kind->foresee || message_check(m, env, message) != VERDICT_OK || !is_new(m, message) ||
        message->word[1] >> SEQUENCE_BITS == m->me)
        return false;
    struct agreement a = {.root = (uint16_t)message_core(message),
                          .place = (uint8_t)message_place(message)};
    if (!tree_is_leaf(agreement_links(env, &a), a.root, m->me))
        return false;
    a.id = message->word[1];
    a.operation = (uint8_t)operation;
    a.slot = (uint32_t)message->word[2];
    a.generation = (uint32_t)(message->word[2] >> 32);
    memcpy(a.argument, &message->word[3], sizeof a.argument);
    if (kind->object->holder(m, &a) || kind->check(m, &a) != VERDICT_OK)
        return false;
    kind->foresee(m, &a, f);
    f->head = (message->word[0] & HEAD_WAY) |
              message_head(way == KIND_APPLY ? PHASE_APPLIED : PHASE_PREPARED, operation,
                           VERDICT_OK, NOBODY, m->view);
    return true;
}
