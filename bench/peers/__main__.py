"""The command: `python -m bench.peers`. The table goes to standard output unless the document
does.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from multikernel.errors import BadInput, MultikernelError

from . import run, table
from .peer import Plan


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description=(
            "Our channels beside what people would use instead: 64-byte messages between two pinned"
            " processes."
        ),
    )
    parser.add_argument(
        "--cpus", help="the two CPUs, for example 0,1 (by default two different physical cores)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (3)")
    parser.add_argument(
        "--quick", action="store_true", help="short slices: shows that everything runs"
    )
    parser.add_argument(
        "--only", help="keys or groups, with commas: ours, stdlib, libraries, pyzmq, …"
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="the document of the run, all rounds in it; - for standard output",
    )
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    return parser


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: list[str] | None = None) -> int:
    """Runs; the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    # A terminal that goes away is no reason to leave anything behind.
    signal.signal(signal.SIGHUP, _terminated)
    try:
        output = None if options.json in (None, "-") else Path(options.json)
        if output is not None and not output.parent.is_dir():
            raise BadInput("no such directory", value=output.parent, where="--json")
        names = None if options.only is None else [name.strip() for name in options.only.split(",")]
        document = run.run(
            run.selected(names),
            run.two_cpus(options.cpus),
            options.rounds,
            run.QUICK if options.quick else Plan(),
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )
        if output is not None:
            output.write_text(json.dumps(document, indent=1) + "\n")
    except KeyboardInterrupt:
        return 130
    except (MultikernelError, OSError) as error:
        print(f"python -m bench.peers: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    shown = table.markdown(document) if options.markdown else table.text(document)
    if options.json == "-":
        print(json.dumps(document, indent=1))
        print(shown, file=sys.stderr)
    else:
        print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
