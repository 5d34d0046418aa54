"""The messages of a TLB shootdown, by protocol and by number of cores: what a root pays to notify
all and hear from all.

Guarantees: nothing but messages, on lines of their own between booted cores, in one loop that
serves every tree (raw); completion is when the root has every acknowledgement, and each
acknowledgement says whom it speaks for, which is checked. Both modes of the floor. Trees come from
the system knowledge base, for just the cores that take part, from costs that were measured on this
machine if any are kept; what they are from is in the document. Protocols that come to the same tree
on the same memory nodes are measured once, and the document says which. Answers: the paper's figure
6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from multikernel import system as system_
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
from multikernel.experiments.instrument.protocols import CHOSEN, FORMS, ROOT, Protocol, protocols
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.experiments.shared_memory import counts_of
from multikernel.knowledge import cost_store
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.knowledge.tree import Tree
from multikernel.machine.topology import Topology
from multikernel.results.document import Caution, Document, Mode, Ratio

NAME = "shootdown"
FIGURE = "figure 6"
SUMMARY = (
    "Notifying all cores and hearing from all, messages alone: broadcast, unicast, multicast and"
    " the chosen tree."
)

USUAL: dict[Mode, int] = {"back-to-back": 4000, "single": 1000}
CONTROL_OF = "unicast"

ByCores = Mapping[int, list[Protocol]]
"""By number of cores, the protocols that differ there."""


def known(request: Request, chosen: Tree | None = None) -> tuple[ByCores, Costs]:
    """What is measured, and the costs that the trees were made from.

    chosen: for all cores, in place of the best candidate.
    """
    cpus, topology = request.placement.cpus, Topology.read()
    site = Site(topology, cpus)
    costs, _ = cost_store.known(site)
    found = {}
    for count in counts_of(request.cores)[1:]:
        some = Site(topology, cpus[:count])
        found[count] = protocols(
            some, costs.part(range(count)), chosen if count == request.cores else None
        )
    return found, costs


def key_of(name: str, count: int, request: Request, mode: Mode) -> str:
    """A series' key. The full number of cores is left out of it."""
    return f"{name}-{mode}" if count == request.cores else f"{name}-on-{count}-{mode}"


class _Arms:
    """All arms of one boot."""

    def __init__(self, request: Request, bench: Bench, by_cores: ByCores) -> None:
        self.request, self.bench, self.by_cores = request, bench, by_cores
        self.use = 1
        self.plan = tuple(
            (mode, request.size.count(USUAL[mode], BATCHES[mode]), BATCHES[mode]) for mode in MODES
        )

    def all(self) -> list[Arm]:
        """Every protocol with every number of cores, a control, and the floors."""
        return [
            *(self._arm(protocol) for several in self.by_cores.values() for protocol in several),
            self._arm(control_of(self.by_cores), CONTROL),
            *floor_arms(self.bench, self.request, root_pairs(self.request.cores)),
        ]

    def _arm(self, protocol: Protocol, suffix: str = "") -> Arm:
        label = labelled(f"{protocol.name}, {protocol.cores} cores", suffix)
        return Arm(label, lambda: self._slice(protocol, suffix))

    def _slice(self, protocol: Protocol, suffix: str) -> Outcome:
        use, self.use = self.use, self.use + tree_loops.span(self.plan)
        places = protocol.places()
        # The root comes last: it is the one that watches, and should wait least.
        calls: dict[int, Call] = {
            core: (tree_loops.messages, (places[core], use, self.plan,
            self.bench.watch if core == ROOT else None))
            for core in sorted(places, reverse=True)
        }  # fmt: skip
        report = self.bench.run(f"{protocol.name} {protocol.cores}", calls)[ROOT]
        by_mode = samples_of(report)
        # Under the names of those that come to the same too: a ratio's name does not depend on
        # which do here.
        names = (protocol.name,) if suffix else (protocol.name, *protocol.same)
        return Outcome(
            {
                key_of(name, protocol.cores, self.request, mode) + suffix: by_mode[mode]
                for mode in MODES
                for name in names
            },
            activity=report.activity,
        )


def control_of(by_cores: ByCores) -> Protocol:
    """What is measured twice: unicast on all cores, which nothing that comes before it can
    equal.
    """
    return next(one for one in by_cores[max(by_cores)] if one.name == CONTROL_OF)


