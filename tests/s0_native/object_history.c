/* Records what a few cores did to an object in small rounds, with the times between which each
 * operation took effect, for a checker of histories (linearizable.py). Before a round, and behind
 * it, nobody is in an operation; at a round's end core 0 looks at everything, so that the next begins
 * with what is known.
 *
 *     object_history SEED TYPE SHAPE CORES LOG FORMS ROUNDS OPERATIONS EACH FLIGHT
 *
 * EACH: 1 in so many of the owner's operations is followed by a switch; 0: none. Prints a line an
 * operation: round core begin end kind key value status result; in the value the second one is from
 * bit 24 on, the third from bit 48. */
#include "object_client.h"

#include "capability/capability.h"

enum { OPERATIONS_MOST = 32, KEYS = 3, PAGES = 4 };

struct record {
    uint64_t begin, end, status, result;
    struct operation operation;
};
static struct shared_part {
    _Alignas(PAD_BYTES) _Atomic uint64_t arrived;
    struct record record[];
} *all;
static uint64_t seed_of_run, forms, rounds, operations, each, flight;

struct core {
    struct object object;
    uint64_t seed, waits, me, meetings;
    uint64_t sends, takes;
};

static struct record *records(uint64_t round, uint64_t core)
{
    return &all->record[(round * (geometry.cores + 1) + core) * OPERATIONS_MOST];
}

/* Not before what is above, and what is below not before it. */
static uint64_t now(void)
{
    const uint64_t time = arch_cycles_behind();
    arch_cycles_behind();
    return time;
}

static void meet(struct core *c)
{
    atomic_fetch_add(&all->arrived, 1);
    c->meetings++;
    while (atomic_load(&all->arrived) < c->meetings * geometry.cores) {
        object_poll(&c->object);
        give_way(&c->waits);
    }
}

static struct operation draw(struct core *c)
{
    struct operation o = {0};
    const uint32_t chosen = random_next(&c->seed) % 4;
    switch (geometry.type) {
    case TYPE_COUNTERS:
        o.kind = chosen ? COUNTERS_ADD : COUNTERS_SUM;
        o.key = random_next(&c->seed) % geometry.shape;
        o.value[0] = 1 + random_next(&c->seed) % (geometry.shape - o.key);
        break;
    case TYPE_MAP:
        o.kind = chosen == 0 ? MAP_GET : chosen == 1 ? MAP_PUT : chosen == 2 ? MAP_REMOVE : MAP_ADD;
        o.key = 1 + random_next(&c->seed) % KEYS;
        o.value[0] = 1 + random_next(&c->seed) % 5;
        break;
    case TYPE_MAPPINGS:
        o.kind = chosen ? chosen + (random_next(&c->seed) % 4 == 0) - 1 : MAPPINGS_FIND;
        o.kind = o.kind ? o.kind : MAPPINGS_INSERT;
        o.value[2] = random_next(&c->seed) % 2 ? CAP_RAM : CAP_FRAME;
        o.value[1] = (1 + random_next(&c->seed) % 2) * PAGE_BYTES;
        o.value[0] = PAGE_BYTES * (random_next(&c->seed) % (PAGES - 1));
        o.key = 1 + random_next(&c->seed) % (geometry.shape - 1);
        if (o.kind == MAPPINGS_FIND)
            o = (struct operation){MAPPINGS_FIND, o.value[0], {0}};
        break;
    default:
        o.kind = chosen == 0 ? QUEUE_FRONT : chosen == 1 ? QUEUE_TAKE : QUEUE_PUT;
        o.value[0] = random_next(&c->seed) % 1000;
    }
    return o;
}

static void apply(struct core *c, struct record *r, const struct operation *o)
{
    struct result result;
    r->operation = *o;
    r->begin = now();
    object_apply(&c->object, o, &result);
    r->end = now();
    r->status = result.status;
    r->result = result.value;
}

static void take_all(struct core *c, struct record *r)
{
    struct result result;
    while (object_take(&c->object, &result)) {
        struct record *its = &r[c->takes++];
        its->end = now();
        its->status = result.status;
        its->result = result.value;
    }
}

static void send(struct core *c, struct record *r, const struct operation *o)
{
    r[c->sends].operation = *o;
    r[c->sends].begin = now();
    while (!object_send(&c->object, o)) {
        take_all(c, r);
        object_poll(&c->object);
    }
    c->sends++;
    if (random_next(&c->seed) % 4 == 0)
        object_flush(&c->object);
    if (random_next(&c->seed) % 2)
        take_all(c, r);
}

