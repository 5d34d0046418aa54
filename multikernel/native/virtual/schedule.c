#include "virtual/schedule.h"

#include <stdlib.h>

enum { CHILDREN = 4, ROOM = 1024 };

/* Orders wrap; two that wait at once are never half of all numbers apart. */
static inline bool before(const struct scheduled *a, const struct scheduled *b)
{
    return a->time != b->time ? a->time < b->time : (int32_t)(a->order - b->order) < 0;
}

bool schedule_push(struct schedule *q, uint64_t time, uint32_t what)
{
    if (q->count == q->room) {
        const uint32_t room = q->room ? 2 * q->room : ROOM;
        struct scheduled *heap = realloc(q->heap, room * sizeof *heap);
        if (!heap)
            return false;
        q->heap = heap;
        q->room = room;
    }
    const struct scheduled event = {time, q->order++, what};
    uint32_t i = q->count++;
    for (; i && before(&event, &q->heap[(i - 1) / CHILDREN]); i = (i - 1) / CHILDREN)
        q->heap[i] = q->heap[(i - 1) / CHILDREN];
    q->heap[i] = event;
    return true;
}

struct scheduled schedule_pop(struct schedule *q)
{
    const struct scheduled first = q->heap[0], last = q->heap[--q->count];
    uint32_t i = 0;
    for (;;) {
        const uint32_t child = CHILDREN * i + 1;
        uint32_t least = child;
        if (child >= q->count)
            break;
        for (uint32_t c = child + 1; c < child + CHILDREN && c < q->count; c++)
            if (before(&q->heap[c], &q->heap[least]))
                least = c;
        if (!before(&q->heap[least], &last))
            break;
        q->heap[i] = q->heap[least];
        i = least;
    }
    q->heap[i] = last;
    return first;
}

void schedule_free(struct schedule *q)
{
    free(q->heap);
    *q = (struct schedule){0};
}
