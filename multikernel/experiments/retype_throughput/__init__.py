"""Retype throughput: how many retypes, each with the deletion of what it made, all cores get done
in a second.

Guarantees: nothing else is done while it counts. All cores meet, begin, count once the last has
surely begun, and go on until the last has counted; a slice in which one was off its CPU does not
count. The memory is a core's own, which no other knows; or of which all have copies; or its part of
one RAM that all have. By number of cores, and by one alone. Answers: the paper's figure 8, in
throughput.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.capability_loops import BATCH, ROOT, Furnishing
from multikernel.experiments.instrument.deciding import BIG, OWNER, REGION, TWO_PHASE, WAYS, Way
from multikernel.experiments.instrument.loops import PAGE, Watch
from multikernel.experiments.instrument.modelled import COUNTERPARTS
from multikernel.experiments.instrument.shapes import counts_of
from multikernel.experiments.retype_throughput import modelled
from multikernel.experiments.shared_memory import AWAY, PRESENT, was_away
from multikernel.native._native import IN_FLIGHT_MOST, PAGES_IN_FLIGHT
from multikernel.results import document
from multikernel.system import DEFAULT_MEMORY

Memory = Literal["alone", "copied", "common"]
"""A core's own RAM, which no other knows; its own RAM, of which all others have copies; its part of
one RAM, made by core 0, of which all have copies.
"""
MEMORIES: tuple[Memory, ...] = ("alone", "copied", "common")
SLOTS: dict[Memory, int] = {"alone": 1, "copied": 2, "common": 3}
"""Where a core's root CNode has them."""
OTHERS = 4
"""From here on it has the copies of the other cores' RAM, by core."""
PAGES = PAGES_IN_FLIGHT * IN_FLIGHT_MOST
FRAMES = 256 - PAGES
"""From here on its Frames go."""
CORES_MOST = FRAMES - OTHERS
REGIONS = 16
EDGE_US = 100
"""How long cores work unrecorded before what counts: longer than the last takes to begin."""
SECONDS = 0.004
"""Of a slice, on every core."""
MOST = 16
"""In flight at once from each core."""
IN_WORDS: dict[Memory, str] = {
    "alone": "memory of their own that no other core knows",
    "copied": "memory of their own that all have copies of",
    "common": "their parts of one memory that all have copies of",
}
OURS, THEIRS = (TWO_PHASE, OWNER), (BIG, REGION)
WAY_IN_WORDS = {
    TWO_PHASE: "the multikernel in two phases",
    OWNER: "the multikernel by owners",
    BIG: "the shared kernel under one lock",
    REGION: "the shared kernel under one lock a region",
}
ASKED_BY: dict[Way, tuple[Memory, ...]] = {TWO_PHASE: ("copied", "common"), OWNER: ("common",)}
"""Two phases ask all about what others know, an owner about what is not its alone."""

SAID = (
    caution(
        "operation",
        "An operation is a retype of a page to a Frame and, once it is made, the Frame's"
        " deletion, which every core decides alone; nothing is prepared or cleared away while"
        " it counts, and after each request the channels are polled, in both kernels.",
    ),
    caution(
        "who-is-asked",
        "The shared kernel's cores ask nobody: they wait for locks. In two phases all cores"
        " vote on memory that others have copies of. An owner asks nobody about memory of its"
        " own; of the one memory core 0 is the owner, and as others have made something of it"
        " all vote.",
    ),
)


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
    def asks(self) -> bool:
        return self.memory in ASKED_BY.get(self.way, ())

    @property
    def booted(self) -> int:
        """Of how many cores the system is. One alone is the first of all."""
        return self.cores if self.cores > 1 else self.of

    @property
    def on(self) -> Booted:
        memory = DEFAULT_MEMORY + memory_for(self.booted)
        options = (*self.way.options, ("memory", memory))
        return Booted(self.way.system, self.booted, options=options, program=furnish)

    @property
    def in_words(self) -> str:
        flying = f", {self.in_flight} in flight," if self.in_flight > 1 else ""
        return f"{WAY_IN_WORDS[self.way]}{flying}"

    def specs(self) -> tuple[Spec, Spec]:
        parameters: dict[str, Scalar] = {
            "operation": "retype-and-delete", "memory": self.memory,
            "told": "poll" if self.asks else "none",
        }  # fmt: skip
        if self.asks:
            # Between retypes of their own, but for one alone.
            parameters |= {"target": "polling", "in_flight": self.in_flight}
        rate = Spec(
            self.rate, self.way.system, self.way.name, self.cores, "throughput", "back-to-back",
            BATCH, "operations/s", parameters,
        )  # fmt: skip
        # What asks no other core is judged by no line between cores.
        floor = tuple((0, core) for core in range(1, self.booted)) if self.asks else ()
        interval = replace(
            rate, key=f"{self.key}-interval", measure="interval", unit="tsc-cycles", floor=floor
        )
        return rate, interval


def counts(cores: int) -> list[int]:
    """Numbers of cores that retype at once, but for one alone."""
    return [count for count in counts_of(cores) if count <= CORES_MOST]


