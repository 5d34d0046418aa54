"""The result document, schema `multikernel-results/1`: what one experiment found, and all needed to
judge it.

Guarantees: a document that was written can be read, and both check the same: types, enumerations,
no unknown field, no number that is not finite, percentiles in order, as many samples in the
histogram as are claimed. What is refused is refused in one sentence that names the place
(`$.series[3].p50`). Text is printable, whoever wrote it: what would act on a terminal is written as
`\\x1b`. Figures and reports need nothing but documents.

The version after the slash grows when a reader of the older one would misread the newer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from multikernel.errors import DocumentError, printable
from multikernel.results.histogram import Histogram, bucket_bounds, bucket_count, check_sparse

FAMILY = "multikernel-results"
VERSION = 1
SCHEMA: Literal["multikernel-results/1"] = "multikernel-results/1"

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+([-.][a-z0-9]+)*\Z", max_length=80)]
"""Names made for machines: lower case, digits, single dashes or dots between."""
Positive = Annotated[float, Meta(gt=0)]
Rate = Annotated[float, Meta(ge=1e3, le=1e12)]
"""Of a clock, in Hz."""
MOST = 1e30
"""No measurement is larger; quotients of what is smaller are finite."""
Cpu = Annotated[int, Meta(ge=0)]

System = Literal["multikernel", "shared", "linux", "raw"]
Measure = Literal["round-trip", "one-way", "completion", "interval", "throughput", "occupancy"]
Mode = Literal["back-to-back", "single"]
Unit = Literal["tsc-cycles", "ns", "operations/s", "messages/s", "bytes/s", "messages"]
TARGETS = ("polling", "computing", "idle")
NOTIFIED = ("poll", "signal", "interrupt", "none")

T = TypeVar("T")
Scalar = str | int | float | bool | None


class _Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts share: immutable, made by keyword, unknown fields refused, every number
    finite.
    """

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _check_finite(name, getattr(self, name))


def _shown(value: Any) -> Any:
    """The same, with all text in it printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(key): _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list) else value


def _show(record: _Record, *names: str) -> None:
    for name in names:
        msgspec.structs.force_setattr(record, name, _shown(getattr(record, name)))


def _check_finite(name: str, value: object) -> None:
    if isinstance(value, float) and (not isfinite(value) or abs(value) > MOST):
        raise ValueError(f"{name} is {value}, which is no measurement")
    if isinstance(value, Mapping):
        for key, one in value.items():
            _check_finite(f"{name}.{key}", one)
    elif isinstance(value, list | tuple):
        for one in value:
            _check_finite(name, one)


class Interval(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From low to high; coverage: the probability that such an interval holds the true value (0 =
    no claim).

    method: order-statistic (distribution-free, of a median), or min-max (the extremes of too few
    values).
    """

    low: float
    high: float
    coverage: Annotated[float, Meta(ge=0, le=1)]
    method: Literal["order-statistic", "min-max"]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ValueError(f"the interval runs backwards: {self.low} to {self.high}")


