/* What an explorer goes back to: its state `s` (struct state), and where its `cores` are. Included
 * behind those. */
#pragma once

#include "stacks.h"

struct snapshot {
    struct snapshot *before;
    uint32_t choice; /* the next one to be tried */
    uint32_t number; /* of the state; low, ends: orders.h */
    uint32_t low;
    bool ends;
    struct state state;
    ucontext_t context[CORES];
    uint32_t used[CORES]; /* of each stack, from its end */
    char stacks[];
};
static struct snapshot *newest;

static void *more(void *memory, uint64_t bytes)
{
    void *larger = realloc(memory, bytes);
    if (!larger)
        exit(3);
    return larger;
}

static void keep(uint32_t number)
{
    uint32_t used[CORES] = {0}, sum = 0;
    for (uint32_t core = 0; core < cores; core++)
        sum += used[core] = stack_used(core);
    struct snapshot *one = more(NULL, sizeof *one + sum);
    one->before = newest;
    one->choice = 0;
    one->number = number;
    memcpy((void *)&one->state, (void *)&s, sizeof s);
    memcpy(one->context, context, sizeof context);
    memcpy(one->used, used, sizeof used);
    for (uint32_t core = 0, at = 0; core < cores; at += used[core++])
        memcpy(one->stacks + at, &stack[core][STACK - used[core]], used[core]);
    newest = one;
}

static void restore(const struct snapshot *one)
{
    memcpy((void *)&s, (const void *)&one->state, sizeof s);
    memcpy(context, one->context, sizeof context);
    for (uint32_t core = 0, at = 0; core < cores; at += one->used[core++])
        memcpy(&stack[core][STACK - one->used[core]], one->stacks + at, one->used[core]);
}
