/* pair KERNEL CORES ROUNDS [OPERATION]...
 *
 * What operations between two cores cost, in TSC cycles, by the drivers as booted. KERNEL:
 * multikernel or shared. CORES: that the geometry is for; two of them are there. A round takes some
 * 0.2 s and prints a line "OPERATION CYCLES" for each, among them the floors of that moment, and
 * then an empty one. A cost is the median of single operations, or the mean of many back to back.
 * Without names, all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "running.h"

enum { ROOM = 2, CNODE_SLOT = 16, SHARED_RAM = 3, OWN_RAM, COPIED = 32 };
enum { ANY = 0, MULTIKERNEL = 1, TWO = 2 }; /* where: with that kernel only; two cores only */

static const struct measured {
    const char *name;
    uint64_t (*cost)(void);
    uint32_t where;
} operations[] = {
    {"tsc-step", tsc_step, ANY},
    {"floor", floor_many, ANY},
    {"floor-single", floor_single, ANY},
    {"call-line", call_line, ANY},
    {"call", call, ANY},
    {"call-single", call_single, ANY},
    {"user-channel", user_channel, ANY},
    {"system-call", system_call, ANY},
    {"idle-turn", idle_turn, ANY},
    {"barrier", barrier, ANY},
    {"barrier-single", barrier_single, ANY},
    {"broadcast", broadcast, ANY},
    {"agreement-root", order_by_root, ANY},
    {"agreement-asked", order_by_other, ANY},
    {"unmap-local", unmap_local, ANY},
    {"unmap-by-hand", hand_unmap, ANY},
    {"unmap-one-phase", unmap_one, ANY},
    {"unmap-two-phase", unmap_two, MULTIKERNEL},
    {"map", map_both, ANY},
    {"life", life_fresh, ANY},
    {"life-reused", life_reused, ANY},
    {"life-by-hand", hand_life_fresh, ANY},
    {"life-by-hand-reused", hand_life_reused, ANY},
    {"own-pages", own_pages, TWO},
    {"own-pages-by-hand", hand_own_pages, TWO},
    {"unmap-computing", unmap_computing, ANY},
    {"unmap-computing-by-hand", hand_computing, ANY},
    {"retype-local", retype_local, TWO},
    {"retype", retype_single, TWO},
    {"retype-16", retype_many, TWO},
    {"retype-both-1", retype_both_one, TWO},
    {"retype-both-16", retype_both_many, TWO},
    {"floor-after", floor_many, ANY},
};

static uint64_t create(uint32_t index)
{
    return pair_ask(0, REQUEST(KIND_CAP_CREATE, 1 << 20, CSPACE_ROOT, index)).word[1];
}

static uint64_t copy(uint64_t source, uint32_t index)
{
    return pair_ask(0, REQUEST(KIND_CAP_COPY, source, CSPACE_ROOT,
                               index | (uint64_t)CAP_RIGHTS_ALL << 16 | 1ull << 32))
        .word[1];
}

static uint64_t make_cnode(uint32_t core, uint64_t room, uint64_t offset)
{
    return pair_ask(core,
                    REQUEST(KIND_CAP_RETYPE, room, CSPACE_ROOT,
                            (uint64_t)(CNODE_SLOT + core) | (uint64_t)CAP_CNODE << 16 | 1ull << 32,
                            offset, CNODE_BYTES))
        .word[1];
}

static void prepare(void)
{
    const struct message frame = pair_ask(0, REQUEST(KIND_ALLOCATE, PAGE_BYTES));
    have.frame = frame.word[1];
    have.frame_name = frame.word[2];
    for (uint32_t core = 0; core < 2; core++)
        pair_ask(core, REQUEST(KIND_GROUP, GROUP, 0, 3));
    if (pair.cores > 2)
        return; /* what concerns all cores needs them */
    const uint64_t room = create(ROOM);
    have.cnode = make_cnode(0, room, 0);
    have.ram = create(SHARED_RAM);
    have.own_ram = create(OWN_RAM);
    have.other_ram = copy(have.ram, COPIED);
    have.other_cnode = make_cnode(1, copy(room, COPIED + 1), CNODE_BYTES);
}

static bool wanted(const struct measured *o, int count, char **names)
{
    if ((pair.shared && o->where & MULTIKERNEL) || (pair.cores > 2 && o->where & TWO))
        return false;
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], o->name))
            return true;
    return !count || !strncmp(o->name, "floor", 5);
}

int main(int argc, char **argv)
{
    pair_check(argc >= 4 && atoi(argv[2]) >= 2, "usage: pair KERNEL CORES ROUNDS [OPERATION]...",
               argc);
    setlinebuf(stdout);
    pair_boot(argv[1], (uint32_t)atoi(argv[2]));
    prepare();
    for (int round = 0; round < atoi(argv[3]); round++) {
        for (const struct measured *o = operations;
             o < operations + sizeof operations / sizeof *operations; o++)
            if (wanted(o, argc - 4, argv + 4))
                printf("%s %llu\n", o->name, (unsigned long long)o->cost());
        printf("\n");
    }
    pair_end();
    return 0;
}
