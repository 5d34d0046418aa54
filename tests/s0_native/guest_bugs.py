"""Seeded bugs of how a program's threads and the signal handler keep out of each other's way, seen
by threads under ThreadSanitizer.
"""

from __future__ import annotations

from seeded import Bug, table

INTERRUPT = "driver/interrupt.c"

BUGS = table(
    Bug(
        "HANDLER_NOT_AWAITED",
        INTERRUPT,
        "    await_handler(d);\n    return true;\n",
        "    return true;\n",
    ),
    Bug(
        "GUEST_NOT_SEEN",
        INTERRUPT,
        " ||\n        atomic_load_explicit(&d->guest, memory_order_seq_cst)) {",
        ") {",
    ),
    Bug(
        "GUEST_NOT_KEPT_OUT",
        INTERRUPT,
        "if (atomic_load_explicit(&d->inside, memory_order_seq_cst)) {",
        "if (false) {",
    ),
)
