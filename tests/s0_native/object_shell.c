/* One object's type, operation by operation: what a model is compared with. One line in, one line
 * out:
 *
 *     bytes TYPE SHAPE CORES OWNER LOG LOCK NODES    the block's size, what object_init says, and in words
 *     make TYPE SHAPE                     a new state
 *     apply KIND KEY VALUE                (as object_history prints it) what check says, then status and result
 *     undo                                the last of these
 */
#include <string.h>

#include "clients.h"
#include "object/object.h"

static struct object_geometry geometry;
static const struct object_type *type;
static void *state;
static struct operation operation;
static struct result result;

static void bytes(void)
{
    enum object_verdict verdict;
    struct object_geometry *g = &geometry;
    CHECK(scanf("%u %u %u %u %u %u %u", &g->type, &g->shape, &g->cores, &g->owner, &g->log,
                &g->lock, &g->nodes) == 7,
          "?");
    const uint64_t length = object_bytes(g, &verdict);
    printf("%llu %u %s\n", (unsigned long long)length, verdict, object_verdict_says(verdict));
}

static void make(void)
{
    uint32_t number, shape;
    CHECK(scanf("%u %u", &number, &shape) == 2 && number < OBJECT_TYPES, "?");
    type = object_types[number];
    free(state);
    state = aligned_alloc(PAD_BYTES, (type->bytes(shape) + PAD_BYTES - 1) / PAD_BYTES * PAD_BYTES);
    type->init(state, shape);
    printf("0\n");
}

static void apply(void)
{
    unsigned long long kind, key, value;
    CHECK(scanf("%llu %llu %llu", &kind, &key, &value) == 3, "?");
    operation = (struct operation){kind, key, {value}};
    if (type == &object_mappings)
        operation =
            (struct operation){kind, key, {value & 0xffffff, value >> 24 & 0xffffff, value >> 48}};
    const bool would = type->check && type->check(state, &operation);
    type->apply(state, &operation, &result);
    printf("%d %llu %llu\n", would, (unsigned long long)result.status,
           (unsigned long long)result.value);
}

int main(void)
{
    char word[16];
    while (scanf("%15s", word) == 1) {
        if (!strcmp(word, "bytes"))
            bytes();
        else if (!strcmp(word, "make"))
            make();
        else if (!strcmp(word, "apply"))
            apply();
        else if (!strcmp(word, "undo"))
            type->undo(state, &operation, &result), printf("0\n");
        else
            CHECK(false, "%s", word);
        fflush(stdout);
    }
    return 0;
}
