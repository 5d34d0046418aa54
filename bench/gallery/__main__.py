"""The command: `python -m bench.gallery NAME DIR…` makes an entry of results; without DIR it draws
an entry again.
"""

from __future__ import annotations

import argparse
import getpass
import re
import socket
import sys

from multikernel.errors import BadInput, MultikernelError
from multikernel.report.page import export

from . import entry


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gallery",
        description=(
            "Keep results of a machine: documents, figures and a README, in bench/gallery/NAME."
        ),
    )
    parser.add_argument(
        "name", help="such as amd-epyc-7763-2x64: the machine, not the host or its owner"
    )
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="DIR",
        help=(
            "results, such as multikernel bench run all --output DIR makes; none: draw the entry's"
            " own again"
        ),
    )
    parser.add_argument("--force", action="store_true", help="in place of an entry that is there")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Makes it; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if not re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", options.name):
            raise BadInput(
                "no name for an entry",
                value=options.name,
                hint="lower case, digits, dashes between",
            )
        directory = entry.HERE / options.name
        if options.sources and directory.exists() and not options.force:
            raise BadInput(
                "there is an entry of that name already",
                value=directory,
                hint="choose another name, or add --force",
            )
        documents = export.collect(options.sources or [directory])
        entry.check_nothing_personal(documents, _names())
        made = entry.make(documents, directory)
    except (MultikernelError, OSError) as error:
        print(f"python -m bench.gallery: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    size = sum(path.stat().st_size for path in made)
    print(f"{directory}: {len(made)} files, {size / 1024:.0f} KB")
    return 0


def _names() -> list[str]:
    """Of this host and user; root is everybody's."""
    found = {socket.gethostname(), socket.gethostname().partition(".")[0], getpass.getuser()}
    return sorted(found - {"root", "localhost", ""})


if __name__ == "__main__":
    sys.exit(main())
