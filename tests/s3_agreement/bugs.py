"""Bugs of the protocol, each with the scenario that finds it and the route it is found along: those
of the engine and of the agreement about mappings. And all of them by name.
"""

from s3_agreement.capability_bugs import CAPABILITIES, PAGES
from seeded import Bug, Edit, table

STEP, ROUND = "monitor/step.c", "monitor/round.c"
TREE, MAPPING = "monitor/install_tree.c", "monitor/mapping/mapping.c"

COMMITS_OR_ABORTS = "agreement_begin_round(m, env, op, yes ? KIND_COMMIT : KIND_ABORT, out);"
UNLOCKS_REFUSED = """        if (verdict != VERDICT_OK)
            unlock(m, op);
        if (verdict != VERDICT_OK)
"""
# The abort of an unmap that does not look what became of the page.
ABORTS_BLINDLY = (
    Edit(
        MAPPING,
        "if (mapping->state == MAPPING_FREE || mapping->generation != op->generation)",
        "if (0)",
    ),
    Edit(MAPPING, "if (mapping->lock && mapping->lock != op->id)", "if (0)"),
)

ENGINE = (
    Bug(
        "COMMIT_ON_REFUSAL",
        ROUND,
        COMMITS_OR_ABORTS,
        "agreement_begin_round(m, env, op, KIND_COMMIT, out);",
        ("unmap-2", "flat"),
    ),
    Bug(
        "REPLY_BEFORE_CHILDREN",
        ROUND,
        "op->waiting = forward(m, op, kind, out);",
        "op->waiting = forward(m, op, kind, out);\n    if (op->root != m->me) op->waiting = 0;",
        ("unmap", "chain"),
    ),
    Bug(
        "LOCK_IGNORED",
        STEP,
        "agreement_holder(m, op) ? VERDICT_BUSY : row->may_prepare(m, op);",
        "row->may_prepare(m, op);",
        ("unmap-2", "flat"),
    ),
    Bug(
        "LAST_CHILD_FORGOTTEN",
        ROUND,
        "    return sent;",
        "    if (kind == KIND_COMMIT && sent > 1) out->count--, sent--;\n    return sent;",
        ("unmap", "flat"),
    ),
    Bug(
        "NO_SECOND_ROUND",
        ROUND,
        COMMITS_OR_ABORTS,
        """if (yes) {
            op->phase = PHASE_COMMITTING;
            agreement_own_part(m, env, op);
            agreement_succeed(m, env, op, out);
        } else {
            agreement_begin_round(m, env, op, KIND_ABORT, out);
        }""",
        ("unmap", "flat"),
    ),
    Bug(
        "UNLOCK_AT_VOTE",
        ROUND,
        "merge(op, row->prepare(m, op, env->mmu), m->me);",
        "merge(op, row->prepare(m, op, env->mmu), m->me);\n        if (!root) unlock(m, op);",
        ("unmap", "chain"),
    ),
    Bug(
        "ONE_PHASE_WITHOUT_RESTORE",
        ROUND,
        """        } else {
            agreement_begin_round(m, env, op, KIND_ABORT, out);
        }""",
        """        } else {
            op->phase = PHASE_COMMITTING;
            agreement_own_part(m, env, op);
            agreement_done(m, op, (enum verdict)op->verdict, op->named, out);
        }""",
        ("pin-one", "chain"),
    ),
    Bug(
        "ABORT_TO_NOBODY",
        ROUND,
        "    return sent;",
        "    if (kind == KIND_ABORT) out->count -= sent, sent = 0;\n    return sent;",
        ("unmap-2", "chain"),
    ),
    Bug(
        "UNLOCK_AT_FAILED_APPLY",
        seen_by=("host-fails", "flat"),
        edits=(
            Edit(ROUND, "        if (verdict != VERDICT_OK)\n", UNLOCKS_REFUSED),
            *ABORTS_BLINDLY,  # one that looks does no harm
        ),
    ),
    Bug(
        "TREE_OF_THE_MOMENT",
        ROUND,
        "monitor_links(m, root, op->tree)",
        "monitor_links(m, root, monitor_tree(m, root)->current)",
        ("tree", "chain"),
    ),
    Bug(
        "TREE_STAGED_OVER_LIVE",
        TREE,
        "if (p.root == m->me && version_is_used(m, op, p.version))",
        "if (0)",
        ("tree", "chain"),
    ),
    Bug(
        "TREE_UNCHECKED",
        TREE,
        """            /* what is staged of this piece is taken away again by the abort */
            return VERDICT_BAD_REQUEST;""",
        "            continue;",
        ("tree-nonsense", "flat"),
    ),
    Bug(
        "GATHER_FORGOTTEN",
        STEP,
        "if (op->phase == PHASE_PREPARING && monitor_rows[op->row]->gather)",
        "if (0)",
        ("copy", "flat"),
    ),
    Bug(
        "RANGE_GIVEN_EARLY",
        ROUND,
        "if (!(root || is_own(m, op)) || !row->settled)\n            unlock(m, op);",
        "unlock(m, op);",
        ("revoke", "flat"),
    ),
    Bug(
        "OWNER_WITHOUT_LOCK",
        ROUND,
        "    agreement_take(m, op);\n    row->adopt(m, op);",
        "    if (own) agreement_take(m, op);\n    row->adopt(m, op);",
        ("retype", "flat", "owner"),
    ),
    Bug(
        "OWNER_ANSWERS_EARLY",
        ROUND,
        "op->waiting = forward(m, op, kind, out);",
        """op->waiting = forward(m, op, kind, out);
    if (kind == KIND_COMMIT && op->root == m->me && !is_own(m, op))
        op->waiting = 0;""",
        ("copy", "chain", "owner"),
    ),
    Bug(
        "OWNER_TOO_SURE",
        ROUND,
        "verdict = agreement_holder(m, op) ? VERDICT_BUSY : row->sequence(m, op);",
        "verdict = row->sequence(m, op);",
        ("move-owned", "flat", "owner"),
    ),
    Bug(
        "ASKED_NOT_AGAIN",
        ROUND,
        "if (op->phase == PHASE_ABORTED && is_own(m, op))",
        "if (0)",
        ("owner-nested", "flat", "owner"),
    ),
    Bug(
        "ASKED_WITHOUT_LOCK",
        STEP,
        "    agreement_take(m, op);",
        "    if (!own) agreement_take(m, op);",
        ("retype-3", "flat", "owner"),
    ),
    Bug(
        "ASKED_GIVES_EARLY",
        ROUND,
        "if (!(root || is_own(m, op)) || !row->settled)",
        "if (!root || !row->settled)",
        ("owner-nested", "flat", "owner"),
    ),
    Bug(
        "ROUTED_BY_INITIATOR",
        ROUND,
        "uint32_t root = op->root, sent = 0;",
        "uint32_t root = initiator_of(op), sent = 0;",
        ("retype-3", "chain", "owner"),
    ),
    Bug(
        "PIECE_REFUSED_ALONE",
        STEP,
        "        if (again)\n            op->phase = PHASE_PREPARED;\n",
        "",
        ("pages-pin", "flat"),
    ),
)