def _specs(request: Request, by_cores: ByCores) -> Iterator[Spec]:
    for count, several in by_cores.items():
        for protocol in several:
            parameters: dict[str, Scalar] = {
                "operation": "shootdown",
                "tree": "none" if protocol.form.shared else protocol.tree.kind,
                "depth": protocol.tree.depth, "target": "polling", "told": "poll",
            }  # fmt: skip
            if protocol.same:
                parameters["same"] = ",".join(protocol.same)
            for mode in MODES:
                spec = Spec(
                    key_of(protocol.name, count, request, mode), "raw", protocol.name, count,
                    "completion", mode,
                    BATCHES[mode], parameters=parameters,
                    floor=tuple((ROOT, core) for core in range(1, count)),
                )  # fmt: skip
                yield spec
                if protocol is control_of(by_cores):
                    yield replace(spec, key=spec.key + CONTROL, control=True)


def _ratios(request: Request, by_cores: ByCores) -> Iterator[tuple[str, str]]:
    fixed = [form.name for form in FORMS if form.name != CHOSEN]
    least = min(by_cores)
    for mode in MODES:
        control = key_of(CONTROL_OF, request.cores, request, mode)
        yield control + CONTROL, control
        for count, several in by_cores.items():
            measured = {name: one.name for one in several for name in (one.name, *one.same)}
            pairs = [(name, CHOSEN) for name in fixed]
            pairs += [
                ("broadcast", "unicast"),
                ("unicast", "multicast"),
                ("multicast", "numa-aware"),
            ]
            yield from (
                (key_of(over, count, request, mode), key_of(under, count, request, mode))
                for over, under in pairs
                if measured[over] != measured[under]
            )
            if count == 2:
                yield from (
                    (key_of(name, count, request, mode), floor_key((0, 1), mode))
                    for name in ("broadcast", "unicast", CHOSEN)
                )
            if count == request.cores != least:
                yield from (
                    (
                        key_of(form.name, count, request, mode),
                        key_of(form.name, least, request, mode),
                    )
                    for form in FORMS
                )


def _cautions(
    request: Request, by_cores: ByCores, costs: Costs, ratios: Sequence[Ratio]
) -> Iterator[Caution]:
    yield Caution(
        code="costs-of-trees", text=f"Trees were made from costs {costs.origin}: {costs.detail}."
    )
    alike: dict[str, list[int]] = {}
    for count, several in by_cores.items():
        for one in several:
            if one.same:
                words = (
                    f"{', '.join(one.same[:-1])} and {one.same[-1]}"
                    if one.same[1:]
                    else one.same[0]
                )
                come = "come" if one.same[1:] else "comes"
                alike.setdefault(f"{words} {come} to the same as {one.name}", []).append(count)
    for words, counts in alike.items():
        listed = ", ".join(map(str, counts))
        yield Caution(
            code="same-tree",
            text=(
                f"With {listed} cores {words}, edge for edge and memory node for memory node:"
                " measured once."
            ),
        )
    fixed = {
        f"{key_of(form.name, count, request, mode)}-over-{key_of(CHOSEN, count, request, mode)}": (
            f"{form.name} on {count} cores, {mode}"
        )
        for count in by_cores
        for mode in MODES
        for form in FORMS
        if form.kind is not None and not form.shared
    }
    depths = {
        one.tree.kind for one in by_cores[max(by_cores)] if one.name == CHOSEN or CHOSEN in one.same
    }
    if depths:
        yield Caution(
            code="chosen-tree",
            text=f"The chosen tree of all cores is the one called {min(depths)}.",
        )
        yield from judged(request, ratios, fixed, min(depths))


def run(request: Request, chosen: Tree | None = None) -> Document:
    """Measures; see the page. chosen: a tree of all cores from core 0, in place of the one that
    boots have.
    """
    request = request.fitted()
    by_cores, costs = known(request, chosen or tree_of_all(request))
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with system_.boot(list(request.placement.cpus)) as booted:
            collector.boot(boot, _Arms(request, Bench(booted), by_cores).all())
    floors = floors_of(collector, root_pairs(request.cores), request.placement.cpus)
    ratios = list(_ratios(request, by_cores))
    return document.finish(
        NAME, record, collector, floors, list(_specs(request, by_cores)), ratios,
        _cautions(request, by_cores, costs, collector.ratios(ratios)),
    )  # fmt: skip
