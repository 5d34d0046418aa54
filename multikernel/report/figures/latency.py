"""The latency matrix: what a cache line or a message costs between every two CPUs.

Guarantees: one heat map a way of measuring; a pair measured in one direction only stands in both,
and it is said; of several series for a pair the least median is drawn. Idea: core-to-core-latency's
picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from multikernel.report.draw.heat import Pair, heat
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Figure
from multikernel.report.figures.parts import choice_of
from multikernel.report.say.wording import MEASURES, MODES, amount, grouped, unit_of
from multikernel.results.document import Document, Series

FROM, TO = "from_cpu", "to_cpu"


def draw(document: Document) -> list[Block]:
    paired = [one for one in document.series if _pair(one) is not None]
    families = grouped(
        (one for one in paired if not one.control),
        lambda one: (one.variant, one.measure, one.mode, one.unit),
    )
    maps = [_map(document, family) for family in families.values()]
    return [*maps, *generic.rest(document, paired)]


def _pair(series: Series) -> Pair | None:
    source, target = choice_of(series, FROM), choice_of(series, TO)
    return None if source is None or target is None else (int(source), int(target))


def _map(document: Document, family: Sequence[Series]) -> Figure:
    least: dict[Pair, Series] = {}
    for one in sorted(family, key=lambda one: one.p50):
        if pair := _pair(one):
            least.setdefault(pair, one)
    near, far = (end(least.values(), key=lambda one: one.p50) for end in (min, max))
    values = {pair: one.p50 for pair, one in least.items()}
    one_way = [pair for pair in values if pair[::-1] not in values]
    values.update({(b, a): values[a, b] for a, b in one_way})
    cpus = sorted({cpu for pair in values for cpu in pair})
    missing = len(cpus) * (len(cpus) - 1) - sum(a != b for a, b in values)
    ends = " ".join(
        f"{word} pair: CPUs {one.parameters[FROM]} and {one.parameters[TO]},"
        f" {amount(document, one, one.p50)}."
        for word, one in (("Nearest", near), ("Farthest", far))
    )
    first = family[0]
    measure = MEASURES[first.measure]
    each = (
        f"Each square: the median of a pair, {measure}, {MODES[first.mode]}. No error bars are"
        " drawn; the intervals between boots are in the table and in the raw data."
    )
    notes = [ends, each]
    if len(family) > len(least):
        notes.append(
            "Measured in several ways a pair (lines, home nodes): the least median is drawn."
        )
    if one_way:
        notes.append("A pair that was measured in one direction stands in both.")
    if missing:
        notes.append(f"Empty squares ({missing}) were not measured.")
    return Figure(
        f"{first.variant.replace('-', ' ').capitalize()} between every two CPUs, {first.mode}",
        f"Heat map of {len(cpus)} CPUs. {ends}",
        heat(values, cpus, f"{unit_of(first)}, {measure}"),
        tuple(notes),
    )
