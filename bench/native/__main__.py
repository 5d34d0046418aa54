"""python -m bench.native [--against COMMIT]: what the native core's operations cost on two CPUs,
this checkout's and another commit's by turns, beside what two processes pay that do the same by
hand.

Operations and the floors of the same moment are taken within a round of a fraction of a second, for
the host moves a virtual machine's CPUs nearer to each other and farther within seconds. Rounds in
which the floor has moved are left out. The state is near while the floor is below 400 cycles.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from . import building, instructions

NEAR = 400
"""Cycles of a floor, back to back: below it the CPUs share a cache."""
STEADY = 1.25
"""The floor may have moved so far within a round."""
TIMEOUT_S = 300

Round = dict[str, float]

RATIOS = (
    ("call", "", "floor"),
    ("call-single", "", "floor-single"),
    ("user-channel", "", "floor"),
    ("barrier-single", "", "floor-single"),
    ("broadcast", "", "floor-single"),
    ("agreement-root", "", "floor-single"),
    ("agreement-asked", "", "floor-single"),
    ("unmap-one-phase", "unmap-local", "floor"),
    ("unmap-two-phase", "unmap-local", "floor"),
    ("unmap-two-phase", "unmap-one-phase", "floor"),
    ("unmap-by-hand", "unmap-local", "floor"),
    ("unmap-one-phase", "", "unmap-by-hand"),
    ("unmap-computing", "", "unmap-computing-by-hand"),
    ("own-pages", "", "own-pages-by-hand"),
    ("life", "", "life-by-hand"),
    ("life-reused", "", "life-by-hand-reused"),
    ("retype", "retype-local", "floor"),
)
"""(a, b, c): (a - b) / c within each round."""


def rounds_of(program: Path, kernel: str, cores: int, rounds: int, names: list[str]) -> list[Round]:
    """Of one boot, those in which the floor stayed."""
    output = subprocess.run(
        [program / "pair", kernel, str(cores), str(rounds), *names],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    ).stdout
    blocks = [block.splitlines() for block in output.strip().split("\n\n")]
    taken = [{name: float(value) for name, value in map(str.split, block)} for block in blocks]
    return [one for one in taken if 1 / STEADY < one["floor-after"] / one["floor"] < STEADY]


def ratio(one: Round, above: str, less: str, below: str) -> float | None:
    """None where that round has not all three."""
    if above not in one or below not in one or (less and less not in one):
        return None
    return (one[above] - (one[less] if less else 0)) / one[below]


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def print_table(state: str, rounds: dict[str, list[Round]]) -> None:
    """A line an operation, a column a build; and how much of the first the second takes."""
    builds = list(rounds)
    counts = ", ".join(f"{len(rounds[build])} rounds of {build}" for build in builds)
    print(f"\n{state}: {counts}")
    names = list(dict.fromkeys(name for build in builds for one in rounds[build] for name in one))
    print(f"{'cycles':44}" + "".join(f"{build:>16}" for build in builds))
    for name in names:
        columns = [median([one[name] for one in rounds[build] if name in one]) for build in builds]
        change = f"{columns[1] / columns[0]:10.2f}" if len(columns) == 2 else ""
        print(f"{name:44}" + "".join(f"{column:16.0f}" for column in columns) + change)
    for above, less, below in RATIOS:
        label = f"({above} - {less}) / {below}" if less else f"{above} / {below}"
        cells = []
        for build in builds:
            found = [ratio(one, above, less, below) for one in rounds[build]]
            cells.append(median([value for value in found if value is not None]))
        if any(cell == cell for cell in cells):
            print(f"{label:44}" + "".join(f"{cell:16.2f}" for cell in cells))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.native", description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", help="the other build")
    parser.add_argument("--turns", type=int, default=6, help="boots of each build (6)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of each boot (4)")
    parser.add_argument("--cores", type=int, default=2, help="that the geometry is for (2)")
    parser.add_argument("--kernel", choices=("multikernel", "shared"), default="multikernel")
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions, against the budget"
    )
    parser.add_argument(
        "--set-budget", action="store_true", help="and make them the budget of this compiler"
    )
    parser.add_argument("operations", nargs="*", help="all, if none is named (operations.c)")
    asked = parser.parse_args()
    builds = {asked.against: building.of_commit(asked.against)} if asked.against else {}
    builds["here"] = building.here()
    if asked.instructions or asked.set_budget:
        sys.exit(instructions.judge(builds, asked.set_budget))
    near: dict[str, list[Round]] = defaultdict(list)
    far: dict[str, list[Round]] = defaultdict(list)
    for _ in range(asked.turns):
        for name, program in builds.items():
            for one in rounds_of(
                program, asked.kernel, asked.cores, asked.rounds, asked.operations
            ):
                (near if one["floor"] < NEAR else far)[name].append(one)
    for state, rounds in (("near", near), ("far", far)):
        if rounds:
            print_table(state, {build: rounds[build] for build in builds})


if __name__ == "__main__":
    main()
