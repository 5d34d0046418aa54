"""Files that appear under their name whole, or not at all.

Guarantees: what is read under a name was written to its end; a name that is taken stays as it is,
unless it is to be replaced; nothing is left of what could not be finished. Raises OSError.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".writing-"
"""How names of files begin that are not finished."""


@contextmanager
def written(data: bytes, directory: Path) -> Iterator[Path]:
    """The finished file in that directory, under a name that nobody looks at: to be renamed
    (`Path.replace`) or given a `named` within.
    """
    temporary = directory / f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def named(temporary: Path, target: Path) -> bool:
    """Gives the file that name; False if it is taken.

    rename(2) would overwrite; link(2) refuses to, and is as atomic.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: take the name, unless it is, and rename over it.
        try:
            target.touch(exist_ok=False)
        except FileExistsError:
            return False
        temporary.replace(target)
    return True
