"""Tests that repeat one idea over many parameters: a run takes every Nth of each function, rounded
up, so one that is asked for by its name is run. A run without --full does so with what is marked
sampled(one_in=N), a run with it, which takes all of those, with what is marked full(one_in=N). A
seed chooses, another one each time unless --seed gives it: successive runs cover different parts.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict

import pytest

LEFT_OUT = pytest.StashKey[int]()
NOT_FULL = "not full"
"""What pyproject.toml gives to -m, and scripts/test --full takes back. By any other words for it
nothing is sampled.
"""


class _Run:
    full = False


def more(few: int, many: int) -> int:
    """How many examples, rounds or steps: few, and with --full many. For when tests are collected,
    or run.
    """
    return many if _Run.full else few


def pytest_configure(config: pytest.Config) -> None:
    _Run.full = config.getoption("markexpr") != NOT_FULL


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed",
        type=int,
        default=random.randrange(1_000_000),
        help=(
            "chooses among the tests marked sampled(one_in=N) or, with --full, full(one_in=N);"
            " random if not given, and printed in the end"
        ),
    )


@pytest.hookimpl(trylast=True)  # among what -m and -k have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--seed")

    def rank(item: pytest.Item) -> bytes:
        return hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest()

    alike: defaultdict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        mark = item.get_closest_marker("full" if _Run.full else "sampled")
        if mark and "one_in" in mark.kwargs:
            alike[item.nodeid.partition("[")[0], mark.kwargs["one_in"]].append(item)
    left_out = {
        item
        for (_, one_in), group in alike.items()
        for item in sorted(group, key=rank)[-(-len(group) // one_in) :]
    }
    if left_out:
        config.stash[LEFT_OUT] = len(left_out)
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if count := config.stash.get(LEFT_OUT, 0):
        seed = config.getoption("--seed")
        terminalreporter.write_line(
            f"--seed {seed} left out {count} tests of many parameters, and would again"
        )
