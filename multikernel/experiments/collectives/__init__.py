"""What cores do together: barrier, all-reduce, broadcast and agreement, by tree and cores, beside
shared memory.

Guarantees: collectives go through the booted drivers, along a tree that was installed by agreement
before. A barrier or all-reduce takes from the last arrival to the last departure; a broadcast until
its root knows that all have it; an agreement until the core that asked, the last one in the tree,
knows the same. Everything that arrives is checked. Beside them, bare: barriers over shared memory
as OpenMP's libraries spin in them, mpi4py's where it is installed, and the messages of the chosen
tree alone. Answers: section 5.1 of the paper, for programs, and Smelt's collectives (OSDI'16 §5).
"""

from collections.abc import Callable, Iterator
from functools import partial

from multikernel.experiments.collectives import modelled
from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import shapes
from multikernel.experiments.instrument.loops import Plan, Watch, checked
from multikernel.experiments.instrument.modelled import COUNTERPARTS
from multikernel.experiments.instrument.mpi_process import MpiProcess, Ranks, component, missing
from multikernel.experiments.instrument.protocols import Form, Protocol, near_lines, notify, timed
from multikernel.experiments.instrument.shapes import CHOSEN, ROOT, Shape, chosen_of
from multikernel.knowledge.tree import Tree
from multikernel.machine.host.activity import Activity
from multikernel.machine.host.processor import Host
from multikernel.native._native import PROBE_FORMS

BARRIERS, COLLECTIVES = PROBE_FORMS["shared-barrier"], PROBE_FORMS["collective"]
USUAL: dict[Mode, int] = {"back-to-back": 4000, "single": 1000}
BARE = "bare-messages"
MPI = {"barrier": "mpi-barrier", "all-reduce": "mpi-all-reduce"}
"""By operation, MPI's."""
MPI_MODE: Mode = "back-to-back"
CONTROL_OF = "barrier"
ONE_CLOCK = ("tsc",)
"""Clock sources with which Linux says that the counters of all CPUs are one clock."""

BARE_AGAINST_DRIVER = caution(
    "bare-against-driver",
    "Barriers over shared memory, and bare messages, are loops that do nothing else. The"
    " collectives go through drivers that poll all their channels, and can be asked by any"
    " program. A barrier over shared memory may take less than the floor, as both cores' lines"
    " travel at once, one way each; the floor is there and back, so no barrier of two takes"
    " less than half of it.",
)


def from_python(collectives: str) -> Caution:
    xhc = "" if collectives == "xhc" else " This library has no xhc, Open MPI's fastest."
    by = f"its component {collectives}" if collectives else "what it takes by itself"
    return caution(
        "mpi-from-python",
        "mpi-barrier and mpi-all-reduce are mpi4py's, called from Python each time, over the MPI"
        f" library that is installed, by {by}.{xhc}",
    )


WRONG = (
    "cores did not do together what they ought to: an outcome was wrong, or one left before all had"
    " come"
)


