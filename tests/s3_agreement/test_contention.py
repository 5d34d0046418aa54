"""Of two operations that want the same page neither waits long: whatever the number of cores, the
tree, the pair and the moment.
"""

import subprocess
from pathlib import Path

import pytest

FLAT = 0  # the initiator sends to every core; else the fan of a complete tree
ROUNDS = 60
LOSER = 3.0  # times what both rounds take alone


@pytest.mark.sampled(one_in=4)
@pytest.mark.parametrize("flight", [500, 5000])
@pytest.mark.parametrize("tree", [FLAT, 2, 4, 16])
@pytest.mark.parametrize("cores", [2, 3, 5, 8, 17, 32, 64, 100, 256, 512, 1024])
def test_loser_of_a_conflict(contention: Path, cores: int, tree: int, flight: int) -> None:
    command = [contention, *map(str, (cores, tree, ROUNDS, flight))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rounds = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(rounds) == ROUNDS
    assert all(last <= LOSER * alone for _, alone, _, last in rounds)
    assert any(last > 1.5 * answered for answered, *_, last in rounds), "nobody met anybody"
