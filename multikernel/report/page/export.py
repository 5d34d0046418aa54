"""Reports as files: what is read, in which form it is written, and that nothing is written over.

Guarantees: everything is read and drawn before a file is made; a file appears under its name whole
or not at all. What the user can mend raises BadInput, a file that is no document DocumentError;
then nothing was written.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path

from msgspec import structs

from multikernel.errors import BadInput, DocumentError
from multikernel.markup import clean
from multikernel.report.draw.chart import Chart, Form
from multikernel.report.figures import beside, registry
from multikernel.report.figures.figure import Figure, file_of
from multikernel.report.page.machines import machines
from multikernel.report.page.page import page
from multikernel.report.say.wording import nanoseconds
from multikernel.results import store, whole
from multikernel.results.document import Document, Interval
from multikernel.results.encoding import encode_all

DEFAULT = "report.html"
WHERE = "output"


def collect(
    sources: Sequence[str | os.PathLike[str]],
    skipped: Callable[[DocumentError], None] | None = None,
) -> list[Document]:
    """All documents of directories and files. A directory that holds run directories stands for all
    of these; without any source it is the latest run below results/. skipped: as `store.read` has
    it. Raises BadInput, DocumentError.
    """
    paths = [path for source in (sources or [_latest_run()]) for path in _runs(Path(source))]
    read = (store.read(path, skipped=skipped) for path in paths)
    return [one for found in read for several in found.values() for one in several]


def _runs(path: Path) -> list[Path]:
    """Itself, or the run directories that it holds; none where it is a directory of nothing."""
    if not path.is_dir() or _holds_documents(path):
        return [path]
    return sorted(one for one in _listed(path) if one.is_dir() and _holds_documents(one)) or [path]


def _holds_documents(path: Path) -> bool:
    return any(map(store.holds_documents, _listed(path)))


def _listed(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []  # what cannot be listed is refused, with the reason, when it is read


def _latest_run() -> Path:
    base = Path(store.DEFAULT_BASE)
    runs = [path for path in _runs(base) if _holds_documents(path)]
    if not runs:
        hint = "name a result directory, or measure first: multikernel compare"
        raise BadInput("there are no results to report", value=base, hint=hint)
    return runs[-1]  # their names begin with the time


def as_html(documents: Sequence[Document], together: bool = False) -> bytes:
    return page(documents, together=together).encode("utf-8", "replace")


def figures_of(documents: Sequence[Document], together: bool = False) -> list[tuple[str, Figure]]:
    """All figures, each with a name for its file. together: those too in which a simulated document
    stands beside a measured one. Raises BadInput where there is none.
    """
    found: list[tuple[str, Figure]] = []
    counts: Counter[str] = Counter()
    for machine in machines(documents):
        for document in machine.documents:
            for block in registry.draw(document):
                if isinstance(block, Figure):
                    counts[document.experiment] += 1
                    found.append((f"{document.experiment}-{counts[document.experiment]}", block))
    for number, (name, figure) in enumerate(beside.draw(documents) if together else (), 1):
        found.append((f"{name}-beside-{number}", figure))
    if not found:
        raise BadInput("these documents hold no series to draw")
    return found


def write_figures(
    documents: Sequence[Document], directory: str, form: Form, *, replace: bool = False,
    together: bool = False,
) -> list[Path]:  # fmt: skip
    """Their files. All are drawn before one is written. Raises BadInput, OutputError."""
    files = {
        Path(directory) / f"{name}.{form}": figure.drawing.save(form)
        for name, figure in figures_of(documents, together)
        if isinstance(figure.drawing, Chart)
    }
    taken = next((target for target in files if os.path.lexists(target) and not replace), None)
    if taken is not None:
        raise BadInput(
            "there is a figure of that name already", value=taken, where="figures",
            hint="nothing was overwritten: choose another directory, or add --force",
        )  # fmt: skip
    store.prepare(directory, where="figures")
    for target, data in files.items():
        write(data, str(target), replace=replace, where="figures")
    return list(files)


def as_svg(documents: Sequence[Document], together: bool = False) -> bytes:
    return file_of([figure for _, figure in figures_of(documents, together)])


COLUMNS = (
    "experiment", "time", "cpu_model", "row", "key", "system", "variant", "cores", "control",
    "measure", "mode", "batch", "unit", "samples", "boots", "min", "p5", "p50", "p95", "p99",
    "p999", "max", "mean", "median_low", "median_high", "coverage", "method", "p50_ns",
    "over_floor",
)  # fmt: skip


def as_csv(documents: Sequence[Document]) -> bytes:
    """A line a series; parameters are columns of their own, as `parameter.name`. Ratios and
    warnings are lines too: of a ratio `key` is its name, `variant` its kind, `p50` its value; of a
    warning `key` is its code, `variant` its text.
    """
    rows = [row for document in documents for row in lines(document)]
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("parameter."))
    columns = (*COLUMNS, *names)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    writer.writerows([_cell(row.get(name, "")) for name in columns] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def lines(document: Document) -> Iterator[dict[str, object]]:
    """By column, and more than the columns are."""
    environment = document.environment
    whose = {
        "experiment": document.experiment, "time": environment.time,
        "cpu_model": environment.cpu_model,
    }  # fmt: skip
    for one in document.series:
        parameters = {f"parameter.{name}": value for name, value in one.parameters.items()}
        ns = {"p50_ns": nanoseconds(document, one, one.p50)}
        known = {**structs.asdict(one), **_interval(one.median_interval), **ns, **parameters}
        yield {**known, **whose, "row": "series"}
    for ratio in document.ratios:
        named = {"key": ratio.name, "variant": ratio.kind, "p50": ratio.value}
        yield {**whose, **_interval(ratio.interval), **named, "row": "ratio"}
    for warning in document.warnings:
        yield {**whose, "row": "warning", "key": warning.code, "variant": warning.text}


def _interval(interval: Interval) -> dict[str, object]:
    return {**structs.asdict(interval), "median_low": interval.low, "median_high": interval.high}


def _cell(value: object) -> object:
    """Numbers as they are. Text that a spreadsheet would take for a formula gets an apostrophe
    before it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    text = clean(value)
    return "'" + text if text.startswith(tuple("=+-@\t\r")) else text


