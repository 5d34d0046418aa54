"""What cores do together: barrier, all-reduce, broadcast and agreement, by tree and cores, beside
shared memory.

Guarantees: collectives go through the booted drivers, asked by a program on each member, along a
tree that was installed by agreement before. A barrier or all-reduce takes from the last arrival to
the last departure, on whichever core that is; a broadcast until its root knows that all have it; an
agreement (atomic broadcast) until the same is known to the core that asked, which is the last one
in the tree. Everything that arrives is checked. Beside them, bare: barriers over shared memory
as OpenMP's libraries spin in them, mpi4py's where it is installed, and the messages of the chosen
tree alone. Trees are the knowledge base's, as in `shootdown`; those with equal edges are one and
are measured once. Answers: section 5.1 of the paper, for programs, and Smelt's collectives (OSDI'16
§5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from multikernel import system as system_
from multikernel.errors import CoreDied
from multikernel.experiments.collectives import loops
from multikernel.experiments.collectives.mpi_process import MpiProcess, missing
from multikernel.experiments.floor import BATCHES, MODES, floor_arms, floors_of, root_pairs
from multikernel.experiments.instrument import document, tree_loops
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Scalar,
    Spec,
    floor_key,
    labelled,
)
from multikernel.experiments.instrument.chosen import judged, tree_of_all
from multikernel.experiments.instrument.loops import Watch
from multikernel.experiments.instrument.protocols import CHOSEN, ROOT, Form, Protocol, lines_of
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.knowledge import cost_store, trees
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.machine.activity import Activity
from multikernel.machine.topology import Topology
from multikernel.native._native import PROBE_FORMS
from multikernel.results.document import Caution, Document, Mode, Ratio
from multikernel.results.histogram import Histogram

NAME = "collectives"
BARRIERS, COLLECTIVES = PROBE_FORMS["shared-barrier"], PROBE_FORMS["collective"]
FIGURE = "§5.1"
SUMMARY = (
    "Barrier, all-reduce, broadcast and agreement, by tree, beside barriers over shared memory and"
    " MPI's."
)

USUAL: dict[Mode, int] = {"back-to-back": 4000, "single": 1000}
TREES = ("sequential", "binary", "cluster", "numa-aware")
BARE = "bare-messages"
MPI = "mpi-barrier"
MPI_MODE: Mode = "back-to-back"
CONTROL_OF = "barrier"
ONE_CLOCK = ("tsc",)
"""Clock sources with which Linux says that the counters of all CPUs are one clock."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A tree of some cores. name: the first of its names, the others are `same`."""

    name: str
    tree: Tree
    same: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.name, *self.same)

    @property
    def cores(self) -> int:
        """How many take part."""
        return len(self.tree.members)

    @property
    def last(self) -> int:
        """The core that is sent to last."""
        return self.tree.edges[-1][1]

    def whole(self, cores: int) -> tuple[tuple[int, int], ...]:
        """Its edges, and behind them edges to all other cores of the system, which a group leaves
        out again.
        """
        return (*self.tree.edges, *((ROOT, core) for core in range(self.cores, cores)))


ByCores = Mapping[int, list[Shape]]


def counts_of(cores: int) -> list[int]:
    """Numbers of cores that are measured: powers of two, and all."""
    return sorted(
        {1 << power for power in range(1, cores.bit_length()) if 1 << power <= cores} | {cores}
    )


def shapes_of(site: Site, costs: Costs, chosen: Tree | None = None) -> list[Shape]:
    """The trees that differ, each with all its names. chosen: in place of the best candidate."""
    best = chosen or trees.candidates(ROOT, site, costs)[0][0]
    found: dict[tuple[tuple[int, int], ...], Shape] = {}
    for name in (*TREES, CHOSEN):
        tree = best if name == CHOSEN else trees.build(name, ROOT, site, costs)
        known = found.get(tree.edges)
        found[tree.edges] = (
            Shape(name, tree, ()) if known is None else replace(known, same=(*known.same, name))
        )
    return list(found.values())


