"""The timing wheel of modelled cores: it pops what the heap pops, in the same order."""

from __future__ import annotations

import subprocess

import pytest
from s0_native.building import NATIVE, Compiler
from seeded import Bug, table

FILE = "virtual/wheel.c"
SOURCES = NATIVE / FILE, NATIVE / "virtual" / "schedule.c"
STEPS = 20_000

BUGS = table(
    Bug("THE_LAST_FIRST", FILE, "w->slot[slot].first = event->next;",
        "w->slot[slot].first = event->next ? event->next : 0, w->slot[slot].last = place;",
        ("order",)),
    Bug("FAR_IS_LATE", FILE, "- w->now < WHEEL_SLOTS) {", "- w->now < WHEEL_SLOTS / 2) {",
        ("order",)),
    Bug("A_WORD_STAYS", FILE, "w->words &= ~((uint64_t)!w->word[word] << word);", "", ("order",)),
    Bug("SOONEST_IS_STALE", FILE, "if (!w->count || (w->soonest", "if (!w->count && (w->soonest",
        ("order",)),
)  # fmt: skip


def order(compiler: Compiler, bug: Bug | None = None) -> None:
    program = compiler.build("wheel_client.c", *SOURCES, bug=bug)
    for seed, farthest in ((1, 300), (2, 5000), (3, 9000), (4, 1_000_000)):
        subprocess.run(
            [str(program), str(seed), str(STEPS), str(farthest)], check=True, timeout=60,
            capture_output=True,
        )  # fmt: skip


def test_the_wheel_pops_as_the_heap(compiler: Compiler) -> None:
    order(compiler)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_seen(compiler: Compiler, bug: str) -> None:
    with pytest.raises(subprocess.SubprocessError):
        order(compiler, BUGS[bug])
