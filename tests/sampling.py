"""Of the tests marked full(one_in=N), which repeat one idea over many parameters, a run takes every
Nth of each function, rounded up: one that is asked for by its name is run. A seed chooses them,
another one each time unless --seed gives it, so that successive runs cover different parts.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict

import pytest

LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed",
        type=int,
        default=random.randrange(1_000_000),
        help=(
            "chooses among the tests marked full(one_in=N); random if not given, and printed in"
            " the end"
        ),
    )


@pytest.hookimpl(trylast=True)  # among what -m and -k have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--seed")

    def rank(item: pytest.Item) -> bytes:
        return hashlib.sha256(f"{seed} {item.nodeid}".encode()).digest()

    alike: defaultdict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        mark = item.get_closest_marker("full")
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
            f"--seed {seed} left out {count} tests marked full(one_in=N), and would again"
        )
