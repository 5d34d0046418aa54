/* Visits every world that can be reached from a scenario's first one, breadth first, so that a
 * counterexample is a shortest one; then goes backward from the ends, so that a world from which
 * nothing ever finishes is found too.
 *
 *     explorer --scenario NAME [--cores 3] [--capacity 1] [--route flat|chain|binary|N,M] [--outbox
 *     N] [--any-order-replies]
 *              [--one-fifo] [--lazy] [--tight] [--remember] [--owner] [--peaceful] [--limit STATES]
 *     explorer --scenario NAME --messages …     counts those of one order of events instead
 *     explorer --list
 *
 * Status 0: nothing found; 1: a violation, its trace on stdout; 2: bad arguments, or more states
 * than the limit. A world is remembered as a 128-bit hash of its canonical bytes: of 10^7 worlds
 * two collide with a probability below 10^-24. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "explorer.h"

enum { WORDS = sizeof(struct world) / 8, NONE = UINT32_MAX };
static_assert(sizeof(struct world) % 64 == 0, "worlds are compared in groups of eight words");

struct state {
    uint64_t hash[2];
    uint32_t before;
    struct transition by;
    uint32_t first_edge;
    uint32_t ends; /* a terminal world, or one from which such a world is reached */
};

static struct {
    struct state *state;
    uint64_t **packed; /* of worlds not yet visited */
    uint32_t *table;   /* open addressing, into state */
    uint32_t *edge;
    uint32_t states, states_max, edges, edges_max, table_size;
} graph;

static struct world first;

static void *grow(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (!memory) {
        fprintf(stderr, "explorer: out of memory\n");
        exit(2);
    }
    return memory;
}

/* --- Worlds, packed --- */

/* What differs from the first world: a bitmap of words, then the words. */
enum { MAP_WORDS_MAX = (WORDS + 63) / 64 };
static uint32_t map_words; /* of model.words */

static uint32_t pack(const struct world *world, uint64_t *packed)
{
    const uint64_t *words = (const void *)world, *base = (const void *)&first;
    uint32_t count = map_words;
    memset(packed, 0, map_words * sizeof *packed);
    for (uint32_t i = 0; i < model.words; i += 8) {
        const uint64_t *w = words + i, *b = base + i; /* most groups are as they were */
        if (!((w[0] ^ b[0]) | (w[1] ^ b[1]) | (w[2] ^ b[2]) | (w[3] ^ b[3]) | (w[4] ^ b[4]) |
              (w[5] ^ b[5]) | (w[6] ^ b[6]) | (w[7] ^ b[7])))
            continue;
        for (uint32_t j = i; j < i + 8; j++)
            if (words[j] != base[j]) {
                packed[j / 64] |= 1ull << j % 64;
                packed[count++] = words[j];
            }
    }
    return count;
}

static void unpack(const uint64_t *packed, struct world *world)
{
    uint64_t *words = (void *)world;
    uint32_t count = map_words;
    memcpy(world, &first, model.words * sizeof *words);
    for (uint32_t m = 0; m < map_words; m++)
        for (uint64_t bits = packed[m]; bits; bits &= bits - 1)
            words[m * 64 + (uint32_t)__builtin_ctzll(bits)] = packed[count++];
}

static void hash_words(const uint64_t *words, uint32_t count, uint64_t hash[2])
{
    uint64_t a = 0x243f6a8885a308d3ull, b = 0x13198a2e03707344ull;
    for (uint32_t i = 0; i < count; i++) {
        __uint128_t x = (__uint128_t)(words[i] ^ a) * 0x9fb21c651e98df25ull;
        a = (uint64_t)x ^ (uint64_t)(x >> 64);
        a = a + (a << 17 | a >> 47) + words[i];
        __uint128_t y = (__uint128_t)(words[i] + b) * 0xd6e8feb86659fd93ull;
        b = (uint64_t)y ^ (uint64_t)(y >> 64) ^ (b << 29 | b >> 35);
    }
    hash[0] = a ^ count;
    hash[1] = b;
}

/* --- The graph --- */

static void rehash(void)
{
    graph.table_size = graph.table_size ? graph.table_size * 2 : 1u << 16;
    graph.table = grow(graph.table, graph.table_size * sizeof *graph.table);
    memset(graph.table, 0xff, graph.table_size * sizeof *graph.table);
    for (uint32_t i = 0; i < graph.states; i++) {
        uint32_t at = (uint32_t)graph.state[i].hash[0] & (graph.table_size - 1);
        while (graph.table[at] != NONE)
            at = (at + 1) & (graph.table_size - 1);
        graph.table[at] = i;
    }
}

