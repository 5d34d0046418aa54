"""Sharing or messages: which kind of form wins where, and what an object loses that chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from multikernel.report.draw.panels import Cell, Panel, panels
from multikernel.report.figures import generic
from multikernel.report.figures.figure import Block, Figure, Table
from multikernel.report.say import sharing
from multikernel.report.say.sharing import Workload
from multikernel.report.say.wording import short
from multikernel.results.document import Document

AXES = "reads", "cycles of thinking between two operations"
HOW = (
    "The number is how many times the best form of that kind does the work of the best of any other"
    " kind; pale and without a number: it cannot be told. Rows are percent of operations that only"
    " read."
)
REGRET = (
    "Percent by which the same object, pinned to the form that is best there, does more than the"
    " one that chooses. Negative: less, by the host's noise."
)
LOSES = "regret"


def draw(document: Document) -> list[Block]:
    found = sharing.workloads(document)
    blocks: list[Block] = []
    if found:
        notes = (HOW, *sharing.sentences(document))
        kinds = [kind for kind in dict.fromkeys(sharing.KINDS.values())
                 if any(kind == one.winner[0] for one in found)]  # fmt: skip
        blocks.append(_map("Which kind of form wins", found, _winner, kinds, notes))
        if any(one.regret is not None for one in found):
            title = "What an object loses that chooses its form"
            blocks.append(_map(title, found, _regret, [LOSES], (REGRET,)))
    changing = _changing(document)
    drawn = [one for workload in found for one in workload.forms.values()]
    drawn += [one for one in document.series if one.key.startswith("changing-")]
    return [*blocks, *changing, *generic.rest(document, drawn)]


def _winner(one: Workload) -> Cell | None:
    kind, value, certain = one.winner
    return Cell(kind, min(value - 1, 1.0) if certain else 0.0, f"{value:.1f}" if certain else "")


def _regret(one: Workload) -> Cell | None:
    if one.regret is None:
        return None
    return Cell(LOSES, one.regret / 0.3, f"{100 * one.regret:.0f}")


def _map(
    title: str, found: Sequence[Workload], cell_of: Callable[[Workload], Cell | None],
    kinds: Sequence[str], notes: tuple[str, ...],
) -> Figure:  # fmt: skip
    def sorted_of(place: int) -> list[int]:
        return sorted({one.place[place] for one in found})

    reads, lines, thinks, owners = map(sorted_of, range(4))
    rows, words = [], []
    for owner in reversed(owners):
        row = []
        for count in lines:
            cells = {}
            for one in found:
                if one.place[1] == count and one.place[3] == owner and (cell := cell_of(one)):
                    cells[str(one.reads), str(one.think)] = cell
            name = f"{count} line{'s' * (count > 1)}, owner {owner} %"
            row.append(Panel(name, cells))
            told = (f"{r} % reads, {t} cycles: {c.kind} {c.text}" for (r, t), c in cells.items())
            words.append(f"{name}: {', '.join(told)}")
        rows.append(row)
    drawing = panels(rows, list(map(str, reads)), list(map(str, thinks)), AXES, kinds)
    return Figure(title, f"Maps. {'. '.join(words)}.", drawing, notes)


def _changing(document: Document) -> list[Block]:
    series = [one for one in document.series if one.key.startswith("changing-")]
    if not series:
        return []
    ratios = {one.over: one for one in sharing.changing(document)}
    rows = []
    for one in sorted(series, key=lambda one: -one.p50):
        over = ratios.get(one.key)
        times = f"{over.value:.2f} ×" if over else "1"
        rows.append((str(one.parameters.get("form")), f"{short(one.p50)}/s", times))
    note = (
        "Operations a second, equally many in each segment; the last column: over the object that"
        " chooses. The oracle has each segment's best form."
    )
    headings = ("form", "operations", "over the one that chooses")
    return [Table("While the workload changes", headings, tuple(rows), (1, 2), (note,))]
