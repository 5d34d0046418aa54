"""Retype throughput: how many retypes, each with the deletion of what it made, all cores get done
in a second.

Guarantees: an operation is a retype of a page to a Frame and, as soon as that is made, the Frame's
deletion; nothing else is done while it counts. All cores meet, begin, and count once the last has
surely begun, and they go on until the last has counted; a slice in which one was off its CPU does
not count. The memory is a core's own, which no other knows (in the multikernel nobody has to be
asked); or its own while all others have copies (in the multikernel agreement, with one and with
many in flight, and every core answers the others while it has operations of its own under way); or
its part of one RAM that all have. In every kernel and way of deciding, by number of cores, and by
one core alone, so that it can be said what the others add. Answers: the paper's figure 8, in
throughput. Idea: as `unmap`'s own pages and `shared_memory`'s updates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from multikernel import system as system_
from multikernel.experiments.collectives import counts_of
from multikernel.experiments.floor import floor_arms, floors_of, root_pairs
from multikernel.experiments.instrument import document
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Scalar,
    Spec,
    labelled,
)
from multikernel.experiments.instrument.capability_kernels import (
    BIG,
    OWNER,
    REGION,
    TWO_PHASE,
    WAYS,
    Way,
)
from multikernel.experiments.instrument.capability_loops import BATCH
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call, samples_of
from multikernel.experiments.retype_throughput import loops
from multikernel.experiments.retype_throughput.loops import (
    CORES_MOST,
    MEMORIES,
    REGIONS,
    Memory,
    Work,
)
from multikernel.experiments.shared_memory import AWAY, PRESENT, was_away
from multikernel.machine.clock import tsc_rate
from multikernel.results.document import Caution, Document
from multikernel.results.histogram import Histogram

NAME = "retype-throughput"
FIGURE = "figure 8"
SUMMARY = (
    "Retype and delete on all cores at once, of memory of their own and of memory that all know."
)

SECONDS = 0.004
"""Of a slice, on every core."""
MOST = 16
"""In flight at once from each core."""
IN_WORDS: dict[Memory, str] = {
    "alone": "memory of one's own that nobody else knows",
    "copied": "memory of one's own that all others have copies of",
    "common": "a part of one memory that all have copies of",
}
OURS, THEIRS = (TWO_PHASE, OWNER), (BIG, REGION)
WAY_IN_WORDS = {
    TWO_PHASE: "the multikernel in two phases",
    OWNER: "the multikernel by owners",
    BIG: "the shared kernel under one lock",
    REGION: "the shared kernel under one lock a region",
}


@dataclass(frozen=True, slots=True)
class Form:
    """What is done at once. cores: how many retype; of: how many there are."""

    way: Way
    memory: Memory
    in_flight: int
    cores: int
    of: int

    @property
    def key(self) -> str:
        """How its series' keys begin; one in flight and all cores are left out."""
        flight = "" if self.in_flight == 1 else f"-{self.in_flight}-in-flight"
        cores = "" if self.cores == self.of else f"-on-{self.cores}"
        return f"{self.way.name}-{self.memory}{flight}{cores}"

    @property
    def rate(self) -> str:
        return f"{self.key}-rate"

    @property
    def interval(self) -> str:
        return f"{self.key}-interval"

    @property
    def asks(self) -> bool:
        """Whether other cores are: two phases ask all about what others know, an owner about what
        is not its alone.
        """
        return self.memory in {"two-phase": ("copied", "common"), "owner": ("common",)}.get(
            self.way.name, ()
        )

    @property
    def booted(self) -> int:
        """Of how many cores the system is. One alone is the first of all."""
        return self.cores if self.cores > 1 else self.of

    @property
    def members(self) -> int:
        """How many cores take part. The others sleep."""
        return self.booted if self.asks else self.cores

    def by(self, way: Way, in_flight: int = 1) -> Form:
        """The same done in another way."""
        return replace(self, way=way, in_flight=in_flight)


def forms(request: Request) -> Iterator[Form]:
    """All of them. One core alone is measured with memory of its own; of one memory for all it
    would be the same.
    """
    of = counts(request)[-1]
    for memory in MEMORIES:
        for cores in ([1] if memory != "common" else []) + counts(request):
            for way in WAYS:
                form = Form(way, memory, 1, cores, of)
                yield form
                if form.asks:
                    yield form.by(way, MOST)


def counts(request: Request) -> list[int]:
    """Numbers of cores that retype at once, but for one alone."""
    return [count for count in counts_of(request.cores) if count <= CORES_MOST]


