/* A core that begins an operation in one mode, and is stopped before it has looked at the log, until
 * the log has gone round several times in later modes: nothing may be done then.
 *
 *     object_late LAPS FORM
 *
 * In the combined form an entry may hold several operations, and leaves a gap in the ring: so what
 * was there before stays, wherever the gaps fall. All cores are ends of one process, and a core that
 * does not run is one that is not called. FORM is left: replicated or combined. */
#include <string.h>

#include "clients.h"
#include "object/combined.h"
#include "object/replicated.h"

enum { IN_NODE = 4, LATE = IN_NODE, CORES = IN_NODE + 1, LOG_SLOTS = 16 };

static const struct object_geometry geometry = {
    .type = TYPE_COUNTERS, .shape = 1, .cores = CORES, .log = LOG_SLOTS};
static struct object end[CORES];
static void *block;
static uint64_t block_bytes, adds, laps;
static const struct operation add = {COUNTERS_ADD, 0, {1}}, sum = {COUNTERS_SUM, 0, {1}};

static void apply(uint32_t core, const struct operation *operation)
{
    struct result result;
    object_apply(&end[core], operation, &result);
    CHECK(result.value == adds, "%llu, not %llu", (unsigned long long)result.value,
          (unsigned long long)adds);
}

/* What cores 1 to `posts` have posted is combined with what core 0 does. */
static void combine(uint32_t posts)
{
    struct result result;
    for (uint32_t core = 1; core <= posts; core++) {
        object_put_operation(&end[0].posts[core].slot, &add);
        atomic_store(&end[0].posts[core].slot.control, object_mode(&end[0]));
    }
    object_apply(&end[0], &add, &result);
    for (uint32_t core = 0; core <= posts; core++)
        CHECK(!atomic_load(&end[0].posts[core].slot.control), "core %u is not answered", core);
    adds += posts + 1;
}

static bool is_late(enum object_form form, uint64_t mode, const struct operation *operation)
{
    struct result result;
    return form == FORM_REPLICATED ? !replicated_apply(&end[LATE], mode, operation, &result)
                                   : !combined_apply(&end[LATE], mode, operation, &result);
}

static void play(enum object_form form, uint32_t before, uint32_t posts, bool joined)
{
    adds = 0;
    CHECK(object_init(block, &geometry, form) == OBJECT_OK, "no object");
    for (uint32_t core = 0; core < CORES; core++)
        CHECK(object_open(&end[core], block, block_bytes, core, NULL, NULL) == OBJECT_OK, "no end");
    if (joined)
        apply(LATE, &sum);
    for (uint32_t i = 0; i < before; i++, adds++)
        apply(0, &add);
    if (joined)
        object_poll(&end[LATE]);
    const uint64_t mode = object_mode(&end[0]);
    object_switch(&end[0], FORM_LOCKED);
    object_switch(&end[0], FORM_COMBINED);
    for (uint32_t i = 0; i < laps * LOG_SLOTS; i++)
        combine(posts);
    CHECK(is_late(form, mode, &sum), "read late: %u before, %u posted", before, posts);
    CHECK(is_late(form, mode, &add), "added late: %u before, %u posted", before, posts);
    apply(LATE, &sum);
}

int main(int argc, char **argv)
{
    const enum object_form form = (enum object_form)argument(argc, argv, 2, FORM_REPLICATED);
    laps = argument(argc, argv, 1, 16);
    block_bytes = object_bytes(&geometry, NULL);
    block = aligned_alloc(PAD_BYTES, block_bytes);
    progress();
    for (uint32_t before = 0; before < LOG_SLOTS - 1; before++)
        for (uint32_t posts = 0; posts < IN_NODE; posts++)
            for (uint32_t joined = 0; joined < 2; joined++)
                play(form, before, posts, joined);
    printf("done\n");
    return 0;
}
