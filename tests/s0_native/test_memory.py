"""Address ranges, frames and histogram buckets against models that are slow and plain."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from s0_native.building import Shell

from multikernel.native._native import VERDICTS
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


ALLOCATE, KEEP, FREE, OFFER, BORROW, LEND, RETURN = range(7)
LENDER, BORROWER = range(2)
OK, NO_MEMORY, NOT_A_FRAME = 0, VERDICTS["NO_MEMORY"], VERDICTS["NOT_A_FRAME"]


class Frames:
    """Two cores' frames and what is known of each page: whose it is, what for, and whether anybody
    ever had it. Every answer is held against that.
    """

    def __init__(self, shell: Shell, pages: int) -> None:
        self.shell, self.pages = shell, pages
        assert shell.ask("O", pages * PAGE) == 1
        self.whose: list[str] = ["free 0"] * pages
        self.had = [False] * pages
        self.good: list[tuple[int, int, int, int]] = []  # core, first page, pages, generation
        self.bad: list[tuple[int, int, int, int]] = []
        self.kept: list[tuple[int, int]] = []

    def do(self, core: int, action: int, *numbers: int) -> tuple[int, int, int, int, int]:
        self.shell.ask("w", core)
        answer = self.shell.ask_lines(("d", action, *numbers, *[0] * (5 - len(numbers))))[0]
        verdict, offset, length, generation, used = answer
        return verdict, offset // PAGE, length // PAGE, generation, used

    def fits(self, core: int, count: int) -> bool:
        free = [whose == f"free {core}" for whose in self.whose]
        return any(all(free[at : at + count]) for at in range(self.pages - count + 1))

    def take(self, core: int, action: int, count: int, most: int = 0) -> None:
        """Somebody asks for memory."""
        wanted = most if most > count and self.fits(core, most) else count
        verdict, first, length, generation, used = self.do(
            core, action, 0, count * PAGE, 0, most * PAGE
        )
        assert (verdict == OK) == self.fits(core, count)
        if verdict != OK:
            assert verdict == NO_MEMORY
            return
        assert length == (wanted if action == OFFER else count)
        stretch = range(first, first + length)
        assert all(self.whose[page] == f"free {core}" for page in stretch)
        assert used >= any(self.had[page] for page in stretch), "what somebody had looks fresh"
        name = {ALLOCATE: f"frame {core}", KEEP: "kept", OFFER: "offered"}[action]
        for page in stretch:
            self.whose[page] = name
            if action != OFFER:
                self.had[page] = True
        if action == ALLOCATE:
            frame = (core, first, length, generation)
            assert frame not in self.bad, "a handle comes back to life"
            self.good.append(frame)
        elif action == KEEP:
            self.kept.append((first, length))
        else:
            self.lend(first, length, used)

    def lend(self, first: int, length: int, used: int) -> None:
        place = (first * PAGE, length * PAGE)
        assert self.shell.ask("n", first) == 0, "what is only offered is searched for"
        assert self.do(BORROWER, BORROW, *place, 0, 0, used)[0] == OK
        assert self.do(LENDER, LEND, *place)[0] == OK
        for page in range(first, first + length):
            self.whose[page] = "free 1"

    def free(self, frame: tuple[int, int, int, int]) -> None:
        core, first, length, generation = frame
        alive = frame in self.good
        verdict = self.do(core, FREE, first * PAGE, length * PAGE, generation)[0]
        assert verdict == (OK if alive else NOT_A_FRAME)
        if alive:
            self.good.remove(frame)
            self.bad.append(frame)
            for page in range(first, first + length):
                self.whose[page] = f"free {core}"

    def search(self) -> None:
        """All that may come back is asked about, page by page."""
        for page in range(self.pages):
            self.shell.ask("w", LENDER)
            count = self.shell.ask("n", page)
            if self.whose[page] == "kept" and any(page == first for first, _ in self.kept):
                assert (page, count) in self.kept
            else:
                assert (count == 1) == self.whose[page].endswith(" 1"), self.whose[page]
            if count and self.whose[page] != "kept":
                self.shell.ask("w", BORROWER)
                leaves = self.shell.ask("x", page * PAGE, PAGE)
                assert leaves == (self.whose[page] == "free 1")
                if not leaves:
                    continue
                self.whose[page] = "leaving"
                if page % 2:
                    self.take(BORROWER, ALLOCATE, 1)  # meanwhile, of what does not leave
                gone = page % 3 != 0
                self.shell.ask("w", BORROWER)
                self.shell.ask("X", page * PAGE, PAGE, int(gone))
                self.whose[page] = "free 1"
                if gone:
                    assert self.do(LENDER, RETURN, page * PAGE, PAGE)[0] == OK
                    self.whose[page] = "free 0"

    def check(self) -> None:
        for core in (LENDER, BORROWER):
            self.shell.ask("w", core)
            assert self.shell.ask("v") == self.whose.count(f"free {core}")
            for keeper, first, length, generation in self.good + self.bad:
                for name in {(first, length, generation), (first, length + 1, generation)}:
                    place = (name[0] * PAGE, name[1] * PAGE, name[2])
                    assert self.shell.ask("h", *place) == ((core, *name) in self.good), keeper


@settings(deadline=None)
@given(
    st.integers(1, 12),  # few, so that a place soon has another owner
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.integers(0, 99)), max_size=60),
)
def test_frames_of_two_cores(memory: Shell, pages: int, steps: list[tuple[int, int, int]]) -> None:
    """No page is two things at once, a handle is good exactly between its allocation and its free,
    and what somebody had is never taken for fresh.
    """
    f = Frames(memory, pages)
    for what, count, choice in steps:
        match what:
            case 0 | 1:
                f.take(what, ALLOCATE, count)
            case 2:
                f.take(LENDER, KEEP, count)
            case 3:
                f.take(LENDER, OFFER, count, choice % 12)
            case 4 if f.good:
                f.free(f.good[choice % len(f.good)])
            case 5 if f.bad:
                frame = f.bad[choice % len(f.bad)]
                f.free(frame)
                if choice % 3:  # perhaps in the same place
                    f.take(frame[0], ALLOCATE, frame[2])
            case 6 if choice % 2 and f.kept:
                first, length = f.kept.pop(choice % len(f.kept))
                assert f.do(LENDER, RETURN, first * PAGE, length * PAGE)[0] == OK
                f.whose[first : first + length] = ["free 0"] * length
            case 6:
                f.search()
            case _:
                pass
        f.check()


def test_what_is_no_frame(memory: Shell) -> None:
    f = Frames(memory, 8)
    for size in (0, 1, PAGE - 1, PAGE + 1, 9 * PAGE, 1 << 62):
        assert f.do(LENDER, ALLOCATE, 0, size)[0] == NO_MEMORY
    f.take(LENDER, ALLOCATE, 2)
    ((_, first, _, generation),) = f.good
    assert first == 0
    for offset, size in [
        (0, PAGE),
        (PAGE, PAGE),
        (0, 3 * PAGE),
        (0, 0),
        (1, 2 * PAGE),
        (1 << 62, PAGE),
        (0, 1 << 62),
    ]:
        assert memory.ask("h", offset, size, generation) == 0
        assert f.do(LENDER, FREE, offset, size, generation)[0] == NOT_A_FRAME
    assert memory.ask("h", 0, 2 * PAGE, generation + 1) == 0
    assert memory.ask("h", 0, 2 * PAGE, generation) == 1


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
