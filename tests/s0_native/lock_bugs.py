"""Seeded bugs in what locks hold in every order of events: seen by the explorer, of the kind named,
with so many cores and rounds.
"""

from __future__ import annotations

from seeded import Bug, table

WAITING, TTAS, TICKET = "locks/waiting.h", "locks/ttas.h", "locks/ticket.h"
MCS, HAPAX, READERS = "locks/mcs.h", "locks/hapax.h", "locks/readers.h"
LINKS = """\
    if (__builtin_expect(!atomic_compare_exchange_strong_explicit(&nodes[before - 1].next, &link,
                                                                  me + 1, memory_order_release,
                                                                  memory_order_acquire),
                         0)) {
"""
LINKS_IN_ANY_CASE = """\
    link = atomic_exchange_explicit(&nodes[before - 1].next, me + 1, memory_order_acq_rel);
    if (link == MCS_LEFT) {
"""


def nobody_parked(name: str, kind: str, file: str) -> Bug:
    """A release that looks for nobody who is parked."""
    look = "const uint32_t parked = parking_look(&lock->parking);"
    return Bug(name, file, look, "const uint32_t parked = 0;", seen_by=(kind, "2", "2"))


BUGS = table(
    Bug(
        "DOOR_LEFT_SHUT",
        WAITING,
        "    if (wait->visits)\n        atomic_fetch_or_explicit",
        "    if (false && wait->visits)\n        atomic_fetch_or_explicit",
        seen_by=("ttas", "3", "1"),
    ),
    Bug(
        "NO_LAST_LOOK_AT_THE_DOOR",
        WAITING,
        "        if ((condition) && !parking_sleep(",
        "        if (((condition) || true) && !parking_sleep(",
        seen_by=("ttas", "2", "1"),
    ),
    Bug(
        "EPOCH_READ_LATE",
        WAITING,
        "    parking_fence();\n    return epoch;",
        "    parking_fence();\n"
        "    return atomic_load_explicit(&parking->epoch, memory_order_acquire) + 0 * epoch;",
        seen_by=("ticket", "2", "2"),
    ),
    Bug(
        "NO_FENCE",
        WAITING,
        "    parking_fence();\n    return epoch;",
        "    return epoch;",
        seen_by=("ticket", "2", "2"),
    ),
    nobody_parked("TICKET_WAKES_NOBODY", "ticket", TICKET),
    nobody_parked("MCS_DOOR_WAKES_NOBODY", "mcs", MCS),
    Bug(
        "MCS_NO_FENCE",
        MCS,
        "            parking_fence();\n",
        "",
        seen_by=("mcs", "2", "1", "0"),
    ),
    Bug(
        "MCS_NEXT_KEPT",
        MCS,
        "    atomic_store_explicit(&node->next, LOCK_NONE, memory_order_relaxed);\n",
        "",
        seen_by=("mcs", "2", "2", "0"),
    ),
    Bug(
        "MCS_LEFT_NOT_WAITED_FOR",
        MCS,
        "        !mcs_left(&nodes[me], waiter))",
        "        false && !mcs_left(&nodes[me], waiter))",
        seen_by=("mcs", "3", "21", "4"),
    ),
    Bug(
        "MCS_LEFT_NOT_SEEN",
        MCS,
        LINKS,
        LINKS.replace("!atomic", "false & !atomic"),
        seen_by=("mcs", "2", "1", "0"),
    ),
    Bug(
        "MCS_LINKS_WHERE_IT_WAS_LEFT",
        MCS,
        LINKS,
        LINKS_IN_ANY_CASE,
        seen_by=("mcs", "3", "21", "4"),
    ),
    Bug(
        "HAPAX_NOT_LOOKED_AGAIN",
        HAPAX,
        "if (seen == before || hapax_departed(lock, before))",
        "if (false)",
        seen_by=("hapax", "2", "2", "0"),
    ),
    Bug(
        "HAPAX_SLOT_NEVER",
        HAPAX,
        "    atomic_store_explicit(&lock->departed, number, memory_order_release);\n"
        "    atomic_store_explicit(&node->departed, number, memory_order_release);\n",
        "    atomic_store_explicit(&lock->departed, number, memory_order_release);\n",
        seen_by=("hapax", "2", "2", "0"),
    ),
    Bug(
        "TICKET_GIVEN_BACK_TOO_LATE",
        TICKET,
        "    uint32_t last = ticket + 1;\n",
        "    uint32_t last = (uint32_t)atomic_load_explicit(&lock->next, memory_order_relaxed);\n",
        seen_by=("ticket", "3", "1"),
    ),
    Bug(
        "READERS_NO_SECOND_LOOK",
        READERS,
        "if (__builtin_expect(!writer, 1))",
        "if (writer || !writer)",
        seen_by=("readers", "2", "1"),
    ),
    Bug(
        "READER_WAKES_NOBODY",
        READERS,
        "(parked & ~AT_THE_DOOR) != 0",
        "false && parked",
        seen_by=("readers", "2", "2"),
    ),
)

KILL_BUGS = table(
    Bug(
        "MCS_RELEASE_WAITS_FOR_THE_LINK",
        MCS,
        "        if (atomic_compare_exchange_strong_explicit(&node->next, &next, MCS_LEFT,\n"
        "                                                    memory_order_acq_rel, "
        "memory_order_acquire))\n"
        "            return;\n",
        "        while (!(next = atomic_load_explicit(&node->next, memory_order_acquire)))\n"
        "            sched_yield();\n",
        seen_by=("mcs",),
    ),
    Bug(
        "MCS_LEFT_WAITED_FOR_IN_VAIN",
        MCS,
        "        if (next == LOCK_STOP)\n            return false;\n",
        "",
        seen_by=("mcs",),
    ),
    Bug(
        "NO_END_OF_PATIENCE",
        WAITING,
        "            return LOCK_STOP;",
        "            wait->began = now;",
        seen_by=("hapax",),
    ),
    Bug(
        "WRITER_WAITS_FOR_A_DEAD_READER",
        READERS,
        "            if (next == LOCK_STOP) {",
        "            if (next == LOCK_STOP && !waiter) {",
        seen_by=("readers",),
    ),
)
"""Seen where processes are killed (lock_kill_client.c): a wait that never ends."""
