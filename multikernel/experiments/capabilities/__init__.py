"""Capabilities: what each operation costs, by which other cores know the memory, in both kernels.

Guarantees: copies, retypes, revokes (of an object by its copies, of memory by what was made of it)
and deletions (of a last copy, and of an owner's where another inherits). Every operation is timed
by itself, as a request to the own core's driver. Beside them, bare and on one core: local
operations by the number of capabilities in the mapping database. Answers: section 4.7 of the paper.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import capability_loops
from multikernel.experiments.instrument.capability_loops import Task
from multikernel.experiments.instrument.deciding import TWO_PHASE, WAYS, Way, arm, machine

USUAL, SLOW, FEW = 300, 60, 12
"""Operations in a slice: usually, with many copies, on a thousand capabilities."""
COPIES = (1, 8, 64)
DESCENDANTS = (10, 100, 1000)
SIZES, SMOKE_SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000), (10, 1_000)
"""Capabilities in the database."""
IN_DATABASE = 400
DATABASE = ("copy", "retype", "delete")
CONTROL_OF = "retype-copied"
BESIDE = (
    ("copy-remote", "copy-local"),
    ("retype-copied", "retype-alone"),
    ("retype-derived", "retype-copied"),
    ("delete-inherited", "delete-last"),
    *((f"revoke-{number}-remote-copies", f"revoke-{number}-copies") for number in COPIES),
)
"""Operations, and what each is held against."""


@dataclass(frozen=True, slots=True)
class Operation:
    """task: with as many as are usual in a slice; elsewhere: what others have of the memory."""

    name: str
    task: Task
    elsewhere: str = ""

    def key(self, way: Way) -> str:
        return f"{self.name}-{way.name}"

    def parameters(self) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {"elsewhere": self.elsewhere or "nothing"}
        if self.task.descendants:
            found["descendants"] = self.task.descendants
        elif self.task.operation == "revoke":
            found["copies"] = self.task.copies
        return found


def operations(cores: int) -> Iterator[Operation]:
    others = cores - 1
    yield Operation("copy-local", Task("copy", USUAL, source="alone", to=0))
    yield Operation("copy-remote", Task("copy", USUAL, source="lent"), "the copy")
    yield Operation("retype-alone", Task("retype", USUAL, source="alone"))
    yield Operation("retype-copied", Task("retype", USUAL), "copies")
    yield Operation(
        "retype-derived", Task("retype", USUAL, source="derived"), "copies and descendants"
    )
    for number in COPIES:
        usual = USUAL if number == 1 else SLOW
        here = Task("revoke", usual, source="alone", to=0, copies=number)
        there = Task("revoke", usual, source="lent", copies=number, spread=others)
        yield Operation(f"revoke-{number}-copies", here)
        yield Operation(f"revoke-{number}-remote-copies", there, "copies")
    for number in DESCENDANTS:
        task = Task("revoke", FEW if number > 100 else SLOW, descendants=number)
        yield Operation(f"revoke-{number}-descendants", task)
    yield Operation("delete-last", Task("delete", USUAL, source="alone"))
    inherited = Task("delete", SLOW, source="lent", copies=others, spread=others)
    yield Operation("delete-inherited", inherited, "copies")


class Capabilities(Experiment):
    entry = entry("capabilities")
    floors_on = machine(TWO_PHASE)

    def arms(self) -> Iterator[Arm]:
        for way in WAYS:
            for one in operations(self.request.cores):
                yield arm(
                    one.key(way), way, self.request.cores if one.elsewhere else 1,
                    replace(one.task, count=self.request.size.count(one.task.count)),
                    one.parameters(), machine(way),
                    repeated=way is TWO_PHASE and one.name == CONTROL_OF,
                )  # fmt: skip
        for size in self._sizes():
            yield self._database(size)

    def _sizes(self) -> tuple[int, ...]:
        return SIZES if self.request.trusted else SMOKE_SIZES

    def _database(self, size: int) -> Arm:
        count, seed = self.request.size.count(IN_DATABASE), self.request.seed
        specs = {
            name: Spec(
                f"{name}-among-{size}", "raw", "mapping-database", 1, "completion", "single",
                parameters={"operation": name, "capabilities": size, "told": "none"},
            )
            for name in DATABASE
        }  # fmt: skip
        database = capability_loops.database
        return sampled(
            f"operations among {size} capabilities", specs, self.floors_on,
            lambda bench: bench.one(f"database {size}", database, size, count, seed),
        )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        for one in operations(self.request.cores):
            kind = "asking" if one.elsewhere else "structure"
            for way in WAYS[1:]:
                yield Ratio(one.key(way), one.key(TWO_PHASE), kind)
        for over, under in BESIDE:
            for way in WAYS:
                yield Ratio(f"{over}-{way.name}", f"{under}-{way.name}", "cost")
        smallest, *_, largest = self._sizes()
        for name in DATABASE:
            yield Ratio(f"{name}-among-{largest}", f"{name}-among-{smallest}", "cost")
