"""How series, values and intervals are written, everywhere in the report alike.

Guarantees: a label holds what distinguishes a series from those beside it, and no more; cycles are
given in nanoseconds too wherever the counter's rate is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from multikernel.results.document import Document, Interval, Series

T = TypeVar("T")
K = TypeVar("K")

SYSTEMS = {"multikernel": "multikernel", "shared": "shared kernel", "linux": "Linux", "raw": "bare"}
MEASURES: Mapping[str, str] = {
    "round-trip": "round trip", "one-way": "one way", "completion": "completion on all cores",
    "interval": "interval", "throughput": "throughput", "occupancy": "messages ahead",
}  # fmt: skip
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
LEADS: Mapping[str, str] = {"pair": "CPUs ", "target": "", "operation": "", "transport": "by "}
"""What stands before the value of a parameter, in place of its name."""


def grouped(several: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Those of one key together, in order of first appearance."""
    found: dict[K, list[T]] = {}
    for one in several:
        found.setdefault(key(one), []).append(one)
    return found


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def counted(number: object, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def host_transport_of(series: Series) -> str | None:
    """The host's transport of the messages; None where they went by shared memory."""
    transport = series.parameters.get("transport")
    return None if transport in (None, "call-line", "ring") else str(transport)


def names_of(series: Series, name: str) -> list[str]:
    """That name, and those of what came to the same."""
    same = str(series.parameters.get("same", ""))
    return [name, *filter(None, same.split(","))]


def unit_of(series: Series) -> str:
    return "TSC cycles" if series.unit == "tsc-cycles" else series.unit


def number(value: float) -> str:
    """Three digits or more, blanks between thousands; large ones in k and M."""
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    if value >= 99_999.5:
        return f"{value / 1e3:.0f} k"
    return f"{value:,.0f}".replace(",", " ")


def short(value: float) -> str:
    """A number of any size with about three digits."""
    return number(value) if abs(value) >= 99.5 or value == 0 else f"{value:.3g}"


def fixed(value: object, digits: int) -> str:
    """A number with so many digits after the point; a dash where there is none."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "–"


def in_ns(document: Document, series: Series) -> str:
    """The median in ns, as a cell of a table."""
    ns = nanoseconds(document, series, series.p50)
    return "–" if ns is None else short(ns)


def span(interval: Interval) -> str:
    return f"{number(interval.low)} – {number(interval.high)}"


def nanoseconds(document: Document, series: Series, value: float) -> float | None:
    """A value of the series in ns; None where it is no time or the counter's rate is unknown."""
    if series.unit == "ns":
        return value
    rate = document.environment.tsc_hz
    return value * 1e9 / rate if series.unit == "tsc-cycles" and rate else None


def amount(document: Document, series: Series, value: float) -> str:
    """A value of the series: cycles and ns, or its own unit."""
    ns = nanoseconds(document, series, value)
    own = f"{short(value)} {'cycles' if series.unit == 'tsc-cycles' else series.unit}"
    if ns is None:
        return own
    unit, size = ("ns", 1) if ns < 99_999.5 else ("µs", 1e3) if ns < 99_999_500 else ("ms", 1e6)
    time = f"{short(ns / size)} {unit}"
    return time if series.unit == "ns" else f"{own} · {time}"


def varying(group: Sequence[Series]) -> list[str]:
    """Parameters that differ among these."""
    found = []
    for name in dict.fromkeys(name for one in group for name in one.parameters):
        values = [one.parameters.get(name) for one in group]
        # Numbers with a fraction are counts taken while measuring, not what was chosen.
        if len(set(map(repr, values))) > 1 and not any(isinstance(one, float) for one in values):
            found.append(name)
    return found


def labels(
    series: Sequence[Series], *, leaving: Iterable[str] = (), systems: bool = True,
    among: Sequence[Series] = (),
) -> list[str]:  # fmt: skip
    """A label each, from what differs. leaving: parameters shown otherwise, also "cores", "mode",
    "boots"; among: of these (else themselves).
    """
    group = among or series
    left = set(leaving)
    names = [name for name in varying(group) if name not in left]
    cores = "cores" not in left and len({one.cores for one in group}) > 1
    modes = "mode" not in left and len({one.mode for one in group}) > 1
    most = max((one.boots for one in group), default=0)
    found = []
    for one in series:
        known = ((name, one.parameters.get(name)) for name in names)
        details = [_detail(name, value) for name, value in known if value is not None]
        details += [one.mode] if modes else []
        details += [counted(one.cores, "core")] if cores else []
        details += ["control"] if one.control else []
        details += [counted(one.boots, "boot")] if one.boots < most and "boots" not in left else []
        system = f"{SYSTEMS.get(one.system, one.system)} · " if systems else ""
        found.append(system + one.variant + (f" ({', '.join(details)})" if details else ""))
    return found


def _detail(name: str, value: object) -> str:
    if name == "told":
        return NOTIFIED_TITLES.get(value, str(value))
    if name == "slots":
        return counted(value, "slot")
    if name.startswith("every_"):
        return f"every {value} {name.removeprefix('every_').replace('us', 'µs')}"
    return f"{LEADS.get(name, name.replace('_', ' ') + ' ')}{value}"


def assumed(series: Series) -> tuple[float, float] | None:
    """Between what the median of a simulated series lies, as numbers that nobody knows may be
    other ones; None without such a band.
    """
    low, high = (series.parameters.get(f"assumed_{end}") for end in ("low", "high"))
    return (low, high) if isinstance(low, float) and isinstance(high, float) else None


def interval_note(series: Sequence[Series], what: str = "Bars and points") -> str:
    """What bars and whiskers are, or, of a table, its numbers and intervals."""
    begin = f"{what}: median of all samples."
    known = [one.median_interval for one in series if one.boots > 1]
    if not known:
        return f"{begin} One boot, so there is no interval between boots and no error bar."
    few, many = min(one.boots for one in series), max(one.boots for one in series)
    over = str(few) if few == many else f"{few} to {many}"
    low, high = min(one.coverage for one in known), max(one.coverage for one in known)
    several = f"{100 * low:.0f} to {100 * high:.0f} %, by number of boots"
    covers = f"{100 * low:.1f} %" if low == high else several
    names = {"order-statistic": "order statistics", "min-max": "smallest to largest boot"}
    how = " or ".join(names[kind] for kind in sorted({one.method for one in known}))
    bars = "Error bars" if what.startswith("Bars") else "Interval"
    return f"{begin} {bars}: interval of the median over {over} boots ({how}; covers {covers})."