def known(request: Request, chosen: Tree | None = None) -> tuple[ByCores, Costs]:
    """The trees by number of cores, and the costs that they were made from. chosen: for all
    cores.
    """
    cpus, topology = request.placement.cpus, Topology.read()
    costs, _ = cost_store.known(Site(topology, cpus))
    return {
        count: shapes_of(
            Site(topology, cpus[:count]),
            costs.part(range(count)),
            chosen if count == request.cores else None,
        )
        for count in counts_of(request.cores)
    }, costs


def key_of(what: str, tree: str, count: int, request: Request, mode: Mode) -> str:
    """A series' key. The chosen tree and the full number of cores are left out of it. tree: ""
    where there is none.
    """
    shape = "" if tree in ("", CHOSEN) else f"-{tree}"
    return f"{what}{shape}{'' if count == request.cores else f'-on-{count}'}-{mode}"


class _Arms:
    """All arms of one boot. mpi: ranks on the same CPUs, where there can be."""

    def __init__(
        self, request: Request, bench: Bench, by_cores: ByCores, site: Site, mpi: MpiProcess | None
    ) -> None:
        self.request, self.bench, self.by_cores, self.site, self.mpi = (
            request,
            bench,
            by_cores,
            site,
            mpi,
        )
        self.use = 1
        self.plan = tuple(
            (mode, request.size.count(USUAL[mode], BATCHES[mode]), BATCHES[mode]) for mode in MODES
        )

    def all(self) -> list[Arm]:
        """Every collective along every tree, what stands beside them, a control, and the floors."""
        found = []
        for count, several in self.by_cores.items():
            for shape in several:
                found += [self._arm(operation, shape) for operation in COLLECTIVES]
            found += [self._shared(form, count) for form in BARRIERS]
            found.append(self._bare(chosen_of(several)))
        control = chosen_of(self.by_cores[self.request.cores])
        return [
            *found,
            *([self._mpi(self.mpi)] if self.mpi else []),
            self._arm(CONTROL_OF, control, CONTROL),
            *floor_arms(self.bench, self.request, root_pairs(self.request.cores)),
        ]

    def _arm(self, operation: str, shape: Shape, suffix: str = "") -> Arm:
        label = labelled(f"{operation}, {shape.name} tree, {shape.cores} cores", suffix)
        timer = ROOT if operation == "broadcast" else shape.last
        names = (CHOSEN,) if suffix else shape.names

        def slice_of() -> Outcome:
            booted = self.bench.system
            booted.install(ROOT, shape.whole(self.request.cores))
            group = booted.group(shape.tree.members, root=ROOT)
            try:
                return self._slice(
                    f"{operation} {shape.name}", operation, names, shape.cores, timer, suffix,
                    lambda _, watch, use: (
                        loops.collective,
                        (operation, group.cores, group.number, ROOT, timer, use, self.plan, watch),
                    ),
                )  # fmt: skip
            finally:
                booted.close_group(group)

        return Arm(label, slice_of)

    def _shared(self, form: str, count: int) -> Arm:
        members, timer = tuple(range(count)), count - 1
        return Arm(
            f"{form} barrier, {count} cores",
            lambda: self._slice(
                form, f"{form}-barrier", ("",), count, timer, "",
                lambda _, watch, use: (
                    loops.shared_barrier, (form, members, timer, use, self.plan, watch)
                ),
            ),
        )  # fmt: skip

    def _mpi(self, mpi: MpiProcess) -> Arm:
        mode, count, batch = next(one for one in self.plan if one[0] == MPI_MODE)
        watched = sorted(set(self.bench.cpus))

        def slice_of() -> Outcome:
            before = Activity.take(watched, mpi.pids)
            cycles = mpi.barriers(count, batch)
            activity = Activity.take(watched, mpi.pids) - before
            samples = Histogram.from_values(round(one / batch) for one in cycles)
            return Outcome(
                {key_of(MPI, "", self.request.cores, self.request, mode): samples},
                activity=activity,
            )

        return Arm(f"{MPI}, {self.request.cores} ranks", slice_of)

    def _bare(self, shape: Shape) -> Arm:
        form = Form(BARE, None, near=True)
        places = Protocol(form, shape.tree, lines_of(shape.tree, self.site, near=True)).places()
        return Arm(
            f"bare messages, {shape.cores} cores",
            lambda: self._slice(
                BARE, BARE, ("",), shape.cores, ROOT, "",
                lambda core, watch, use: (tree_loops.messages, (places[core], use, self.plan,
                watch)),
            ),
        )  # fmt: skip

    def _slice(
        self, slice_name: str, what: str, names: tuple[str, ...], count: int, timer: int,
        suffix: str,
        call: Callable[[int, Watch | None, int], Call],
    ) -> Outcome:  # fmt: skip
        use, self.use = self.use, self.use + tree_loops.span(self.plan)
        # The one that times watches too, and comes last.
        order = sorted(range(count), key=lambda core: (core == timer, -core))
        calls = {
            core: call(core, self.bench.watch if core == timer else None, use) for core in order
        }
        report = self.bench.run(f"{slice_name} {count}", calls)[timer]
        by_mode = samples_of(report)
        return Outcome(
            {
                key_of(what, name, count, self.request, mode) + suffix: by_mode[mode]
                for mode in MODES
                for name in names
            },
            activity=report.activity,
        )