/* The world's number; *fresh if it was never seen. */
static uint32_t remember(const struct world *world, uint32_t before, struct transition by,
                         bool *fresh)
{
    static uint64_t packed[MAP_WORDS_MAX + WORDS];
    uint64_t hash[2];
    uint32_t count = pack(world, packed);
    hash_words(packed, count, hash);
    if (graph.states * 2ull >= graph.table_size)
        rehash();
    uint32_t at = (uint32_t)hash[0] & (graph.table_size - 1);
    for (; graph.table[at] != NONE; at = (at + 1) & (graph.table_size - 1)) {
        const struct state *known = &graph.state[graph.table[at]];
        if (known->hash[0] == hash[0] && known->hash[1] == hash[1]) {
            *fresh = false;
            return graph.table[at];
        }
    }
    if (graph.states == graph.states_max) {
        graph.states_max = graph.states_max ? graph.states_max * 2 : 1u << 15;
        graph.state = grow(graph.state, graph.states_max * sizeof *graph.state);
        graph.packed = grow(graph.packed, graph.states_max * sizeof *graph.packed);
    }
    *fresh = true;
    graph.table[at] = graph.states;
    graph.state[graph.states] = (struct state){{hash[0], hash[1]}, before, by, 0, 0};
    graph.packed[graph.states] = grow(NULL, count * sizeof *packed);
    memcpy(graph.packed[graph.states], packed, count * sizeof *packed);
    return graph.states++;
}

static void connect(uint32_t to)
{
    if (graph.edges == graph.edges_max) {
        graph.edges_max = graph.edges_max ? graph.edges_max * 2 : 1u << 17;
        graph.edge = grow(graph.edge, graph.edges_max * sizeof *graph.edge);
    }
    graph.edge[graph.edges++] = to;
}

/* --- Counterexamples --- */

static int report(uint32_t state, const struct transition *last)
{
    uint32_t length = 0;
    const char *what = violation;
    static struct world world;
    char text[200];
    for (uint32_t s = state; s != 0; s = graph.state[s].before)
        length++;
    struct transition *path = grow(NULL, (length + 1) * sizeof *path);
    uint32_t steps = length;
    for (uint32_t s = state; s != 0; s = graph.state[s].before)
        path[--length] = graph.state[s].by;
    if (last)
        path[steps++] = *last;
    printf("scenario %s: %s\n", model.scenario->name, what);
    world_init(&world);
    for (uint32_t i = 0; i < steps; i++) {
        transition_name(&world, path[i], text, sizeof text);
        printf("%4u  %s\n", i + 1, text);
        world_apply(&world, path[i]);
    }
    printf("after %u transitions: %s\n", steps, what);
    free(path);
    return 1;
}

/* --- The search --- */

/* One world: its successors are remembered. 0, or 1 when something is wrong. */
static int expand(uint32_t number)
{
    static struct world here, next;
    struct transition list[TRANSITIONS_MAX];
    bool moved = false, fresh;
    unpack(graph.packed[number], &here);
    free(graph.packed[number]);
    graph.state[number].first_edge = graph.edges;
    uint32_t count = world_transitions(&here, list);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&next, &here, model.words * sizeof(uint64_t));
        world_apply(&next, list[i]);
        if (!violation)
            check_state(&next);
        if (violation)
            return report(number, &list[i]);
        uint32_t to = remember(&next, number, list[i], &fresh);
        if (to == number)
            continue; /* a wait that is not over: nothing has happened */
        moved = true;
        connect(to);
    }
    if (moved)
        return 0;
    if (world_finished(&here)) {
        graph.state[number].ends = 1;
        check_terminal(&here);
    } else {
        violate("deadlock: nothing can happen, and not everybody has finished");
    }
    return violation ? report(number, NULL) : 0;
}

/* Every world must lead to an end: backward from the ends, over the edges turned round. */
static int check_progress(void)
{
    uint32_t *start = grow(NULL, (graph.states + 2ull) * sizeof *start);
    uint32_t *source = grow(NULL, (graph.edges + 1ull) * sizeof *source);
    uint32_t *queue = grow(NULL, graph.states * sizeof *queue);
    uint32_t head = 0, tail = 0;
    memset(start, 0, (graph.states + 2ull) * sizeof *start);
    for (uint32_t e = 0; e < graph.edges; e++)
        start[graph.edge[e] + 2]++;
    for (uint32_t s = 0; s < graph.states; s++)
        start[s + 2] += start[s + 1];
    for (uint32_t s = 0; s < graph.states; s++) {
        uint32_t end = s + 1 < graph.states ? graph.state[s + 1].first_edge : graph.edges;
        for (uint32_t e = graph.state[s].first_edge; e < end; e++)
            source[start[graph.edge[e] + 1]++] = s;
        if (graph.state[s].ends)
            queue[tail++] = s;
    }
    while (head < tail) {
        uint32_t s = queue[head++];
        for (uint32_t e = start[s]; e < start[s + 1]; e++)
            if (!graph.state[source[e]].ends) {
                graph.state[source[e]].ends = 1;
                queue[tail++] = source[e];
            }
    }
    uint32_t stuck = 0;
    while (stuck < graph.states && graph.state[stuck].ends)
        stuck++;
    free(start);
    free(source);
    free(queue);
    if (stuck == graph.states)
        return 0;
    violate("no end can be reached from here, whatever happens");
    return report(stuck, NULL);
}

