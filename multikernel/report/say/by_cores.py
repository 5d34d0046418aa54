"""Unmaps by number of cores and by tree, as curves; and what they say, in sentences.

Guarantees: a curve holds one kind of notification in one kernel; where kinds of tree have the same
edges the series that was run stands for all of them. From which number of cores on one is cheaper
is said only where the whole interval of every ratio from there on says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from multikernel.report.say.wording import host_transport_of, number
from multikernel.results.document import Document, Series

Curve = Mapping[int, Series]
PROTOCOLS = {"one-phase": "one phase", "two-phase": "two phases"}
OTHERS = {
    "shared-polling": ("the shared kernel by its line", ""),
    "linux-computing": (
        "Linux",
        " One is notified by poll, the other by interrupt: any kernel whose cores poll has it.",
    ),
}


def is_by_cores(series: Series) -> bool:
    return isinstance(series.parameters.get("booted"), int)


def is_unmap(series: Series) -> bool:
    """Whether it is an unmap by all cores."""
    timed = series.measure == "completion" and series.unit == "tsc-cycles"
    operation = series.parameters.get("operation")
    return timed and not is_by_cores(series) and operation in ("unmap", None)


@dataclass(frozen=True, slots=True)
class Curves:
    """known: the series, with those by all cores that end a curve; booted: how many all are."""

    known: tuple[Series, ...]
    booted: int

    @staticmethod
    def of(document: Document) -> Curves | None:
        """None where there are none."""
        known = [one for one in document.series if is_by_cores(one)]
        if not known:
            return None
        booted = int(known[0].parameters["booted"] or 0)
        ends = (one for one in document.series if is_unmap(one) and _ends_a_curve(one, booted))
        return Curves((*known, *ends), booted)

    @property
    def several(self) -> bool:
        return len({one.cores for one in self.known}) > 1

    def kinds(self) -> list[str]:
        """Kinds of tree that were run under their own name."""
        trees = (one.parameters.get("tree") for one in self.known)
        return list(dict.fromkeys(str(tree) for tree in trees if tree is not None))

    def along(self, system: str, variant: str, kind: str) -> Curve:
        """A kernel's, along trees of that kind."""
        own = (one for one in self.known if (one.system, one.variant) == (system, variant))
        return {one.cores: one for one in own if kind in trees_of(one)}

    def without(self, system: str, told: str) -> Curve:
        """What goes along no tree and is notified so: the shared kernel's by its line or by signal,
        or Linux's.
        """
        return {
            one.cores: one
            for one in self.known
            if (one.system, one.parameters.get("told")) == (system, told)
            and "tree" not in one.parameters
        }

    def best(self) -> str:
        """The kind of the multikernel's fastest over most cores, of those run with most numbers."""
        curves = {kind: self.along("multikernel", "one-phase", kind) for kind in self.kinds()}
        found = {kind: curve for kind, curve in curves.items() if curve}
        if not found:
            return next(iter(curves), "")
        return min(found, key=lambda kind: (-len(found[kind]), found[kind][max(found[kind])].p50))


def trees_of(series: Series) -> list[str]:
    """All kinds of tree that a series stands for."""
    equal = series.parameters.get("equal_trees")
    return [str(series.parameters.get("tree")), *(str(equal).split(", ") if equal else ())]


def _ends_a_curve(series: Series, booted: int) -> bool:
    if series.control or series.cores != booted or host_transport_of(series) is not None:
        return False
    usual = {("shared", "poll"), ("shared", "signal"), ("linux", "interrupt")}
    if booted == 2:  # there is but one tree, which the multikernel's usual series are along
        usual.add(("multikernel", "poll"))
    return (series.system, series.parameters.get("told")) in usual


def sentences(document: Document) -> list[str]:
    """How the unmap's cost goes with the number of cores."""
    curves = Curves.of(document)
    if curves is None or not curves.several:
        return []
    return [*_courses(curves), *_crossings(document, curves)]


def _courses(curves: Curves) -> Iterator[str]:
    kind = curves.best()
    named = {
        f"the multikernel in {words}, tree {kind}": curves.along("multikernel", protocol, kind)
        for protocol, words in PROTOCOLS.items()
    }
    named[f"the shared kernel, tree {kind}"] = curves.along("shared", "mcs", kind)
    named["the shared kernel, its line"] = curves.without("shared", "poll")
    named["the shared kernel, notified by signal"] = curves.without("shared", "signal")
    named["Linux, notified by interrupt"] = curves.without("linux", "interrupt")
    for name, curve in named.items():
        if len(curve) > 1:
            few, many = min(curve), max(curve)
            each = (curve[many].p50 - curve[few].p50) / (many - few)
            yield (
                f"Unmap, {name}: {number(curve[few].p50)} cycles with {few} cores,"
                f" {number(curve[many].p50)} with {many}, that is {number(each)} for each further"
                " core."
            )


def _crossings(document: Document, curves: Curves) -> Iterator[str]:
    kind = curves.best()
    lows = {ratio.name: ratio.interval.low for ratio in document.ratios}
    for protocol, words in PROTOCOLS.items():
        ours = curves.along("multikernel", protocol, kind)
        for stem, (other, remark) in OTHERS.items():
            cheaper = {}
            for cores, one in sorted(ours.items()):
                suffix = "" if cores == curves.booted else f"-on-{cores}"
                own = f"{protocol}-polling-{one.parameters.get('tree')}{suffix}"
                cheaper[cores] = lows.get(f"{stem}{suffix}-over-{own}", 0.0) > 1
            yield (
                f"The multikernel in {words}, tree {kind}, is surely cheaper than {other}"
                f" {_from(cheaper)}.{remark}"
            )


def _from(cheaper: Mapping[int, bool]) -> str:
    numbers = [cores for cores, is_cheaper in cheaper.items() if is_cheaper]
    if not numbers:
        return "with no number of cores"
    if len(numbers) == len(cheaper):
        return "with every number of cores"
    if numbers == list(cheaper)[-len(numbers) :]:
        return f"from {numbers[0]} cores on"
    return f"with {', '.join(map(str, numbers))} cores"
