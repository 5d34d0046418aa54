"""Every seeded bug has its place in the product's source: what it replaces stands there once."""

import pytest
from s0_native import (
    capability_bugs,
    channel_bugs,
    fuzz_bugs,
    guest_bugs,
    object_bugs,
    shared_bugs,
)
from s2_kernel import stale_bugs
from s3_agreement import bugs
from seeded import Bug

TABLES = {
    "capability": capability_bugs.BUGS,
    "channel": channel_bugs.BUGS,
    "shared": shared_bugs.BUGS,
    "object": object_bugs.BUGS,
    "fuzz": fuzz_bugs.BUGS,
    "guests": guest_bugs.BUGS,
    "stale": stale_bugs.BUGS,
    "protocol": bugs.BUGS,
}
ALL = [pytest.param(bug, id=f"{at}-{name}") for at in TABLES for name, bug in TABLES[at].items()]


@pytest.mark.parametrize("bug", ALL)
def test_the_source_has_what_is_replaced(bug: Bug) -> None:
    assert bug.changed()


@pytest.mark.parametrize("text", ["no such text", "verdict"])
def test_a_text_that_has_moved_is_noticed(text: str) -> None:
    """It is not there, or twice: a bug that could no longer be seeded, or in the wrong place."""
    with pytest.raises(ValueError, match=r"occurs (0|[2-9]|\d\d+) times"):
        Bug("MOVED", "monitor/round.c", text, "").changed()
