"""Seeded bugs in what threads share: rings, call lines, doorbells, the lock, the change line. All
but the doorbell's are seen by the client named, under ThreadSanitizer.
"""

from __future__ import annotations

import re

from seeded import Bug, Edit, table

RING, USED_RING, CALL_LINE = "channel/ring.h", "channel/used_ring.h", "channel/call_line.h"
DOORBELL, CHANGE_LINE = "channel/doorbell.h", "shared/change_line.h"


def weaker(file: str, text: str) -> Edit:
    """A release or acquire that orders nothing."""
    return Edit(file, text, re.sub("memory_order_(release|acquire)", "memory_order_relaxed", text))


def relaxed(name: str, client: str, file: str, *texts: str) -> Bug:
    return Bug(name, edits=tuple(weaker(file, text) for text in texts), seen_by=(client,))


LOCKS = ("ttas", "ticket", "mcs", "hapax", "readers", "robust")
"""As lock_client.c numbers them."""
LOCK_BUGS = (
    relaxed(
        "TTAS_RELEASE",
        "lock ttas",
        "locks/ttas.h",
        "atomic_store_explicit(&lock->holder, LOCK_NONE, memory_order_release)",
    ),
    Bug(
        "TTAS_ACQUIRE",
        "locks/ttas.h",
        "memory_order_seq_cst, memory_order_relaxed);",
        "memory_order_relaxed, memory_order_relaxed);",
        seen_by=("lock ttas",),
    ),
    relaxed(
        "TICKET_RELEASE",
        "lock ticket",
        "locks/ticket.h",
        "atomic_store_explicit(&lock->serving, next, memory_order_release)",
    ),
    relaxed(
        "TICKET_ACQUIRE",
        "lock ticket",
        "locks/ticket.h",
        "return atomic_load_explicit(&lock->serving, memory_order_acquire)",
    ),
    relaxed(
        "MCS_RELEASE",
        "lock mcs",
        "locks/mcs.h",
        "LOCK_NONE,\n                                                    memory_order_release",
        "atomic_store_explicit(&successor->waiting, 0, memory_order_release)",
    ),
    relaxed(
        "MCS_ACQUIRE",
        "lock mcs",
        "locks/mcs.h",
        "atomic_load_explicit(&node->waiting, memory_order_acquire)",
    ),
    Bug(
        "MCS_LINK_ACQUIRE",
        "locks/mcs.h",
        "me + 1, memory_order_release,\n" + 66 * " " + "memory_order_acquire),",
        "me + 1, memory_order_release,\n" + 66 * " " + "memory_order_relaxed),",
        seen_by=("lock mcs",),
    ),
    Bug(
        "MCS_LEFT_RELEASE",
        "locks/mcs.h",
        "memory_order_acq_rel, memory_order_acquire))\n            return;",
        "memory_order_acquire, memory_order_acquire))\n            return;",
        seen_by=("lock mcs",),
    ),
    relaxed(
        "HAPAX_RELEASE",
        "lock hapax",
        "locks/hapax.h",
        "atomic_store_explicit(&node->departed, number, memory_order_release)",
        "atomic_store_explicit(&lock->departed, number, memory_order_release)",
    ),
    relaxed(
        "HAPAX_ACQUIRE",
        "lock hapax",
        "locks/hapax.h",
        "return atomic_load_explicit(&lock->departed, memory_order_acquire)",
    ),
    relaxed(
        "READERS_RELEASE",
        "lock readers",
        "locks/readers.h",
        "atomic_store_explicit(&nodes[me].waiting, 0, memory_order_release)",
    ),
    Bug(
        "WAITER_NOT_SERVED",
        "locks/waiting.h",
        "    if (waiter->while_waiting)\n",
        "    if (waiter->while_waiting && !waiter->parks)\n",
        seen_by=("lock ticket",),
    ),
    Bug(
        "READERS_NOT_SEEN",
        "locks/readers.h",
        "return readers_drain(lock, nodes, 0, most, me, waiter);",
        "return readers_drain(lock, nodes, 0, most / 2, me, waiter);",
        seen_by=("lock readers",),
    ),
)


