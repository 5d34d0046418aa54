"""Bugs of the protocol, each with the scenario that finds it and the route it is found along: those
of the agreement about capabilities, and about pages of Frames that are capabilities.
"""

from seeded import Bug, Edit

ROOM = "monitor/capability/"
RANGES, TASK, ASKING, COPY, RETYPE, REVOKE, DELETE, RECLAIM, FRAME, UNMAP_GOING, PAGE = (
    f"{ROOM}{name}.c"
    for name in (
        *("ranges", "task", "asking", "copy", "retype", "revoke", "delete", "reclaim"),
        *("map_frame", "unmap_going", "pages"),
    )
)
MAPPING = "monitor/mapping/mapping.c"

CAPABILITIES = (
    Bug(
        "RANGE_NOT_TAKEN",
        RANGES,
        "    enum capability_verdict verdict =\n        cspace_lock(",
        """    if (!agreement_is_own(m, a))
        return;
    enum capability_verdict verdict =
        cspace_lock(""",
        ("revoke", "flat"),
    ),
    Bug(
        "RANGE_BY_ADDRESS",
        seen_by=("retype-overlap", "flat"),
        edits=(
            Edit(
                RANGES,
                "return lock ? lock->operation : 0;",
                "return lock && lock->address == range_address(a) ? lock->operation : 0;",
            ),
            # Two that hold parts of a range would be noticed here, before they do harm.
            Edit(RANGES, "    assert(verdict == CAP_OK);", "   "),
        ),
    ),
    Bug(
        "COPY_NOT_NOTED",
        COPY,
        "        note_copy(m, a);\n",
        "",
        ("copy", "flat"),
    ),
    Bug(
        "COPY_ABORT_LEAVES",
        COPY,
        "if (!agreement_is_own(m, a) && copy_destination(a) == m->me && a->argument[3])",
        "if (0)",
        ("revoke-cnode", "flat"),
    ),
    Bug(
        "MOVE_KEEPS_SOURCE",
        COPY,
        """        if (t->move)
            cspace_delete(cs, t->source, CSPACE_OUTCOME, UINT32_MAX, NULL);
""",
        "",
        ("move", "flat"),
    ),
    Bug(
        "MOVE_OTHERS_NOT_TOLD",
        ASKING,
        "how |= HOW_OWNER | (c->flags & CAP_REMOTE_COPIES ? HOW_EVERYBODY : 0);",
        "how |= HOW_OWNER;",
        ("move-owned", "flat"),
    ),
    Bug(
        "RETYPE_UNASKED",
        TASK,
        "capability_retype(cs, t, 0)",
        "capability_retype(cs, t, CSPACE_OUTCOME)",
        ("move", "flat"),
    ),
    Bug(
        "RETYPE_VOTE_IGNORED",
        RETYPE,
        "    return monitor_verdict(cspace_conflict(",
        "    return VERDICT_OK;\n    return monitor_verdict(cspace_conflict(",
        ("move", "flat"),
    ),
    Bug(
        "RETYPE_ABORT_LEAVES",
        RETYPE,
        "t->made && i < t->count; i++",
        "0; i++",
        ("move", "flat"),
    ),
    Bug(
        "DESCENDANTS_NOT_TOLD",
        RETYPE,
        """    if (!agreement_is_own(m, a))
        cspace_derived_elsewhere(monitor_cspace(m), range_address(a), range_end(a));
""",
        "",
        ("retype", "flat"),
    ),
    Bug(
        "REVOKE_HERE_ALONE",
        REVOKE,
        "    cspace_revoke_step(",
        "    if (!agreement_is_own(m, a))\n        return;\n    cspace_revoke_step(",
        ("revoke", "flat"),
    ),
    Bug(
        "REVOKE_SETTLED_EARLY",
        REVOKE,
        "    cspace_revoke_step(cs, &revocation, CSPACE_OUTCOME, UINT32_MAX, NULL);\n",
        """    cspace_revoke_step(cs, &revocation, CSPACE_OUTCOME, UINT32_MAX, NULL);
    if (agreement_is_own(m, a)) {
        uint32_t kept = cspace_find_any(cs, agreement_task(m, a)->source);
        cspace_relate(cs, kept, m->me, CAP_REMOTE_ANCESTORS, 0);
        cspace_unlock(cs, a->id);
    }
""",
        ("revoke-far", "flat"),
    ),
    Bug(
        "REVOKED_NOT_OWNED",
        REVOKE,
        "m->me, CAP_REMOTE_ANCESTORS, 0);",
        "cspace_slot(cs, (uint32_t)w->task.source)->owner, CAP_REMOTE_ANCESTORS, 0);",
        ("revoke-2", "flat"),
    ),
    Bug(
        "DELETE_OTHERS_NOT_TOLD",
        DELETE,
        "} else if (copy != NO_CAPABILITY && heir < m->cores) {",
        "} else if (0) {",
        ("delete", "chain"),
    ),
    Bug(
        "DELETE_HEIR_FEARLESS",
        DELETE,
        "cspace_relate(cs, copy, m->me, CAP_REMOTE_ANCESTORS, relations);",
        "cspace_relate(cs, copy, m->me, 0, 0);",
        ("delete", "chain"),
    ),
    Bug(
        "OWNER_UNASKED",
        TASK,
        "c->owner == cs->me && !(c->flags & CAP_REMOTE_DESCENDANTS)",
        "!(c->flags & CAP_REMOTE_DESCENDANTS)",
        ("retype", "flat", "owner"),
    ),
    Bug(
        "OWNER_DERIVES_BLINDLY",
        TASK,
        "c->owner == cs->me && !(c->flags & CAP_REMOTE_DESCENDANTS)",
        "c->owner == cs->me",
        ("owner-derived", "flat", "owner"),
    ),
    Bug(
        "OWNER_VOUCHES_BLINDLY",
        RANGES,
        """cspace_slot(cs, slot)->flags & CAP_REMOTE_DESCENDANTS
                             ? 0
                             : (uint64_t)RETYPE_OWNER_VOUCHES;""",
        "RETYPE_OWNER_VOUCHES;",
        ("owner-derived", "flat", "owner"),
    ),
    Bug(
        "OWNER_OF_OLD",
        RANGES,
        "if (slot == NO_CAPABILITY || cspace_slot(cs, slot)->owner != m->me)",
        "if (slot == NO_CAPABILITY)",
        ("owner-returns", "flat", "owner"),
    ),
    Bug(
        "OWNER_FORGETS",
        RETYPE,
        "    if (!agreement_is_own(m, a))\n        cspace_derived_elsewhere(",
        "    if (!agreement_is_own(m, a) && a->root != m->me)\n        cspace_derived_elsewhere(",
        ("retype", "flat", "owner"),
    ),
    Bug(
        "OWNER_ASKED_FOR_EVER",
        ASKING,
        "if (m->capability_protocol == CAPABILITIES_OWNER && c->owner != w->declined)",
        "if (m->capability_protocol == CAPABILITIES_OWNER)",
        ("owner-lost", "flat", "owner"),
    ),
    Bug(
        "OWNER_MOVES_FEARLESS",
        COPY,
        "copy_destination(a) == m->me ? a->argument[1] >> 12 & CAP_REMOTE : 0;",
        "0;",
        ("move-owned", "flat", "owner"),
    ),
    Bug(
        "ASKED_UNCHECKED",
        COPY,
        "const uint32_t slot = cspace_find(cs, t->source);",
        "const uint32_t slot = (uint32_t)t->source;",
        ("owner-sends", "flat", "owner"),
    ),
    Bug(
        "ASKED_MISSES_MOVE",
        RANGES,
        "if (w->state == WORKFLOW_WAITING || monitor_own(m, lane)->phase == PHASE_ASKED) {",
        "if (0) {",
        ("owner-moves", "flat", "owner"),
    ),
    Bug(
        "ASKED_KEEPS_NOTHING",
        REVOKE,
        "    if (agreement_is_own(m, a) &&\n        cspace_find(",
        "    if (false && cspace_find(",
        ("revoke-2", "flat", "owner"),
    ),
    Bug(
        "RECLAIM_HERE_ALONE",
        RECLAIM,
        "    if (!cspace_is_clear(",
        "    if (agreement_is_own(m, a) && !cspace_is_clear(",
        ("reclaim", "flat"),
    ),
)

