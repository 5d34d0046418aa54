"""A small result document that is right in every field, for tests that make it wrong in one."""

from collections.abc import Sequence
from typing import Any

import msgspec

from multikernel.results import document as d
from multikernel.results.histogram import Histogram

SAMPLES = (300, 305, 310, 320, 400)


def environment() -> d.Environment:
    """An environment record with every field set."""
    return d.Environment(
        cpu_model="Big Iron", architecture="x86_64", cpu_flags=["constant_tsc"],
        topology={"cpus": 2}, cpus=[0, 1],
        kernel="6.12.0", virtualised=False, hypervisor=None, governor="performance",
        clocksource="tsc",
        cpu_quota=None, tsc_hz=2.6e9, tsc_error=1e-5, tsc_source="measured",
        before=d.Moment(steal_ticks={"0": 1, "1": None}, load=(0.1, 0.2, 0.3)),
        after=d.Moment(steal_ticks={"0": 1, "1": None}, load=None),
        python="CPython 3.11.7", packages={"numpy": "2.0"}, compiler="gcc 12", compiler_flags="-O3",
        build={"type": "Release"}, revision=None, command=["multikernel", "compare"], seed=1,
        time="2026-01-31T23:59:59Z",
    )  # fmt: skip


def series(samples: Sequence[int] = SAMPLES, **changes: Any) -> d.Series:
    """A series of these samples, with fields changed."""
    histogram = Histogram.from_values(samples)
    interval = d.Interval(low=300.0, high=320.0, coverage=0.9375, method="min-max")
    fields: dict[str, Any] = {
        "key": "two-phase", "system": "multikernel", "variant": "two-phase", "cores": 2,
        "parameters": {"target": "polling", "told": "poll", "pages": 1}, "measure": "completion",
        "mode": "single",
        "batch": 1, "unit": "tsc-cycles", "boots": 5, "median_interval": interval,
        "over_floor": 1.5,
        "histogram": d.Buckets.of(histogram), "by_boot": [], "control": False,
        **histogram.summary(),
    }  # fmt: skip
    return d.Series(**{**fields, **changes})


def distinct(several: Sequence[d.Series]) -> list[d.Series]:
    """The same, each with a key of its own."""
    keys = [one.key for one in several]
    if len(set(keys)) == len(keys):
        return list(several)
    return [
        msgspec.structs.replace(one, key=f"{one.variant}-{number}")
        for number, one in enumerate(several)
    ]


def ratio(
    name: str, value: float, interval: d.Interval, words: d.Words | None = None, kind: str = "cost"
) -> d.Ratio:
    """A ratio of the two series that its name names."""
    over, _, under = name.partition("-over-")
    control = over == "control"
    return d.Ratio(
        name=name, over=f"{under}-control" if control else over, under=under or over,
        kind="control" if control else kind, words=words, value=value, interval=interval,
    )  # fmt: skip


def document(**changes: Any) -> d.Document:
    """A document with one of everything, with fields changed."""
    interval = d.Interval(low=0.5, high=0.7, coverage=0.96, method="order-statistic")
    fields: dict[str, Any] = {
        "experiment": "unmap",
        "environment": environment(),
        "floor": [
            d.Floor(
                pair=(0, 1),
                back_to_back=310.0,
                single=560.0,
                by_line=d.LineFloors(back_to_back=[306.0, 310.0, 320.0], single=[560.0]),
            )
        ],
        "series": [series()],
        "boots": [d.Boot(number=0, floor=310.0, state="near", counts=True)],
        "ratios": [ratio("two-phase-over-one-phase", value=0.6, interval=interval)],
        "warnings": [d.Caution(code="virtual", text="This is a virtual machine.")],
    }
    fields |= changes
    fields["series"] = distinct(fields["series"])
    return d.Document(**fields)
