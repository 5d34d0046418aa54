"""What to try: hints of errors about names that nobody knows.

Guarantees: all that there is is listed, and what is nearly the name stands first. This file imports
nothing of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def one_of(value: object, known: Iterable[str], *, among: Iterable[str] = ()) -> str:
    """A hint for what is not known: that which is nearly it, and all that there is. among: what may
    be meant besides, and is not listed.
    """
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(str(value), [*names, *among], 1, 0.5)
    listed = f"one of {', '.join(names)}"
    return f"did you mean {near[0]}? {listed}" if near else listed