static int explore(uint32_t limit)
{
    struct timespec begin, end;
    bool fresh;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    world_init(&first);
    map_words = (model.words + 63) / 64;
    remember(&first, NONE, (struct transition){0}, &fresh);
    if (!violation)
        check_state(&first);
    if (violation)
        return report(0, NULL);
    for (uint32_t number = 0; number < graph.states; number++) {
        if (expand(number))
            return 1;
        if (graph.states > limit || graph.edges > UINT32_MAX - TRANSITIONS_MAX) {
            fprintf(stderr, "explorer: %s has more than %u states\n", model.scenario->name, limit);
            return 2;
        }
    }
    if (check_progress())
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
    printf("scenario %s: %u states, %u transitions, nothing found, %.2f s\n", model.scenario->name,
           graph.states, graph.edges, seconds);
    return 0;
}

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "explorer: %s%s%s\n", what, value ? " " : "", value ? value : "");
    return 2;
}

/* What a scenario costs when nothing comes in between: the first thing that can happen happens. */
static int count_messages(void)
{
    static struct world world;
    struct transition list[TRANSITIONS_MAX];
    uint32_t messages = 0, steps = 0;
    world_init(&world);
    for (; steps < 10000 && world_transitions(&world, list); steps++) {
        messages += list[0].kind == TAKE;
        world_apply(&world, list[0]);
    }
    if (!world_finished(&world))
        violate("it does not end");
    if (violation)
        return usage(violation, NULL);
    printf("scenario %s: %u messages\n", model.scenario->name, messages);
    return 0;
}

/* --- Arguments --- */

int main(int argc, char **argv)
{
    const char *route = "flat", *name = NULL;
    unsigned long limit = 20000000, outbox = 0;
    bool messages = false;
    model.cores = 3;
    model.capacity = 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--list") == 0) {
            scenarios_print();
            return 0;
        }
        if (strcmp(argv[i], "--any-order-replies") == 0) {
            model.any_order = true;
            continue;
        }
        if (strcmp(argv[i], "--one-fifo") == 0) {
            model.one_fifo = true;
            continue;
        }
        if (strcmp(argv[i], "--owner") == 0) {
            model.owner = true;
            continue;
        }
        if (strcmp(argv[i], "--peaceful") == 0) {
            model.peaceful = true;
            continue;
        }
        if (strcmp(argv[i], "--messages") == 0) {
            messages = true;
            continue;
        }
        if (strcmp(argv[i], "--tight") == 0) {
            model.tight = true;
            continue;
        }
        if (strcmp(argv[i], "--remember") == 0) {
            model.remember = true;
            continue;
        }
        if (strcmp(argv[i], "--lazy") == 0) {
            model.lazy = true;
            continue;
        }
        if (strcmp(argv[i], "--cores") == 0)
            model.cores = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--capacity") == 0)
            model.capacity = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--outbox") == 0)
            outbox = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--limit") == 0)
            limit = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--route") == 0)
            route = value;
        else if (strcmp(argv[i], "--scenario") == 0)
            name = value;
        else
            return usage("unknown argument", argv[i]);
        i++;
    }
    model.scenario = name ? scenario_named(name) : NULL;
    if (!model.scenario)
        return usage("no such scenario (--list shows them):", name ? name : "none given");
    if (model.cores < model.scenario->cores || model.cores > MODEL_CORES || model.capacity < 1 ||
        model.capacity > 4)
        return usage("cores 2 to 4, as many as the scenario needs; capacity 1 to 4", NULL);
    if (model.cores * model.scenario->slots_per_core > MODEL_SLOTS ||
        world_monitor_size() + 8 * MODEL_SLOTS > MODEL_MONITOR_WORDS * 8)
        return usage("too many cores for the model's tables in scenario", name);
    if (strcmp(route, "chain") == 0)
        model.fan = 1;
    else if (strcmp(route, "binary") == 0)
        model.fan = 2;
    else if (sscanf(route, "%u,%u", &model.number[0], &model.number[1]) == 2 &&
             model.number[0] < 16 && model.number[1] < 16 && model.cores == 4)
        model.numbered = true;
    else if (strcmp(route, "flat") != 0)
        return usage("unknown route", route);
    model.messages = monitor_output_messages(model.cores);
    /* As the driver: room for four of the largest outputs. */
    model.outbox = outbox ? (uint32_t)outbox : 4 * model.messages;
    if (messages)
        return count_messages();
    return explore(limit > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)limit);
}