class Collectives(Experiment):
    entry = entry("collectives")

    def __init__(self, request: Request, chosen: Tree | None = None) -> None:
        """chosen: a tree of all cores from core 0, in place of the one that boots have."""
        super().__init__(request)
        self.by_cores, self.costs = shapes.known(
            self.request, chosen or shapes.tree_of_all(self.request)
        )
        self.plan = self.request.plan(USUAL)
        why = missing()
        if self.request.crowded:
            why = "its ranks poll, and cores share CPUs here"
        if self.request.model is not None:
            why = "it is not modelled"
        self.ranks = Ranks(why)

    def stem(self, what: str, tree: str = "", count: int | None = None) -> str:
        """How keys begin: without the chosen tree, and without the full number of cores."""
        shape = "" if tree in ("", CHOSEN) else f"-{tree}"
        return f"{what}{shape}{self.request.on(count or self.request.cores)}"

    def key(self, what: str, mode: Mode, tree: str = "", count: int | None = None) -> str:
        return f"{self.stem(what, tree, count)}-{mode}"

    def arms(self) -> Iterator[Arm]:
        for count, several in self.by_cores.items():
            for operation in COLLECTIVES:
                for shape in several:
                    yield self._collective(operation, shape)
            for form in BARRIERS:
                yield self._shared(form, count)
            chosen = chosen_of(several).tree
            protocol = Protocol.of(Form(BARE, None, near=True), chosen, near_lines(chosen))
            bare = partial(notify, protocol=protocol, plan=self.plan)
            yield self._raw(BARE, count, "broadcast", bare)
        if self.ranks.missing is None:
            yield from map(self._mpi, MPI)

    def _collective(self, operation: str, shape: Shape) -> Arm:
        count = shape.cores
        # What all machines have bears no tree's name, so that the control is the same everywhere.
        first, *others = sorted(shape.names, key=lambda name: name != CHOSEN)
        timer = ROOT if operation == "broadcast" else shape.last

        def measure(bench: Bench) -> Report:
            bench.along(ROOT, shape.whole(self.request.cores))
            group = bench.system.group(shape.tree.members, root=ROOT)

            about = operation, group.cores, group.number, ROOT, timer
            try:
                return timed(
                    bench, f"{operation} {shape.name} {count}", group.cores, timer, self.plan,
                    collective, lambda _, use: (*about, use),
                )  # fmt: skip
            finally:
                bench.system.close_group(group)

        about: dict[str, Scalar] = {
            "operation": operation, "tree": shape.name, "kind": shape.tree.kind, **shape.about,
        }  # fmt: skip
        # A ratio's name does not depend on which trees are the same here.
        also = tuple(self.stem(operation, tree, count) for tree in others)
        return sampled(
            f"{operation}, {shape.name} tree, {count} cores",
            self._specs("multikernel", operation, count, about, first, also), MULTIKERNEL, measure,
            repeated=first == CHOSEN and (operation, count) == (CONTROL_OF, self.request.cores),
        )  # fmt: skip

    def _shared(self, form: str, count: int) -> Arm:
        members, timer = tuple(range(count)), count - 1

        def run(bench: Bench) -> Report:
            return timed(
                bench, f"{form} {count}", members, timer, self.plan, shared_barrier,
                lambda _, use: (form, members, timer, use),
            )  # fmt: skip

        return self._raw(f"{form}-barrier", count, "barrier", run)

    def _raw(self, what: str, count: int, operation: str, run: Callable[[Bench], Report]) -> Arm:
        specs = self._specs("raw", what, count, {"operation": operation})
        return sampled(f"{what.replace('-', ' ')}, {count} cores", specs, MULTIKERNEL, run)

    def _mpi(self, operation: str) -> Arm:
        mode, count, batch = next(one for one in self.plan if one[0] == MPI_MODE)
        cores, watched = self.request.cores, sorted(set(self.request.placement.cpus))
        about: dict[str, Scalar] = {"operation": operation, "collectives": component() or "default"}
        spec = self._specs("raw", MPI[operation], cores, about)[mode]

        def slice_of(ranks: MpiProcess | None) -> Outcome:
            if ranks is None:
                return Outcome()
            before = Activity.take(watched, ranks.pids)
            cycles = ranks.run(operation, count, batch)
            activity = Activity.take(watched, ranks.pids) - before
            samples = Histogram.from_values(round(one / batch) for one in cycles)
            return Outcome({spec.key: samples}, activity=activity)

        return Arm(f"{MPI[operation]}, {cores} ranks", (spec,), self.ranks, slice_of)

    def _specs(
        self, system: System, what: str, count: int, about: dict[str, Scalar], tree: str = "",
        also: tuple[str, ...] = (),
    ) -> dict[str, Spec]:  # fmt: skip
        about = {**POLLED, **about}
        floor = tuple((ROOT, core) for core in range(1, count))
        stem = self.stem(what, tree, count)
        return both_modes(stem, system, what, count, "completion", about, floor, also)

    def ratios(self) -> Iterator[Ratio]:
        yield from (ratio for _, ratio in self._fixed())
        for mode in MODES:
            floor = floor_key((0, 1), mode)
            for operation in COLLECTIVES:
                # Of two cores, since one line is what they have between them.
                of_two = self.key(operation, mode, count=2)
                yield Ratio(of_two, floor, "cost")
                if self.request.cores > 2:
                    yield Ratio(self.key(operation, mode), of_two, "cost")
            barrier, broadcast = self.key("barrier", mode), self.key("broadcast", mode)
            for form in BARRIERS:
                yield Ratio(self.key(f"{form}-barrier", mode), barrier, "cost")
                yield Ratio(self.key(f"{form}-barrier", mode, count=2), floor, "cost")
            if mode == MPI_MODE and self.ranks.missing is None:
                for operation, what in MPI.items():
                    yield Ratio(self.key(what, mode), self.key(operation, mode), "cost")
            yield Ratio(broadcast, self.key(BARE, mode), "cost")
            yield Ratio(self.key("agreement", mode), broadcast, "cost")

    def _fixed(self) -> Iterator[tuple[str, Ratio]]:
        chosen = chosen_of(self.by_cores[self.request.cores])
        for mode in MODES:
            for what in COLLECTIVES:
                for tree in shapes.TREES:
                    if tree not in chosen.names:
                        ratio = Ratio(self.key(what, mode, tree), self.key(what, mode), "tree")
                        yield f"{what} against {tree}, {mode}", ratio

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        yield shapes.made_from(self.costs)
        yield from shapes.same_trees(self.by_cores)
        kind = chosen_of(self.by_cores[self.request.cores]).tree.kind
        yield from shapes.judged(collector, self._fixed(), kind)
        yield BARE_AGAINST_DRIVER
        if self.ranks.missing is None:
            yield from_python(component())
        else:
            for what in MPI.values():
                collector.discard(self.key(what, MPI_MODE))
            text = f"mpi4py's collectives do not stand beside these: {self.ranks.missing}."
            yield caution("no-mpi", text)
        if self.request.model is None and (clock := Host.read().clocksource) not in ONE_CLOCK:
            text = (
                f"The clock source is {clock or 'not known'}: that the CPUs' time stamp counters"
                " agree is not certain, and single barriers and all-reduces are timed across CPUs."
                " Trust those that are back-to-back."
            )
            yield caution("clocks-apart", text)


# --- On every member: all get the same numbers, and a core that left early is an error


def shared_barrier(
    form: str, members: tuple[int, ...], timer: int, use: int, plan: Plan, watch: Watch | None
) -> Report:
    """Barriers over shared memory, bare. form: "central" or "dissemination". Samples, on core
    `timer`: by the plan's names.
    """
    how = {"form": form, "each": members, "timer": timer}
    return checked("shared-barrier", how, use, plan, watch, WRONG)


def collective(
    operation: str, members: tuple[int, ...], group: int, root: int, timer: int, use: int,
    plan: Plan, watch: Watch | None,
) -> Report:  # fmt: skip
    """Of an open group, through the drivers, which poll. Samples as `shared_barrier`'s."""
    how = {"form": operation, "each": members, "timer": timer, "group": group, "core": root}
    return checked("collective", how, use, plan, watch, WRONG, polls=True)


COUNTERPARTS[collective] = modelled.collective
COUNTERPARTS[shared_barrier] = modelled.shared_barrier
