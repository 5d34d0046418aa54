"""The result document, schema `multikernel-results/2`: what one experiment found, and all needed to
judge it.

Guarantees: a document that was written can be read, and both check the same: types, enumerations,
no unknown field, no number that is not finite, percentiles in order, as many samples in the
histogram as are claimed. What is refused is refused in one sentence that names the place
(`$.series[3].p50`). Text is printable, whoever wrote it: what would act on a terminal is written as
`\\x1b`. Figures and reports need nothing but documents: a ratio names the series that it holds
against each other, and the words that say what it means.

The version after the slash grows when a reader of the older one would misread the newer.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, field

from multikernel.errors import DocumentError
from multikernel.results.histogram import Histogram, bucket_bounds, bucket_count, check_sparse
from multikernel.results.record import Cpu, Positive, Rate, Record, Slug, TwoSlugs

FAMILY = "multikernel-results"
VERSION = 2
SCHEMA: Literal["multikernel-results/2"] = "multikernel-results/2"

System = Slug
"""multikernel, shared, linux and raw are known; the list is open."""
Measure = Literal["round-trip", "one-way", "completion", "interval", "throughput", "occupancy"]
Mode = Literal["back-to-back", "single"]
Unit = Literal["tsc-cycles", "ns", "operations/s", "messages/s", "bytes/s", "messages"]
TARGETS = ("polling", "computing", "idle")
NOTIFIED = ("poll", "signal", "interrupt", "none")

T = TypeVar("T")
Scalar = str | int | float | bool | None


class Interval(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """coverage: the probability that such an interval holds the true value (0 = no claim). method:
    order-statistic (distribution-free, of a median), or min-max (the extremes of too few values).
    """

    low: float
    high: float
    coverage: Annotated[float, Meta(ge=0, le=1)]
    method: Literal["order-statistic", "min-max"]

    def check(self) -> None:
        if self.low > self.high:
            raise ValueError(f"the interval runs backwards: {self.low} to {self.high}")


class Moment(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """steal_ticks: by CPU number, 1/100 s since the machine started. load: 1, 5, 15 min."""

    steal_ticks: dict[str, int | None]
    load: tuple[float, float, float] | None


class Environment(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ran, on what, and what the machine did meanwhile; None where the machine does not say.

    topology: counts and CPU lists, as `machine` summarises them. cpus: core i ran on cpus[i].
    tsc_error: relative. tsc_step: cycles that the counter moves by at least. limits: of the
    control group. cores: as seen by whom. time: UTC, ISO 8601. revision: of the source, if it
    ran from a checkout. command: as it was given, paths without their directories.
    """

    cpu_model: str
    architecture: str
    cpu_flags: list[str]
    topology: dict[str, Any]
    cpus: list[Cpu]
    kernel: str
    virtualised: bool | None
    hypervisor: str | None
    governor: str | None
    clocksource: str | None
    cpu_quota: float | None
    tsc_hz: Rate | None
    tsc_error: float | None
    tsc_source: Literal["stated", "measured"] | None
    tsc_step: float | None = None
    mitigations: dict[str, str] = field(default_factory=dict)
    huge_pages: dict[str, str | None] = field(default_factory=dict)
    page_bytes: int | None = None
    limits: dict[str, str | None] = field(default_factory=dict)
    cores: str | None = None
    before: Moment
    after: Moment
    python: str
    packages: dict[str, str]
    compiler: str | None
    compiler_flags: str | None
    build: dict[str, str]
    revision: str | None
    command: list[str]
    seed: int | None
    time: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z\Z")]


