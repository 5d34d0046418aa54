"""Documents of schema 1, read as documents of schema 2.

Guarantees: nothing is made up. Series get keys by their places; a ratio's sides are what its name
says, and it has no words, so a verdict has no sentence for it; what each boot brought is not known.
"""

from typing import Any, Literal, get_type_hints

import msgspec

from multikernel.results.document import Document, Ratio, Series

SCHEMA = "multikernel-results/1"
KEY = "series-"
"""How the keys begin that series get here: they name places, and nothing that two runs share."""


def _without(kind: type[msgspec.Struct], *names: str, **others: Any) -> type[msgspec.Struct]:
    """The record without those fields, and with other types for some."""
    hints = {**get_type_hints(kind, include_extras=True), **others}
    fields = [(name, hints[name]) for name in kind.__struct_fields__ if name not in names]
    return msgspec.defstruct(kind.__name__, fields, kw_only=True, forbid_unknown_fields=True)


_Series = _without(Series, "key", "by_boot")
_Ratio = _without(Ratio, "over", "under", "kind", "words")
_Document = _without(
    Document, "simulated", "machine", "calibration", "boots", "unmeasured",
    schema=Literal["multikernel-results/1"], series=list[_Series], ratios=list[_Ratio],  # type: ignore[valid-type]
)  # fmt: skip


def read(data: bytes | str) -> Document:
    """The document. Raises msgspec.MsgspecError, or ValueError where it contradicts itself."""
    record = _fields(msgspec.json.decode(data, type=_Document))
    del record["schema"]
    series = [
        Series(**_fields(one), key=f"{KEY}{number}", by_boot=[])
        for number, one in enumerate(record.pop("series"))
    ]
    ratios = [_ratio(one) for one in record.pop("ratios")]
    return Document(**record, boots=[], series=series, ratios=ratios)


def _fields(record: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _ratio(record: Any) -> Ratio:
    over, _, under = record.name.partition("-over-")
    control = over == "control"
    return Ratio(
        **_fields(record), over=f"{under}-control" if control else over, under=under or over,
        kind="control" if control else "other", words=None,
    )  # fmt: skip
