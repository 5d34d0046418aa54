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
        const uint32_t index = (uint32_t)c->about, other = mapping_database_other_copy(db, slot);
        struct cnode *cnode = &cspace_cnodes(cs)[index];
        struct cspace_space *space = cspace_space_of(cs, slot);
        if (other != NO_CAPABILITY) {
            cnode->capability = other; /* any that is left */
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

/* The head of part 0. It says where everything is: behind the parts' heads, each with its locks and
 * its database's head, what they have in common. Several parts are changed by several cores, so two
 * lines lie between them. */
static struct cspace head_of(const struct cspace_shape *shape)
{
    struct cspace cs = {.lock_limit = shape->locks,
                        .spaces = shape->spaces ? shape->spaces : 1,
                        .parts = shape->parts ? shape->parts : 1,
                        .cnodes = shape->cnodes,
                        .slot_bits = shape->slot_bits};
    const bool several = cs.parts > 1;
    const size_t slots = cspace_slots(&cs);
    cs.database_offset = round_up(sizeof cs + sizeof(struct cspace_lock) * shape->locks, 64);
    cs.part_stride = (uint32_t)round_up(cs.database_offset + sizeof(struct mapping_database),
                                        several ? 128 : 64);
    cs.space_stride = cs.spaces > 1 ? 128 : sizeof(struct cspace_space);
    cs.spaces_offset = (uint64_t)cs.parts * cs.part_stride;
    cs.cnodes_offset = cs.spaces_offset + (uint64_t)cs.spaces * cs.space_stride;
    cs.homes_offset = cs.cnodes_offset + sizeof(struct cnode) * cs.cnodes * cs.spaces;
    cs.size = round_up(cs.homes_offset + (several ? sizeof(uint16_t) * slots : 0), 64) +
              sizeof(struct capability) * slots;
    return cs;
}

size_t cspace_size(const struct cspace_shape *shape)
{
    return head_of(shape).size;
}

static void init_part(struct cspace *cs, const struct cspace *head, uint32_t part)
{
    const uint64_t before = (uint64_t)part * head->part_stride;
    const uint64_t nodes = head->size - sizeof(struct capability) * cspace_slots(head);
    *cs = *head;
    cs->part = part;
    cs->spaces_offset -= before;
    cs->cnodes_offset -= before;
    cs->homes_offset -= before;
    mapping_database_init(cspace_database(cs), cspace_slots(cs),
                          (struct capability *)((uintptr_t)cs + nodes - before));
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
    struct cspace head = head_of(shape);
    head.me = me;
    for (uint32_t part = 0; part < head.parts; part++)
        init_part((struct cspace *)((uintptr_t)cs + (uintptr_t)part * head.part_stride), &head,
                  part);
    for (uint32_t slot = 0; slot < cspace_slots(cs); slot++)
        cspace_set_home(cs, slot, NO_PART);
    for (uint32_t space = 0; space < cs->spaces; space++)
        init_space(cs, space, root_address);
}