def chosen_of(several: list[Shape]) -> Shape:
    """The one that boots have; of fewer cores the one that is predicted to be best."""
    return next(shape for shape in several if CHOSEN in shape.names)


def _specs(request: Request, by_cores: ByCores, *, mpi: bool) -> Iterator[Spec]:
    for count, several in by_cores.items():
        floor = tuple((ROOT, core) for core in range(1, count))
        about: dict[str, Scalar] = {"target": "polling", "told": "poll"}
        for mode in MODES:
            for operation in COLLECTIVES:
                for shape in several:
                    parameters = {
                        **about,
                        "operation": operation,
                        "tree": shape.name,
                        "kind": shape.tree.kind,
                    }
                    if shape.same:
                        parameters["same"] = ",".join(shape.same)
                    spec = Spec(
                        key_of(operation, shape.name, count, request, mode), "multikernel",
                        operation, count,
                        "completion", mode, BATCHES[mode], parameters=parameters, floor=floor,
                    )  # fmt: skip
                    yield spec
                    if (operation, count) == (CONTROL_OF, request.cores) and CHOSEN in shape.names:
                        key = key_of(operation, CHOSEN, count, request, mode)
                        yield replace(spec, key=key + CONTROL, control=True)
            for name in (*(f"{form}-barrier" for form in BARRIERS), BARE):
                parameters = {**about, "operation": "broadcast" if name == BARE else "barrier"}
                yield Spec(
                    key_of(name, "", count, request, mode), "raw", name, count, "completion", mode,
                    BATCHES[mode],
                    parameters=parameters, floor=floor,
                )  # fmt: skip
    if mpi:
        yield Spec(
            key_of(MPI, "", request.cores, request, MPI_MODE), "raw", MPI, request.cores,
            "completion", MPI_MODE,
            BATCHES[MPI_MODE], parameters={"target": "polling", "told": "poll",
            "operation": "barrier"},
            floor=tuple((ROOT, core) for core in range(1, request.cores)),
        )  # fmt: skip


