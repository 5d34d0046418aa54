"""Options that several commands share, and what follows from them.

Guarantees: everything that can be wrong with what the user gave is found here, before anything is
booted or measured.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from multikernel.cli import shown, verbosity
from multikernel.cli.printing import Function, json_option
from multikernel.errors import BadInput, MeasurementRefused, MultikernelError, OutputError
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.measuring import asked
from multikernel.results import store
from multikernel.results.document import Document
from multikernel.results.encoding import encode_all
from multikernel.timeline.events import EVENTS_MOST
from multikernel.timeline.trace import Trace


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
        "-o",
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
    if sentence and not verbosity.asked.less:
        click.echo(f"note: {sentence}", err=True)


def skip(error: MultikernelError) -> None:
    """A file among others that is no document: said, and left out."""
    note(f"skipped: {error}")


def check_new_file(file: str | None, forms: tuple[str, ...], where: str = "--output") -> None:
    """Minutes of work are not to be lost to a typing error in a file's name. forms: suffixes that
    are known; where: the option. Raises BadInput.
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
    raise BadInput(wrong[0], value=wrong[1], where=where, hint=wrong[2])


def progress_to_stderr(text: str) -> None:
    """On a terminal in one line that is overwritten, elsewhere a line each."""
    if verbosity.asked.less:
        return
    before, end = ("\r\x1b[K", "") if sys.stderr.isatty() else ("", "\n")
    print(before + text, end=end, file=sys.stderr, flush=True)


request_of = partial(asked.request_of, say=progress_to_stderr, note=note)
placement_of = partial(asked.placement_of, note=note)


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
                print(f"{name}: {error}", file=sys.stderr)
                self.wrong.append(error)
                continue
            progress_to_stderr(f"{name}: done in {time.monotonic() - began:.0f} s")
            if sys.stderr.isatty() and not verbosity.asked.less:
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
