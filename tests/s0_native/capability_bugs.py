"""Seeded bugs in the capabilities of one core, seen by random runs beside the model."""

from __future__ import annotations

from seeded import Bug, table

CSPACE, SLOTS = "capability/cspace.c", "capability/cspace_slots.c"
DELETE, PAGE_OF = "capability/cspace_delete.c", "capability/cspace_page.c"
REMOTE, DATABASE = "capability/cspace_remote.c", "capability/mapping_database.c"

BUGS = table(
    Bug(
        "LAST_PAGE_UNCHECKED",
        "capability/cspace_derive.c",
        "    plan->hint = mapping_database_last_copy(",
        "    end -= PAGE_BYTES;\n    plan->hint = mapping_database_last_copy(",
    ),
    Bug("MINT_KEEPS_RIGHTS", CSPACE, "    copy.rights = (uint8_t)rights;\n", ""),
    Bug("GENERATION_KEPT", SLOTS, "c->generation + 1;", "c->generation;"),
    Bug("REACH_NOT_RAISED", DATABASE, "if (*kept >= capability_end(c))", "if (kept)"),
    Bug("REACH_LOST_IN_ROTATION", DATABASE, "    up->reach[!side] = reach(db, parent);\n", ""),
    Bug(
        "MAPPINGS_LEFT",
        PAGE_OF,
        "    uint32_t next = mapping_database_next(cspace_database(cs), slot);\n",
        "    uint32_t next = cs ? NO_CAPABILITY : slot;\n",
    ),
    Bug(
        "EARLIER_COPIES_SPARED",
        DELETE,
        "        if (next != NO_CAPABILITY && capability_same(cspace_slot(cs, next), of))\n"
        "            return next;\n",
        "",
    ),
    Bug(
        "LOCK_IGNORED",
        "capability/cspace_going.h",
        "operation != CSPACE_OUTCOME && cspace_lock_on(",
        "false && operation != CSPACE_OUTCOME && cspace_lock_on(",
    ),
    Bug(
        "CONTENTS_LEFT",
        DELETE,
        "if (c->type == CAP_CNODE && cspace_cnodes(cs)[c->about].used) {",
        "if (false) {",
    ),
    Bug(
        "CYCLE_ALLOWED",
        CSPACE,
        "    if (copy.type == CAP_CNODE &&\n"
        "        cspace_cnode(cs, slot)->level >= cspace_cnodes(cs)[copy.about].level)\n"
        "        return CAP_CNODE_CYCLE;\n",
        "",
    ),
    Bug(
        "LAST_COPY_ALONE",
        DELETE,
        "    if (cspace_needs_agreement(cs, c, operation))\n        return CAP_NEEDS_AGREEMENT;\n",
        "",
    ),
    Bug(
        "SLOT_CHECKED_LATE",
        CSPACE,
        "    for (uint32_t i = 0; i < count; i++) {\n"
        "        const struct capability *there = cspace_slot(cs, *first + i);\n",
        "    for (uint32_t i = count; i < count; i++) {\n"
        "        const struct capability *there = cspace_slot(cs, *first + i);\n",
    ),
    Bug(
        "ANCESTORS_NOT_NOTIFIED",
        REMOTE,
        "if (relations & (CAP_REMOTE_COPIES | CAP_REMOTE_DESCENDANTS))",
        "if (false)",
    ),
    Bug(
        "UNLOCK_ALL",
        REMOTE,
        "if (lock[i].operation != operation)",
        "if (false && lock[i].operation != operation)",
    ),
)