def _ratios(request: Request, by_cores: ByCores) -> Iterator[tuple[str, str]]:
    cores = request.cores
    chosen = chosen_of(by_cores[cores])
    for mode in MODES:

        def key(what: str, tree: str = "", count: int = cores, mode: Mode = mode) -> str:
            return key_of(what, tree, count, request, mode)

        yield key(CONTROL_OF) + CONTROL, key(CONTROL_OF)
        for operation in COLLECTIVES:
            # Of two cores, since one line is what they have between them.
            yield key(operation, CHOSEN, 2), floor_key((0, 1), mode)
            for name in TREES:
                if name not in chosen.names:
                    yield key(operation, name), key(operation)
            if cores > 2:
                yield key(operation), key(operation, CHOSEN, 2)
        for form in BARRIERS:
            yield key(f"{form}-barrier"), key("barrier")
            yield key(f"{form}-barrier", "", 2), floor_key((0, 1), mode)
        if mode == MPI_MODE:
            yield key(MPI), key("barrier")
        yield key("broadcast"), key(BARE)
        yield key("agreement"), key("broadcast")


def _cautions(
    request: Request,
    by_cores: ByCores,
    costs: Costs,
    ratios: Sequence[Ratio],
    clock: str | None,
    no_mpi: str | None,
) -> Iterator[Caution]:
    yield Caution(
        code="costs-of-trees", text=f"Trees were made from costs {costs.origin}: {costs.detail}."
    )
    for count, several in by_cores.items():
        for shape in several:
            if shape.same:
                yield Caution(
                    code="same-tree",
                    text=(
                        f"On {count} cores these trees are the same and were measured once:"
                        f" {', '.join(shape.names)}."
                    ),
                )
    cores = request.cores
    fixed = {
        f"{key_of(what, name, cores, request, mode)}"
        f"-over-{key_of(what, CHOSEN, cores, request, mode)}": (f"{what} against {name}, {mode}")
        for what in COLLECTIVES
        for name in TREES
        for mode in MODES
    }
    yield from judged(request, ratios, fixed, chosen_of(by_cores[cores]).tree.kind)
    yield Caution(
        code="bare-against-driver",
        text=(
            "Barriers over shared memory, and bare messages, are loops that do nothing else. The"
            " collectives go through drivers that poll all their channels, and can be asked by any"
            " program. A barrier over shared memory may take less than the floor, as both cores'"
            " lines travel at once, one way each; the floor is there and back, so no barrier of two"
            " takes less than half of it."
        ),
    )
    if no_mpi is None:
        text = (
            f"{MPI} is mpi4py's Barrier over the MPI library that is installed, called from Python"
            " each time."
        )
        yield Caution(code="mpi-from-python", text=text)
    else:
        yield Caution(
            code="no-mpi", text=f"mpi4py's barrier does not stand beside these: {no_mpi}."
        )
    if clock not in ONE_CLOCK:
        yield Caution(
            code="clocks-apart",
            text=(
                f"The clock source is {clock or 'not known'}: that the CPUs' time stamp counters"
                " agree is not certain, and single barriers and all-reduces are timed across CPUs."
                " Trust those that are back-to-back."
            ),
        )


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    by_cores, costs = known(request, tree_of_all(request))
    site = Site(Topology.read(), request.placement.cpus)
    collector = Collector(request)
    record = document.begin(request)
    no_mpi = "its ranks poll, and cores share CPUs here" if request.crowded else missing()
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            bench = Bench(stack.enter_context(system_.boot(list(request.placement.cpus))))
            mpi = None
            try:
                mpi = None if no_mpi else stack.enter_context(MpiProcess(request.placement.cpus))
            except CoreDied as error:
                no_mpi = str(error)
            collector.boot(boot, _Arms(request, bench, by_cores, site, mpi).all())
    floors = floors_of(collector, root_pairs(request.cores), request.placement.cpus)
    ratios = list(_ratios(request, by_cores))
    return document.finish(
        NAME, record, collector, floors, list(_specs(request, by_cores, mpi=no_mpi is None)),
        ratios,
        _cautions(request, by_cores, costs, collector.ratios(ratios), record.host.clocksource,
        no_mpi),
    )  # fmt: skip
