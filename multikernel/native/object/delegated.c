#include "object/delegated.h"

static void answer(struct object *o, struct slot *slot)
{
    struct operation operation;
    struct result result;
    object_get_operation(slot, &operation);
    o->type->apply(o->state, &operation, &result);
    slot_set(slot, 0, result.status);
    slot_set(slot, 1, result.value);
}

/* All of a line, in order, and then all answers: the line moves once there and once back. Its sender
 * may look at it meanwhile, and would take it away between two that are written as they come. */
static void answer_flight(struct object *o, struct slot *slot)
{
    uint64_t answers[FLIGHT_OPERATIONS];
    uint32_t count = 0;
    for (; count < FLIGHT_OPERATIONS; count++) {
        const uint64_t word = slot_word(slot, count);
        if (!word)
            break;
        const struct operation operation = flight_unpack(word);
        struct result result;
        o->type->apply(o->state, &operation, &result);
        answers[count] = flight_pack_result(&result);
    }
    for (uint32_t i = 0; i < count; i++)
        slot_set(slot, i, answers[i]);
}

static inline bool served(struct object *o, struct call_receiver *end,
                          void (*answers)(struct object *, struct slot *))
{
    struct slot *slot = call_arrived(end);
    if (!slot)
        return false;
    /* Only this core changes the mode. */
    const uint64_t mode = atomic_load_explicit(&o->line->mode, memory_order_relaxed);
    const bool ours = slot_word(slot, REQUEST_MODE) == mode;
    if (ours && (mode & FORM_MASK) != FORM_DELEGATED)
        return false; /* agreed: what is asked there takes longer (agreed.h) */
    if (ours)
        answers(o, slot);
    slot_set(slot, REQUEST_MODE, ours ? REPLY_DONE : REPLY_REFUSED);
    call_take_up(end);
    call_return(slot);
    return true;
}

bool delegated_serve(struct object *o)
{
    bool any = false;
    for (uint32_t core = 0; core < o->cores; core++) {
        if (core == o->me)
            continue;
        any |= served(o, &o->called[core], answer);
        for (uint32_t i = 0; i < FLIGHT_LINES && served(o, &o->flown[core], answer_flight); i++)
            any = true;
    }
    return any;
}
