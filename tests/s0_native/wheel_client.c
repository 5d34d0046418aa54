/* The wheel against the heap: what is said at random times is popped in the same order.
 *
 *     wheel SEED STEPS FARTHEST
 *
 * Between two pops up to three events are said, at most FARTHEST cycles ahead, some of them for one
 * time. */
#include <stdio.h>
#include <stdlib.h>

#include "clients.h"
#include "virtual/wheel.h"

int main(int argc, char **argv)
{
    uint64_t seed = argument(argc, argv, 1, 1);
    const uint64_t steps = argument(argc, argv, 2, 1000), farthest = argument(argc, argv, 3, 9000);
    struct wheel *wheel = calloc(1, sizeof *wheel);
    struct schedule heap = {0};
    uint64_t now = 0;
    uint32_t said = 0;
    CHECK(wheel, "memory");
    for (uint64_t step = 0; step < steps; step++) {
        for (uint64_t n = step ? random_next(&seed) % 4 : 3; n; n--, said++) {
            const uint64_t how = random_next(&seed) % 4;
            const uint64_t most = how == 0 ? 2 : how == 1 ? 200 : farthest;
            const uint64_t time = now + random_next(&seed) % most;
            CHECK(wheel_push(wheel, time, said) && schedule_push(&heap, time, said), "memory");
        }
        CHECK(wheel->count == heap.count, "they differ in how many there are");
        if (!heap.count)
            continue;
        /* Asked or not, the answer is the same. */
        if (random_next(&seed) % 2)
            CHECK(wheel_soonest(wheel) == heap.heap[0].time, "the soonest");
        const struct scheduled its = wheel_pop(wheel), right = schedule_pop(&heap);
        CHECK(its.time == right.time && its.what == right.what, "another one came first");
        now = right.time;
    }
    printf("%u\n", said);
    wheel_free(wheel);
    schedule_free(&heap);
    free(wheel);
    return 0;
}