MAPPINGS = (
    Bug(
        "ABORT_WITHOUT_RESTORE",
        MAPPING,
        """        return;
    if (held(m, mapping))
        mmu->protect(mmu->context, op->slot, op->saved);""",
        "        return;",
        ("pin", "flat"),
    ),
    Bug(
        "PIN_IGNORED",
        MAPPING,
        "return mapping->pins ? VERDICT_PINNED : VERDICT_OK;",
        "return VERDICT_OK;",
        ("pin", "chain"),
    ),
    Bug(
        "PREPARE_WITHOUT_REVOKE",
        MAPPING,
        "if (!held(m, monitor_mapping(m, op->slot)))",
        "if (1)",
        ("unmap", "flat"),
    ),
    Bug(
        "GENERATION_IGNORED",
        MAPPING,
        "return mapping->state == MAPPING_MAPPED && mapping->generation == generation;",
        "return mapping->state == MAPPING_MAPPED;",
        ("stale", "chain"),
    ),
    Bug(
        "SLOT_LOST_AT_RETRY",
        MAPPING,
        """    if (initiated_here(m, op) && monitor_retries(op))
        mapping->state = MAPPING_RESERVED;
    else
        mapping_free(m, op->slot);""",
        "    mapping_free(m, op->slot);",
        ("map-again", "flat"),
    ),
    Bug(
        "SET_TAKEN_FOR_GRANTED",
        MAPPING,
        "if (m->set_words > 1 && mapping->generation != op->generation)",
        "if (0)",
        ("map-wide", "flat"),
    ),
    Bug(
        "PAGE_RETURNS",
        seen_by=("page-returns", "flat"),
        edits=ABORTS_BLINDLY,
    ),
)

BUGS = table(*ENGINE, *MAPPINGS, *CAPABILITIES, *PAGES)
