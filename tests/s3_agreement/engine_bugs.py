"""Bugs of the agreement engine, each with the scenario that finds it, the route it is found along
and what else the explorer is told.
"""

from seeded import Bug, Edit

STEP, ROUND, ATTEMPT = "monitor/step.c", "monitor/round.c", "monitor/attempt.c"
WAITING, FORESIGHT = "monitor/waiting.c", "monitor/foresight.c"
TREE, HANDED_OVER = "monitor/install_tree.c", "monitor/handed_over.c"
MAPPING = "monitor/mapping/mapping.c"

COMMITS_OR_ABORTS = (
    "return !yes ? KIND_ABORT : kind->more && kind->more(m, a) ? KIND_PREPARE : KIND_COMMIT;"
)
AWAITS = "if (asked)\n            core_set_add(asked, core);"
ASKS = "sent = forward(m, env, a, kind, OUTPUT_REQUEST, a->awaited, out);"
FORGETS_ONE = "core_set_remove(a->awaited, out->below[--out->below_count]);"
ASKS_THOSE = "if (kind <= KIND_APPLY || a->joined || kind_of(env, a)->more)"
TAKES_LINKS = "routing->links(routing->context, a->root, a->place);"
COMMITS_ALONE = """{
        a->phase = PHASE_COMMITTING;
        own_part(m, env, a, out);
        return 0;
    }
"""
# The abort of an unmap that does not look what became of the page.
ABORTS_BLINDLY = (
    Edit(
        MAPPING,
        "if (mapping->state == MAPPING_FREE || mapping->generation != a->generation)",
        "if (0)",
    ),
    Edit(MAPPING, "if (mapping->lock && mapping->lock != a->id)", "if (0)"),
)

