"""The latency matrix: what a cache line or a message costs between every two CPUs.

Guarantees: one heat map a way of measuring; a pair measured in one direction only stands in both,
and it is said; with several series for a pair (lines, home nodes) the least median of them is
drawn. Idea: core-to-core-latency's picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.report.draw.heat import Pair, heat
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.say.wording import MEASURES, MODES, amount, rate_of, unit_of
from multikernel.results.document import Document, Series

FROM, TO = "from_cpu", "to_cpu"


def draw(document: Document) -> list[Block]:
    """A heat map a family of series that name two CPUs; the others as of any experiment."""
    families: dict[tuple[str, str, str, str], list[Series]] = {}
    rest = []
    for one in document.series:
        if _pair(one) is None:
            rest.append(one)
        elif not one.control:
            families.setdefault((one.variant, one.measure, one.mode, one.unit), []).append(one)
    found: list[Block] = [_map(document, family) for family in families.values()]
    return [*found, *generic.of_series(document, rest)]


def _pair(series: Series) -> Pair | None:
    ends = series.parameters.get(FROM), series.parameters.get(TO)
    if any(isinstance(end, bool) or not isinstance(end, int) for end in ends):
        return None
    return int(str(ends[0])), int(str(ends[1]))


def _map(document: Document, family: Sequence[Series]) -> Figure:
    least: dict[Pair, Series] = {}
    for one in family:
        pair = _pair(one)
        assert pair is not None
        if pair not in least or one.p50 < least[pair].p50:
            least[pair] = one
    values = {pair: one.p50 for pair, one in least.items()}
    one_way = [pair for pair in values if (pair[1], pair[0]) not in values]
    values.update({(b, a): values[a, b] for a, b in one_way})
    cpus = sorted({cpu for pair in values for cpu in pair})
    near, far = min(least.values(), key=_median), max(least.values(), key=_median)
    rate = rate_of(document)
    ends = [
        f"{word} pair: CPUs {one.parameters[FROM]} and {one.parameters[TO]},"
        f" {amount(one, one.p50, rate)}"
        for word, one in (("Nearest", near), ("Farthest", far))
    ]
    missing = len(cpus) * (len(cpus) - 1) - len([pair for pair in values if pair[0] != pair[1]])
    notes = [
        ". ".join(ends) + ".",
        (
            f"Each square: the median of a pair, {MEASURES[family[0].measure]},"
            f" {MODES[family[0].mode]}. No error bars are drawn; the intervals between boots are in"
            " the table and in the raw data."
        ),
    ]
    if len(family) > len(least):
        notes.append(
            "Measured in several ways a pair (lines, home nodes): the least median is drawn."
        )
    if one_way:
        notes.append("A pair that was measured in one direction stands in both.")
    if missing:
        notes.append(f"Empty squares ({missing}) were not measured.")
    return Figure(
        title=(
            f"{family[0].variant.replace('-', ' ').capitalize()} between every two CPUs,"
            f" {family[0].mode}"
        ),
        description=f"Heat map of {len(cpus)} CPUs. " + ". ".join(ends) + ".",
        drawing=heat(values, cpus, f"{unit_of(family[0])}, {MEASURES[family[0].measure]}"),
        notes=tuple(notes),
    )


def _median(series: Series) -> float:
    return series.p50
