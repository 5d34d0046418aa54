"""Pages, all cores at once, in both kernels: the answers can be explained by one order of what they
asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from s2_kernel import page_history_programs as programs
from s2_kernel.linearizability import Event, NotLinearizable, order
from s2_kernel.page_history_programs import PAGE, Act

import multikernel
from multikernel import System

CORES = 3
PAGES = 2
ALL_PAGES = 2 * PAGES
"""With those of an earlier round."""


class Naive(NamedTuple):
    """One page, mapped on all cores to begin with, unless it is of an earlier round."""

    mapped: bool = True
    rights: str = "read-write"
    value: bytes | str = b"\0"
    pins: tuple[int, ...] = (0,) * CORES


def step(page: Naive, act: Act, response: tuple[str, Any]) -> Iterable[Naive]:
    return [after for expected, after in outcomes(page, act) if expected == response]


def outcomes(page: Naive, act: Act) -> list[tuple[tuple[str, Any], Naive]]:
    ok = ("ok", None)
    match act.kind:
        case "read":
            return [(("ok", page.value) if page.mapped else ("PageFault", None), page)]
        case "write":
            if page.mapped and page.rights == "read-write":
                return [(ok, page._replace(value=act.value))]
            return [(("PageFault", None), page)]
        case "pin" | "unpin":
            if not page.mapped:
                return [(("NotMapped", None), page)]
            pins = list(page.pins)
            pins[act.core] += 1 if act.kind == "pin" else -1
            return [(ok, page._replace(pins=tuple(pins)))]
        case _:
            if not page.mapped:
                return [(("NotMapped", None), page)]
            if any(page.pins):
                return [
                    (("PagePinned", core), page) for core, count in enumerate(page.pins) if count
                ]
            change = {"mapped": False} if act.kind == "unmap" else {"rights": act.value}
            return [(ok, page._replace(**change))]


@pytest.fixture(scope="module")
def running(kernel: Any) -> Iterator[System]:
    slots = programs.SLOTS // (1 if kernel == "multikernel" else CORES)
    with multikernel.boot(CORES, kernel=kernel, slots=slots) as booted:
        yield booted


def record(
    system: System, seed: int, rounds: int, acts: int, protocol: str, pins: bool
) -> list[list[Event]]:
    group = system.group()
    frames = [system.allocate(PAGE) for _ in range(PAGES)]
    tasks = [
        core.start(
            programs.histories, group, frames, 100 * seed + core.index, rounds, acts, protocol, pins
        )
        for core in system.cores
    ]
    done = [task.result() for task in tasks]
    system.close_group(group)
    return [[event for one in cores for event in one] for cores in zip(*done, strict=True)]


def of_page(history: list[Event], page: int) -> list[Event]:
    """What is linearizable page by page is so as a whole (Herlihy and Wing 1990: locality)."""
    return [event for event in history if event.operation.page == page]


def begins(page: int) -> Naive:
    return Naive(mapped=page < PAGES)


def explain(history: list[Event]) -> None:
    for page in range(ALL_PAGES):
        order(of_page(history, page), begins(page), step)


@pytest.mark.parametrize("pins", [False, True])
def test_two_phases_are_linearizable(running: System, pins: bool) -> None:
    """Mapping apart: nobody else knows of a page before that has returned."""
    met: Counter[str] = Counter()
    for history in record(running, 1, 60, 12, "two-phase", pins):
        explain(history)
        met.update(f"{event.operation.kind} {event.response[0]}" for event in history)
    for outcome in (
        "read ok",
        "read PageFault",
        "write PageFault",
        "unmap ok",
        "unmap NotMapped",
        "protect ok",
    ):
        assert met[outcome], met
    assert not pins or met["unmap PagePinned"], met


def settled(history: list[Event]) -> list[Event]:
    """Without refusals that an unmap under way explains."""
    unmaps = [event for event in history if event.operation.kind == "unmap"]
    return [
        event
        for event in history
        if event.response[0] == "ok"
        or not any(
            unmap is not event and unmap.called <= event.returned and event.called <= unmap.returned
            for unmap in unmaps
        )
    ]


def test_one_phase_is_linearizable_but_for_refusals_meanwhile(running: System, kernel: str) -> None:
    """One phase takes a page from one core after the other, unprepared, and gives it back where it
    meets another operation, to try again: while it is under way a page may seem gone on one core,
    be there on another, and be back (the documented price). All that succeeded has one order
    nevertheless, and so have the refusals at all other times: in particular, no access succeeds
    once an unmap has returned. The shared kernel knows one way to unmap, which is linearizable
    whatever it is called.
    """
    dropped = 0
    for history in record(running, 2, 60, 12, "one-phase", pins=False):
        for page in range(ALL_PAGES):
            whole = of_page(history, page)
            part = whole if kernel == "shared" or page >= PAGES else settled(whole)
            dropped += len(whole) - len(part)
            order(part, begins(page), step)
    assert kernel == "shared" or dropped


def test_another_answer_is_noticed(running: System) -> None:
    """The same histories, with one answer turned into its opposite: a second unmap of a page
    succeeds, or a page is read, or not, once everybody knows better.
    """
    noticed: Counter[str] = Counter()
    for history in record(running, 3, 8, 12, "two-phase", pins=False):
        for index, event in enumerate(history):
            name = f"{event.operation.kind} {event.response[0]}"
            if event.operation.kind == "protect":
                continue
            other: tuple[str, bytes | None]
            if event.response[0] == "ok":
                other = (
                    "PageFault" if event.operation.kind in ("read", "write") else "NotMapped",
                    None,
                )
            else:
                other = ("ok", b"\0" if event.operation.kind == "read" else None)
            wrong = [*history[:index], event._replace(response=other), *history[index + 1 :]]
            try:
                page = event.operation.page
                order(of_page(wrong, page), begins(page), step)
            except NotLinearizable:
                noticed[name] += 1
    for name in ("unmap NotMapped", "unmap ok", "read PageFault", "read ok", "write PageFault"):
        assert noticed[name], noticed


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10, 18))
def test_many_histories(running: System, seed: int) -> None:
    for history in record(running, seed, 500, 2 * seed, "two-phase", pins=bool(seed % 2)):
        explain(history)
