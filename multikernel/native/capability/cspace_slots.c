/* The block of a state, its slots and its CNodes: where everything lies, what a slot takes and
 * gives back. */
#include "capability/cspace_inside.h"

/* --- Slots --- */

uint32_t cspace_fill(struct cspace *cs, uint32_t slot, const struct capability *record,
                     uint32_t hint)
{
    struct capability *c = cspace_slot(cs, slot);
    uint32_t generation = c->generation + 1;
    *c = *record;
    c->generation = generation ? generation : 1; /* a reference is never 0 */
    c->flags = record->flags & CAP_REMOTE;
    c->part = (uint16_t)cs->part;
    cspace_cnode(cs, slot)->used++;
    mapping_database_insert(cspace_database(cs), slot, hint);
    cspace_set_home(cs, slot, cs->part);
    return slot;
}

void cspace_empty(struct cspace *cs, uint32_t slot)
{
    struct mapping_database *db = cspace_database(cs);
    struct capability *c = cspace_slot(cs, slot);
    struct cnode *holder = cspace_cnode(cs, slot);
    if (c->type == CAP_CNODE) {
        uint32_t index = (uint32_t)c->about, next = mapping_database_next(db, slot);
        struct cnode *cnode = &cspace_cnodes(cs)[index];
        struct cspace_space *space = cspace_space_of(cs, slot);
        if (next == NO_CAPABILITY || !capability_same(cspace_slot(cs, next), c))
            next = mapping_database_previous(db, slot);
        if (next != NO_CAPABILITY && capability_same(cspace_slot(cs, next), c)) {
            cnode->capability = next; /* any that is left */
        } else {
            if (space->dying == index)
                space->dying = holder->state == CNODE_DYING ? (uint32_t)(holder - cspace_cnodes(cs))
                                                            : NO_CNODE;
            *cnode = (struct cnode){.capability = space->free};
            space->free = index;
            space->free_count++;
            cs->cnode_objects--;
        }
    }
    mapping_database_remove(db, slot);
    uint32_t generation = c->generation;
    *c = (struct capability){.generation = generation};
    holder->used--;
    cspace_set_home(cs, slot, NO_PART);
}

uint32_t cspace_find_any(const struct cspace *cs, uint64_t reference)
{
    const uint32_t slot = (uint32_t)reference;
    if (slot >= cspace_slots(cs) || cspace_slot(cs, slot)->type == CAP_NULL)
        return NO_CAPABILITY;
    return cspace_reference(cs, slot) == reference ? slot : NO_CAPABILITY;
}

/* --- The block --- */

/* Where everything is, from the head of part 0: the parts' heads, each with its locks and its
 * database's head; then what they have in common. Several parts are changed by several cores, so
 * two lines lie between them. */
struct layout {
    size_t spaces, parts, unit; /* how many; and the distance */
    size_t database, part_stride, space_stride;
    size_t spaces_at, cnodes_at, homes_at, nodes_at, size;
};

static struct layout layout_of(const struct cspace_shape *shape)
{
    struct layout l = {.spaces = shape->spaces ? shape->spaces : 1,
                       .parts = shape->parts ? shape->parts : 1};
    const size_t slots = l.spaces * shape->cnodes << shape->slot_bits;
    l.unit = l.parts > 1 ? 128 : 64;
    l.database = round_up(sizeof(struct cspace) + sizeof(struct cspace_lock) * shape->locks, 64);
    l.part_stride = round_up(l.database + sizeof(struct mapping_database), l.unit);
    l.space_stride = l.spaces > 1 ? 128 : sizeof(struct cspace_space);
    l.spaces_at = l.parts * l.part_stride;
    l.cnodes_at = l.spaces_at + l.spaces * l.space_stride;
    l.homes_at = l.cnodes_at + sizeof(struct cnode) * shape->cnodes * l.spaces;
    l.nodes_at = round_up(l.homes_at + (l.parts > 1 ? sizeof(uint16_t) * slots : 0), 64);
    l.size = l.nodes_at + sizeof(struct capability) * slots;
    return l;
}

size_t cspace_size(const struct cspace_shape *shape)
{
    return layout_of(shape).size;
}

static void init_part(struct cspace *cs, uint32_t me, const struct cspace_shape *shape,
                      uint32_t part)
{
    const struct layout l = layout_of(shape);
    const size_t before = part * l.part_stride;
    *cs = (struct cspace){
        .size = l.size,
        .database_offset = l.database,
        .locks_offset = sizeof(struct cspace),
        .spaces_offset = l.spaces_at - before,
        .cnodes_offset = l.cnodes_at - before,
        .homes_offset = l.parts > 1 ? l.homes_at - before : 0,
        .lock_limit = shape->locks,
        .me = me,
        .spaces = (uint32_t)l.spaces,
        .space_stride = (uint32_t)l.space_stride,
        .part = part,
        .parts = (uint32_t)l.parts,
        .part_stride = (uint32_t)l.part_stride,
        .cnodes = shape->cnodes,
        .slot_bits = shape->slot_bits,
    };
    mapping_database_init(cspace_database(cs), cspace_slots(cs),
                          (struct capability *)((uintptr_t)cs + l.nodes_at - before));
}

static void init_space(struct cspace *cs, uint32_t space, uint64_t root_address)
{
    const uint32_t first = space * cs->cnodes, end = first + cs->cnodes;
    *cspace_space(cs, space) = (struct cspace_space){.free = cs->cnodes > 1 ? first + 1 : NO_CNODE,
                                                     .free_count = cs->cnodes - 1,
                                                     .dying = NO_CNODE};
    for (uint32_t i = first + 1; i < end; i++)
        cspace_cnodes(cs)[i].capability = i + 1 < end ? i + 1 : NO_CNODE;
    cspace_cnodes(cs)[first] =
        (struct cnode){.capability = first << cs->slot_bits, .state = CNODE_LIVE};
    const struct capability root = {.address = root_address + (uint64_t)space * CNODE_BYTES,
                                    .size = CNODE_BYTES,
                                    .about = first,
                                    .owner = (uint16_t)cs->me,
                                    .type = CAP_CNODE,
                                    .rights = CAP_WRITE | CAP_GRANT};
    cspace_fill(cs, first << cs->slot_bits, &root, NO_CAPABILITY);
}

void cspace_init(struct cspace *cs, uint32_t me, const struct cspace_shape *shape,
                 uint64_t root_address)
{
    assert(shape->cnodes && shape->slot_bits <= CNODE_SLOT_BITS);
    const uint32_t parts = shape->parts ? shape->parts : 1;
    cs->part_stride = (uint32_t)layout_of(shape).part_stride; /* leads to the other parts */
    for (uint32_t part = 0; part < parts; part++)
        init_part((struct cspace *)((uintptr_t)cs + part * (uintptr_t)cs->part_stride), me, shape,
                  part);
    for (uint32_t slot = 0; slot < cspace_slots(cs); slot++)
        cspace_set_home(cs, slot, NO_PART);
    for (uint32_t space = 0; space < cs->spaces; space++)
        init_space(cs, space, root_address);
}
