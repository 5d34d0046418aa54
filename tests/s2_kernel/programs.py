"""What these tests run on cores. Imported there by name, so it imports nothing that a core would
not.
"""

from __future__ import annotations

import os
import random
import time
from typing import Any

import multikernel
from multikernel import Frame, Page
from multikernel.errors import MultikernelError, NotMapped, PageFault, PagePinned

Outcome = tuple[str, Any]


def attempt(function: Any, *args: Any, **kwargs: Any) -> Outcome:
    """("ok", value), or the exception's name and the core it names."""
    try:
        return "ok", function(*args, **kwargs)
    except MultikernelError as error:
        return type(error).__name__, getattr(error, "core", None) if isinstance(
            error, PagePinned
        ) else None


def map_here(frame: Frame, cores: list[int] | None = None, rights: str = "read-write") -> Page:
    return multikernel.here().map(frame, cores, rights)  # type: ignore[arg-type]


def unmap_here(page: Page, protocol: str = "two-phase") -> None:
    multikernel.here().unmap(page, protocol)  # type: ignore[arg-type]


def protect_here(page: Page, rights: str) -> None:
    multikernel.here().protect(page, rights)  # type: ignore[arg-type]


def read_here(page: Page, offset: int, length: int) -> bytes:
    return page.read(offset, length)


def write_here(page: Page, offset: int, data: bytes) -> None:
    page.write(offset, data)


def unmap_attempts(page: Page, times: int, protocol: str = "two-phase") -> list[Outcome]:
    return [attempt(multikernel.here().unmap, page, protocol) for _ in range(times)]


def allocate_here(size: int) -> Frame:
    return multikernel.here().allocate(size)


def free_here(frame: Frame) -> None:
    multikernel.here().free(frame)


def who() -> tuple[int, int, int, str, set[int]]:
    here = multikernel.here()
    return here.core, os.getpid(), here.cores, here.kernel, os.sched_getaffinity(0)


def sleep(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(max(0.0, deadline - time.monotonic()))


def compute(seconds: float) -> int:
    """Busy in Python, never in a system call of the kernel."""
    deadline, turns = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        turns += 1
    return turns


def contend(
    gate: Page, pages: list[Page], own: Frame, seed: int, rounds: int
) -> tuple[list[int], dict[str, int]]:
    """Random operations from this core once the gate is open, on pages that every core is at and on
    pages of its own making. The common pages whose unmap returned here, and how often each thing
    happened."""
    here, chosen = multikernel.here(), random.Random(seed)
    won: list[int] = []
    mine: list[Page] = []
    happened: dict[str, int] = {}
    while gate.read(0, 1) == b"\0":
        time.sleep(0)
    for _ in range(rounds):
        what = chosen.choice(
            ("map", "map", "unmap mine", "unmap", "protect", "pin", "read", "elsewhere")
        )
        index = chosen.randrange(len(pages))
        page = pages[index]
        result = "ok"
        try:
            match what:
                case "map" if len(mine) < 8:
                    others = [core for core in range(here.cores) if chosen.random() < 0.5]
                    mine.append(here.map(own, others or None))
                case "unmap mine" if mine:
                    here.unmap(
                        mine.pop(chosen.randrange(len(mine))),
                        chosen.choice(("two-phase", "one-phase")),
                    )
                case "unmap":
                    if chosen.random() < 0.1:
                        here.unmap(page, chosen.choice(("two-phase", "one-phase")))
                        won.append(index)
                case "protect":
                    here.protect(page, chosen.choice(("read-only", "read-write")))
                case "pin":
                    page.pin()
                    page.read(0, 8)
                    page.unpin()
                case "elsewhere":
                    page.read(0, 8, core=chosen.randrange(here.cores))
                case _:
                    page.read(0, 8)
        except (NotMapped, PageFault, PagePinned) as error:
            result = type(error).__name__
        happened[f"{what}: {result}"] = happened.get(f"{what}: {result}", 0) + 1
    for page in mine:
        here.unmap(page)
    return won, happened
