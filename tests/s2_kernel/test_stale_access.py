"""When an unmap has returned, no core reads through that mapping any more: cores read as fast as
they can while another unmaps, and at once gives the memory another content. A core that still had a
translation would read that."""

from __future__ import annotations

import time

import pytest

import multikernel
from multikernel import Frame, Page
from multikernel.runtime import local

GOOD, POISON = b"good" * 2, b"poisoned"


def hammer(board: Page, rounds: int, computing: bool) -> tuple[int, int]:
    """What this core reads, round by round; its place on the board says how far it is. Rounds in
    which the page was read at all, and all loads."""
    here, driver = multikernel.here(), local.driver
    assert driver is not None
    read, total = 0, 0
    for turn in range(1, rounds + 1):
        while (posted := board.read(0, 32))[:8] != turn.to_bytes(8, "little"):
            pass
        slot, generation, address = (
            int.from_bytes(posted[at : at + 8], "little") for at in (8, 16, 24)
        )
        board.write(64 * here.core, (2 * turn).to_bytes(8, "little"))
        loads = 0
        while (found := driver.read(slot, generation, address, 8)) is not None:
            assert found == GOOD, f"round {turn}: {found!r} from an unmapped page, load {loads}"
            loads += 1
            if computing:  # outside of the driver, where it is interrupted
                for _ in range(loads % 200):
                    pass
        read += loads > 0
        total += loads
        board.write(64 * here.core, (2 * turn + 1).to_bytes(8, "little"))
    return read, total


def unmap_rounds(
    board: Page, frame: Frame, hammering: list[int], rounds: int, protocol: str
) -> None:
    here = multikernel.here()
    window = here.map(frame, [here.core])

    def reach(count: int) -> None:
        for core in hammering:
            while int.from_bytes(board.read(64 * core, 8), "little") < count:
                time.sleep(0)

    for turn in range(1, rounds + 1):
        window.write(0, GOOD)
        page = here.map(frame)
        words = (turn, page.slot, page.generation, page.address)
        board.write(8, b"".join(word.to_bytes(8, "little") for word in words[1:]))
        board.write(0, turn.to_bytes(8, "little"))
        reach(2 * turn)
        for _ in range(turn % 50):  # at any moment of their reading
            pass
        here.unmap(page, protocol)  # type: ignore[arg-type]
        window.write(0, POISON)
        reach(2 * turn + 1)
    here.unmap(window)


def run(kernel: str, cores: int, rounds: int, computing: bool, protocol: str) -> None:
    with multikernel.boot(cores, kernel=kernel) as system:  # type: ignore[arg-type]
        board = system.map(system.allocate(4096))
        frame = system.allocate(4096)
        others = [core.start(hammer, board, rounds, computing) for core in system.cores[1:]]
        initiator = system.cores[0].start(
            unmap_rounds, board, frame, list(range(1, cores)), rounds, protocol
        )
        results = []
        for task in others:
            results.append(task.result())
        initiator.result()
    # The test has teeth only if the page was really being read when it went.
    assert all(read > rounds // 2 for read, _ in results), results


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
@pytest.mark.parametrize("computing", [False, True], ids=["reading", "computing"])
def test_nobody_reads_what_was_unmapped(kernel: str, computing: bool, protocol: str) -> None:
    run(kernel, 2, 400, computing, protocol)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("computing", [False, True], ids=["reading", "computing"])
def test_nobody_reads_what_was_unmapped_on_a_crowded_machine(kernel: str, computing: bool) -> None:
    run(kernel, 4, 12, computing, "two-phase")


@pytest.mark.full
@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
@pytest.mark.parametrize("computing", [False, True], ids=["reading", "computing"])
def test_nobody_reads_what_was_unmapped_for_long(
    kernel: str, computing: bool, protocol: str
) -> None:
    run(kernel, 2, 30_000, computing, protocol)