class _System:
    """A booted system, furnished."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.base = 0
        bench.system.cores[0].run(loops.furnish)

    def slice(self, form: Form, seconds: float) -> dict[int, Report]:
        base, self.base = self.base, self.base + loops.MEETINGS * form.members
        work = Work(form.memory, form.in_flight, form.cores, form.members, seconds, base)

        def call(core: int) -> Call:
            return loops.at_once, (work, self.bench.watch if core == 0 else None)

        # The one that watches comes last, so that it waits least.
        return self.bench.run(
            form.key, {core: call(core) for core in reversed(range(form.members))}
        )


Systems = dict[tuple[str, int], _System]
"""By way and number of cores."""


def _booted(stack: ExitStack, way: Way, cpus: Sequence[int]) -> _System:
    memory = system_.DEFAULT_MEMORY + loops.memory_for(len(cpus))
    booted = system_.boot(list(cpus), memory=memory, **dict(way.options))
    return _System(Bench(stack.enter_context(booted)))


def _arms(request: Request, systems: Systems) -> Iterator[Arm]:
    hz = tsc_rate().hz

    def arm(form: Form, *, control: bool = False) -> Arm:
        def slice_of() -> Outcome:
            reports = systems[form.way.name, form.booted].slice(form, SECONDS * request.size.scale)
            counts = [report.counts for report in reports.values()]
            rate = rate_of(counts, hz, request.crowded)
            outcome = Outcome(activity=reports[0].activity)
            suffix = CONTROL if control else ""
            outcome.samples[form.rate + suffix] = Histogram.from_values([max(1, round(rate))])
            if not control:
                times = [samples_of(reports[core])["times"] for core in range(form.cores)]
                outcome.samples[form.interval] = Histogram.merge(times)
            if any(map(was_away, reports.values())) or apart(counts):
                outcome.reason = AWAY
            return outcome

        return Arm(labelled(form.key.replace("-", " "), control), slice_of)

    for form in forms(request):
        yield arm(form)
        if form == _control(request):
            yield arm(form, control=True)
    control = _control(request)
    yield from floor_arms(
        systems[control.way.name, control.of].bench, request, root_pairs(control.of)
    )


def rate_of(counts: Sequence[Mapping[str, int]], hz: float, crowded: bool) -> float:
    """Operations a second of all cores. Where they share CPUs no core counts while it is off its
    own, so what they counted is divided by all the time from the first to the last.
    """
    if not crowded:
        return sum(one["operations"] * hz / max(one["cycles"], 1) for one in counts)
    end = max(one["began"] + one["cycles"] for one in counts)
    return (
        sum(one["operations"] for one in counts)
        * hz
        / max(end - min(one["began"] for one in counts), 1)
    )


def apart(counts: Sequence[Mapping[str, int]]) -> bool:
    """Whether a core began so late that others had counted without it. The counters of all CPUs are
    one clock here, as Linux verifies before it uses them so.
    """
    began = [one["began"] for one in counts]
    return max(began) - min(began) > (1 - PRESENT) * min(one["cycles"] for one in counts)


def _control(request: Request) -> Form:
    most = counts(request)[-1]
    return Form(TWO_PHASE, "copied", 1, most, most)


def _specs(request: Request) -> Iterator[Spec]:
    for form in forms(request):
        parameters: dict[str, Scalar] = {
            "operation": "retype-and-delete", "memory": form.memory,
            "told": "poll" if form.asks else "none",
        }  # fmt: skip
        if form.asks:
            # Between retypes of their own, but for one alone.
            parameters.update(target="polling", in_flight=form.in_flight)
        rate = Spec(
            form.rate, form.way.system, form.way.name, form.cores, "throughput", "back-to-back",
            BATCH,
            "operations/s", parameters,
        )  # fmt: skip
        yield rate
        if form == _control(request):
            yield replace(rate, key=rate.key + CONTROL, control=True)
        # What asks no other core is judged by no line between cores.
        floor = tuple((0, core) for core in range(1, form.booted)) if form.asks else ()
        yield Spec(
            form.interval, form.way.system, form.way.name, form.cores, "interval", "back-to-back",
            BATCH,
            parameters=parameters, floor=floor,
        )  # fmt: skip


def _against(request: Request) -> Iterator[tuple[Form, Form]]:
    """Ours and theirs, of all cores, or so many, at once."""
    for form in forms(request):
        if form.way in OURS and form.cores > 1:
            for way in THEIRS:
                yield form, form.by(way)


def _alone(form: Form) -> Form:
    """The same by one core, where it is measured."""
    return replace(form, cores=1)


def _ratios(request: Request) -> Iterator[tuple[str, str]]:
    control = _control(request)
    yield control.rate + CONTROL, control.rate
    for ours, theirs in _against(request):
        yield ours.rate, theirs.rate
    for form in forms(request):
        if form.cores > 1 and form.memory != "common":
            yield form.rate, _alone(form).rate
        if form.in_flight > 1:
            yield form.rate, form.by(form.way).rate
        if form.cores > 1 and form.way in (OWNER, REGION):
            other = TWO_PHASE if form.way is OWNER else BIG
            yield form.rate, form.by(other, form.in_flight).rate
        if form.memory == "common" and form.in_flight == 1:
            yield form.rate, replace(form, memory="copied").rate


# --- In words
# --------------------------------------------------------------------------------------------------


def _slower(request: Request, collector: Collector) -> Iterator[Caution]:
    """A sentence for every configuration in which the multikernel gets less done, with the numbers
    of cores where it does.
    """
    found: dict[tuple[Form, Way], list[str]] = {}
    for ours, theirs in _against(request):
        ratio = collector.ratio(ours.rate, theirs.rate)
        if ratio is not None and ratio.value < 1:
            low, high = ratio.interval.low, ratio.interval.high
            unsure = ", perhaps no difference" if high >= 1 else ""
            numbers = (
                f"{ratio.value:.2f} × ({low:.2f} – {high:.2f}{unsure}) with {ours.cores} cores"
            )
            found.setdefault((replace(ours, cores=0), theirs.way), []).append(numbers)
    for (ours, way), several in found.items():
        flight = f", {ours.in_flight} in flight," if ours.in_flight > 1 else ""
        text = (
            f"Slower, {IN_WORDS[ours.memory]}: {WAY_IN_WORDS[ours.way]}{flight} does, of the"
            f" operations a second of {WAY_IN_WORDS[way]}, {'; '.join(several)} at once."
        )
        yield Caution(code="slower", text=text)


def _scaling(request: Request, collector: Collector) -> Iterator[Caution]:
    """What all cores do together, in multiples of one alone."""
    for memory in MEMORIES[:2]:
        found = []
        too_good = False
        for form in forms(request):
            if form.memory == memory and form.cores == counts(request)[-1]:
                ratio = collector.ratio(form.rate, _alone(form).rate)
                flight = f" with {form.in_flight} in flight" if form.in_flight > 1 else ""
                if ratio is not None:
                    low, high = ratio.interval.low, ratio.interval.high
                    found.append(
                        f"{WAY_IN_WORDS[form.way]}{flight} {ratio.value:.2f} × ({low:.2f} –"
                        f" {high:.2f})"
                    )
                    too_good |= ratio.value > form.cores
        if found:
            text = (
                f"{counts(request)[-1]} cores at once do so many times what one does while the"
                f" others at most answer, {IN_WORDS[memory]}: {', '.join(found)}."
            )
            if too_good:
                text += (
                    " More than there are cores is nobody's gain: the CPUs did not work equally"
                    " fast in all slices, as when a host runs others on their threads, and the"
                    " intervals are as wide as that."
                )
            yield Caution(code="scaling", text=text)


def _said(request: Request) -> Iterator[Caution]:
    yield Caution(
        code="operation",
        text=(
            "An operation is a retype of a page to a Frame and, once it is made, the Frame's"
            " deletion, which every core decides alone; nothing is prepared or cleared away while"
            " it counts, and after each request the channels are polled, in both kernels."
        ),
    )
    yield Caution(
        code="who-is-asked",
        text=(
            "The shared kernel's cores ask nobody: they wait for locks. In two phases all cores"
            " vote on memory that others have copies of. An owner asks nobody about memory of its"
            " own; of the one memory core 0 is the owner, and as others have made something of it"
            " all vote."
        ),
    )
    most = counts(request)[-1]
    beyond = f" (of more than {REGIONS} cores some share one)" if most > REGIONS else ""
    yield Caution(
        code="regions",
        text=(
            f"Where the shared kernel has a lock a region, {REGIONS} of them, each core's memory"
            f" lies in a region of its own{beyond}, but for the one memory of all, which is one"
            " region."
        ),
    )
    if most < request.cores:
        yield Caution(
            code="fewer-cores",
            text=(
                f"At most {CORES_MOST} cores can have copies of one another's memory here: measured"
                f" on {most}."
            ),
        )


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    cpus = request.placement.cpus
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            sizes = {form.booted for form in forms(request)}
            systems = {
                (way.name, cores): _booted(stack, way, cpus[:cores])
                for cores in sorted(sizes)
                for way in WAYS
            }
            collector.boot(boot, list(_arms(request, systems)))
    pairs = root_pairs(_control(request).of)
    return document.finish(
        NAME, record, collector, floors_of(collector, pairs, cpus), list(_specs(request)),
        _ratios(request),
        [*_slower(request, collector), *_scaling(request, collector), *_said(request)],
    )  # fmt: skip
