"""Capabilities of the shared kernel, and what is special to them: locks, and who waits for them.
What they mean is tested for both kernels together (test_capabilities.py, test_capability_model.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from s2_kernel import capability_programs as programs
from s2_kernel.capability_programs import FRAME, PAGE, RAM, ROOT, SLOTS, copy_word, retype_word
from s2_kernel.test_capabilities import ask, check, digests, ram

import multikernel
from multikernel import System
from multikernel.errors import BadInput, PageFault, PagePinned

CORES = 3


SYSTEMS: dict[str, dict[str, Any]] = {
    "big": {"lock_scope": "big"},
    "region": {"lock_scope": "region"},
    "region-trees": {"lock_scope": "region", "trees": {0: ((0, 1), (1, 2))}},
}


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(cores=CORES, kernel="shared", **SYSTEMS[request.param]) as booted:
        yield booted


def test_cores_work_on_unrelated_memory_at_once(system: System) -> None:
    """Each splits its own RAM into pages and takes them back, in a region of its own."""
    for core in range(CORES):
        whole = ram(system, 8, SLOTS + core)
        assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, core, move=True))[0] == "ok"
    before = digests(system)
    tasks = [core.start(programs.split_and_revoke, 1, 8, 60) for core in system.cores]
    assert [task.result() for task in tasks] == [Counter(ok=60 * 9)] * CORES
    # References count on; what they name is as it was.
    assert [words[1:] for words in digests(system)] == [words[1:] for words in before]
    check(system)


def test_who_waits_for_a_lock_answers_shootdowns(system: System) -> None:
    """An unmap waits for all cores, under the lock that they wait for."""
    whole = ram(system, 24)
    for core in (1, 2):
        assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, core))[0] == "ok"
    tasks = [core.start(programs.churn, core.index, 60, False) for core in system.cores[1:]]
    frame = system.allocate(PAGE)
    for turn in range(100):
        page = system.map(frame)
        page.write(0, bytes([turn]))
        system.unmap(page)
    for task in tasks:
        assert sum(task.result().values())
    check(system)


def test_long_revocations_end_while_others_derive(system: System) -> None:
    """Of more than is done at once, while two cores go on making more of it until they have nothing
    left.
    """
    whole = ram(system, 200)
    for core in (1, 2):
        assert ask(system, 0, "CAP_COPY", whole, ROOT, copy_word(1, 7, core))[0] == "ok"
    tasks = [
        core.start(programs.split_until_revoked, 1, 100 * (core.index - 1), 100)
        for core in system.cores[1:]
    ]
    while sum(words[1] for words in digests(system)) < 150:
        pass
    assert ask(system, 0, "CAP_REVOKE", whole)[0] == "ok"
    made = [task.result() for task in tasks]
    assert all(count > 0 for count in made)
    assert [(core, one.type) for core, one in check(system)] == [(0, RAM)]
    assert [words[1] for words in digests(system)] == [2, 1, 1]


def test_a_cnode_takes_along_what_is_of_other_regions(system: System) -> None:
    first, second = ram(system, 4), ram(system, 2, 2)
    verdict, (cnode, *_) = ask(
        system, 0, "CAP_RETYPE", first, ROOT, retype_word(3, programs.CNODE), 0, 4 * PAGE
    )
    assert verdict == "ok"
    assert ask(system, 0, "CAP_RETYPE", second, cnode, retype_word(0, FRAME, 2), 0, PAGE)[0] == "ok"
    assert ask(system, 0, "CAP_COPY", second, cnode, copy_word(9, 7, 0))[0] == "ok"
    assert ask(system, 0, "CAP_REVOKE", first)[0] == "ok"
    assert [(one.type, one.size) for _, one in check(system)] == [(RAM, 4 * PAGE), (RAM, 2 * PAGE)]
    # Its memory, and that of what it held, can be something else.
    for whole in (first, second):
        assert ask(system, 0, "CAP_RETYPE", whole, ROOT, retype_word(5, FRAME), 0, PAGE)[0] == "ok"
        assert ask(system, 0, "CAP_REVOKE", whole)[0] == "ok"


def test_a_frame_goes_with_all_its_pages_or_stays_with_all(system: System) -> None:
    """The page that is pinned is neither the first nor the last of them. What another core has
    mapped stays.
    """
    (frame,) = system.ram(4 * PAGE).retype("Frame", size=PAGE, count=1)
    pages, others = [frame.map() for _ in range(3)], frame.copy(1).map()
    pages[1].pin(2)
    with pytest.raises(PagePinned):
        frame.delete()
    assert frame.alive
    assert [core.read(page, 0, 1) for page in pages for core in system.cores] == [bytes(1)] * 9
    pages[1].unpin(2)
    frame.delete()
    for page in pages:
        for core in system.cores:
            with pytest.raises(PageFault):
                core.read(page, 0, 1)
    assert system.cores[2].read(others, 0, 1) == bytes(1)
    system.unmap(others)
    assert [(core, one.type) for core, one in check(system)] == [(0, RAM), (1, FRAME)]


def test_a_core_cannot_name_what_others_have(system: System) -> None:
    whole = ram(system, 4)
    slots = digests(system)[0][3]
    for reference in (whole, whole + slots, whole + 2 * slots, whole - slots, (1 << 32) + slots):
        verdict, _ = ask(
            system, 1, "CAP_RETYPE", reference % 2**64, ROOT, retype_word(5, FRAME), 0, PAGE
        )
        assert verdict == "stale"


def test_memory_that_nobody_names_comes_back(system: System) -> None:
    for _ in range(40):  # of 16 MiB, through all regions
        whole = ram(system, 1024)
        assert ask(system, 0, "CAP_DELETE", whole)[0] == "ok"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"kernel": "shared", "lock_scope": "page"}, "unknown lock scope: page"),
        ({"lock_scope": "region"}, "share no state"),
    ],
)
def test_bad_lock_scopes(options: dict[str, str], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        multikernel.boot(cores=1, **options)  # type: ignore[arg-type]  # on purpose