class Moment(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Before or after a run. steal_ticks: by CPU number, 1/100 s since the machine started. load:
    1, 5, 15 min.
    """

    steal_ticks: dict[str, int | None]
    load: tuple[float, float, float] | None


class Environment(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ran, on what, and what the machine did meanwhile; None where the machine does not say.

    topology: counts and CPU lists, as `machine` summarises them. cpus: core i ran on cpus[i].
    tsc_error: relative. time: UTC, ISO 8601. revision: of the source, if it ran from a checkout.
    command: as it was given, paths without their directories.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        _show(self, *self.__struct_fields__)


class LineFloors(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medians of each cache line the floor was measured on, in TSC cycles, in the order of the
    lines.
    """

    back_to_back: list[Positive]
    single: list[Positive]


class Floor(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line bounced between two CPUs, in TSC cycles a round trip: the least any message between
    them can cost.

    back_to_back: no clock inside the loop. single: a clock around each, with think time. Both are
    medians over lines.
    """

    pair: tuple[Cpu, Cpu]
    back_to_back: Positive
    single: Positive
    by_line: LineFloors


class Buckets(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Raw samples, counted: the sparse form of results.histogram, whose page says how values map to
    buckets.

    The values counted are in the series' unit, rounded to whole numbers.
    """

    sub_bits: int
    counts: list[tuple[int, int]]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sparse(self.sub_bits, self.counts)

    @classmethod
    def of(cls, histogram: Histogram) -> "Buckets":
        """The sparse form of a histogram."""
        sparse = histogram.to_sparse()
        return cls(
            sub_bits=sparse["sub_bits"],
            counts=[(index, count) for index, count in sparse["counts"]],
        )

    @property
    def samples(self) -> int:
        """Number of samples counted."""
        return sum(count for _, count in self.counts)


class Series(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing measured in one way.

    cores: how many took part. parameters: what else was chosen; `target` (polling, computing, idle)
    and `told` (how the others were notified: poll, signal, interrupt, none) mean the same
    everywhere. measure: occupancy is how many messages a writer was ahead of its reader. batch:
    operations between two clock readings; percentiles of a batch greater than 1 are of batch means.
    boots: fresh systems the samples come from. min … mean: in `unit`. median_interval: of the
    median over boots. over_floor: the median over boots of what it is over that boot's floor, of
    the same mode; null where it makes no sense. control: this repeats another series, to show which
    difference means nothing.
    """

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
    control: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        _show(self, "parameters")
        order = ("min", "p5", "p50", "p95", "p99", "p999", "max")
        for lower, upper in pairwise(order):
            if getattr(self, lower) > getattr(self, upper):
                raise ValueError(
                    f"{lower} {getattr(self, lower)} is above {upper} {getattr(self, upper)}"
                )
        # A mean of many equal samples may come out a rounding error beside them.
        slack = 1e-9 * max(abs(self.min), abs(self.max))
        if not self.min - slack <= self.mean <= self.max + slack:
            raise ValueError(f"the mean {self.mean} lies outside of {self.min} to {self.max}")
        if self.histogram.samples != self.samples:
            raise ValueError(
                f"the histogram counts {self.histogram.samples} samples, not {self.samples}"
            )
        self._check_ends()
        if self.mode == "single" and self.batch != 1:
            raise ValueError(f"a single operation cannot come in batches of {self.batch}")
        for key, known in (("target", TARGETS), ("told", NOTIFIED)):
            value = self.parameters.get(key)
            if value is not None and value not in known:
                raise ValueError(f"parameter {key} is {value!r}, not one of {', '.join(known)}")

    def _check_ends(self) -> None:
        """min and max lie in the first and last filled bucket, but for rounding to whole
        numbers.
        """
        sub_bits, counts = self.histogram.sub_bits, self.histogram.counts
        for name, value, index in (
            ("min", self.min, counts[0][0]),
            ("max", self.max, counts[-1][0]),
        ):
            low, high = bucket_bounds(index, sub_bits)
            beyond = index == bucket_count(sub_bits) - 1
            if value < low - 1 or (value > high + 1 and not beyond):
                raise ValueError(f"{name} is {value}, and the histogram says {low} to {high}")

    def dense(self) -> Histogram:
        """The samples as a histogram that can be merged and asked for percentiles."""
        sparse = {"sub_bits": self.histogram.sub_bits, "counts": self.histogram.counts}
        return Histogram.from_sparse(sparse, self.min, self.max, self.mean)


class Ratio(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comparison: value is the median over boots of the ratios within each; interval is that
    median's.
    """

    name: Slug
    value: Positive
    interval: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.interval.low <= self.value <= self.interval.high:
            raise ValueError(f"the ratio {self.value} lies outside of its own interval")


class Caution(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reader must know. code: stable, for programs. text: a sentence or two, for people."""

    code: Slug
    text: Annotated[str, Meta(min_length=1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        _show(self, "text")


class Document(_Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment's result. experiment: its registered name."""

    schema: Literal["multikernel-results/1"] = SCHEMA
    experiment: Slug
    environment: Environment
    floor: list[Floor]
    series: list[Series]
    ratios: list[Ratio]
    warnings: list[Caution]


def environment_of(record: Mapping[str, Any]) -> Environment:
    """The checked form of the record that `machine.environment` makes; raises DocumentError."""
    return _checked(lambda: msgspec.convert(record, Environment), "the environment record")


def encode(document: Document) -> bytes:
    """JSON text (UTF-8, one line, newline at the end), after the same checks as on reading; raises
    DocumentError.
    """
    return _encode_one(document) + b"\n"


def encode_all(documents: Sequence[Document]) -> bytes:
    """JSON array of documents, newline at the end; raises DocumentError."""
    return b"[" + b",\n ".join(_encode_one(one) for one in documents) + b"]\n"


def decode(data: bytes | str, where: str = "") -> Document:
    """Read one document; where: the file to name in errors. Raises DocumentError."""
    _check_schema(_parsed(data, _Head, where), where)
    return _checked(lambda: msgspec.json.decode(data, type=Document), where)


def decode_all(data: bytes | str, where: str = "") -> list[Document]:
    """Read one document or a JSON array of them, such as `--json -` prints; raises
    DocumentError.
    """
    if data.lstrip()[:1] not in ("[", b"["):
        return [decode(data, where)]
    for head in _parsed(data, list[_Head], where):
        _check_schema(head, where)
    return _checked(lambda: msgspec.json.decode(data, type=list[Document]), where)


def _encode_one(document: Document) -> bytes:
    # Types are not checked when a struct is made, only when one is read: so read what is about to
    # be written.
    data: bytes = _checked(lambda: msgspec.json.encode(document), document.experiment)
    decode(data, f"experiment {document.experiment}, before writing")
    return data


class _Head(Struct):
    """Of a document what says whether it is one; the rest is passed over and takes no memory."""

    schema: object = None


def _parsed(data: bytes | str, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        raise _foreign(None, where) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(
            "not a result document, nor JSON at all",
            value="nested too deep" if isinstance(error, RecursionError) else error,
            where=where,
            hint="name a file that multikernel wrote",
        ) from None


def _check_schema(head: _Head, where: str) -> None:
    if head.schema != SCHEMA:
        raise _foreign(head.schema, where)


def _foreign(schema: object, where: str) -> DocumentError:
    match = re.fullmatch(FAMILY + r"/([0-9]{1,9})", schema) if isinstance(schema, str) else None
    if match is None:
        return DocumentError(
            "not a result document",
            value=None if schema is None else f"its schema is {schema!r}",
            where=where,
            hint=f'result documents have "schema": "{SCHEMA}"',
        )
    if int(match[1]) > VERSION:
        return DocumentError(
            "this result document is newer than this program",
            value=schema,
            where=where,
            hint=f"this program reads {SCHEMA}: update it",
        )
    return DocumentError(
        "this result document is of a version that is no longer read",
        value=schema,
        where=where,
        hint=f"this program reads {SCHEMA}: measure again, or use the program that wrote it",
    )


def _checked(action: Callable[[], T], where: str) -> T:
    """Do it; msgspec's and the records' own complaints become a DocumentError that names the
    place.
    """
    try:
        return action()
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise DocumentError(
            "this result document is damaged or contradicts itself",
            value=error,
            where=where,
            hint="it was changed by hand, or written by a faulty program",
        ) from None
