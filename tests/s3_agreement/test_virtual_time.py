"""Virtual time on a machine where nothing costs anything, held against the explorer: as many
messages for each operation, and outcomes that it allows.
"""

from __future__ import annotations

import re
from itertools import product

import pytest
from s3_agreement.exploring import Explore

from multikernel.native._native import CAPABILITY_TYPES, PROTOCOLS, VERDICTS, cores_word
from multikernel.virtual.calibrating import free_machine
from multikernel.virtual.kernel import Kernel, machine
from multikernel.virtual.work import Work

PAGE, ROOT, RIGHTS = 4096, 1 << 32, 7
OK = VERDICTS["OK"]


def kernel_of(cores: int, route: str, owner: bool) -> Kernel:
    chain = [(core, core + 1) for core in range(cores - 1)]
    trees = {
        root: [((a + root) % cores, (b + root) % cores) for a, b in chain] for root in range(cores)
    }
    return Kernel(
        machine(free_machine(), cores, "free"), Work.of_steps("none", 1.0),
        trees if route == "chain" else None,
        slots=1, cnodes=16, owner=owner,
    )  # fmt: skip


class Programs:
    """Requests of programs by slots, as the explorer's scenarios name them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def ask(self, core: int, kind: str, *words: int) -> tuple[int, ...]:
        verdict, _, reply = self.kernel.request(core, kind, *words).reply
        self.kernel.settle()
        assert verdict == OK, (kind, verdict)
        return reply

    def at(self, core: int, slot: int) -> int:
        return self.ask(core, "CAP_LOOK", slot)[0]

    def ram(self, slot: int, pages: int) -> None:
        self.ask(0, "CAP_CREATE", pages * PAGE, ROOT, slot)

    def copy(self, core: int, slot: int, to: int, there: int) -> None:
        self.ask(core, "CAP_COPY", self.at(core, slot), ROOT, there | RIGHTS << 16 | to << 32)

    def retype(self, core: int, slot: int, page: int, there: int) -> None:
        word = there | CAPABILITY_TYPES["Frame"] << 16 | 1 << 32
        self.ask(core, "CAP_RETYPE", self.at(core, slot), ROOT, word, page * PAGE, PAGE)

    def revoke(self, core: int, slot: int) -> None:
        self.ask(core, "CAP_REVOKE", self.at(core, slot))

    def delete(self, core: int, slot: int) -> None:
        self.ask(core, "CAP_DELETE", self.at(core, slot))


def prepared(programs: Programs, scenario: str) -> None:
    programs.ram(1, 2 if "retype" in scenario or scenario in ("cost-own", "cost-derived") else 1)
    programs.copy(0, 1, 1, 1)
    if scenario == "cost-derived":
        programs.retype(1, 1, 1, 3)


OPERATIONS = {
    "cost-own": lambda programs: programs.retype(0, 1, 0, 2),
    "cost-retype": lambda programs: programs.retype(1, 1, 0, 2),
    "cost-derived": lambda programs: programs.retype(1, 1, 0, 2),
    "cost-send": lambda programs: programs.copy(0, 1, 2, 1),
    "cost-send-back": lambda programs: programs.copy(1, 1, 0, 2),
    "cost-revoke": lambda programs: programs.revoke(1, 1),
    "cost-delete": lambda programs: programs.delete(0, 1),
}


CASES = [
    (scenario, cores)
    for scenario, cores in product(OPERATIONS, (2, 3, 4))
    if (scenario, cores) != ("cost-send", 2)  # to a third
]


@pytest.mark.parametrize(("scenario", "cores"), CASES)
@pytest.mark.parametrize("route", ["flat", "chain"])
@pytest.mark.parametrize("owner", [False, True])
def test_an_operation_takes_the_explorer_s_messages(
    explore: Explore, scenario: str, cores: int, route: str, owner: bool
) -> None:
    said = explore(
        "--scenario", scenario, "--cores", str(cores), "--route", route, "--messages",
        *["--owner"] * owner,
    ).stdout  # fmt: skip
    expected = re.fullmatch(rf"scenario {scenario}: (\d+) messages\n", said)
    assert expected, said
    programs = Programs(kernel_of(cores, route, owner))
    prepared(programs, scenario)
    before = programs.kernel.native.counts()[1]
    OPERATIONS[scenario](programs)
    assert programs.kernel.native.counts()[1] - before == int(expected[1])
    assert programs.kernel.now == 0


@pytest.mark.parametrize("protocols", list(product(PROTOCOLS.values(), repeat=2)))
def test_of_two_unmaps_of_a_page_one_succeeds(explore: Explore, protocols: tuple[int, int]) -> None:
    """As the explorer finds in every world, whoever comes first."""
    assert explore("--scenario", "unmap-2").returncode == 0
    ended = set()
    for first, delay in product((0, 1), range(4)):
        kernel = kernel_of(2, "flat", owner=False)
        frame = kernel.request(0, "ALLOCATE", PAGE).reply[2]
        word, _ = cores_word(3, 2)
        page = kernel.request(0, "MAP", frame[0], PAGE, 3, word, frame[1]).reply[2][0]
        kernel.settle()
        at = kernel.now
        tickets = [
            kernel.ask(core, "UNMAP", page, protocols[core], at=at + delay * (core != first))
            for core in range(2)
        ]
        verdicts = tuple(kernel.wait(ticket).reply[0] for ticket in tickets)
        kernel.settle()
        assert sorted(verdicts) == sorted((OK, VERDICTS["NOT_MAPPED"]))
        digests = {kernel.request(core, "DIGEST", 2**64 - 1).reply[2] for core in range(2)}
        assert {words[1:3] for words in digests} == {(0, 0)}
        ended.add(verdicts)
    assert len(ended) == 2
