"""The latency matrix as text: a triangle of CPUs, and a row for every way in which two CPUs are
related.

Guarantees: a cell holds both directions of a pair (their mean), or a dash where it is unknown; no
more than TRIANGLE CPUs make a triangle. Plain text, no colour, columns that line up. Idea:
core-to-core-latency's triangle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING

from multikernel import columns
from multikernel.results.document import Document, Series

if TYPE_CHECKING:
    from multikernel.experiments.latency import Look

TRIANGLE = 32
"""Most CPUs that are drawn as a triangle."""
ENDS = ("nearest-pair", "farthest-pair")
"""Codes of the sentences that name them."""

VARIANTS = ("one-line", "two-lines")

Pair = tuple[int, int]


def triangle(cpus: Sequence[int], values: Mapping[Pair, float]) -> list[str]:
    """Lines of text. values: by (from, to), either direction or both."""
    few = cpus[:-1]
    rows = [["CPU", *map(str, few)]]
    for own, a in enumerate(cpus[1:], 1):
        rows.append(
            [str(a), *(_cell((a, b), values) if i < own else "" for i, b in enumerate(few))]
        )
    room = max(len(cell) for row in rows for cell in row)
    return columns.aligned(rows, right=range(len(cpus)), gap=" ", least=max(4, room))


def _cell(pair: Pair, values: Mapping[Pair, float]) -> str:
    ways = [values[way] for way in (pair, pair[::-1]) if way in values]
    return f"{mean(ways):.0f}" if ways else "–"


def progress(look: Look) -> list[str]:
    """What is shown while it is measured: the triangle so far, and how far that is."""
    values = look.values
    counted = (
        f"{len(values)} of {look.planned} planned pairs measured, of {look.pairs} in all; boot"
        f" {look.boots}"
    )
    if len(look.cpus) <= TRIANGLE:
        return [*triangle(look.cpus, values), counted]
    ends = f"; {min(values.values()):.0f} – {max(values.values()):.0f} TSC cycles" if values else ""
    return [counted + ends]


def of_variant(document: Document, variant: str) -> Iterator[tuple[Pair, Series]]:
    """The series of pairs that are no control."""
    for one in document.series:
        a, b = one.parameters.get("from_cpu"), one.parameters.get("to_cpu")
        if one.variant == variant and not one.control and isinstance(a, int) and isinstance(b, int):
            yield (a, b), one


def values_of(document: Document, variant: str) -> dict[Pair, float]:
    """Medians of one variant, by (from, to); of several homes of the line the least."""
    found: dict[Pair, float] = {}
    for pair, one in of_variant(document, variant):
        found[pair] = min(one.p50, found.get(pair, one.p50))
    return found


HEADINGS = ("related by", "pairs", "measured", "one line", "least – most", "ns", "two lines", "ns")


def relations(document: Document) -> list[str]:
    """Lines of text: by relation, how many pairs there are and were measured, and the median."""
    by_root: dict[str, list[Series]] = defaultdict(list)
    for one in document.series:
        if not one.control and isinstance(one.parameters.get("relation"), str):
            by_root[str(one.parameters["relation"])].append(one)
    hz = document.environment.tsc_hz
    rows = [HEADINGS, *(_row(root, some, hz) for root, some in by_root.items())]
    return columns.aligned(rows, right=range(1, len(HEADINGS)))


def _row(root: str, series: Sequence[Series], hz: float | None) -> tuple[str, ...]:
    measured = {(one.parameters["from_cpu"], one.parameters["to_cpu"]) for one in series}
    # A group's counts are those of all its pairs, and stand with each of its series.
    groups = {one.parameters.get("group"): one.parameters.get("group_pairs") for one in series}
    pairs = sum(count for count in groups.values() if isinstance(count, int))
    cells = [root, str(pairs), str(len(measured))]
    for variant in VARIANTS:
        medians = sorted(one.p50 for one in series if one.variant == variant)
        middle = medians[len(medians) // 2] if medians else None
        cells.append("–" if middle is None else f"{middle:.0f}")
        if variant == "one-line":
            cells.append(f"{medians[0]:.0f} – {medians[-1]:.0f}" if medians else "–")
        cells.append("–" if middle is None or not hz else f"{middle * 1e9 / hz:.0f}")
    return tuple(cells)


def table(document: Document) -> list[str]:
    """All that is printed of a document but its warnings."""
    lines: list[str] = []
    titles = ("One cache line, there and back", "Two cache lines, one each way")
    for variant, title in zip(VARIANTS, titles, strict=True):
        values = values_of(document, variant)
        cpus = sorted({cpu for pair in values for cpu in pair})
        if 2 <= len(cpus) <= TRIANGLE:
            lines += [f"{title}, TSC cycles", *triangle(cpus, values), ""]
    lines += ["By relation, TSC cycles", *relations(document), ""]
    return lines + [caution.text for caution in document.warnings if caution.code in ENDS]