def forms(cores: int) -> Iterator[Form]:
    """One core alone has memory of its own; of one memory for all it would be the same."""
    several = counts(cores)
    for memory in MEMORIES:
        for count in several if memory == "common" else [1, *several]:
            for way in WAYS:
                form = Form(way, memory, 1, count, several[-1])
                yield form
                if form.asks:
                    yield replace(form, in_flight=MOST)


def against(cores: int) -> Iterator[tuple[Form, Form]]:
    """Ours and theirs, of all cores, or so many, at once."""
    for form in forms(cores):
        if form.way in OURS and form.cores > 1:
            for way in THEIRS:
                yield form, replace(form, way=way, in_flight=1)


class RetypeThroughput(Experiment):
    entry = entry("retype-throughput")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.forms = list(forms(self.request.cores))
        self.most = counts(self.request.cores)[-1]
        self.repeated = Form(TWO_PHASE, "copied", 1, self.most, self.most)
        self.floors_on = self.repeated.on

    def pairs(self) -> list[Pair]:
        return root_pairs(self.most)

    def arms(self) -> Iterator[Arm]:
        for form in self.forms:
            name, again = form.key.replace("-", " "), form == self.repeated
            yield Arm(name, form.specs(), form.on, partial(self._slice, form), again)

    def _slice(self, form: Form, bench: Bench) -> Outcome:
        members = form.booted if form.asks else form.cores  # the others sleep
        # What they meet by counts how many have come since the system was booted, from 0.
        base = bench.uses(MEETINGS * members) - 1
        seconds = SECONDS * self.request.size.scale
        work = Work(form.memory, form.in_flight, form.cores, members, seconds, base)
        reports = bench.together(form.key, at_once, dict.fromkeys(range(members), (work,)))
        counted = [report.counts for report in reports.values()]
        rate, interval = form.specs()
        found = {
            rate.key: one_number(rate_of(counted, bench.hz, self.request.crowded)),
            interval.key: Histogram.merge(
                [samples_of(reports[core])["times"] for core in range(form.cores)]
            ),
        }
        away = any(map(was_away, reports.values())) or apart(counted)
        return Outcome(found, activity=reports[0].activity, reason=AWAY if away else None)

    def ratios(self) -> Iterator[Ratio]:
        """Ours and theirs; what others, many in flight, and memory of one's own bring."""
        for ours, theirs in against(self.request.cores):
            words = Words(
                subject=ours.in_words, other=theirs.in_words,
                lead=f"Retype and delete, all cores at once, {IN_WORDS[ours.memory]}",
                **WORK,
            )  # fmt: skip
            said = words if ours.cores == ours.of else None
            yield Ratio(ours.rate, theirs.rate, "asking" if ours.asks else "structure", said)
        for form in self.forms:
            if form.cores > 1 and form.memory != "common":
                yield Ratio(form.rate, replace(form, cores=1).rate, "cost")
            if form.in_flight > 1:
                yield Ratio(form.rate, replace(form, in_flight=1).rate, "cost")
            if form.cores > 1 and form.way in (OWNER, REGION):
                other = replace(form, way=TWO_PHASE if form.way is OWNER else BIG)
                yield Ratio(form.rate, other.rate, "asking" if other.asks else "structure")
            if form.memory == "common" and form.in_flight == 1:
                yield Ratio(form.rate, replace(form, memory="copied").rate, "cost")

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        yield from self._slower(collector)
        yield from self._scaling(collector)
        yield from SAID
        beyond = f" (of more than {REGIONS} cores some share one)"
        text = (
            f"Where the shared kernel has a lock a region, {REGIONS} of them, each core's"
            f" memory lies in a region of its own{beyond if self.most > REGIONS else ''}, but"
            " for the one memory of all, which is one region."
        )
        yield caution("regions", text)
        if self.most < self.request.cores:
            text = (
                f"At most {CORES_MOST} cores can have copies of one another's memory here: measured"
                f" on {self.most}."
            )
            yield caution("fewer-cores", text)

    def _slower(self, collector: Collector) -> Iterator[Caution]:
        """Where the multikernel gets less done, with the numbers of cores."""
        found: dict[tuple[Form, Way], list[str]] = defaultdict(list)
        for ours, theirs in against(self.request.cores):
            ratio = collector.ratio(Ratio(ours.rate, theirs.rate))
            if ratio is not None and ratio.value < 1:
                unsure = ", perhaps no difference" if ratio.interval.high >= 1 else ""
                found[replace(ours, cores=0), theirs.way].append(
                    f"{_times(ratio, unsure)} with {ours.cores} cores"
                )
        for (ours, way), several in found.items():
            text = (
                f"Slower, {IN_WORDS[ours.memory]}: {ours.in_words} does, of the operations a second"
                f" of {WAY_IN_WORDS[way]}, {'; '.join(several)} at once."
            )
            yield caution("slower", text)

    def _scaling(self, collector: Collector) -> Iterator[Caution]:
        for memory in MEMORIES[:2]:
            found = {
                form: ratio
                for form in self.forms
                if (form.memory, form.cores) == (memory, self.most)
                and (ratio := collector.ratio(Ratio(form.rate, replace(form, cores=1).rate)))
            }
            if not found:
                continue
            several = ", ".join(
                WAY_IN_WORDS[form.way]
                + (f" with {form.in_flight} in flight " if form.in_flight > 1 else " ")
                + _times(ratio)
                for form, ratio in found.items()
            )
            text = (
                f"{self.most} cores at once do so many times what one does while the others at most"
                f" answer, {IN_WORDS[memory]}: {several}."
            )
            if any(ratio.value > self.most for ratio in found.values()):
                text += (
                    " More than there are cores is nobody's gain: the CPUs did not work equally"
                    " fast in all slices, as when a host runs others on their threads, and the"
                    " intervals are as wide as that."
                )
            yield caution("scaling", text)


