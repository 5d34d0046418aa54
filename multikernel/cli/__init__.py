"""The command line: `multikernel compare`, `boot`, `bench`.

Guarantees: what the user did wrong is one line on stderr and exit code 2; what went wrong otherwise
and was foreseen is one line and exit code 1, output that cannot be written included (`output`);
neither shows a traceback. Ctrl-C and SIGTERM end a command in the same way, with everything it
started gone and exit code 128 plus the signal's number; so does a reader of the output that goes
away, quietly. Help costs little: a command's file is imported when the command runs. One file a
command; shared options in `options`.
"""

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from multikernel.cli.output import Streams
from multikernel.errors import printable

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 128
"""Exit codes; the last one plus the number of the signal."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: treated like Ctrl-C all the way up."""


def _on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _dropped(what: "sys.UnraisableHookArgs") -> None:
    """Called for what is raised where nobody can catch it. An interruption that fell into a
    finalizer, or a callback of an import, comes once more a moment later.
    """
    if not isinstance(what.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(what)
        return
    number = interrupted(what.exc_value) - INTERRUPTED
    again = threading.Timer(0.02, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; its exit code."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _dropped
    with Streams() as streams:
        if streams.closed:
            closed = "standard output is closed; redirect it to a file, or to /dev/null"
            return fail(f"{closed} if nobody reads it", FAILED)
        try:
            return _ended(streams, _guarded(arguments, streams))
        except KeyboardInterrupt as error:  # where click is not, which makes it its own Abort
            return interrupted(error)


def _guarded(arguments: Sequence[str] | None, streams: Streams) -> int:
    """The exit code, whatever way the command ends; 0 too where only its output is lost."""
    try:
        return _main(arguments)
    except OSError as error:
        if not streams.ended_by(error):
            raise
        return 0
    except SystemExit as wanted:
        if streams.ended_by(wanted):
            return 0
        return wanted.code if isinstance(wanted.code, int) else FAILED


def _ended(streams: Streams, code: int) -> int:
    """The exit code once all is written, or lost."""
    lost = streams.lost()
    if lost is None:
        return code
    if lost.errno == errno.EPIPE:
        return code or INTERRUPTED + signal.SIGPIPE
    fail(f"cannot write to standard output: {lost.strerror}", FAILED)
    return code or FAILED


def _main(arguments: Sequence[str] | None) -> int:
    import click

    from multikernel.cli.commands import group
    from multikernel.errors import BadInput, MultikernelError

    try:
        result = group.main(
            args=None if arguments is None else list(arguments),
            prog_name="multikernel",
            standalone_mode=False,
        )
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as wanted:
        return wanted.exit_code
    except click.ClickException as error:
        # click 8.2; older ones exit
        if isinstance(error, click.UsageError) and type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
            return 0
        return fail(error.format_message(), error.exit_code)
    except MultikernelError as error:
        from multikernel.cli.spelling import options_of, spelled
        from multikernel.cli.verbosity import asked

        given = sys.argv[1:] if arguments is None else arguments
        name = next((one for one in given if not one.startswith("-")), "")
        text = spelled(error, options_of(group.get_command(click.Context(group), name)))
        if asked.more:
            traceback.print_exception(error)
        return fail(text, BAD_INPUT if isinstance(error, BadInput) else FAILED)
    except click.Abort as error:
        if isinstance(error.__cause__, MultikernelError):  # click takes what is an EOFError for it
            return fail(str(error.__cause__), FAILED)
        return interrupted(error)


def interrupted(error: BaseException) -> int:
    """The exit code of a command that Ctrl-C or SIGTERM ended."""
    terminated = isinstance(error, Terminated) or isinstance(error.__cause__, Terminated)
    return INTERRUPTED + (signal.SIGTERM if terminated else signal.SIGINT)


def fail(sentence: str, code: int) -> int:
    """Says what went wrong, in one line; the exit code."""
    print("multikernel: " + printable(" ".join(sentence.split())), file=sys.stderr)
    return code
