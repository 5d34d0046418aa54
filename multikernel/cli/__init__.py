"""The command line: `multikernel compare`, `boot`, `bench`.

Guarantees: what the user did wrong is one line on stderr and exit code 2; what went wrong otherwise
and was foreseen is one line and exit code 1; neither shows a traceback. Ctrl-C and SIGTERM end a
command in the same way, with everything it started gone. Help costs little: a command's file is
imported when the command runs. One file a command; shared options in `options`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 128
"""Exit codes; the last one plus the number of the signal."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: treated like Ctrl-C all the way up."""


def _on_sigterm(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; its exit code. A command's own exit code comes as SystemExit."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        return _main(arguments)
    except (
        KeyboardInterrupt
    ) as error:  # where click is not yet, or no more: it hands them on as its own Abort
        return _interrupted(error)


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
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as wanted:
        return wanted.exit_code
    except click.UsageError as error:
        if (
            error.ctx is not None and type(error).__name__ == "NoArgsIsHelpError"
        ):  # click 8.2; older ones exit
            print(error.ctx.get_help())
            return 0
        return _fail(error.format_message(), BAD_INPUT)
    except click.ClickException as error:
        return _fail(error.format_message(), FAILED)
    except BadInput as error:
        return _fail(str(error), BAD_INPUT)
    except MultikernelError as error:
        return _fail(str(error), FAILED)
    except click.Abort as error:
        return _interrupted(error)
    except BrokenPipeError:
        # The reader of our output is gone. Python would complain once more when it flushes at
        # exit.
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115
        return FAILED


def _interrupted(error: BaseException) -> int:
    terminated = isinstance(error, Terminated) or isinstance(error.__cause__, Terminated)
    return INTERRUPTED + (signal.SIGTERM if terminated else signal.SIGINT)


def _fail(sentence: str, code: int) -> int:
    print("multikernel: " + " ".join(sentence.split()), file=sys.stderr)
    return code