BUGS = table(
    relaxed(
        "RING_RELEASE",
        "ring",
        RING,
        "atomic_store_explicit(&slot->control, control, memory_order_release)",
    ),
    relaxed(
        "RING_ACQUIRE",
        "ring",
        RING,
        "atomic_load_explicit(&(*slot)->control, memory_order_acquire)",
    ),
    Bug(
        "RING_CREDIT",
        edits=(
            Edit(RING, "if (end->sender.position > end->sender.limit) {", "if (false) {"),
            Edit(
                RING,
                "    if (__builtin_expect(end->sender.position >= end->sender.limit, 0) &&"
                " !ring_has_room(end))\n"
                "        return false;\n",
                "",
            ),
        ),
        seen_by=("ring",),
    ),
    relaxed(
        "USED_RELEASE",
        "used_ring",
        USED_RING,
        "atomic_store_explicit(&slot->control, USED_RING_USED, memory_order_release)",
    ),
    relaxed(
        "USED_ACQUIRE",
        "used_ring",
        USED_RING,
        "memory_order_acquire);\n    if (control == USED_RING_FREE)",
    ),
    relaxed(
        "USED_CLEAR",
        "used_ring",
        USED_RING,
        "atomic_store_explicit(&slot->control, USED_RING_FREE, memory_order_release)",
    ),
    relaxed(
        "USED_REUSE",
        "used_ring",
        USED_RING,
        "memory_order_acquire);\n    if (control != USED_RING_FREE)",
    ),
    Bug(
        "USED_CREDIT",
        USED_RING,
        "    uint64_t control = atomic_load_explicit(&slot->control, memory_order_acquire);\n"
        "    if (control != USED_RING_FREE)\n"
        "        return false;\n",
        "",
        seen_by=("used_ring",),
    ),
    relaxed(
        "CALL_RELEASE",
        "call_line",
        CALL_LINE,
        "atomic_store_explicit(&slot->control, 2 * end->lap + 1, memory_order_release)",
    ),
    relaxed(
        "CALL_RECEIVE",
        "call_line",
        CALL_LINE,
        "memory_order_acquire);\n    return control == 2 * end->lap + 1",
    ),
    relaxed(
        "CALL_ACQUIRE",
        "call_line",
        CALL_LINE,
        "memory_order_acquire);\n    if (control != call_reply_control(end, line))",
    ),
    relaxed(
        "CALL_REPLY",
        "call_line",
        CALL_LINE,
        "atomic_store_explicit(&slot->control, control + 1, memory_order_release)",
    ),
    Bug(
        "CALL_CREDIT",
        CALL_LINE,
        "return !(end->outstanding >> end->next & 1);",
        "return end->window;",
        seen_by=("call_line",),
    ),
    *LOCK_BUGS,
    Bug(
        "CHANGE_NUMBER",
        CHANGE_LINE,
        "return atomic_load_explicit(&line->number, memory_order_relaxed) == sequence;",
        "return line && sequence;",
        seen_by=("change_line",),
    ),
    relaxed(
        "CHANGE_ACKNOWLEDGE",
        "change_line",
        CHANGE_LINE,
        "atomic_fetch_sub_explicit(missing, 1, memory_order_release)",
    ),
    Bug(
        "BELL_CALLER",
        DOORBELL,
        "    atomic_thread_fence(memory_order_seq_cst);\n    doorbell_ring_fenced(doorbell);\n",
        "    doorbell_ring_fenced(doorbell);\n",
        seen_by=("doorbell",),
    ),
    Bug(
        "BELL_OWNER",
        DOORBELL,
        " pairs with the fence in doorbell_ring. */\n"
        "    atomic_thread_fence(memory_order_seq_cst);\n",
        " */\n",
        seen_by=("doorbell",),
    ),
    Bug(
        "WATCH_OWNER",
        DOORBELL,
        "    /* Pairs with the fence in doorbell_call. */\n"
        "    atomic_thread_fence(memory_order_seq_cst);\n",
        "",
        seen_by=("doorbell",),
    ),
    Bug(
        "WATCH_CALLER",
        DOORBELL,
        "    atomic_thread_fence(memory_order_seq_cst);\n    if (__builtin_expect(first",
        "    if (__builtin_expect(first",
        seen_by=("doorbell",),
    ),
    Bug(
        "HINT_BEHIND_THE_MODE",
        DOORBELL,
        "        hints_give(&doorbell->hints, from, cores);\n    doorbell_ring_fenced(doorbell);\n",
        "    {\n        doorbell_ring_fenced(doorbell);\n"
        "        hints_give(&doorbell->hints, from, cores);\n    }\n"
        "    else\n        doorbell_ring_fenced(doorbell);\n",
        seen_by=("doorbell",),
    ),
    Bug(
        "HINT_UPPER_FIRST",
        "channel/hints.h",
        "        hints_set(&hints->core[core / 64], core % 64);\n        core /= 64;\n    }\n"
        "    hints_set(&hints->first, core);\n",
        "        hints_set(&hints->first, core / 64);\n"
        "        hints_set(&hints->core[core / 64], core % 64);\n    } else {\n"
        "        hints_set(&hints->first, core);\n    }\n",
        seen_by=("doorbell",),
    ),
)