def _times(ratio: document.Ratio, unsure: str = "") -> str:
    low, high = ratio.interval.low, ratio.interval.high
    return f"{ratio.value:.2f} × ({low:.2f} – {high:.2f}{unsure})"


def rate_of(counts: Sequence[Mapping[str, int]], hz: float, crowded: bool) -> float:
    """Operations a second of all cores. Where they share CPUs no core counts while it is off its
    own, so what they counted is divided by all the time from the first to the last.
    """
    if not crowded:
        return sum(one["operations"] * hz / max(one["cycles"], 1) for one in counts)
    began = min(one["began"] for one in counts)
    end = max(one["began"] + one["cycles"] for one in counts)
    return sum(one["operations"] for one in counts) * hz / max(end - began, 1)


def apart(counts: Sequence[Mapping[str, int]]) -> bool:
    """Whether a core began so late that others had counted without it. The counters of all CPUs are
    one clock here, as Linux verifies before it uses them so.
    """
    began = [one["began"] for one in counts]
    return max(began) - min(began) > (1 - PRESENT) * min(one["cycles"] for one in counts)


# --- On the cores: each is furnished with memory that it alone retypes, and leaves it as it was


def furnish() -> None:
    """On core 0 of a fresh system, once."""
    one = Furnishing()
    # RAM goes to the next region each time it is created: of one kind, one after the other.
    for slot in (SLOTS["alone"], SLOTS["copied"]):
        for core in one.cores:
            made = one.create(slot if core == one.me else OTHERS, PAGES)
            if core != one.me:
                one.copy(one.me, made, slot, core, move=True)
    for owner in one.cores:
        own = one.ask(owner, "CAP_LOOK", SLOTS["copied"])
        for core in one.cores:
            if core != owner:
                one.copy(owner, own, OTHERS + owner, core)
    common = one.create(SLOTS["common"], len(one.cores) * PAGES)
    for core in one.others:
        one.copy(one.me, common, SLOTS["common"], core)


def memory_for(cores: int) -> int:
    """Bytes of the RAM of so many cores."""
    return len(MEMORIES) * cores * PAGES * PAGE


@dataclass(frozen=True, slots=True)
class Work:
    """cores: the first so many retype; members: the first so many take part, those beyond `cores`
    only answering; base: of their meeting, larger by MEETINGS a member with each use.
    """

    memory: Memory
    in_flight: int
    cores: int
    members: int
    seconds: float
    base: int


MEETINGS = 2
COUNTED = ("operations", "began", "cycles", "cpu_ns", "wall_ns")


def at_once(work: Work, watch: Watch | None) -> Report:
    """Retype and delete for so many seconds, at least a batch, or only answer, on every member.
    Samples: times, cycles an operation. Counts: operations, when they began and in how many cycles
    they were done; of this core's time cpu_ns and wall_ns.
    """
    loop, counts = Furnishing(watch), array("Q", bytes(8 * len(COUNTED)))
    cycles_per_us = loop.plan.cycles_per_us
    ram = loop.ask(loop.me, "CAP_LOOK", SLOTS[work.memory])
    with loop.polling(loop.me), loop.watched():
        loop.probe(
            "at-once",
            f"retype and delete, memory {work.memory}, on core {loop.me} of {work.cores} at once",
            source=ram,
            offset=loop.me * PAGES * PAGE if work.memory == "common" else 0,
            cnode=ROOT, index=FRAMES, in_flight=work.in_flight if loop.me < work.cores else 0,
            cores=work.members, base=work.base, edge=EDGE_US * cycles_per_us,
            cycles=round(work.seconds * 1e6 * cycles_per_us), batch=BATCH,
            times=loop.samples("times"), results=counts,
        )  # fmt: skip
    loop.counts.update(zip(COUNTED, counts, strict=True))
    return loop.done()


_SLOTS = {str(memory): slot for memory, slot in SLOTS.items()}
COUNTERPARTS[furnish] = lambda bench, report, calls: modelled.furnish(bench, PAGES, _SLOTS, OTHERS)
COUNTERPARTS[at_once] = lambda bench, report, calls: modelled.at_once(
    bench, calls, PAGES, _SLOTS, FRAMES
)
