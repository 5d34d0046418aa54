"""What an experiment declares: configurations ("arms") with the series that each brings, and what
is compared.

Guarantees: an arm says all of itself: on which machine it runs, what a slice of it does, what its
series say, and whether it is measured once more on a second boot, which makes it the control. A
ratio names two series by their keys, and what their difference comes of.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import BATCHES, Request
from multikernel.experiments.instrument.rig import Pair, samples_of
from multikernel.machine.host.activity import Activity
from multikernel.results.document import Caution, Measure, Mode, Scalar, System, Unit, Words
from multikernel.results.histogram import Histogram

CONTROL = "-control"
"""The key of a control is that of the arm it repeats, and this."""
POLLED: dict[str, Scalar] = {"target": "polling", "told": "poll"}
"""What the series say whose targets poll."""


def floor_key(pair: Pair, mode: Mode) -> str:
    return f"floor-{pair[0]}-{pair[1]}-{mode}"


def line_key(pair: Pair, mode: Mode, line: int) -> str:
    return f"{floor_key(pair, mode)}.line-{line}"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a series says of itself. key: its name in ratios and sentences; also: other keys by
    which ratios may name it, since it stands for those too; floor: CPU pairs whose floor judges it.
    """

    key: str
    system: System
    variant: str
    cores: int
    measure: Measure
    mode: Mode
    batch: int = 1
    unit: Unit = "tsc-cycles"
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    floor: tuple[Pair, ...] = ()
    control: bool = False
    also: tuple[str, ...] = ()


WORK: dict[str, Any] = {"better": "does {} the work of", "worse": "does less, by {}, than"}
"""Of words: what is compared is work in a time."""


def both_modes(
    key: str, system: System, variant: str, cores: int, measure: Measure,
    parameters: Mapping[str, Scalar], floor: tuple[Pair, ...] = (), also: tuple[str, ...] = (),
) -> dict[str, Spec]:  # fmt: skip
    """By mode of the floor, a series in it; its keys end with the mode."""
    return {
        mode: Spec(
            f"{key}-{mode}", system, variant, cores, measure, mode, batch, parameters=parameters,
            floor=floor, also=tuple(f"{other}-{mode}" for other in also),
        )
        for mode, batch in BATCHES.items()
    }  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What one slice brought: samples and sums by key, and what happened meanwhile (None: nobody
    watched). reason: why the arm itself says that the slice cannot be trusted, as a code, or None.
    """

    samples: dict[str, Histogram] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    activity: Activity | None = None
    reason: str | None = None


class On(Protocol):
    """What arms run on, a machine: hashable, for arms that name an equal one share it."""

    def open(self, stack: ExitStack, request: Request) -> Any:
        """A fresh one, which ends with the stack; slices are given it."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One configuration. name: for people; specs: the series that its slices bring; slice: measures
    once, on that machine. repeated: it is the control, measured again on a second machine. strict:
    a slice tolerates no moment in which a task had to wait for its CPU; so it is wherever one
    number is all that a slice brings.
    """

    name: str
    specs: tuple[Spec, ...]
    on: On
    slice: Callable[[Any], Outcome]
    repeated: bool = False
    strict: bool = False

    def control(self) -> Self:
        """The same under the control's keys, for another machine."""

        keys = {spec.key for spec in self.specs}

        def again(machine: Any) -> Outcome:
            outcome = self.slice(machine)
            samples = {key + CONTROL: one for key, one in outcome.samples.items() if key in keys}
            return replace(outcome, samples=samples, sums={})

        specs = tuple(
            replace(spec, key=spec.key + CONTROL, control=True, also=()) for spec in self.specs
        )
        return replace(self, name=f"{self.name}, control", specs=specs, slice=again, repeated=False)


def sampled(
    name: str, specs: Mapping[str, Spec], on: On, measure: Callable[[Any], Report], *,
    found: Callable[[Report], Mapping[str, Histogram]] = samples_of,
    sums: Callable[[Report], dict[str, float]] = lambda _: {},
    repeated: bool = False, strict: bool = False,
) -> Arm:  # fmt: skip
    """An arm whose slice is one report. specs: by the name of the samples that `found` makes."""

    def slice_of(machine: Any) -> Outcome:
        report = measure(machine)
        samples = found(report)
        by_key = {
            spec.key: samples[sample]
            for sample, spec in specs.items()
            if not report.partial or sample in samples
        }
        return Outcome(by_key, sums(report), report.activity)

    return Arm(name, tuple(specs.values()), on, slice_of, repeated, strict)


def one_number(value: float) -> Histogram:
    """The samples of a slice whose result is one number."""
    return Histogram.from_values([max(1, round(value))])


def caution(code: str, text: str) -> Caution:
    return Caution(code=code, text=text)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the series `over` is the series `under`. kind, words: as in a document."""

    over: str
    under: str
    kind: str = "other"
    words: Words | None = None

    @property
    def name(self) -> str:
        return f"{self.over}-over-{self.under}"


def control_ratios(arms: list[Arm]) -> list[Ratio]:
    return [
        Ratio(spec.key + CONTROL, spec.key, "control")
        for arm in arms
        if arm.repeated
        for spec in arm.specs
    ]
