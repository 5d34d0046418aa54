"""Seeded bugs in the locks of the shared kernel's capabilities, seen by threads under
ThreadSanitizer; some by histories of whole systems, too.
"""

from __future__ import annotations

from seeded import Bug, Edit, table

CAPABILITIES, PAGES = "shared/capabilities.c", "shared/map_frame.c"
LOCKS = "shared/capability_locks.c"


def nothing(function: str) -> Edit:
    """That function of the regions' locks does nothing."""
    head = f"\nvoid {function}(struct driver *d, uint32_t regions)\n{{\n"
    return Edit(LOCKS, head, head + "    if (regions)\n        return;\n")


BUGS = table(
    Bug("REGION_NOT_TAKEN", edits=(nothing("lock_regions"), nothing("unlock_regions"))),
    Bug("WRONG_REGION", LOCKS, "1u << home | 1u << around | also;", "1u << d->me | also;"),
    Bug(
        "RELEASED_EARLY",
        edits=(
            Edit(
                CAPABILITIES,
                "regions = a->regions;\n",
                "regions = a->regions;\n    unlock_regions(d, regions);\n",
            ),
            Edit(
                CAPABILITIES,
                ": shared_frame_map(d, cs, a);\n    unlock_regions(d, regions);\n",
                ": shared_frame_map(d, cs, a);\n",
            ),
        ),
    ),
    Bug(
        "SPACE_NOT_TAKEN",
        edits=(
            Edit(
                LOCKS,
                "        take(d, SHARED_REGIONS + core, SHARED_REGIONS);\n",
                "        (void)core;\n",
            ),
            Edit(
                LOCKS,
                "        give(d, SHARED_REGIONS + core, SHARED_REGIONS);\n",
                "        (void)core;\n",
            ),
        ),
    ),
    Bug(
        "OWN_SPACE",
        edits=(
            Edit(CAPABILITIES, "if (held != space_of(cs, victim)) {", "if (held != d->me) {"),
            Edit(CAPABILITIES, "held = space_of(cs, victim);", "held = d->me;"),
        ),
    ),
    Bug(
        "HOME_READ_ONCE",
        LOCKS,
        "        if (cspace_home(state, (uint32_t)*source) == home &&\n"
        "            home_of_cnode(state, *cnode, home) == around)\n",
        "        if (state)\n",
    ),
    Bug(
        "CONTENTS_FREE",
        LOCKS,
        "if (all || !cnodes || cs->parts == 1)",
        "if (all || !cnodes || cs->parts)",
    ),
    Bug(
        "RANGE_OPEN",
        CAPABILITIES,
        "    if (verdict == CAP_MORE) {\n        enum capability_verdict locked",
        "    if (false) {\n        enum capability_verdict locked",
    ),
    Bug(
        "UNORDERED",
        LOCKS,
        "        region = (uint32_t)__builtin_ctz(left);\n",
        "        region =\n"
        "            (uint32_t)(d->me % 2 ? 31 - __builtin_clz(left) : __builtin_ctz(left));\n",
    ),
    Bug(
        "PAGES_UNLOCKED",
        edits=(
            Edit(PAGES, "SCOPE_BIG)\n        shared_lock(d);", "SCOPE_BIG)\n        return;"),
            Edit(PAGES, "SCOPE_BIG)\n        shared_unlock(d);", "SCOPE_BIG)\n        return;"),
        ),
    ),
    Bug(
        "PAGES_FIRST",
        PAGES,
        "    if (!lock_for_removal(d, mapping, false, &regions))\n"
        "        return VERDICT_NOT_MAPPED;\n"
        "    lock_pages(d);\n",
        "    lock_pages(d);\n"
        "    if (!lock_for_removal(d, mapping, false, &regions))\n"
        "        return VERDICT_NOT_MAPPED;\n",
    ),
    Bug(
        "PAGE_NOT_ASKED_AGAIN",
        PAGES,
        "if (mapping_state(&entry->page) == MAPPING_MAPPED && entry->mapping == mapping)\n",
        "if (mapping || entry->mapping)\n",
    ),
    Bug(
        "PAGE_LEFT_BEHIND",
        "capability/request.c",
        "if (t->move && (verdict = cspace_mapped(cs, slot)) != CAP_OK)",
        "if (false)",
    ),
    Bug(
        "OCCUPANT_NOT_ASKED",
        LOCKS,
        "if (cs->parts == 1 || cnode == NO_CAPABILITY)",
        "if (cs->parts || cnode == NO_CAPABILITY)",
    ),
)
