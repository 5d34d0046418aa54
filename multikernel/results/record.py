"""What all records of a result document have in common, and the types of their fields.

Guarantees: a record does not change, is made by keyword, refuses unknown fields, and holds no
number that is not finite. Its text is printable, so that none acts on a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from multikernel.errors import printable

SLUG = r"^[a-z0-9]+([-.][a-z0-9]+)*\Z"
Slug = Annotated[str, Meta(pattern=SLUG, max_length=80)]
TwoSlugs = Annotated[str, Meta(pattern=SLUG, max_length=166)]
"""Names made for machines: lower case, digits, single dashes or dots between; and of two such, as
"ONE-over-OTHER".
"""
Positive = Annotated[float, Meta(gt=0)]
Rate = Annotated[float, Meta(ge=1e3, le=1e12)]
"""Of a clock, in Hz."""
MOST = 1e30
"""No measurement is larger; quotients of what is smaller are finite."""
Cpu = Annotated[int, Meta(ge=0)]


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts share. `check` says what else must hold between the fields of one."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            msgspec.structs.force_setattr(self, name, _proper(name, getattr(self, name)))
        self.check()

    def check(self) -> None:
        """Raises ValueError where the fields contradict each other."""


def _proper(name: str, value: Any) -> Any:
    """The same with printable text. Raises ValueError where a number in it is not finite."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float) and (not isfinite(value) or abs(value) > MOST):
        raise ValueError(f"{name} is {value}, which is no measurement")
    if isinstance(value, Mapping):
        return {printable(key): _proper(f"{name}.{key}", one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_proper(name, one) for one in value)
    return value
