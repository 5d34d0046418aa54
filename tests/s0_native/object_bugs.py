"""Seeded bugs in objects that change their form: what loses an operation, does it twice or in part,
or waits for ever. Each is seen by the client named, with the arguments that follow its seed.
"""

from __future__ import annotations

from seeded import Bug, Edit, table

ADAPTIVE, LOCKED = "object/adaptive.c", "object/locked.h"
DELEGATED, REPLICATED, LOCKFREE = "object/delegated.c", "object/replicated.c", "object/lockfree.c"
COMBINED = "object/combined.c"
TWO_PHASE, BY_OWNER = "object/agreed_two_phase.c", "object/agreed_by_owner.c"

SWITCHING = "sums 0 4 2 256 31 20000 20 50"
THREADS = "threads 0 4 3 64 11 3000 20 50 0 0"
STOPPED = "sums 1 4096 3 64 16 3000 20 50 0 0 0 200"
COMING_BACK = "sums 1 512 3 16 16 2000 2000 50 0 0 1"
OVERTAKEN = "overtaken 1 256 16 40 4"

NEVER_LATER = Edit(DELEGATED, "if (ours && (mode & FORM_MASK) != FORM_DELEGATED)", "if (!slot)")

BUGS = table(
    # --- The mode ---
    Bug(
        "NO_SECOND_LOOK",
        LOCKED,
        "const bool same = alone || object_mode_is(o, mode);",
        "const bool same = true;",
        seen_by=(SWITCHING,),
    ),
    Bug(
        "READ_WITHOUT_A_SECOND_LOOK",
        LOCKED,
        "if (!alone && !object_mode_is(o, mode))",
        "if (!alone && false && mode)",
        seen_by=("sums 0 8 2 256 12 20000 20 90",),
    ),
    Bug(
        "EPOCH_NOT_COMPARED",
        edits=(
            Edit(
                DELEGATED,
                "slot_word(slot, REQUEST_MODE) == mode;",
                "slot_word(slot, REQUEST_MODE) || mode;",
            ),
            NEVER_LATER,
        ),
        seen_by=(SWITCHING,),
    ),
    Bug(
        "FORM_COMPARED_ALONE",
        edits=(
            Edit(
                DELEGATED,
                "slot_word(slot, REQUEST_MODE) == mode;",
                "(mode & FORM_MASK) != FORM_DELEGATED ||\n                      "
                "slot_word(slot, REQUEST_MODE) == mode;",
            ),
            NEVER_LATER,
        ),
        seen_by=(SWITCHING,),
    ),
    Bug(
        "SWITCH_WITHOUT_THE_LOCK",
        ADAPTIVE,
        "    if (is_locked(from))\n        locked_take(o, from);\n    else if",
        "    if",
        seen_by=(SWITCHING,),
    ),
    Bug(
        "MODE_RELEASE",
        ADAPTIVE,
        "&o->line->mode, next, memory_order_release",
        "&o->line->mode, next, memory_order_relaxed",
        seen_by=(THREADS,),
    ),
    Bug(
        "MODE_ACQUIRE",
        "object/object_inside.h",
        "&o->line->mode, memory_order_acquire",
        "&o->line->mode, memory_order_relaxed",
        seen_by=(THREADS,),
    ),
    # --- Waiting ---
    Bug(
        "WAITS_WITHOUT_SERVING",
        ADAPTIVE,
        "asked = o->me == o->owner && delegated_serve(o);",
        "asked = false;",
        seen_by=("sums 0 4 2 256 8 20000 20 50",),
    ),
    # --- In flight ---
    Bug(
        "SENT_BEHIND_WHAT_IS_REFUSED",
        "object/in_flight.c",
        "if (o->lines_out && o->flight_mode != mode)",
        "if (false)",
        seen_by=("sums 2 64 2 256 9 20000 20 0 0 1",),
    ),
    # --- Replicated ---
    Bug(
        "CLOSE_NOT_SEEN",
        REPLICATED,
        "reached = AT_CLOSE;\n            break;",
        "o->position++;\n            continue;",
        seen_by=(SWITCHING,),
    ),
    Bug(
        "READ_OF_ANOTHER_MODE",
        COMBINED,
        "atomic_load_explicit(&node->its->epoch, memory_order_relaxed) == mode &&",
        "mode &&",
        seen_by=("late 16 9",),
    ),
    Bug(
        "THE_CLOSE_IS_AN_OPERATION",
        edits=(
            Edit(
                REPLICATED,
                "look == LOG_ENTRY && !entry_count(entry)",
                "look == LOG_ENTRY && slot_word(operation_slot(o, entry >> PLACE_BITS & 63, "
                "entry & 4095), 0) == KIND_CLOSE",
            ),
            Edit(
                REPLICATED,
                "    if (operation)\n        log_put(o, 0, operation);",
                "    log_put(o, 0, operation ? operation : "
                "&(struct operation){.kind = KIND_CLOSE});",
            ),
            Edit(REPLICATED, "found, operation ? 1 : 0);", "found, 1);"),
        ),
        seen_by=("late 4",),
    ),
    Bug(
        "STATE_BEFORE_THE_CLOSE",
        REPLICATED,
        "    put_in_order(o, NULL); /* it",
        "    object_copy(o->state, o->replica, o->state_bytes);\n    put_in_order(o, NULL);\n"
        "    o->inside = false;\n    o->epoch = 0;\n    o->log_end = o->position + 2;\n"
        "    return; /* it",
        seen_by=(SWITCHING,),
    ),
    Bug(
        "LOG_BEGINS_WHERE_THE_OTHER_ENDED",
        REPLICATED,
        "o->log_end = o->position + 2;",
        "o->log_end = o->position;",
        seen_by=(SWITCHING,),
    ),
    Bug(
        "READ_BEFORE_THE_END",
        REPLICATED,
        "only_reads ? to_the_end(o) :",
        "only_reads ? !o->position || true :",
        seen_by=("history 0 3 2 256 16 4000 5 0",),
    ),
    Bug(
        "OVERTAKEN_UNAWARES",
        REPLICATED,
        "look == LOG_PAST || !read_entry(o, o->position, entry, 0, &operation)",
        "!read_entry(o, o->position, entry, 0, &operation)",
        seen_by=(COMING_BACK,),
    ),
    Bug(
        "COPIED_WHILE_IT_CHANGES",
        REPLICATED,
        "        from.version)\n        return false;",
        "        from.version && false)\n        return false;",
        seen_by=(COMING_BACK,),
    ),
    Bug(
        "COMES_BACK_WITHOUT_ITS_PLACE",
        REPLICATED,
        "at_position(o, from.version / 2);",
        "at_position(o, from.version / 2 + 1);",
        seen_by=(COMING_BACK,),
    ),
    Bug(
        "A_FULL_LOG_WAITS",
        REPLICATED,
        "if (i < patience || o->type->plain) {",
        "if (i < patience || true) {",
        seen_by=(STOPPED,),
    ),
    Bug(
        "GOES_PAST_WITHOUT_A_SNAPSHOT",
        REPLICATED,
        "    if (overtaken) {",
        "    if (overtaken && false) {",
        seen_by=(OVERTAKEN,),
    ),
    Bug(
        "SNAPSHOTS_ALONE",
        REPLICATED,
        "turn % 2 ? REPLICA : SNAPSHOT",
        "turn % 2 ? SNAPSHOT : SNAPSHOT",
        seen_by=(OVERTAKEN,),
    ),
    Bug(
        "HALF_A_SNAPSHOT_TAKEN",
        REPLICATED,
        "if (its & 1 || its < 2 * o->start",
        "if (its < 2 * o->start",
        seen_by=(OVERTAKEN,),
    ),
    # --- Combined ---
    Bug(
        "READ_BEFORE_THE_REPLICA_HAS_IT",
        COMBINED,
        "entry_at(log_entry(o, position), position) == LOG_END;\n        if (has_all)",
        "entry_at(log_entry(o, position), position) != LOG_PAST;\n        if (has_all)",
        seen_by=("history 0 3 3 256 512 4000 5 0",),
    ),
    Bug(
        "READ_WHILE_IT_IS_WRITTEN",
        COMBINED,
        "    readers_drain(lock, o->readers, node->first, node->behind, o->me, &o->backing_off);\n",
        "",
        seen_by=("sums 0 32 3 64 512 20000 20 50",),
    ),
    Bug(
        "ONE_OF_SEVERAL_COUNTED",
        COMBINED,
        "at_position(node, position + count);",
        "at_position(node, position + 1);",
        seen_by=("sums 0 4 3 64 512 5000 20 10",),
    ),
    Bug(
        "TAKEN_BACK_WHAT_WAS_DONE",
        COMBINED,
        "if (!open && posted)",
        "if (!open && (posted || true))",
        seen_by=("orders 0 ax,a 9 0",),
    ),
    Bug(
        "THE_CLOSE_IS_NO_END",
        edits=(
            Edit(COMBINED, "return entry_count(entry);", "return true;"),
            Edit(
                COMBINED,
                "position += entry_count(*end);",
                "position += entry_count(*end) + !entry_count(*end);",
            ),
        ),
        seen_by=("sums 0 4 2 256 529 20000 20 50",),
    ),
    Bug(
        "NO_ROOM_NEEDED",
        COMBINED,
        "if (position + count <= lowest + o->log_slots)",
        "if (position + count <= lowest + 64 * o->log_slots)",
        seen_by=("sums 0 4 3 16 512 5000 20 10 0 0 1",),
    ),
    Bug(
        "WHO_IS_BEHIND_IS_NOT_HELPED",
        COMBINED,
        "    if (try_node(o, &other)) {\n        bring_up",
        "    if (false) {\n        bring_up",
        seen_by=("overtaken 0 4 64 20 9",),
    ),
    # --- Lock-free ---
    Bug(
        "COUNTER_NOT_CLOSED",
        LOCKFREE,
        "atomic_fetch_or_explicit(&from->counter[0].value, COUNTER_CLOSED, memory_order_acq_rel);",
        "atomic_fetch_or_explicit(&from->counter[0].value, 0, memory_order_acq_rel);",
        seen_by=("sums 0 1 2 256 40 20000 20 50",),
    ),
    Bug(
        "QUEUE_NOT_CLOSED",
        LOCKFREE,
        "atomic_fetch_or_explicit(&from->slot[i], QUEUE_CLOSED,",
        "atomic_fetch_or_explicit(&from->slot[i], 0,",
        seen_by=("sums 2 64 2 256 40 20000 20 0",),
    ),
    Bug(
        "QUEUE_TAKEN_IS_FULL",
        LOCKFREE,
        "} else if (beyond > 0) {\n            /* Filled by",
        "} else if (beyond == (int64_t)QUEUE_FILLED) {\n            /* Filled by",
        seen_by=("orders 2 2 5",),
    ),
    Bug(
        "QUEUE_FILLED_ANEW_IS_EMPTY",
        LOCKFREE,
        "} else if (beyond > 0) {\n            /* Taken by",
        "} else if (slot == queue_taken(slots, head)) {\n            /* Taken by",
        seen_by=("orders 2 2 5",),
    ),
    # --- Agreed in two phases ---
    Bug(
        "A_NO_COUNTS_AS_A_YES",
        TWO_PHASE,
        "            all = false;",
        "            all = *yes |= agreed_bit(core);",
        seen_by=("orders 0 2 6",),
    ),
    Bug(
        "A_READ_WAITS_FOR_NO_OUTCOME",
        TWO_PHASE,
        "if ((a->held || !a->mode) &&",
        "if (((a->held && !only_reads) || !a->mode) &&",
        seen_by=("orders 0 a,ss,ss 6",),
    ),
    Bug(
        "ABORTED_AND_NOT_UNDONE",
        TWO_PHASE,
        "o->type->undo(a->replica, &a->operation, &a->result);",
        "a->wanting = false;",
        seen_by=("orders 0 3 6",),
    ),
    Bug(
        "OWN_PART_NOT_UNDONE",
        TWO_PHASE,
        "o->type->undo(a->replica, operation, result);",
        "a->wanting = false;",
        seen_by=("orders 0 2 6",),
    ),
    Bug(
        "THE_YOUNGER_WAITS_TOO",
        TWO_PHASE,
        "return older(its, a->holder) || position > a->position;",
        "return position >= a->position;",
        seen_by=("orders 0 2 6",),
    ),
    Bug(
        "DECIDED_AND_TAKEN_FOR_OPEN",
        TWO_PHASE,
        "return older(its, a->holder) || position > a->position;",
        "return older(its, a->holder) || !position;",
        seen_by=("orders 0 a,a,s 6",),
    ),
    Bug(
        "WHO_HAS_JOINED_IS_NOT_ASKED",
        TWO_PHASE,
        "agreed_tell(o, a->joined & ~asked, prepare);",
        "agreed_tell(o, a->joined & ~asked & 0, prepare);",
        seen_by=("orders 0 a,a,s 6",),
    ),
    Bug(
        "JOINS_WHAT_IS_PREPARED",
        TWO_PHASE,
        "if (slot && a->held)",
        "if (slot && a->held && a->closing)",
        seen_by=("orders 0 a,s,ss 6",),
    ),
    # --- Agreed by the owner ---
    Bug(
        "DONE_WHEN_IT_IS_SENT",
        BY_OWNER,
        "    if (!a->awaited)\n        finish(o);\n}\n\nstatic bool go_on",
        "    agreed_collect(o);\n    finish(o);\n}\n\nstatic bool go_on",
        seen_by=("orders 0 aa,ss 7",),
    ),
    Bug(
        "READ_BEFORE_THE_OTHERS_HAVE_IT",
        BY_OWNER,
        "if (__builtin_expect(a->released >= a->position, 1))",
        "if (__builtin_expect(a->released <= a->position, 1))",
        seen_by=("orders 0 a,ss,ss 7",),
    ),
    Bug(
        "STILL_READ_WHEN_IT_IS_NO_GOOD",
        BY_OWNER,
        "        a->has = false;\n    }\n    agreed_answered(",
        "        a->position = position;\n    }\n    agreed_answered(",
        seen_by=("orders 0 aa,sss 8",),
    ),
    Bug(
        "COPIED_WHILE_OTHERS_ARE_TOLD",
        BY_OWNER,
        "} else if (a->busy || a->wanting) {",
        "} else if ((a->busy || a->wanting) && operation.kind != KIND_JOIN) {",
        seen_by=("orders 0 aa,s,ss 8",),
    ),
    Bug(
        "ANOTHERS_COMES_FIRST",
        BY_OWNER,
        "if (position != a->position + 1)",
        "if (position == a->position)",
        seen_by=("orders 0 aa,sa 7",),
    ),
    # --- Types ---
    Bug(
        "GAP_NOT_CLOSED",
        "object/map.c",
        "            close_gap(map, pair);\n        return;\n    default:",
        "            state_set(&pair->key, 0);\n        return;\n    default:",
        seen_by=("sums 1 64 2 256 1 2000 200 0",),
    ),
)

EXPLORED = {
    "NO_SECOND_LOOK": "0 2 0 3",
    "SWITCH_WITHOUT_THE_LOCK": "0 2 1 3",
    "EPOCH_NOT_COMPARED": "0 2 3 4",
    "WAITS_WITHOUT_SERVING": "0 2 3 0",
    "CLOSE_NOT_SEEN": "0 2 4 3",
    "READ_BEFORE_THE_REPLICA_HAS_IT": "0/2 as,a 9",
    "THE_CLOSE_IS_NO_END": "0/2 axa,a 9 0",
    "STATE_BEFORE_THE_CLOSE": "0 2 4 3",
    "COUNTER_NOT_CLOSED": "0 2 5 3",
    "QUEUE_NOT_CLOSED": "2 2 5 3",
}
EXPLORED |= {
    name: bug.seen_by[0].removeprefix("orders ")
    for name, bug in BUGS.items()
    if bug.seen_by[0].startswith("orders ")
}
"""Those that the explorer finds too, and its arguments."""