FORMS: dict[str, Callable[[Sequence[Document]], bytes]] = {
    ".html": as_html,
    ".htm": as_html,
    ".svg": as_svg,
    ".csv": as_csv,
    ".json": encode_all,
}


def form_of(output: str, *, together: bool = False) -> Callable[[Sequence[Document]], bytes]:
    """By the file's suffix; together: as `figures_of` has it, where anything is drawn. Raises
    BadInput.
    """
    suffix = Path(output).suffix.lower()
    if suffix not in FORMS:
        raise BadInput(
            "the name does not say which form the report has",
            value=json.dumps(output, ensure_ascii=False), where=WHERE,
            hint="end it in .html, .svg, .csv or .json",
        )  # fmt: skip
    form = FORMS[suffix]
    return partial(form, together=True) if together and form in (as_html, as_svg) else form


def write(data: bytes, output: str | None, *, replace: bool = False, where: str = WHERE) -> Path:
    """Writes a file and returns its name. None: report.html here, or the next free report-2.html.

    replace: over one that is there; where: the option to name in errors. Raises BadInput,
    OutputError.
    """
    if output is None:
        stem, suffix = os.path.splitext(DEFAULT)
        names = (f"{stem}-{number}{suffix}" for number in count(2))
        targets = map(Path, chain([DEFAULT], names))
        return next(one for one in targets if _written(data, one, replace=replace, where=where))
    target = Path(output)
    if not _written(data, target, replace=replace, where=where):
        raise BadInput(
            "there is a file of that name already", value=target, where=where,
            hint="nothing was overwritten: choose another name, or add --force",
        )  # fmt: skip
    return target


def _written(data: bytes, target: Path, *, replace: bool, where: str) -> bool:
    """False if there is one already. The whole file is written under another name first."""
    try:
        if not replace and os.path.lexists(target):
            return False
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with whole.written(data, target.parent) as temporary:
            if not replace:
                return whole.named(temporary, target)
            temporary.replace(target)
            return True
    except (OSError, ValueError) as error:
        failure = error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
        raise store.cannot_write(
            "the report" if where == WHERE else "the figures", failure, value=target, where=where,
            hint="name a file in a directory that is there and can be written",
        ) from None  # fmt: skip
