"""Address ranges, frames and histogram buckets against models that are slow and plain."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from s0_native.building import Shell

from multikernel.results.histogram import bucket_count, bucket_index

PAGE = 4096
BASE = 0x10_0000
STEPS = st.lists(st.tuples(st.integers(0, 15), st.integers(1, 12)), max_size=60)


def fits_somewhere(live: dict[int, tuple[int, int]], pages: int, need: int) -> bool:
    """By trying every page: is there a stretch of `need` free pages? A mapping takes its guard page
    with it.
    """
    taken = [False] * pages
    for start, length in live.values():
        for page in range(start, min(start + length + 1, pages)):
            taken[page] = True
    return any(not any(taken[at : at + need]) for at in range(pages - need + 1))


@settings(deadline=None)
@given(st.integers(1, 40), STEPS)
def test_addresses_are_disjoint_and_full_is_full(
    memory: Shell, pages: int, steps: list[tuple[int, int]]
) -> None:
    assert memory.ask("o", BASE, pages * PAGE) == 1
    live: dict[int, tuple[int, int]] = {}  # slot -> first page, pages
    for slot, length in steps:
        if slot in live:
            del live[slot]
            memory.ask("u", slot)
            continue
        address = memory.ask("t", slot, length * PAGE)
        if address == 0:
            assert not fits_somewhere(live, pages, length + 1), (pages, live, length)
            continue
        first, odd = divmod(address - BASE, PAGE)
        assert odd == 0
        assert first >= 0
        assert first + length + 1 <= pages, "beyond the range, with its guard"
        for start, held in live.values():
            assert first + length < start or start + held < first, (first, length, live)
        live[slot] = (first, length)


@settings(deadline=None)
@given(st.integers(0, 130), STEPS)
def test_frames_are_runs_of_free_pages(
    memory: Shell, pages: int, steps: list[tuple[int, int]]
) -> None:
    assert memory.ask("O", pages * PAGE) == 1
    frames: dict[int, int] = {}  # first page -> pages
    for choice, length in steps:
        used = {page for first, count in frames.items() for page in range(first, first + count)}
        if choice % 3 == 0 and frames:
            first = sorted(frames)[choice % len(frames)]
            assert memory.ask("f", first * PAGE, frames[first] * PAGE) == 1
            del frames[first]
        elif choice % 3 == 1:
            # Exactly what was handed out is a frame: not a part, not a neighbour, not two.
            for first in range(0, pages, 1 + choice):
                assert memory.ask("h", first * PAGE, length * PAGE) == (frames.get(first) == length)
        else:
            offset = memory.ask("a", length * PAGE)
            free = [page for page in range(pages) if page not in used]
            fits = any(not used & set(range(at, at + length)) for at in range(pages - length + 1))
            assert (offset != -1) == fits, (free, length)
            if fits:
                first, odd = divmod(offset, PAGE)
                assert odd == 0
                assert not used & set(range(first, first + length))
                assert first + length <= pages
                frames[first] = length
        assert memory.ask("v") == (pages - sum(frames.values())) * PAGE


@settings(deadline=None)
@given(
    st.integers(1, 130),
    st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=20),
    st.integers(0, 30),
)
def test_a_search_comes_to_every_kept_frame_once(
    memory: Shell, pages: int, wanted: list[tuple[int, bool]], earlier: int
) -> None:
    """Wherever the last search was given up."""
    assert memory.ask("O", pages * PAGE) == 1
    kept = set()
    for length, keep in wanted:
        offset = memory.ask("a", length * PAGE)
        if offset != -1 and keep:
            memory.ask("k", offset)
            kept.add(offset // PAGE * 1000 + length)
    memory.ask("s")
    for _ in range(earlier):
        memory.ask("n")
    memory.ask("s")
    found = []
    while (frame := memory.ask("n")) != -1:
        found.append(frame)
    assert sorted(found) == sorted(kept)


def test_what_is_no_frame(memory: Shell) -> None:
    memory.ask("O", 8 * PAGE)
    for size in (0, 1, PAGE - 1, PAGE + 1, 9 * PAGE, 1 << 62):
        assert memory.ask("a", size) == -1
    assert memory.ask("a", 2 * PAGE) == 0
    for offset, size in [
        (0, PAGE),
        (PAGE, PAGE),
        (0, 3 * PAGE),
        (0, 0),
        (1, 2 * PAGE),
        (1 << 62, PAGE),
        (0, 1 << 62),
    ]:
        assert memory.ask("h", offset, size) == 0
    assert memory.ask("h", 0, 2 * PAGE) == 1


@settings(deadline=None)
@given(
    st.integers(0, 2**64 - 1) | st.integers(0, 63).map(lambda bit: 1 << bit) | st.integers(0, 1000)
)
def test_buckets_are_those_that_results_read(memory: Shell, value: int) -> None:
    assert memory.ask("b", value) == bucket_index(value) < bucket_count()


def test_around_every_edge_of_the_buckets(memory: Shell) -> None:
    for bit in range(1, 64):
        for value in ((1 << bit) - 1, 1 << bit, (1 << bit) + 1, (3 << bit - 1) - 1, 3 << bit - 1):
            assert memory.ask("b", value) == bucket_index(value)
