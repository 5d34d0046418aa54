/* A hash map in one flat table: open addressing, linear probing, and removal that moves back what
 * was pushed past the gap (Knuth, TAOCP 6.4, algorithm R), so that no marks are left behind. A probe
 * looks at each slot once at most: while another core writes, what is there need not make sense. */
#include "object/type.h"

struct pair {
    state_word key, value; /* key 0: a free slot */
};

struct map {
    _Alignas(LINE_BYTES) state_word slots;
    _Alignas(LINE_BYTES) state_word used;
    _Alignas(LINE_BYTES) struct pair pair[];
};

static uint64_t bytes(uint32_t shape)
{
    return shape >= 8 && shape <= MAP_SLOTS_MOST && !(shape & (shape - 1))
               ? sizeof(struct map) + shape * sizeof(struct pair)
               : 0;
}

static void init(void *state, uint32_t shape)
{
    struct map *map = state;
    state_set(&map->slots, shape);
    state_set(&map->used, 0);
    for (uint32_t i = 0; i < shape; i++) {
        state_set(&map->pair[i].key, 0);
        state_set(&map->pair[i].value, 0);
    }
}

static uint64_t home(uint64_t key, uint64_t mask)
{
    return (key * 0x9e3779b97f4a7c15ull >> 32) & mask;
}

/* The key's slot, or the free one that it would get; NULL: neither. */
static struct pair *find(const struct map *map, uint64_t key)
{
    const uint64_t mask = state_get(&map->slots) - 1;
    for (uint64_t at = home(key, mask), looks = 0; looks <= mask; at = (at + 1) & mask, looks++) {
        const uint64_t there = state_get(&map->pair[at].key);
        if (there == key || !there)
            return (struct pair *)&map->pair[at];
    }
    return NULL;
}

static bool room(const struct map *map)
{
    const uint64_t slots = state_get(&map->slots);
    return state_get(&map->used) < slots - slots / 8;
}

/* A slot is moved into the gap unless a probe for its key begins behind the gap. */
static void close_gap(struct map *map, struct pair *pair)
{
    const uint64_t mask = state_get(&map->slots) - 1;
    uint64_t gap = (uint64_t)(pair - map->pair);
    for (uint64_t at = (gap + 1) & mask, looks = 0; looks < mask; at = (at + 1) & mask, looks++) {
        const uint64_t key = state_get(&map->pair[at].key);
        if (!key)
            break;
        if (((at - home(key, mask)) & mask) < ((at - gap) & mask))
            continue;
        state_set(&map->pair[gap].key, key);
        state_set(&map->pair[gap].value, state_get(&map->pair[at].value));
        gap = at;
    }
    state_set(&map->pair[gap].key, 0);
    state_set(&map->pair[gap].value, 0);
    state_set(&map->used, state_get(&map->used) - 1);
}

static void insert(struct map *map, struct pair *pair, uint64_t key, uint64_t value)
{
    state_set(&pair->value, value);
    state_set(&pair->key, key);
    state_set(&map->used, state_get(&map->used) + 1);
}

static void apply(void *state, const struct operation *o, struct result *result)
{
    struct map *map = state;
    struct pair *pair = o->key ? find(map, o->key) : NULL;
    *result = (struct result){o->key ? RESULT_FULL : RESULT_BAD, 0};
    if (!pair)
        return;
    const bool there = state_get(&pair->key) == o->key;
    if (there)
        *result = (struct result){RESULT_OK, state_get(&pair->value)};
    else
        result->status = RESULT_ABSENT;
    switch (o->kind) {
    case MAP_GET:
        return;
    case MAP_PUT:
    case MAP_ADD:
        if (there)
            state_set(&pair->value, o->value[0] + (o->kind == MAP_ADD ? result->value : 0));
        else if (room(map))
            insert(map, pair, o->key, o->value[0]);
        else
            result->status = RESULT_FULL;
        return;
    case MAP_REMOVE:
        if (there)
            close_gap(map, pair);
        return;
    default:
        *result = (struct result){RESULT_BAD, 0};
    }
}

static bool check(const void *state, const struct operation *o)
{
    const struct map *map = state;
    const struct pair *pair = o->key ? find(map, o->key) : NULL;
    const bool there = pair && state_get(&pair->key) == o->key;
    switch (o->kind) {
    case MAP_PUT:
    case MAP_ADD:
        return there || (pair && room(map));
    case MAP_REMOVE:
        return there;
    default:
        return false;
    }
}

static void undo(void *state, const struct operation *o, const struct result *result)
{
    struct map *map = state;
    const bool writes = o->kind == MAP_PUT || o->kind == MAP_ADD;
    struct pair *pair = o->key ? find(map, o->key) : NULL;
    if (!pair)
        return;
    if (writes && result->status == RESULT_OK)
        state_set(&pair->value, result->value);
    else if (writes && result->status == RESULT_ABSENT)
        close_gap(map, pair);
    else if (o->kind == MAP_REMOVE && result->status == RESULT_OK)
        insert(map, pair, o->key, result->value);
}

const struct object_type object_map = {
    .name = "map", .bytes = bytes, .init = init, .apply = apply, .check = check, .undo = undo};
