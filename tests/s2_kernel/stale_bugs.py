"""Bugs by which a handle of what is gone acts on what has its place now, and the histories that
draw such handles.
"""

from __future__ import annotations

from seeded import Bug, table

SLOTS = "capability/cspace_slots.c"
TABLE = "memory/mapping_table.h"

BUGS = table(
    # A capability, by its slot alone.
    Bug(
        "ANY_NAME_OF_A_SLOT",
        SLOTS,
        "return cspace_reference(cs, slot) == reference ? slot : NO_CAPABILITY;",
        "return slot;",
        ("test_capability_model.py", "test_histories and multikernel and not owner"),
    ),
    Bug(
        "ANY_NAME_OF_A_SLOT_TO_DELETE",
        "capability/cspace_delete.c",
        "const uint32_t slot = cspace_find_any(cs, reference);\n    struct cspace_progress",
        "const uint32_t slot = cspace_find_any(cs, cspace_reference(cs, (uint32_t)reference));\n"
        "    struct cspace_progress",
        ("test_capability_histories.py", "test_many_histories and shared and region"),
    ),
    # A page, by its slot alone: to change it, and to pin it.
    Bug(
        "ANY_PAGE_OF_A_SLOT",
        TABLE,
        "return word_state(word) == MAPPING_MAPPED && (uint32_t)word == generation;",
        "return word_state(word) == MAPPING_MAPPED && generation;",
        ("test_page_histories.py", "test_two_phases and multikernel"),
    ),
    Bug(
        "ANY_PAGE_OF_A_SLOT_SHARED",
        TABLE,
        "return word_state(word) == MAPPING_MAPPED && (uint32_t)word == generation;",
        "return word_state(word) == MAPPING_MAPPED && generation;",
        ("test_stale_handles.py", "handle_of_before and shared"),
    ),
)
