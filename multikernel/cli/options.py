"""Options that several commands share, and what follows from them.

Guarantees: everything that can be wrong with what the user gave is found here, before anything is
booted or measured.
"""

import difflib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from multikernel.cli import shown
from multikernel.cli.printing import Function, json_option
from multikernel.errors import BadInput, MeasurementRefused, MultikernelError, OutputError
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.host.cpus import Placement, left_out, outside_mask, resolve
from multikernel.machine.models.model import Model
from multikernel.machine.models.reading import read
from multikernel.machine.models.tables import MOST_CORES, tables, topology_of
from multikernel.machine.topology.model import Topology
from multikernel.results import store
from multikernel.results.document import Document
from multikernel.results.encoding import encode_all
from multikernel.timeline.events import EVENTS_MOST
from multikernel.timeline.trace import Trace
from multikernel.virtual.calibrating import HERE, asked
from multikernel.virtual.work import Work


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one, in the order of the help."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


cores_option = click.option(
    "--cores",
    metavar="N|LIST",
    help="How many cores, such as 4, or which CPUs, such as 0,2-3. Without it: one core on every"
    " CPU allowed here.",
)
trace_option = click.option(
    "--trace",
    metavar="FILE",
    help="Write there what the multikernel's cores did, for https://ui.perfetto.dev.",
)
calibration_option = click.option(
    "--calibration",
    metavar="here|FILE",
    help="What local work takes on a modelled machine, in place of the reference: measured here"
    " and now, or by `multikernel simulate --calibrate FILE`.",
)
output_options = together(
    click.option(
        "--output",
        metavar="DIR",
        help="Write the result documents there. Without it: a fresh directory below results/.",
    ),
    json_option("the array of all result documents"),
    click.option("--size", type=click.Choice(list(SIZES)), hidden=True),
)
measuring_options = together(
    cores_option,
    click.option(
        "--quick",
        is_flag=True,
        help="Fewer boots: less sure, but sooner there.",
    ),
    click.option(
        "--boots",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="So many boots: more of them make intervals narrower.",
    ),
    click.option(
        "--oversubscribe",
        is_flag=True,
        help="Allow more cores than CPUs. Everything is run for correctness; no latency is"
        " claimed.",
    ),
    output_options,
)


def placement_of(cores: str | None, *, oversubscribe: bool) -> Placement:
    """Where the cores run. Raises BadInput for more cores than CPUs, unless that is wanted."""
    topology = Topology.read()
    placement = resolve(cores, topology)
    note(left_out(cores, topology))
    if placement.oversubscribed and not oversubscribe:
        outside = outside_mask(topology)
        raise BadInput(
            "more cores than CPUs, where nothing can be measured",
            value=f"{len(placement.cpus)} cores on CPUs {format_cpu_list(placement.cpus)}",
            where="--cores",
            hint="add --oversubscribe to run it all for correctness, without latencies"
            + (f"; {outside}: name them" if outside else ""),
        )
    return placement


@contextmanager
def tracing(file: str | None, most: int = EVENTS_MOST) -> Iterator[Trace | None]:
    """A trace of the systems that are booted within the block, written at its end. most: of events
    that a core keeps. Raises BadInput, OutputError.
    """
    if file is None:
        yield None
        return
    trace = Trace(file, most)
    try:
        yield trace
    finally:
        if trace.told:
            trace.write()
            click.echo(f"trace: {trace}", err=True)


def note(sentence: str) -> None:
    """Says it beside the answer, if there is something to say."""
    if sentence:
        click.echo(f"note: {sentence}", err=True)


def skip(error: MultikernelError) -> None:
    """A file among others that is no document: said, and left out."""
    note(f"skipped: {error}")


def check_new_file(file: str | None, forms: tuple[str, ...]) -> None:
    """Minutes of work are not to be lost to a typing error in -o. forms: suffixes that are known.
    Raises BadInput.
    """
    if file is None:
        return
    directory = os.path.dirname(file) or "."
    if not file.lower().endswith(forms):
        ends = ", ".join(forms)
        wrong = "the name does not say which form the file has", file, f"end it in {ends}"
    elif os.path.lexists(file):
        hint = "nothing was overwritten: choose another name"
        wrong = "there is a file of that name already", file, hint
    elif not os.path.isdir(directory) or not os.access(directory, os.W_OK):
        wrong = "cannot write into this directory", directory, "name another one"
    else:
        return
    raise BadInput(wrong[0], value=wrong[1], where="-o", hint=wrong[2])


def progress_to_stderr(text: str) -> None:
    """On a terminal in one line that is overwritten, elsewhere a line each."""
    before, end = ("\r\x1b[K", "") if sys.stderr.isatty() else ("", "\n")
    print(before + text, end=end, file=sys.stderr, flush=True)


def request_of(
    cores: str | None,
    *,
    quick: bool,
    oversubscribe: bool,
    size: str | None,
    boots: int | None,
    only: str | None = None,
    time: str | None = None,
    machine: str | None = None,
    trace: Trace | None = None,
    calibration: str | None = None,
) -> Request:
    """What the experiments are asked. Raises BadInput."""
    if trace is not None:
        size = "smoke"
    elif machine is not None:
        size = size or "modelled"
    if machine is None and calibration is not None:
        raise BadInput(
            "a calibration is of a modelled machine's work", value=calibration,
            where="--calibration", hint="add --machine",
        )  # fmt: skip
    chosen = SIZES[size or ("quick" if quick else "full")]
    model, work = (None, None) if machine is None else model_of(machine)
    if calibration is not None:
        work = asked(calibration, "--calibration")
    return Request(
        placement_of(cores, oversubscribe=oversubscribe)
        if model is None
        else modelled_placement(model, machine, cores),
        chosen if boots is None else replace(chosen, boots=boots),
        only=tuple(name.strip() for name in (only or "").split(",") if name.strip()),
        seconds=seconds_of(time),
        progress=progress_to_stderr,
        model=model,
        machine=machine,
        trace=trace,
        calibration=work,
        bands=not quick,
    )


