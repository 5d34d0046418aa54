"""The model of Frames that are mapped, by itself: histories whose answer is known. Three cores; a
Frame of RAM that all of them have, mapped on the first two.
"""

from __future__ import annotations

from typing import Any

import pytest
from s2_kernel import frame_system as model
from s2_kernel.capability_programs import PAGE, ROOT
from s2_kernel.capability_system import FRAME, RAM, TOP, Copy, Object, Request
from s2_kernel.frame_system import READ_ONLY, READ_WRITE, Act, Page, State
from s2_kernel.linearizability import Event, NotLinearizable, order

CORES = 3
WHOLE = Object(RAM, 0, 2 * PAGE)
START = State(frozenset(Copy(core, TOP, 1, WHOLE, 7, 1) for core in range(CORES)))
FIRST, SECOND = Page(5, 1 << 37, 0, 0b011), Page(6, 1 << 38, PAGE, 0b111)
OK, FAULT = ("ok", None, None), ("fault", None, None)


def read(core: int, value: int | None, called: int, returned: int, page: Page = FIRST) -> Event:
    return Event(
        core,
        Act("READ", core, page),
        FAULT if value is None else ("ok", value, None),
        called,
        returned,
    )


def write(core: int, value: int, called: int, returned: int, response: Any = OK) -> Event:
    return Event(core, Act("WRITE", core, FIRST, value), response, called, returned)


def asked(
    kind: str, core: int, source: int, called: int, returned: int, verdict: str = "ok"
) -> Event:
    return Event(core, Request(kind, core, source), (verdict, None, None), called, returned)


def unmap(core: int, called: int, returned: int, verdict: str = "ok") -> Event:
    return Event(core, Act("UNMAP", core, FIRST), (verdict, None, None), called, returned)


def mapped(page: Page, name: int, called: int, rights: int = READ_WRITE) -> list[Event]:
    """By core 0: a Frame of that name in that slot, and behind it its Mapping."""
    made = Request("RETYPE", 0, 1, ROOT, name, type=FRAME, offset=page.frame, size=PAGE)
    act = Act(
        "MAP", 0, page._replace(handle=0, address=0), source=name, index=name + 1, rights=rights
    )
    return [
        Event(0, made, ("ok", name, None), called, called + 1),
        Event(0, act, ("ok", name + 1, page), called + 2, called + 3),
    ]


BOTH = [*mapped(FIRST, 10, 0), *mapped(SECOND, 20, 4)]
RIGHT = {
    "used, and taken back": [
        write(0, 7, 10, 11),
        read(1, 7, 12, 13),
        asked("REVOKE", 1, 1, 14, 15),
        read(0, None, 16, 17),
    ],
    "used while it goes": [
        asked("REVOKE", 0, 1, 10, 19),
        read(1, 0, 11, 12),
        read(1, None, 13, 14),
    ],
    "unmapped by another core": [
        unmap(1, 10, 11),
        read(0, None, 12, 13),
        asked("DELETE", 0, 11, 14, 15, "stale"),
    ],
    "a deletion seen in two steps": [
        Event(3, Act("UNMAPS", 0, source=10), OK, 10, 19),
        asked("DELETE", 0, 10, 10, 19),
        read(1, None, 11, 12),
        Event(
            1,
            Request("RETYPE", 1, 1, ROOT, 5, type=FRAME, size=PAGE),
            ("retype-conflict", None, None),
            13,
            14,
        ),
    ],
    "clear, and then written": [
        read(1, 0, 10, 11),
        read(0, 0, 12, 13),
        write(1, 4, 14, 15),
        read(0, 4, 16, 17),
    ],
}
WRONG = {
    "what an earlier owner wrote": [read(1, 3, 10, 11)],
    "read after the revoke": [asked("REVOKE", 2, 1, 10, 11), read(1, 7, 12, 13)],
    "written after the deletion of its Frame": [
        asked("DELETE", 0, 10, 10, 11),
        write(1, 7, 12, 13),
    ],
    "read after the deletion of its Mapping": [asked("DELETE", 0, 11, 10, 11), read(1, 7, 12, 13)],
    "gone, and there again": [
        asked("REVOKE", 0, 1, 10, 19),
        read(1, None, 11, 12),
        read(1, 7, 13, 14),
    ],
    "gone here, there elsewhere": [
        asked("REVOKE", 2, 1, 10, 19),
        read(1, None, 11, 12),
        read(0, 7, 13, 14),
    ],
    "one page gone, the other still there": [
        asked("REVOKE", 0, 1, 10, 19),
        *(read(1, None, 11, 12), read(1, 7, 13, 14, SECOND)),
    ],
    "a page gone, and its Frame still there": [
        asked("REVOKE", 0, 1, 10, 19),
        read(1, None, 11, 12),
        Event(
            1,
            Request("RETYPE", 1, 1, ROOT, 5, type=FRAME, size=PAGE),
            ("retype-conflict", None, None),
            13,
            14,
        ),
    ],
    "old after new, elsewhere": [write(0, 7, 10, 11), write(0, 8, 12, 13), read(1, 7, 14, 15)],
    "new before old": [
        write(0, 7, 10, 11),
        write(0, 8, 12, 19),
        read(1, 8, 13, 14),
        read(1, 7, 15, 16),
    ],
    "read by a core that does not hold it": [read(2, 7, 10, 11)],
    "a Mapping without its page": [unmap(1, 10, 11), asked("DELETE", 0, 11, 12, 13)],
    "unmapped twice": [unmap(1, 10, 19), unmap(0, 10, 19)],
    "a page for nothing": [unmap(0, 10, 11, "not-mapped")],
    "a fault for nothing": [read(1, None, 10, 11)],
}


def explained(history: list[Event]) -> bool:
    try:
        order(
            history, START, lambda state, what, response: model.step(state, what, response, CORES)
        )
    except NotLinearizable:
        return False
    return True


@pytest.mark.parametrize("name", RIGHT)
def test_right(name: str) -> None:
    assert explained([*BOTH, *RIGHT[name]])


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name: str) -> None:
    assert not explained([*BOTH, *WRONG[name]])


def test_read_only() -> None:
    history = mapped(FIRST, 10, 0, READ_ONLY)
    assert explained([*history, write(1, 7, 10, 11, FAULT)])
    assert not explained([*history, write(1, 7, 10, 11)])
