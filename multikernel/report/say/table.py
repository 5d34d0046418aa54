"""One table of everything measured: what it was, TSC cycles, ns, how many floors, and how sure.
Every series has a row; a number that makes no sense somewhere is a dash.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.report.say.wording import (
    assumed,
    counted,
    fixed,
    grouped,
    nanoseconds,
    number,
    span,
    varying,
)
from multikernel.results.document import Document, Series, Unmeasured

HEADINGS = (
    "experiment", "system", "what", "target", "notified", "TSC cycles", "ns", "× floor",
    "median of boots", "p5 – p99",
)  # fmt: skip
NUMBERS = range(5, 10)
NOTE = (
    "TSC cycles: median of all samples (batches of b operations are means: b=…). median of boots:"
    " the interval of the median over fresh boots. × floor: over one cache line there and back, in"
    " the same mode. Simulated: a boot is a seed; assumed: as far as a number of the machine that"
    " nobody knows moves the median (the warnings say which)."
)


def rows(documents: Sequence[Document]) -> list[tuple[str, ...]]:
    """A row a series; those that would be called the same get all that differs between them."""
    found = []
    for document in documents:
        several = [(_row(document, series), series) for series in document.series]
        alike = grouped(several, lambda one: _name(one[0]))
        for row, series in several:
            more = _besides(series, [one for _, one in alike[_name(row)]])
            found.append((*row[:2], " ".join((row[2], *more)), *row[3:]))
        for one in document.unmeasured:
            named = (_experiment(document), one.system, one.key, *_how(one))
            found.append((*named, *["–"] * 4, f"{one.slices} slices"))
    return found


def _experiment(document: Document) -> str:
    return f"{document.experiment} (simulated)" if document.simulated else document.experiment


def _name(row: tuple[str, ...]) -> tuple[object, ...]:
    """What it is called; a rate is told from a time."""
    return (*row[:5], row[5].endswith("/s"))


def _besides(series: Series, alike: Sequence[Series]) -> list[str]:
    known = ((name, series.parameters.get(name)) for name in varying(alike))
    words = [
        str(value) if name == "operation" else f"{name.replace('_', ' ')} {value}"
        for name, value in known
        if value is not None
    ]
    if len({one.measure for one in alike}) > 1:
        words.append(series.measure)
    return words + ([_batch(series)] if len({one.batch for one in alike}) > 1 else [])


def _batch(series: Series) -> str:
    return f"b={series.batch}" if series.mode == "back-to-back" else "single"


def _how(one: Series | Unmeasured) -> tuple[str, str]:
    return str(one.parameters.get("target") or "–"), str(one.parameters.get("told") or "–")


def _row(document: Document, series: Series) -> tuple[str, ...]:
    ns = nanoseconds(document, series, series.p50) if series.unit == "tsc-cycles" else None
    unit = "/s" if series.unit.endswith("/s") else ""
    return (
        _experiment(document),
        series.system,
        _what(document, series),
        *_how(series),
        number(series.p50) + unit,
        "–" if ns is None else f"{ns:,.0f}".replace(",", " "),
        fixed(series.over_floor, 2),
        span(series.median_interval) + unit + _band(series),
        f"{number(series.p5)} – {number(series.p99)}{unit}",
    )


def _band(series: Series) -> str:
    band = assumed(series)
    return f", assumed {number(band[0])} – {number(band[1])}" if band else ""


def _what(document: Document, series: Series) -> str:
    """What distinguishes the row from the document's others, but for how cores were notified."""
    own = (series.system, series.variant)
    alike = [one for one in document.series if (one.system, one.variant) == own]
    get = series.parameters.get
    booted, source, budget = get("booted"), get("from_cpu"), get("budget_us")
    per = f"{budget:g}" if isinstance(budget, int | float) else None
    by_cores = booted is None and len({one.cores for one in alike}) > 1
    homes = source is not None and len({one.parameters.get("home") for one in alike}) > 1
    modes = {one.mode for one in alike if one.measure == series.measure}
    parts = (
        (get("transport") is not None, f"by {get('transport')}"),
        (get("tree") is not None, f"tree {get('tree')}"),
        (booted is not None, f"{series.cores} of {booted} cores"),
        (by_cores, counted(series.cores, "core")),
        (get("pair") is not None, f"CPUs {get('pair')}"),
        (source is not None, f"CPU {source} → {get('to_cpu')}"),
        (homes, f"home {get('home')}"),
        (get("slots") is not None, f"{get('slots')} slots"),
        (get("every_ns") is not None, f"every {get('every_ns')} ns"),
        (per is not None, f"P={per} µs every {get('every_us')} µs"),
        (series.measure == "occupancy", "messages ahead"),
        (series.measure == "round-trip" or len(modes) > 1, _batch(series)),
        (series.control, "(control)"),
    )
    return " ".join([series.variant, *(text for known, text in parts if known)])
