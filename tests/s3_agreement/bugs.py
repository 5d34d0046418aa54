"""Bugs of the protocol, each with the scenario that finds it, the route it is found along and what
else the explorer is told: those of the engine's records, and of the agreement about mappings. And
all of them by name.
"""

from s3_agreement.capability_bugs import CAPABILITIES, PAGES
from s3_agreement.engine_bugs import (
    ABORTS_BLINDLY,
    ENGINE,
    HANDED_OVER,
    MAPPING,
    ROUND,
    STEP,
    TREE,
    WAITING,
)
from seeded import Bug, Edit, table

MAP, UNMAP = "monitor/mapping/map.c", "monitor/mapping/unmap.c"
TABLE = "memory/mapping_table.h"

# The home hears that a page is gone while another operation holds its entry, and does not wait.
RELEASES_LOCKED = Edit(
    MAPPING, "    if (mapping->lock)\n        mapping->released = 1;\n    else\n", ""
)

RECORDS = (
    Bug(
        "FORGOTTEN_AT_VOTE",
        ROUND,
        "} else if (a->phase == PHASE_COMMITTED || a->phase == PHASE_ABORTED) {",
        "} else if (a->phase != PHASE_APPLIED) {",
        ("unmap", "flat"),
    ),
    Bug(
        "FORGOTTEN_AT_APPLY",
        ROUND,
        "} else if (a->phase == PHASE_COMMITTED || a->phase == PHASE_ABORTED) {",
        "} else if (a->phase != PHASE_PREPARED) {",
        ("pin-one", "flat"),
    ),
    Bug(
        "REFUSED_NOT_FORGOTTEN",
        STEP,
        "        else\n            agreement_forget(m, a);\n",
        "",
        ("unmap-2", "flat"),
    ),
    Bug(
        "NO_ROOM_FOR_GOOD",
        STEP,
        "refuse(m, in, VERDICT_BUSY, out);",
        "refuse(m, in, VERDICT_BAD_REQUEST, out);",
        ("unmap-different", "flat", "tight"),
    ),
    Bug(
        "ENTRY_FORGOTTEN_AT_UNLOCK",
        MAPPING,
        "} else if (mapping->state == MAPPING_FREE) {",
        "} else {",
        ("map", "flat"),
    ),
    Bug(
        "ENTRY_NOT_FORGOTTEN",
        MAPPING,
        "} else if (mapping->state == MAPPING_FREE) {",
        "} else if (0) {",
        ("unmap", "flat"),
    ),
    Bug(
        "RELEASED_UNDER_LOCK",
        seen_by=("page-revoke-one", "flat"),
        edits=(RELEASES_LOCKED,),
    ),
    Bug(
        "FORGOTTEN_UNDER_LOCK",
        seen_by=("page-delete-one", "flat"),
        edits=(
            RELEASES_LOCKED,
            Edit(
                MAPPING,
                "    if (!mapping->lock)\n        forget(m, mapping);",
                "    forget(m, mapping);",
            ),
        ),
    ),
    Bug(
        "RELEASE_OF_ANOTHER_PAGE",
        MAPPING,
        "if (mapping->generation != (uint32_t)(message->word[2] >> 32) || !mapping->generation)",
        "if (0)",
        ("page-again", "flat"),
    ),
    Bug(
        "RELEASE_NOT_SENT",
        ROUND,
        "if (m->notifies_all) /* while the participants are known */",
        "if (0)",
        ("unmap-one", "flat", "tight"),
    ),
    Bug(
        "RELEASE_NOT_PASSED_ON",
        STEP,
        "if (m->notifies_all)",
        "if (0)",
        ("unmap-one", "chain", "tight"),
    ),
    Bug(
        "HOME_TAKES_NO_PART",
        MAPPING,
        "    core_set_add(buffer, home);\n    core_set_add(buffer, keeper);\n",
        "    if (keeper != home)\n        core_set_add(buffer, keeper);\n",
        ("subset", "flat"),
    ),
    Bug(
        "HOME_NOT_TOLD_OF_ONE_PHASE",
        UNMAP,
        "a->notify_home = a->protocol == ONE_PHASE && !m->notifies_all &&",
        "a->notify_home = false &&",
        ("subset-one", "flat"),
    ),
    Bug(
        "PLACE_NOT_TAKEN_OVER",
        STEP,
        "    a->place = (uint8_t)message_place(message);\n",
        "",
        ("unmap", "chain"),
    ),
    Bug(
        "VERSION_COUNTED_ONCE",
        TREE,
        "    a->argument[0] = monitor_tree(m, a->slot)->version + 1u;\n",
        """    if (!a->argument[0])
        a->argument[0] = monitor_tree(m, a->slot)->version + 1u;
""",
        ("tree-rivals", "flat"),
    ),
    Bug(
        "WAITS_TWICE",
        WAITING,
        "    m->waiting++;\n",
        "    m->waiting += agreement_is_own(m, a) ? 2 : 1;\n",
        ("unmap-2", "flat"),
    ),
    Bug(
        "ANSWER_BUSY_ENDS",
        HANDED_OVER,
        "} else if (verdict == VERDICT_BUSY && a->phase == PHASE_ASKED) {",
        "} else if (0) {",
        ("retype-3", "flat", "owner", "tight"),
    ),
    Bug(
        "ENGAGED_TWICE",
        STEP,
        "    m->engaged -= again;\n",
        "",
        ("pages-map", "flat"),
    ),
    Bug(
        "QUEUE_WITHOUT_END",
        WAITING,
        "    if (m->queue_last == record)\n        m->queue_last = before;\n",
        "",
        ("retype-3", "flat", "owner"),
    ),
    Bug(
        "QUEUE_KEEPS_WHAT_LEFT",
        WAITING,
        """        before = i;
        i = ((struct agreement *)(void *)sparse_record(&m->agreements, i))->next;
""",
        """        i = ((struct agreement *)(void *)sparse_record(&m->agreements, i))->next;
        before = i;
""",
        ("delete", "flat", "owner"),
    ),
    Bug(
        "QUEUED_UNSEEN",
        WAITING,
        "if (a->began < next && is_free(m, env, a))",
        "if (0)",
        ("retype-3", "flat", "owner"),
    ),
    Bug(
        "WAITING_UNSEEN",
        WAITING,
        "if (w->state == WORKFLOW_WAITING && w->retry_at < next &&",
        "if (w->state == WORKFLOW_WAITING && w->attempts > 1 && w->retry_at < next &&",
        ("unmap-2", "flat"),
    ),
)

