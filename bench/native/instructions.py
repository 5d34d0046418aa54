"""What operations take in instructions, both cores together and without the host's page table, as
callgrind counts them: the same in every run, so a change of a percent shows.

A budget is kept for each compiler, in `budgets.json`: more than it by a twentieth is too much. With
another compiler the numbers are printed and nobody judges them.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

OPERATIONS = (
    *("idle-turn", "system-call", "call", "barrier", "broadcast"),
    *("unmap-one-phase", "unmap-two-phase", "retype-local", "retype"),
)
COUNT = 100
TOLERANCE = 1.05
BUDGETS = Path(__file__).with_name("budgets.json")


def compiler() -> str:
    """Its name and version, and the processor's kind: what instructions depend on."""
    said = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout
    return f"{said.splitlines()[0]}, {platform.machine()}"


def counted(program: Path, operation: str) -> float:
    """Instructions of one. Raises SystemExit where callgrind is not installed."""
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is not on PATH: `apt install valgrind`")
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        subprocess.run(
            [
                *("valgrind", "--tool=callgrind", "--toggle-collect=measured"),
                f"--callgrind-out-file={out}",
                *(program / "solo", operation, str(COUNT)),
            ],
            capture_output=True,
            check=True,
        )
        found = re.search(r"^summary: (\d+)", out.read_text(), re.MULTILINE)
    if not found:
        raise SystemExit(f"callgrind counted nothing of {operation}")
    return int(found[1]) / COUNT


def judge(builds: dict[str, Path], set_budget: bool) -> int:
    """Prints a line an operation; 1 where the last build is over its budget."""
    budgets: dict[str, dict[str, float]] = (
        json.loads(BUDGETS.read_text()) if BUDGETS.exists() else {}
    )
    budget = budgets.get(compiler(), {})
    over = False
    print(f"{'instructions':24}" + "".join(f"{name:>16}" for name in builds) + f"{'budget':>12}")
    taken: dict[str, float] = {}
    for operation in OPERATIONS:
        numbers = [counted(program, operation) for program in builds.values()]
        taken[operation] = numbers[-1]
        allowed = budget.get(operation)
        too_much = allowed is not None and numbers[-1] > allowed * TOLERANCE
        over |= too_much
        print(
            f"{operation:24}"
            + "".join(f"{number:16.0f}" for number in numbers)
            + (f"{allowed:12.0f}" if allowed is not None else f"{'-':>12}")
            + ("  too much" if too_much else "")
        )
    if set_budget:
        budgets[compiler()] = {name: round(number) for name, number in taken.items()}
        BUDGETS.write_text(json.dumps(budgets, indent=2) + "\n")
    elif not budget:
        print(f"There is no budget for {compiler()}: nothing was judged.")
    return int(over)
