"""`multikernel.measure` and `multikernel.compare`: what the command line measures, from Python.

    unmap = multikernel.measure("unmap", cores=2, quick=True)
    unmap.to_frame()  # a row a series
    unmap.figure()    # matplotlib's
    print(unmap)      # the table

Guarantees: it is the same measurement as that of `multikernel bench run` and `multikernel compare`,
asked in the same words, and what comes back holds the same document. Nothing is written anywhere
unless `output` says where to. In a notebook it shows itself: the figures, the table, what must be
known.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from multikernel import columns
from multikernel.errors import BadInput
from multikernel.experiments import registry
from multikernel.experiments.instrument.request import Request
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.markup import Markup, element, joined
from multikernel.markup import table as table_of
from multikernel.measuring.asked import request_of, silent, those_with
from multikernel.report.draw.chart import Chart
from multikernel.report.figures import registry as figures
from multikernel.report.figures.figure import Figure
from multikernel.report.page import export
from multikernel.report.say import answer, table, verdict
from multikernel.results import store
from multikernel.results.document import Document

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

    Cores = int | str | Sequence[int] | None


class Measured:
    """What an experiment has found. document: the result document, whose fields are attributes of
    this too: series, ratios, warnings, environment, ….
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "document":
            raise AttributeError(name)
        return getattr(self.document, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.document.__struct_fields__})

    def __repr__(self) -> str:
        document = self.document
        where = f"simulated, {document.machine}" if document.simulated else "measured here"
        boots = max((series.boots for series in document.series), default=0)
        return f"<{document.experiment}: {len(document.series)} series of {boots} boots, {where}>"

    def __str__(self) -> str:
        """The table of everything measured."""
        cells = table.rows([self.document])
        return columns.table(table.HEADINGS, cells, table.NUMBERS) + table.NOTE

    def to_frame(self) -> Any:
        """A row a series, of pandas or, where that is not there, of polars. Columns: those of
        `multikernel report -o FILE.csv`; p5 to p999, min, max and mean in `unit`, p50_ns in
        nanoseconds. Raises BadInput where neither is installed.
        """
        rows = [row for row in export.lines(self.document) if row["row"] == "series"]
        names = [*export.COLUMNS, *sorted({name for row in rows for name in row} - IN_DOCUMENT)]
        columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(names)}
        for library in ("pandas", "polars"):
            try:
                frames = __import__(library)
            except ImportError:
                continue
            return frames.DataFrame(columns)
        raise BadInput(
            "a frame needs pandas or polars, and neither is installed",
            where="to_frame",
            hint="pip install pandas; or .document.series, which needs nothing",
        )

    def figure(self, number: int = 1) -> Drawn:
        """Its figure of that number, from 1 on, as matplotlib has it. Raises BadInput where there
        is none.
        """
        charts = self._charts()
        if not 1 <= number <= len(charts):
            raise BadInput(
                "this experiment has no such figure",
                value=number,
                where="figure",
                hint=f"there are {len(charts)}, counted from 1" if charts else "see to_frame()",
            )
        return charts[number - 1].drawn()

    def _charts(self) -> list[Chart]:
        blocks = figures.draw(self.document)
        return [
            block.drawing
            for block in blocks
            if isinstance(block, Figure) and isinstance(block.drawing, Chart)
        ]

    def _repr_html_(self) -> str:
        document = self.document
        drawn = joined(
            element("figure", element("figcaption", block.title), _picture(block))
            for block in figures.draw(document)
            if isinstance(block, Figure)
        )
        warnings = joined(element("li", one.text) for one in document.warnings)
        return element(
            "div",
            element("p", element("b", document.experiment), f" {repr(self)[1:-1]}"),
            drawn,
            _folded(
                f"{len(document.series)} series",
                table_of(table.HEADINGS, table.rows([document]), table.NUMBERS),
            ),
            _folded(f"{len(document.warnings)} warnings", element("ul", warnings)),
        )


IN_DOCUMENT = {
    "histogram", "by_boot", "median_interval", "parameters", "low", "high", "coverage", "method",
}  # fmt: skip
"""Of a row, what is no number or name: it is in the document."""


