/* What steps say of their work (operation, kind of round, role, own part), held against the messages
 * that come in and go out. */
#include "replay/replay.h"

uint64_t work_rounds;
static struct sent *sent;

void work_open(struct sent *block)
{
    sent = block;
}

static void is(const char *what, uint32_t found, uint32_t expected)
{
    if (found != expected)
        differ("its work has %s %u, not %u", what, found, expected);
}

static void is_round(const struct work *work, const struct sent *round)
{
    is("operation", work->operation, round->operation);
    is("kind", work->kind, round->kind);
    is("role", work->role, round->root ? ROLE_ROOT : ROLE_INNER);
}

static struct sent *sent_of(uint64_t id)
{
    const uint32_t core = (uint32_t)(id >> 48);
    if (core >= monitor->cores)
        differ("an attempt of core %u, which there is not", core);
    return &sent[core * monitor->lanes + (id & (monitor->lanes - 1))];
}

static void check_message(const struct message *m, const struct work *work, bool sends,
                          const struct output *out)
{
    const uint32_t kind = message_kind(m);
    if (work->operation == OPERATIONS)
        return; /* refused unread */
    is("operation", work->operation, message_operation(m));
    if (kind > KIND_ABORT)
        return;
    is("kind", work->kind, kind);
    is("waits", work->waits, !out->count && out->local == NO_OPERATION);
    if (work->waits)
        return;
    is("role", work->role, sends ? ROLE_INNER : work->own_part ? ROLE_LEAF : ROLE_NONE);
    if (!sends && kind <= KIND_APPLY && message_verdict(&out->entry[0].message) == VERDICT_OK)
        is("role", work->role, ROLE_LEAF);
}

/* An abort of which nobody else has to know: all refused. */
static bool is_abort_alone(const struct work *work, const struct sent *round)
{
    return work->kind == KIND_ABORT && work->own_part && round->root &&
           (round->kind == KIND_PREPARE || round->kind == KIND_APPLY);
}

/* What it sends on is of the round that it says; an answer and a CONTINUE are of the round that was
 * sent on before. */
void work_check(const struct input *in, const struct output *out)
{
    const struct work *work = &out->work;
    const struct sent *before = NULL;
    bool sends = false;
    work_rounds += work->role != ROLE_NONE;
    if (in->kind == INPUT_REPLY && work->operation != OPERATIONS) {
        before = sent_of(in->message->word[1]);
        if (before->id != in->message->word[1])
            differ("an answer to what was not asked");
    } else if (in->kind == INPUT_CONTINUE) {
        before = &sent[in->operation];
        is("own_part", work->own_part, 1);
    }
    const struct sent round = before ? *before : (struct sent){0};
    for (uint32_t i = 0; i < out->count; i++) {
        const struct message *m = &out->entry[i].message;
        if (work->operation != OPERATIONS)
            is("operation", work->operation, message_operation(m));
        if (out->entry[i].kind != OUTPUT_REQUEST)
            continue;
        struct sent *s = sent_of(m->word[1]);
        *s = (struct sent){m->word[1], message_kind(m), message_operation(m),
                           message_core(m) == monitor->me};
        is_round(work, s);
        sends = true;
    }
    if (before && !sends && !is_abort_alone(work, &round))
        is_round(work, &round);
    if (out->local != NO_OPERATION && in->kind != INPUT_CONTINUE)
        is("own_part", work->own_part, 0);
    if (in->kind == INPUT_MESSAGE)
        check_message(in->message, work, sends, out);
    else if (in->kind >= INPUT_PIN)
        is("operation", work->operation, OPERATIONS);
}