class LineFloors(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medians of each cache line the floor was measured on, in TSC cycles."""

    back_to_back: list[Positive]
    single: list[Positive]


class Floor(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line bounced between two CPUs, in TSC cycles a round trip, medians over lines.
    back_to_back: no clock inside the loop. single: a clock around each, with think time.
    """

    pair: tuple[Cpu, Cpu]
    back_to_back: Positive
    single: Positive
    by_line: LineFloors


class Buckets(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Raw samples, counted: the sparse form of results.histogram, which says how values map to
    buckets. They are in the series' unit, rounded to whole numbers.
    """

    sub_bits: int
    counts: list[tuple[int, int]]

    def __post_init__(self) -> None:
        check_sparse(self.sub_bits, self.counts)

    @classmethod
    def of(cls, histogram: Histogram) -> "Buckets":
        return cls(**histogram.to_sparse())

    @property
    def samples(self) -> int:
        return sum(count for _, count in self.counts)


class Boot(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fresh set of systems. floor: one line there and back, back-to-back, in TSC cycles, between
    the cores that are farthest apart; state: where the host had put the CPUs by that (sibling,
    near, far); None where no floor was measured. local: the host's mapping call on the slowest
    core. counts: ratios are taken from it.
    """

    number: Annotated[int, Meta(ge=0)]
    floor: Positive | None
    state: Slug | None
    counts: bool
    local: Positive | None = None


class BootSamples(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one boot brought of a series, in the series' unit."""

    boot: Annotated[int, Meta(ge=0)]
    samples: Annotated[int, Meta(ge=1)]
    p5: float
    p50: float
    p95: float
    p99: float
    histogram: Buckets


class Series(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing measured in one way.

    key: its name in this document. cores: how many took part. parameters: what else was chosen;
    `target` (polling, computing, idle) and `told` (how the others were notified: poll, signal,
    interrupt, none) mean the same everywhere. measure: occupancy is how many messages a writer
    was ahead of its reader. batch: operations between two clock readings; percentiles of a
    batch greater than 1 are of batch means. boots: fresh systems the samples come from. min …
    mean: in `unit`. median_interval: of the median over boots. over_floor: the median over
    boots of what it is over that boot's floor, of the same mode; null where it makes no sense.
    control: this repeats another series, to show which difference means nothing.
    """

    key: Slug
    system: System
    variant: Slug
    cores: Annotated[int, Meta(ge=1)]
    parameters: dict[str, Scalar]
    measure: Measure
    mode: Mode
    batch: Annotated[int, Meta(ge=1)]
    unit: Unit
    samples: Annotated[int, Meta(ge=1)]
    boots: Annotated[int, Meta(ge=1)]
    min: float
    p5: float
    p50: float
    p95: float
    p99: float
    p999: float
    max: float
    mean: float
    median_interval: Interval
    over_floor: Positive | None
    histogram: Buckets
    by_boot: list[BootSamples]
    control: bool

    def check(self) -> None:
        order = ("min", "p5", "p50", "p95", "p99", "p999", "max")
        values = [(name, getattr(self, name)) for name in order]
        for (lower, low), (upper, high) in pairwise(values):
            if low > high:
                raise ValueError(f"{lower} {low} is above {upper} {high}")
        # A mean of many equal samples may come out a rounding error beside them.
        slack = 1e-9 * max(abs(self.min), abs(self.max))
        if not self.min - slack <= self.mean <= self.max + slack:
            raise ValueError(f"the mean {self.mean} lies outside of {self.min} to {self.max}")
        counted = self.histogram.samples
        if counted != self.samples:
            raise ValueError(f"the histogram counts {counted} samples, not {self.samples}")
        self._check_ends()
        counted = sum(one.samples for one in self.by_boot)
        if self.by_boot and (counted != self.samples or len(self.by_boot) != self.boots):
            raise ValueError(
                f"{len(self.by_boot)} boots with {counted} samples are not the {self.boots} with"
                f" {self.samples}"
            )
        if self.mode == "single" and self.batch != 1:
            raise ValueError(f"a single operation cannot come in batches of {self.batch}")
        for key, known in (("target", TARGETS), ("told", NOTIFIED)):
            value = self.parameters.get(key)
            if value is not None and value not in known:
                raise ValueError(f"parameter {key} is {value!r}, not one of {', '.join(known)}")

    def _check_ends(self) -> None:
        """min and max lie in the first and last filled bucket, but for rounding."""
        sub_bits, counts = self.histogram.sub_bits, self.histogram.counts
        for name, end in (("min", 0), ("max", -1)):
            value, index = getattr(self, name), counts[end][0]
            low, high = bucket_bounds(index, sub_bits)
            beyond = index == bucket_count(sub_bits) - 1
            if value < low - 1 or (value > high + 1 and not beyond):
                raise ValueError(f"{name} is {value}, and the histogram says {low} to {high}")

    def dense(self) -> Histogram:
        """The samples as a histogram that can be merged and asked for percentiles."""
        return Histogram.from_sparse(
            msgspec.structs.asdict(self.histogram), self.min, self.max, self.mean
        )


class Unmeasured(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A series of which nothing could be trusted, or whose cores shared CPUs, so that nothing was
    measured. slices: that were dropped, or that ran; why: a code each.
    """

    key: Slug
    system: System
    variant: Slug
    cores: Annotated[int, Meta(ge=1)]
    parameters: dict[str, Scalar]
    slices: Annotated[int, Meta(ge=0)]
    why: list[Slug]


class Words(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a ratio means, in words. subject: the side it speaks of, the multikernel's where one is;
    other: what it is held against; lead: in what. better, worse: what such a subject does, with a
    place `{}` for the factor. more_is_better: whether a ratio above 1 speaks for the
    subject. counterpart: whether the other is another system's, not another configuration of the
    subject's. remarks: what must be added, by outcome.
    """

    subject: Annotated[str, Meta(min_length=1)]
    other: Annotated[str, Meta(min_length=1)]
    lead: str = ""
    better: str = "is {} as fast as"
    worse: str = "is slower and takes {} the time of"
    more_is_better: bool = True
    counterpart: bool = True
    remarks: dict[Literal["better", "worse", "same", "unknown"], str] = field(default_factory=dict)

    def check(self) -> None:
        for name in ("better", "worse"):
            if getattr(self, name).count("{}") != 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}, with no place for a factor")


class Ratio(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comparison of two series: value is the median over boots of the ratios within each;
    interval is that median's. over, under: their keys. kind: what the difference comes of; known
    are structure, tree, transport, spared, asking, notification, cost and control, and the list is
    open. words: null where a reader needs none.
    """

    name: TwoSlugs
    over: Slug
    under: Slug
    kind: Slug
    words: Words | None
    value: Positive
    interval: Interval

    def check(self) -> None:
        if not self.interval.low <= self.value <= self.interval.high:
            raise ValueError(f"the ratio {self.value} lies outside of its own interval")


class Caution(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reader must know. code: stable, for programs. text: a sentence or two, for people."""

    code: Slug
    text: Annotated[str, Meta(min_length=1)]


class Calibration(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What local work takes in a simulated document. host: where it was measured, with a clock of
    so many GHz; spread: by how much of itself it differed there, the median step; reference:
    whether it is the one that is shipped.
    """

    host: Annotated[str, Meta(min_length=1)]
    ghz: Positive
    spread: Annotated[float, Meta(ge=0)]
    reference: bool


class Document(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment's result. experiment: its registered name. simulated: no hardware was
    measured; machine: which one was simulated; calibration: of what it rests on.
    """

    schema: Literal["multikernel-results/2"] = SCHEMA
    experiment: Slug
    simulated: bool = False
    machine: str | None = None
    calibration: Calibration | None = None
    environment: Environment
    boots: list[Boot]
    floor: list[Floor]
    series: list[Series]
    unmeasured: list[Unmeasured] = field(default_factory=list)
    ratios: list[Ratio]
    warnings: list[Caution]

    def check(self) -> None:
        for key, times in Counter(series.key for series in self.series).items():
            if times > 1:
                raise ValueError(f"two series have the key {key}")


def environment_of(record: Mapping[str, Any]) -> Environment:
    """The checked form of the record that `machine.environment` makes; raises DocumentError."""
    return checked(lambda: msgspec.convert(record, Environment), "the environment record")


def checked(action: Callable[[], T], where: str) -> T:
    """Do it; msgspec's and the records' complaints become a DocumentError that names the place."""
    try:
        return action()
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise DocumentError(
            "this result document is damaged or contradicts itself",
            value=error,
            where=where,
            hint="it was changed by hand, or written by a faulty program",
        ) from None