PAGES = (
    Bug(
        "PAGE_BEFORE_COMMIT",
        "monitor/mapping/map.c",
        "is_hidden(m, mapping) ? RIGHTS_NONE : mapping->rights;",
        "mapping->rights;",
        ("page-fails", "flat"),
    ),
    Bug(
        "PAGE_BEHIND_A_VOTE",
        FRAME,
        "if (cspace_locked(monitor_cspace(m), map_frame(a), map_frame(a) + map_length(a), 0))",
        "if (0)",
        ("page-map", "flat"),
    ),
    Bug(
        "PAGE_MAPPING_OVERLOOKED",
        PAGE,
        "if (mapping->lock || mapping->state == MAPPING_RESERVED)",
        "if (0)",
        ("page-map", "flat"),
    ),
    Bug(
        "PAGE_NOT_BLOCKED",
        PAGE,
        "return mapping->state == MAPPING_MAPPED && mapping->held",
        "return 0",
        ("page-revoke", "chain"),
    ),
    Bug(
        "PAGE_KEPT",
        PAGE,
        "    const bool here = mapping->state == MAPPING_MAPPED && mapping->held;\n",
        """    const bool here = mapping->state == MAPPING_MAPPED && mapping->held;
    goes = goes && agreement_is_own(m, a);
""",
        ("page-revoke", "chain"),
    ),
    Bug(
        "PAGE_NOT_RESTORED",
        PAGE,
        "if (here && !goes)",
        "if (0)",
        ("page-revoke", "chain"),
    ),
    Bug(
        "PAGE_PIN_IGNORED",
        PAGE,
        "return mapping->state == MAPPING_MAPPED && mapping->pins ? VERDICT_PINNED : VERDICT_OK;",
        "return VERDICT_OK;",
        ("page-pin", "chain"),
    ),
    Bug(
        "PAGE_IN_CNODE_FORGOTTEN",
        "capability/cspace_close.c",
        ": cspace_page(cspace_part(cs, c->part), slot) != NO_CAPABILITY)",
        ": cspace_mapped(cs, slot) != CAP_OK)",
        ("page-cnode", "chain"),
    ),
    Bug(
        "MAPPING_LEFT",
        MAPPING,
        "if (monitor_is_home(m, (uint32_t)mapping->slot))",
        "if (0)",
        ("page-delete-one", "chain"),
    ),
    Bug(
        "MAPPING_GOES_EARLY",
        UNMAP_GOING,
        "i++, count++)\n        monitor_mapping(m, i)->lock = a->id;",
        """i++, count++) {
        monitor_mapping(m, i)->lock = a->id;
        capability_page_deleted(m, monitor_mapping(m, i));
    }""",
        ("page-delete", "chain"),
    ),
    Bug(
        "HOME_PIN_IGNORED",
        ASKING,
        "        if (own == VERDICT_BUSY || ",
        "        if (own == VERDICT_PINNED) own = VERDICT_OK;\n        if (own == VERDICT_BUSY || ",
        ("page-delete-pin", "chain"),
    ),
    Bug(
        "ASKED_MOVES_MAPPED",
        COPY,
        "return t->move ? ",
        "return false ? ",
        ("page-move", "flat", "owner"),
    ),
    Bug(
        "PIECES_UNASKED",
        UNMAP_GOING,
        "return !single(a) && name_piece(m, a, a->slot + m->piece_slots);",
        "return false;",
        ("pages-pin", "flat"),
    ),
    Bug(
        "CNODE_LEFT_OPEN",
        UNMAP_GOING,
        "    name_piece(m, a, first);",
        "    cspace_reopen(monitor_cspace(m), victim);\n    name_piece(m, a, first);",
        ("cnode-map", "flat"),
    ),
    Bug(
        "CNODE_NOT_REOPENED",
        UNMAP_GOING,
        "if (victim != NO_CAPABILITY)",
        "if (0)",
        ("cnode-pin", "flat"),
    ),
    Bug(
        "CNODE_NOT_CLOSED",
        UNMAP_GOING,
        "    cspace_closed(cs, victim);",
        "    cspace_reopen(cs, victim);",
        ("cnode-map", "flat"),
    ),
    Bug(
        "REVOKED_MAY_BE_MAPPED",
        UNMAP_GOING,
        "if (cspace_slot(cs, victim)->type == CAP_RAM)\n",
        "if (0)\n",
        ("cnode-revoke-pin", "flat"),
    ),
)