def model_of(machine: str) -> tuple[Model, Work | None]:
    """A machine, and where it is this host, measured now, what local work takes on it. Raises
    BadInput, MeasurementRefused.
    """
    if machine != HERE:
        return read(machine), None
    from multikernel.experiments.this_host import this_machine

    return this_machine(progress_to_stderr)


def modelled_placement(model: Model, machine: str | None, cores: str | None) -> Placement:
    """So many cores of a modelled machine, by default all. Raises BadInput."""
    most = min(len(topology_of(model, "--machine").cpus) * model.servers, MOST_CORES)
    if cores is not None and not re.fullmatch(r"\d{1,5}", cores):
        raise BadInput("of a modelled machine so many cores", value=cores, where="--cores")
    count = most if cores is None else int(cores)
    if not 1 <= count <= most:
        raise BadInput(
            f"this machine has {most} cores that can be modelled", value=count, where="--cores",
            hint="ask for fewer, or for a larger machine",
        )  # fmt: skip
    tables(model, count, f"--machine, {machine}")
    return Placement(tuple(range(count)))


def seconds_of(text: str | None) -> float | None:
    """A time such as 90s, 10m or 1h. Raises BadInput."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh])", text)
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if not seconds:
        raise BadInput("no time", value=text, where="--time", hint="such as 90s, 10m or 1h")
    return seconds


def those_with(names: Iterable[str], request: Request) -> list[str]:
    """The experiments that have some of request.only. Raises BadInput for what none has."""
    from multikernel.experiments import registry
    from multikernel.experiments.instrument.experiment import names_of

    known = {
        name: {one for arm in registry.get(name)(request).arms() for one in names_of(arm)}
        for name in names
    }
    every = set().union(*known.values())
    for one in request.only:
        if one not in every:
            close = difflib.get_close_matches(one, sorted(every), 3, 0.4)
            raise BadInput(
                "no system, variant or key of that name is measured", value=one, where="--only",
                hint="perhaps " + " or ".join(close) if close else f"there are {', '.join(every)}",
            )  # fmt: skip
    return [name for name, all_of_it in known.items() if all_of_it & set(request.only)]


class Run:
    """One run of experiments: where its documents go, and its output. resumed: a directory of an
    earlier run; what lies there is not run again.
    """

    def __init__(self, output: str | None, as_json: bool, resumed: str | None = None) -> None:
        self.before: list[Document] = []
        if resumed is not None:
            if output is not None:
                what, hint = "a run that is resumed writes where it did", "leave out --output"
                raise BadInput(what, value=output, where="--output", hint=f"{hint}, or --resume")
            self.before = [one for some in store.read(resumed).values() for one in some]
            output = resumed
        self.json = as_json
        self.directory: Path = store.prepare(output)
        self.wrong: list[MultikernelError] = []

    def all(self, names: Iterable[str], request: Request) -> list[Document]:
        """Runs them and writes each document when it is there. One that cannot be trusted is
        reported and left out. One that cannot be written is the last.
        """
        from multikernel.experiments import registry

        done = {document.experiment for document in self.before}
        documents, asked = list(self.before), list(names)
        until = None if request.seconds is None else time.monotonic() + request.seconds
        for number, name in enumerate(asked):
            if name in done:
                progress_to_stderr(f"{name}: lies there already")
                continue
            began = time.monotonic()
            if until is not None:
                share = max(until - began, 1.0) / (len(asked) - number)
                request = replace(request, seconds=share)
            try:
                documents.append(registry.get(name)(request).run())
            except KeyboardInterrupt:
                if documents:
                    self.show(documents)
                raise
            except MeasurementRefused as error:
                progress_to_stderr(f"{name}: {error}")
                self.wrong.append(error)
                continue
            progress_to_stderr(f"{name}: done in {time.monotonic() - began:.0f} s")
            if sys.stderr.isatty():
                sys.stderr.write("\n")
            if not self.keep(documents[-1]):
                break
        if not documents:
            raise self.wrong[0]
        return documents

    def keep(self, document: Document) -> bool:
        """Writes it. False if that cannot be: once it is shown, `telling` raises why."""
        try:
            store.write(document, self.directory)
        except (BadInput, OutputError) as error:
            # It could be written when the run began, so the user's input was good.
            self.wrong.insert(0, OutputError(str(error)))
            return False
        return True

    def show(
        self, documents: list[Document], *, answer: bool = False, everything: bool = True
    ) -> None:
        """JSON; or the answer, and the table, the verdict (where there is to be an answer) and
        warnings; then where it all lies.
        """
        with self.telling():
            if self.json:
                self.print_json(documents)
                return
            if answer:
                shown.answer(documents)
            if everything:
                sys.stdout.write("\n" * answer)
                shown.everything(documents, verdict=answer)
            if answer:
                shown.what_next(self.directory, everything)

    def print_json(self, documents: list[Document]) -> None:
        """One array, to stdout."""
        sys.stdout.buffer.write(encode_all(documents))
        sys.stdout.buffer.flush()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """While the documents are shown: says then where they lie, also if they cannot be shown.
        Raises MeasurementRefused where one was, OutputError where one could not be written.
        """
        try:
            yield
        finally:
            print(f"result documents: {self.directory}", file=sys.stderr)
        if self.wrong:
            raise self.wrong[0]
