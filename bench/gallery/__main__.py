"""The command: `python -m bench.gallery NAME DIR…` makes an entry of results here, as `multikernel
report DIR… --gallery NAME` does anywhere; without DIR it draws an entry again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from multikernel.errors import BadInput, MultikernelError
from multikernel.report.page import gallery

HERE = Path(__file__).parent


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
    directory = HERE / options.name
    try:
        if not options.sources and not directory.is_dir():
            raise BadInput("there is no such entry", value=options.name, hint="name its results")
        made = gallery.add(options.sources, directory, replace=options.force)
    except MultikernelError as error:
        print(f"python -m bench.gallery: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    size = sum(path.stat().st_size for path in made)
    print(f"{directory}: {len(made)} files, {size / 1024:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
