"""The latency matrix as text: a triangle of CPUs, and a row for every way in which two CPUs are
related.

Guarantees: a cell holds both directions of a pair (their mean); what is estimated has a tilde, what
is not known a dash; no more than TRIANGLE CPUs make a triangle. Plain text, no colour, columns that
line up. Idea: core-to-core-latency's triangle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from multikernel.results.document import Document, Series

TRIANGLE = 32
"""Most CPUs that are drawn as a triangle."""
ENDS = ("nearest-pair", "farthest-pair")
"""Codes of the sentences that name them."""

Pair = tuple[int, int]


def triangle(
    cpus: Sequence[int], values: Mapping[Pair, float], estimated: Collection[Pair] = frozenset()
) -> list[str]:
    """Lines of text. values: by (from, to), either direction or both; estimated: those that were
    not measured.
    """
    cells = {
        (a, b): _cell((a, b), values, estimated)
        for row, a in enumerate(cpus)
        for b in cpus[: row + 1]
    }
    width = max(5, 1 + max(map(len, [*map(str, cpus), *cells.values()])))
    lines = ["CPU".rjust(width) + "".join(f"{cpu:>{width}}" for cpu in cpus[:-1])]
    for row, a in enumerate(cpus[1:], 1):
        lines.append(f"{a:>{width}}" + "".join(f"{cells[a, b]:>{width}}" for b in cpus[:row]))
    return lines


def _cell(pair: Pair, values: Mapping[Pair, float], estimated: Collection[Pair]) -> str:
    ways = [way for way in (pair, pair[::-1]) if way in values]
    if not ways:
        return "–"
    mean = sum(values[way] for way in ways) / len(ways)
    return ("~" if any(way in estimated for way in ways) else "") + f"{mean:.0f}"


def progress(
    cpus: Sequence[int], values: Mapping[Pair, float], planned: int, pairs: int, boots: int
) -> list[str]:
    """What is shown while it is measured: the triangle so far, and how far that is."""
    counted = f"{len(values)} of {planned} planned pairs measured, of {pairs} in all; boot {boots}"
    if len(cpus) > TRIANGLE:
        ends = (
            f"; {min(values.values()):.0f} – {max(values.values()):.0f} TSC cycles"
            if values
            else ""
        )
        return [counted + ends]
    return [*triangle(cpus, values), counted]


def values_of(document: Document, variant: str) -> dict[Pair, float]:
    """A document's medians of one variant, by (from, to); of several homes of the line the
    least.
    """
    found: dict[Pair, float] = {}
    for one in document.series:
        a, b = one.parameters.get("from_cpu"), one.parameters.get("to_cpu")
        if one.variant == variant and not one.control and isinstance(a, int) and isinstance(b, int):
            found[a, b] = min(one.p50, found.get((a, b), one.p50))
    return found


HEADINGS = ("related by", "pairs", "measured", "one line", "least – most", "ns", "two lines", "ns")


def relations(document: Document) -> list[str]:
    """Lines of text: by relation, how many pairs there are and were measured, and the median, in
    TSC cycles and ns.
    """
    by_root: dict[str, list[Series]] = defaultdict(list)
    for one in document.series:
        if not one.control and isinstance(one.parameters.get("relation"), str):
            by_root[str(one.parameters["relation"])].append(one)
    rows = [
        HEADINGS,
        *(_row(root, some, document.environment.tsc_hz) for root, some in by_root.items()),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(root: str, series: Sequence[Series], hz: float | None) -> tuple[str, ...]:
    measured = {(one.parameters["from_cpu"], one.parameters["to_cpu"]) for one in series}
    # A group's counts are those of all its pairs, and stand with each of its series.
    groups = {one.parameters.get("group"): one.parameters.get("group_pairs") for one in series}
    pairs = sum(count for count in groups.values() if isinstance(count, int))
    cells = [root, str(pairs), str(len(measured))]
    for variant in ("one-line", "two-lines"):
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
    for variant, title in (
        ("one-line", "One cache line, there and back"),
        ("two-lines", "Two cache lines, one each way"),
    ):
        values = values_of(document, variant)
        cpus = sorted({cpu for pair in values for cpu in pair})
        if 2 <= len(cpus) <= TRIANGLE:
            lines += [f"{title}, TSC cycles", *triangle(cpus, values), ""]
    lines += ["By relation, TSC cycles", *relations(document), ""]
    return lines + [caution.text for caution in document.warnings if caution.code in ENDS]