class Compared(Sequence[Measured]):
    """What a comparison has found: an experiment each, and the answer."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = list(documents)

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, index: Any) -> Any:
        found = self.documents[index]
        return Measured(found) if isinstance(found, Document) else Compared(found)

    def __iter__(self) -> Iterator[Measured]:
        return map(Measured, self.documents)

    def __repr__(self) -> str:
        return f"<compared by {', '.join(one.experiment for one in self.documents)}>"

    def __str__(self) -> str:
        """The answer, a row for each thing that all systems do, and the verdict."""
        found = answer.rows(self.documents)
        lines = []
        if found:
            cells = [row.cells() for row in found]
            lines = [answer.sentence(found), "", columns.table(answer.HEADINGS, cells, range(1, 4))]
        for title, sentences in verdict.verdict(self.documents):
            lines += [title, *(f"  - {sentence}" for sentence in sentences)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        found = answer.rows(self.documents)
        parts: list[Markup] = []
        if found:
            cells = [row.cells() for row in found]
            parts = [
                element("p", element("b", answer.sentence(found))),
                table_of(answer.HEADINGS, cells, range(1, 4)),
            ]
        judged = joined(
            element(
                "div", element("h4", title), element("ul", *(element("li", s) for s in sentences))
            )
            for title, sentences in verdict.verdict(self.documents)
        )
        return element("div", *parts, _folded("verdict", Markup(judged)))


def _picture(block: Figure) -> Markup:
    if isinstance(block.drawing, Chart):
        text = block.drawing.save("svg").decode()
        return Markup(text[text.index("<svg") :])
    return element("p", block.description)


def _folded(summary: str, content: Markup) -> Markup:
    return element("details", element("summary", summary), content)


def measure(
    experiment: str,
    *,
    cores: Cores = None,
    quick: bool = False,
    boots: int | None = None,
    only: str | Sequence[str] = (),
    time: str | None = None,
    machine: str | None = None,
    calibration: str | None = None,
    oversubscribe: bool = False,
    seed: int = 1,
    output: str | None = None,
    progress: bool = False,
) -> Measured:
    """Runs an experiment (`multikernel bench list`) as `multikernel bench run` does.

    cores: how many, or which CPUs ("0,2-3", [0, 2]); None: one on every CPU of the mask. quick:
    fewer boots, 5 for 20; boots: so many. only: of its systems, variants or keys these. time: as
    many boots as fit into it, "90s" or "10m". machine: in virtual time on that modelled machine,
    with a calibration of local work as boot() takes it. oversubscribe: more cores than CPUs, for
    correctness alone. seed: of the order in which configurations take turns. output: a directory
    for the document. progress: what goes on is said on standard error. Stop other programs first:
    what they disturb is measured again, and refused in the end. Raises BadInput,
    MeasurementRefused.
    """
    request = _request(
        cores, progress, quick=quick, boots=boots, time=time, machine=machine,
        calibration=calibration, oversubscribe=oversubscribe, seed=seed, size=None,
        only=only if isinstance(only, str) else ",".join(only),
    )  # fmt: skip
    known = registry.get(experiment)
    known.check(request)
    if request.only:
        those_with([experiment], request)
    directory = None if output is None else store.prepare(output)
    document = known(request).run()
    if directory is not None:
        store.write(document, directory)
    return Measured(document)


def compare(
    *,
    cores: Cores = None,
    quick: bool = False,
    boots: int | None = None,
    oversubscribe: bool = False,
    output: str | None = None,
    progress: bool = False,
) -> Compared:
    """Both kernels beside Linux, as `multikernel compare` does it, in about two minutes, with quick
    in three quarters of one; see measure for the parameters. `print` shows the answer. Raises
    BadInput, MeasurementRefused.
    """
    request = _request(
        cores, progress, quick=False, boots=boots, oversubscribe=oversubscribe,
        size="compared" if quick else None,
    )  # fmt: skip
    request = replace(request, comparing=True)
    directory = None if output is None else store.prepare(output)
    documents = []
    for name in registry.COMPARED:
        documents.append(registry.get(name)(request).run())
        if directory is not None:
            store.write(documents[-1], directory)
    return Compared(documents)


def _request(cores: Cores, progress: bool, **how: Any) -> Request:
    asked = cores if cores is None or isinstance(cores, str) else _cores(cores)
    say = (lambda text: print(text, file=sys.stderr)) if progress else silent
    return request_of(asked, say=say, note=say, **how)


def _cores(cores: int | Sequence[int]) -> str:
    """As the command line has it."""
    if isinstance(cores, int) and not isinstance(cores, bool):
        return str(cores)
    try:
        return format_cpu_list(sorted(int(cpu) for cpu in cores))  # type: ignore[union-attr]
    except (TypeError, ValueError):
        raise BadInput(
            "cores are a number, or CPUs", value=repr(cores), where="cores",
            hint='cores=4, or cores=[0, 2], or cores="0,2-3"',
        ) from None  # fmt: skip
