"""The chooser of forms in worlds whose rates are known: it ends in the best form of each workload,
and what it loses stays within the three terms that object/chooser.h names.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest
from s0_native.building import NATIVE, Compiler
from seeded import Bug, table

CHOOSER = NATIVE / "object" / "chooser.c"
FORMS, MEDIAN = 6, 5
FILE = "object/chooser.c"

BUGS = table(
    Bug("NO_ALARM", FILE, "if (has_moved(c)) {", "if (has_moved(c) && false) {", ("changes",)),
    Bug("NEVER_AGAIN", FILE, "if (c->cycles - c->since < c->pause)", "if (c->pause)", ("silent",)),
    Bug(
        "ANY_EXPENSE", FILE, "if (c->lost * 1000 <= (double)c->cycles * c->rules.budget)",
        "if (c->lost >= 0)", ("thrift",),
    ),
    Bug(
        "THE_PAUSE_DOES_NOT_GROW", FILE, "in_race(c, c->incumbent) ? 2 * c->pause",
        "in_race(c, c->incumbent) ? c->rules.pause", ("thrift",),
    ),
    Bug(
        "NOBODY_DROPS_OUT", FILE, "shown_by(c, form) < best * (1 - share)) {",
        "shown_by(c, form) < 0 * (1 - share)) {", ("thrift",),
    ),
    Bug("NEVER_LONGER", FILE, "c->stretch *= STRETCH;", "", ("misled",)),
    Bug(
        "NEVER_DOUBTED", FILE, "return was_deceived(c);", "return was_deceived(c) && false;",
        ("misled",),
    ),
    Bug(
        "THE_LAST_WINS", FILE, "if (in_race(c, form) && raced_at(c, form) >= best)",
        "if (in_race(c, form))", ("noise",),
    ),
    Bug("FAR_ROWS_COUNT", FILE, "if (its > FAR ||", "if (its > 10 * FAR ||", ("table",)),
    Bug(
        "THE_GOOD_ARE_LEFT_OUT", FILE, "foreseen[form] < 1 - 2", "foreseen[form] > 1 - 2",
        ("table",),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """ends: of each phase, the rate of its last form and of the best; in cycles: all, and those
    lost by the true rates.
    """

    ends: list[tuple[int, int]]
    cycles: int
    lost: int
    races: int
    changes: int
    alarms: int
    thinks_lost: int
    window: int
    trial: int
    settle: int
    rounds: int
    hysteresis: float
    budget: float

    @property
    def right(self) -> float:
        """Share of the phases that ended within the hysteresis of the best form."""
        least = 1 - self.hysteresis - 0.01
        return sum(its >= least * best for its, best in self.ends) / len(self.ends)


def world(
    compiler: Compiler, seed: int, phases: int, ms: int, noise: int, *, features: bool = True,
    rows: bool = False, budget: int = 10, misleads: int = 0, bug: Bug | None = None,
) -> World:  # fmt: skip
    """noise, budget: thousandths; misleads: microseconds."""
    program = compiler.build("chooser_client.c", CHOOSER, bug=bug)
    numbers = seed, phases, ms, noise, int(features), int(rows), budget, misleads
    done = subprocess.run(
        [str(program), *map(str, numbers)], capture_output=True, text=True, check=True, timeout=60
    )
    *ends, totals, rules = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    *times, hysteresis, budget = rules
    return World([(a, b) for a, b in ends], *totals, *times, hysteresis / 100, budget / 1000)


def changes(compiler: Compiler, bug: Bug | None = None) -> None:
    """What is read changes: it is seen, and each workload ends in its best form. The bound: each
    race costs its turns at most, each change the windows until it shows, and the hysteresis what
    is not worth a change.
    """
    for seed in range(10):
        found = world(compiler, seed, 12, 60, 0, bug=bug)
        assert found.right == 1, (seed, found)
        switching = found.races * (found.rounds * FORMS + 1) * found.settle
        exploring = found.races * found.rounds * FORMS * (found.trial + found.settle)
        detection = 12 * (MEDIAN + 1) * found.window
        slight = found.hysteresis * found.cycles
        assert found.lost <= switching + exploring + detection + slight, (seed, found)
        assert found.changes <= found.races * (found.rounds * FORMS + 1), (seed, found)


def silent(compiler: Compiler, bug: Bug | None = None) -> None:
    """Only the forms that it is not in have become better: it has to look by itself."""
    later = [world(compiler, seed, 2, 3000, 0, features=False, bug=bug) for seed in range(10)]
    assert all(one.right == 1 for one in later), later
    assert all(one.races > 2 for one in later), later


def thrift(compiler: Compiler, bug: Bug | None = None) -> None:
    """Where nothing ever changes it looks seldom, and the less the longer; within the budget, but
    for the race that begins before it is spent.
    """
    assert world(compiler, 1, 1, 2000, 100, budget=0, bug=bug).races == 1
    for seed in range(10):
        found = world(compiler, seed, 1, 20_000, 100, bug=bug)
        one_race = found.rounds * FORMS * (found.trial + found.settle)
        slight = found.hysteresis * found.cycles
        assert found.lost <= found.budget * found.cycles + one_race + slight, (seed, found)
        assert found.races <= 12, (seed, found)
        # Few come through the first round.
        assert found.changes <= 0.6 * found.races * found.rounds * FORMS, (seed, found)


def noise(compiler: Compiler, bug: Bug | None = None) -> None:
    """Windows that err by a fifth."""
    shares = [world(compiler, seed, 16, 60, 200, bug=bug).right for seed in range(10)]
    assert sum(shares) / len(shares) >= 0.9, shares


def misled(compiler: Compiler, bug: Bug | None = None) -> None:
    """For longer than a turn takes, a form goes at another one's rate."""
    shares = [world(compiler, seed, 10, 45, 0, misleads=60, bug=bug).right for seed in range(10)]
    assert sum(shares) / len(shares) >= 0.75, shares


def with_rows(compiler: Compiler, bug: Bug | None = None) -> None:
    """A table of what it will meet spares it most trials, and leads nowhere wrong."""
    without = [world(compiler, seed, 12, 60, 50) for seed in range(10)]
    found = [world(compiler, seed, 12, 60, 50, rows=True, bug=bug) for seed in range(10)]
    assert sum(one.right for one in found) >= sum(one.right for one in without) - 0.2, found
    for what in ("changes", "lost"):
        with_it, alone = (sum(getattr(one, what) for one in some) for some in (found, without))
        assert with_it < 0.95 * alone, (what, with_it, alone)


TESTS = {
    "changes": changes, "silent": silent, "thrift": thrift, "noise": noise, "table": with_rows,
    "misled": misled,
}  # fmt: skip


@pytest.mark.parametrize("name", TESTS)
def test_the_chooser(compiler: Compiler, name: str) -> None:
    TESTS[name](compiler)


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_seen(compiler: Compiler, bug: str) -> None:
    for name in BUGS[bug].seen_by:
        with pytest.raises((AssertionError, subprocess.SubprocessError)):
            TESTS[name](compiler, BUGS[bug])