MAPPINGS = (
    Bug(
        "ABORT_WITHOUT_RESTORE",
        MAPPING,
        """        return;
    if (mapping->held)
        env->mmu->protect(env->mmu->context, a->slot, a->saved);""",
        "        return;",
        ("pin", "flat"),
    ),
    Bug(
        "PIN_IGNORED",
        TABLE,
        "return pinned ? VERDICT_PINNED : VERDICT_OK;",
        "return VERDICT_OK;",
        ("pin", "chain"),
    ),
    Bug(
        "PIN_BEHIND_A_VOTE",
        TABLE,
        "    if (pinned && held && mapping_is_undecided(m, generation))\n"
        "        return VERDICT_BUSY;\n",
        "",
        ("pin", "flat"),
    ),
    Bug(
        "PREPARE_WITHOUT_REVOKE",
        MAPPING,
        "return f.protects ? env->mmu->protect(env->mmu->context, f.slot, f.rights) : VERDICT_OK;",
        "return VERDICT_OK;",
        ("unmap", "flat"),
    ),
    Bug(
        "GENERATION_IGNORED",
        TABLE,
        "return word_state(word) == MAPPING_MAPPED && (uint32_t)word == generation;",
        "return word_state(word) == MAPPING_MAPPED;",
        ("stale", "chain"),
    ),
    Bug(
        "SLOT_LOST_AT_RETRY",
        MAP,
        """    if (agreement_is_own(m, a) && agreement_retries(a))
        mapping->state = MAPPING_RESERVED;
    else
        mapping_free(m, env, mapping);""",
        "    mapping_free(m, env, mapping);",
        ("map-again", "flat"),
    ),
    Bug(
        "SET_OF_ANOTHER_LANE",
        MAP,
        "agreement_initiator(a), agreement_lane(m, a));",
        "agreement_initiator(a), agreement_lane(m, a) ^ 1);",
        ("map-wide", "flat"),
    ),
    Bug(
        "SET_NOT_GIVEN_BACK",
        MAPPING,
        "--*users_at(m, (uint32_t)mapping->holders);",
        ";",
        ("map-wide", "flat"),
    ),
    Bug(
        "PAGE_RETURNS",
        seen_by=("page-returns", "flat"),
        edits=ABORTS_BLINDLY,
    ),
)

FRAMES = (
    Bug(
        "KEEPER_NOT_ASKED",
        MAPPING,
        "    core_set_add(buffer, keeper);\n",
        "",
        ("free-map", "flat"),
    ),
    Bug(
        "MAPPED_BEFORE_THE_KEEPER_AGREES",
        MAP,
        """mapping->recorded ||
           (mapping->keeper && mapping->keeper != monitor_home(m, (uint32_t)mapping->slot) + 1);""",
        "mapping->recorded != 0;",
        ("free-map", "flat"),
    ),
    Bug(
        "FREED_WHILE_UNDECIDED",
        "memory/mapping_table.c",
        "        verdict = VERDICT_BUSY;\n",
        "        if (state != MAPPING_GONE)\n            verdict = VERDICT_BUSY;\n",
        ("free-unmap-one", "flat"),
    ),
    Bug(
        "KEEPER_NOT_NOTIFIED",
        UNMAP,
        "mapping->keeper == monitor_home(m, request->slot) + 1))",
        "mapping->keeper))",
        ("free-unmap-third", "flat"),
    ),
)

BUGS = table(*ENGINE, *RECORDS, *MAPPINGS, *FRAMES, *CAPABILITIES, *PAGES)