static void look_at_everything(struct core *c, struct record *r)
{
    if (geometry.type == TYPE_COUNTERS)
        for (uint32_t i = 0; i < geometry.shape; i++)
            apply(c, r++, &(struct operation){COUNTERS_SUM, i, {1}});
    else if (geometry.type == TYPE_MAP)
        for (uint32_t i = 0; i < KEYS; i++)
            apply(c, r++, &(struct operation){MAP_GET, i + 1, {0}});
    else if (geometry.type == TYPE_MAPPINGS)
        for (uint64_t i = 0; i < PAGES; i++) {
            apply(c, r++, &(struct operation){MAPPINGS_FIND, i * PAGE_BYTES, {0}});
            apply(c, r++, &(struct operation){MAPPINGS_COUNT, i * PAGE_BYTES, {PAGE_BYTES}});
        }
    else
        for (uint32_t i = 0; i <= geometry.shape; i++)
            apply(c, r++, &(struct operation){QUEUE_TAKE, 0, {0}});
}

static void play(struct core *c, uint64_t round)
{
    struct record *r = records(round, c->me);
    c->sends = c->takes = 0;
    for (uint32_t pause = random_next(&c->seed) % 200; pause; pause--)
        __asm__ volatile("");
    for (uint64_t i = 0; i < operations; i++) {
        const struct operation o = draw(c);
        if (flight)
            send(c, r, &o);
        else
            apply(c, r + i, &o);
        if (each && c->me == geometry.owner && random_next(&c->seed) % each == 0)
            object_switch(&c->object, (enum object_form)one_of(forms, &c->seed));
    }
    object_flush(&c->object);
    while (c->takes < c->sends) {
        take_all(c, r);
        object_poll(&c->object);
    }
}

static void work(uint32_t me)
{
    static struct core core;
    struct core *c = &core;
    *c = (struct core){.seed = seed_of_run * 64 + me, .me = me};
    open_end(&c->object, me, &c->waits);
    for (uint64_t round = 0; round < rounds; round++) {
        progress();
        meet(c);
        play(c, round);
        meet(c);
        if (!me)
            look_at_everything(c, records(round, geometry.cores));
    }
    meet(c);
}

int main(int argc, char **argv)
{
    seed_of_run = argument(argc, argv, 1, 1);
    geometry = (struct object_geometry){.type = (uint32_t)argument(argc, argv, 2, 0),
                                        .shape = (uint32_t)argument(argc, argv, 3, 4),
                                        .cores = (uint32_t)argument(argc, argv, 4, 2),
                                        .log = (uint32_t)argument(argc, argv, 5, 256)};
    geometry.nodes = (uint32_t)(seed_of_run % geometry.cores) + 1;
    forms = argument(argc, argv, 6, 31);
    rounds = argument(argc, argv, 7, 1000);
    operations = argument(argc, argv, 8, 6);
    each = argument(argc, argv, 9, 3);
    flight = argument(argc, argv, 10, 0);
    uint64_t seed = seed_of_run;
    CHECK(operations <= OPERATIONS_MOST && geometry.shape < OPERATIONS_MOST, "too many");
    progress();
    make_object((enum object_form)one_of(forms, &seed));
    all =
        shared(sizeof *all + rounds * (geometry.cores + 1) * OPERATIONS_MOST * sizeof *all->record);
    run_all(work);
    for (uint64_t round = 0; round < rounds; round++)
        for (uint32_t core = 0; core <= geometry.cores; core++)
            for (uint32_t i = 0; i < OPERATIONS_MOST; i++) {
                const struct record *r = &records(round, core)[i];
                if (r->end)
                    printf(
                        "%llu %u %llu %llu %llu %llu %llu %llu %llu\n", (unsigned long long)round,
                        core, (unsigned long long)r->begin, (unsigned long long)r->end,
                        (unsigned long long)r->operation.kind, (unsigned long long)r->operation.key,
                        (unsigned long long)(r->operation.value[0] | r->operation.value[1] << 24 |
                                             r->operation.value[2] << 48),
                        (unsigned long long)r->status, (unsigned long long)r->result);
            }
    return 0;
}
