"""How series, values and intervals are written, everywhere in the report alike.

Guarantees: a label holds what distinguishes a series from those beside it, and no more; values
measured in cycles are given in nanoseconds too wherever the document knows the counter's rate; what
error bars are is said in words, with how many boots they are over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from multikernel.report.say.table import number
from multikernel.results.document import Document, Scalar, Series

SYSTEMS: Mapping[str, str] = {
    "multikernel": "multikernel",
    "shared": "shared kernel",
    "linux": "Linux",
    "raw": "bare",
}
MEASURES: Mapping[str, str] = {
    "round-trip": "round trip",
    "one-way": "one way",
    "completion": "completion on all cores",
    "interval": "interval",
    "throughput": "throughput",
    "occupancy": "messages ahead",
}
NOTIFIED_TITLES: Mapping[object, str] = {
    "poll": "notified by poll",
    "signal": "notified by signal",
    "interrupt": "notified by interrupt",
    "none": "nobody notified",
    None: "kind of notification not stated",
}
MODES: Mapping[str, str] = {
    "back-to-back": "back-to-back, no clock inside",
    "single": "single, a clock around each",
}
UNITS: Mapping[str, str] = {"tsc-cycles": "TSC cycles", "ns": "ns"}


def host_transport_of(series: Series) -> str | None:
    """The host's transport of the messages; None where they went by shared memory."""
    transport = series.parameters.get("transport")
    return None if transport in (None, "call-line", "ring") else str(transport)


def unit_of(series: Series) -> str:
    """The unit as it is written along an axis."""
    return UNITS.get(series.unit, series.unit)


def rate_of(document: Document) -> float | None:
    """TSC cycles a second."""
    return document.environment.tsc_hz


def nanoseconds(series: Series, cycles: float, rate: float | None) -> float | None:
    """A value of the series in ns; None where it is no time or the rate is unknown."""
    if series.unit == "ns":
        return cycles
    return cycles * 1e9 / rate if series.unit == "tsc-cycles" and rate else None


def short(value: float) -> str:
    """A number of any size with about three digits."""
    if abs(value) >= 99.5 or value == 0:
        return number(value)
    return f"{value:.3g}"


def amount(series: Series, value: float, rate: float | None) -> str:
    """A value of the series: cycles and ns, or its own unit."""
    if series.unit == "tsc-cycles":
        ns = nanoseconds(series, value, rate)
        return f"{short(value)} cycles" + ("" if ns is None else f" · {duration(ns)}")
    if series.unit == "ns":
        return duration(value)
    return f"{short(value)} {series.unit}"


def duration(ns: float) -> str:
    """A time in ns, µs or ms."""
    if ns < 99_999.5:
        return f"{short(ns)} ns"
    return f"{short(ns / 1e3)} µs" if ns < 99_999_500 else f"{short(ns / 1e6)} ms"


def labels(
    series: Sequence[Series],
    *,
    leaving: Iterable[str] = (),
    systems: bool = True,
    among: Sequence[Series] = (),
) -> list[str]:
    """A label each, from what differs. leaving: parameters shown otherwise, also "cores", "mode",
    "boots"; among: of these (else themselves).
    """
    group = [*(among or series)]
    left = set(leaving)
    varying = [
        name for name in _parameter_names(group) if name not in left and _varies(name, group)
    ]
    cores = "cores" not in left and len({one.cores for one in group}) > 1
    modes = "mode" not in left and len({one.mode for one in group}) > 1
    most = max((one.boots for one in group), default=0)
    found = []
    for one in series:
        words = [SYSTEMS[one.system], one.variant] if systems else [one.variant]
        text = " · ".join(words)
        details = [
            _detail(name, one.parameters.get(name))
            for name in varying
            if one.parameters.get(name) is not None
        ]
        if modes:
            details.append(one.mode)
        if cores:
            details.append(f"{one.cores} cores" if one.cores > 1 else "1 core")
        if one.control:
            details.append("control")
        if one.boots < most and "boots" not in left:
            details.append(f"{one.boots} boot{'s' if one.boots > 1 else ''}")
        found.append(text + (f" ({', '.join(details)})" if details else ""))
    return found


def _parameter_names(group: Sequence[Series]) -> list[str]:
    names: dict[str, None] = {}
    for one in group:
        names.update(dict.fromkeys(one.parameters))
    return list(names)


def _varies(name: str, group: Sequence[Series]) -> bool:
    values: list[Scalar] = [one.parameters.get(name) for one in group]
    # Numbers with a fraction are counts taken while measuring, not what was chosen.
    return len(set(map(repr, values))) > 1 and not any(isinstance(value, float) for value in values)


def _detail(name: str, value: Scalar) -> str:
    if name == "pair":
        return f"CPUs {value}"
    if name == "told":
        return NOTIFIED_TITLES.get(value, str(value))
    if name in ("target", "operation"):
        return str(value)
    if name.startswith("every_"):
        unit = name.removeprefix("every_")
        return f"every {value} {'µs' if unit == 'us' else unit}"
    if name == "slots":
        return f"{value} slot" if value == 1 else f"{value} slots"
    if name == "transport":
        return f"by {value}"
    return f"{name.replace('_', ' ')} {value}"


def interval_note(series: Sequence[Series]) -> str:
    """What bars and whiskers are."""
    if not series:
        return ""
    boots = sorted({one.boots for one in series})
    over = f"{boots[0]} boots" if len(boots) == 1 else f"{boots[0]} to {boots[-1]} boots"
    begin = "Bars and points: median of all samples."
    if boots[-1] == 1:
        return f"{begin} One boot, so there is no interval between boots and no error bar."
    known = [one.median_interval for one in series if one.boots > 1]
    low, high = min(one.coverage for one in known), max(one.coverage for one in known)
    covers = (
        f"{100 * low:.1f} %"
        if low == high
        else f"{100 * low:.0f} to {100 * high:.0f} %, by number of boots"
    )
    kinds = {one.method for one in known}
    how = " or ".join(
        {"order-statistic": "order statistics", "min-max": "smallest to largest boot"}[kind]
        for kind in sorted(kinds)
    )
    return f"{begin} Error bars: interval of the median over {over} ({how}; covers {covers})."