ENGINE = (
    Bug(
        "COMMIT_ON_REFUSAL",
        ROUND,
        COMMITS_OR_ABORTS,
        "return KIND_COMMIT;",
        ("unmap-2", "flat"),
    ),
    Bug(
        "REPLY_BEFORE_CHILDREN",
        ROUND,
        AWAITS,
        AWAITS.replace("asked)", "asked && a->root == m->me)", 1),
        ("unmap", "chain"),
    ),
    Bug(
        "LOCK_IGNORED",
        STEP,
        "holder ? VERDICT_BUSY : kind->check(m, a);",
        "kind->check(m, a);",
        ("unmap-2", "flat"),
    ),
    Bug(
        "WAITS_FOR_A_STRONGER_ONE",
        STEP,
        "if (holder && !own && !again && agreement_may_wait(m, a, holder)) {",
        "if (holder && !own && !again) {",
        ("unmap-2", "flat"),
    ),
    Bug(
        "STRONGER_CAME_BETWEEN_UNSEEN",
        WAITING,
        "return !holder || (agreement_waits_to_join(m, a) && !agreement_may_wait(m, a, holder));",
        "return !holder;",
        ("unmap-3", "chain"),
    ),
    Bug(
        "ABORT_KEPT_FROM_WHAT_JOINED",
        ROUND,
        ASKS_THOSE,
        "if (kind != KIND_ABORT || kind_of(env, a)->more)",
        ("unmap-3", "flat"),
    ),
    Bug(
        "COMMIT_KEPT_FROM_WHAT_JOINED",
        ROUND,
        ASKS_THOSE,
        "if (kind != KIND_COMMIT || kind_of(env, a)->more)",
        ("unmap", "flat"),
    ),
    Bug(
        "LAST_CHILD_FORGOTTEN",
        ROUND,
        ASKS,
        f"{{ {ASKS} if (sent && kind == KIND_COMMIT && out->below_count > 1) {FORGETS_ONE} }}",
        ("unmap", "flat"),
    ),
    Bug(
        "NO_SECOND_ROUND",
        ROUND,
        COMMITS_OR_ABORTS,
        f"{{ if (!yes) return KIND_ABORT; {COMMITS_ALONE} }}",
        ("unmap", "flat"),
    ),
    Bug(
        "UNLOCK_AT_VOTE",
        ROUND,
        "merge(a, kind->prepare(m, env, a), m->me);",
        """merge(a, kind->prepare(m, env, a), m->me);
        if (!root)
            kind->object->give(m, env, a);""",
        ("unmap", "chain"),
    ),
    Bug(
        "ONE_PHASE_WITHOUT_RESTORE",
        ROUND,
        "    if (!yes)\n        return KIND_ABORT;\n",
        """    if (!yes) {
        a->phase = PHASE_COMMITTING;
        own_part(m, env, a, out);
        a->phase = PHASE_ABORTING;
        m->aborting++;
        return 0;
    }
""",
        ("pin-one", "chain"),
    ),
    Bug(
        "ABORT_TO_NOBODY",
        ROUND,
        ASKS,
        f"""{{
            {ASKS}
            while (sent && kind == KIND_ABORT && out->below_count)
                {FORGETS_ONE}
            if (sent && kind == KIND_ABORT) {{
                out->count--;
                sent = false;
            }}
        }}""",
        ("unmap-2", "chain"),
    ),
    Bug(
        "UNLOCK_AT_FAILED_APPLY",
        seen_by=("host-fails", "flat"),
        edits=(
            Edit(
                ROUND,
                "        if (verdict == VERDICT_OK) {\n",
                """        if (verdict != VERDICT_OK)
            kind->object->give(m, env, a);
        if (verdict == VERDICT_OK) {
""",
            ),
            *ABORTS_BLINDLY,  # one that looks does no harm
        ),
    ),
    Bug(
        "TREE_OF_THE_MOMENT",
        ROUND,
        "    const struct tree_link *link = agreement_links(env, a);",
        """    const uint32_t place = tree_place(monitor_tree(m, a->root)->version);
    const struct tree_link *link =
        place == TREE_FLAT ? NULL : env->routing->links(env->routing->context, a->root, place);""",
        ("tree", "chain"),
    ),
    Bug(
        "TREE_STAGED_OVER_LIVE",  # its place is not waited for
        TREE,
        "place_is_used(m, a, tree_place((uint32_t)a->argument[0])) ? VERDICT_BUSY : VERDICT_OK;",
        "VERDICT_OK;",
        ("tree", "chain"),
    ),
    Bug(
        "TREE_UNCHECKED",  # what publish says of it
        TREE,
        "? VERDICT_OK\n               : VERDICT_BAD_REQUEST;",
        "? VERDICT_OK\n               : VERDICT_OK;",
        ("tree-nonsense", "flat"),
    ),
    Bug(
        "GATHER_FORGOTTEN",
        ROUND,
        "if (a->phase == PHASE_PREPARING && verdict == VERDICT_OK && kind_of(env, a)->gather)",
        "if (0)",
        ("copy", "flat"),
    ),
    Bug(
        "RANGE_GIVEN_EARLY",
        ROUND,
        """if (!(root || agreement_is_own(m, a)) || !kind->settled || agreement_is_early(env, a))
            kind->object->give(m, env, a);""",
        "kind->object->give(m, env, a);",
        ("revoke-far", "flat"),
    ),
    Bug(
        "LOCK_UNFORESEEN",
        FORESIGHT,
        "kind->object->holder(m, &a) || ",
        "",
        ("unmap-2", "flat"),
    ),
    Bug(
        "REFUSAL_UNFORESEEN",
        FORESIGHT,
        " || kind->check(m, &a) != VERDICT_OK",
        "",
        ("retype-overlap", "flat"),
    ),
    Bug(
        "CHILDREN_UNFORESEEN",
        FORESIGHT,
        "if (!tree_is_leaf(agreement_links(env, &a), a.root, m->me))",
        "if (0)",
        ("unmap", "chain"),
    ),
    Bug(
        "RIGHTS_UNFORESEEN",
        FORESIGHT,
        "    kind->foresee(m, &a, f);",
        "    kind->foresee(m, &a, f);\n    f->protects = false;",
        ("unmap", "flat"),
    ),
    Bug(
        "ANSWERED_BEFORE_THE_VOTES",
        ROUND,
        "if (a->phase == PHASE_COMMITTING && a->root == m->me && agreement_is_early(env, a))",
        "if (a->root == m->me && agreement_is_early(env, a) && a->protocol == TWO_PHASE &&"
        " agreement_workflow(m, a)->state == WORKFLOW_AGREEING)",
        ("unmap", "flat"),
    ),
    Bug(
        "UNDECIDED_IS_REFUSED",
        "monitor/mapping/unmap.c",
        "&&\n        !mapping_is_undecided(mapping, request->generation)",
        "",
        ("map", "flat"),
    ),
    Bug(
        "OWNER_WITHOUT_LOCK",
        ATTEMPT,
        "    agreement_take(m, env, a);\n",
        "    if (agreement_is_own(m, a)) agreement_take(m, env, a);\n",
        ("retype", "flat", "owner"),
    ),
    Bug(
        "OWNER_ANSWERS_EARLY",
        ROUND,
        AWAITS,
        f"""if (kind != KIND_COMMIT || a->root != m->me || agreement_is_own(m, a))
            {AWAITS}""",
        ("copy", "chain", "owner"),
    ),
    Bug(
        "OWNER_TOO_SURE",
        ATTEMPT,
        """    if (agreement_holder(m, env, a))
        return VERDICT_BUSY;
    kind = kind_of(env, a);
""",
        "    kind = kind_of(env, a);\n",
        ("move-owned", "flat", "owner"),
    ),
    Bug(
        "ASKED_NOT_AGAIN",
        ROUND,
        "if (a->phase == PHASE_ABORTED)",
        "if (0)",
        ("owner-nested", "flat", "owner"),
    ),
    Bug(
        "ASKED_WITHOUT_LOCK",
        STEP,
        "    agreement_take(m, env, a);",
        "    if (!own) agreement_take(m, env, a);",
        ("retype-3", "flat", "owner"),
    ),
    Bug(
        "ASKED_GIVES_EARLY",
        ROUND,
        "if (!(root || agreement_is_own(m, a)) || !kind->settled ||",
        "if (!root || !kind->settled ||",
        ("owner-nested", "flat", "owner"),
    ),
    Bug(
        "ROUTED_BY_INITIATOR",
        seen_by=("retype-3", "chain", "owner"),
        edits=(
            Edit(
                "monitor/step_inside.h",
                TAKES_LINKS,
                TAKES_LINKS.replace("a->root", "agreement_initiator(a)"),
            ),
            Edit(
                ROUND,
                "m->cores, a->root, m->me, core)",
                "m->cores, agreement_initiator(a), m->me, core)",
            ),
            Edit(ROUND, "m, a, kind, a->root);", "m, a, kind, agreement_initiator(a));"),
        ),
    ),
    Bug(
        "PIECE_REFUSED_ALONE",
        STEP,
        "        else if (again)\n            a->phase = PHASE_PREPARED;\n",
        "",
        ("pages-pin", "flat"),
    ),
)

# What is remembered, for how long, and who is told when it is final.
