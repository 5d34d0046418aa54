"""The catalogue of exceptions: one root, one shape of message, and everything survives the way
between processes.
"""

import ast
import pickle
from pathlib import Path

import pytest

from multikernel import errors

CATALOGUE: list[type[errors.MultikernelError]] = [
    one
    for one in vars(errors).values()
    if isinstance(one, type)
    and issubclass(one, errors.MultikernelError)
    and not one.__name__.startswith("_")
]
SPECIAL = [
    errors.PageFault("read of an unmapped page", core=2, address=0x7000),
    errors.PagePinned("a pin holds the page", core=3),
    errors.CoreDied("the core's process ended", core=1, pid=4711, status=-9),
    errors.SegmentFull(path="/dev/shm", available=4096, needed=1 << 30),
    errors.CoreBusy("running another function", core=0),
    errors.RemoteError(
        "ValueError: no", type_name="builtins.ValueError", traceback="Traceback …\nValueError: no"
    ),
]


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_exception_has_the_root_says_when_and_composes_its_message(
    kind: type[errors.MultikernelError],
) -> None:
    assert issubclass(kind, errors.MultikernelError)
    assert kind.__doc__
    error = kind("it broke", value=0, where="--here", hint="try that")
    assert str(error) == "it broke: 0 (--here); try that"
    assert (error.value, error.where, error.hint) == ("0", "--here", "try that")
    assert str(kind("it broke")) == "it broke"
    assert str(kind("it broke", value="two\nlines")) == "it broke: two\\nlines"


@pytest.mark.parametrize("error", [*SPECIAL, *(kind("x", value=1, hint="y") for kind in CATALOGUE)])
def test_exceptions_survive_pickling_with_everything_they_carry(
    error: errors.MultikernelError,
) -> None:
    error.add_note("seen on core 1")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_what_an_exception_carries_can_be_asked_for() -> None:
    carried: list[dict[str, object]] = [
        {"core": 2, "address": 0x7000},
        {"core": 3, "address": None},
        {"core": 1, "pid": 4711, "status": -9},
        {"path": "/dev/shm", "available": 4096, "needed": 1 << 30},
        {"core": 0},
        {"type_name": "builtins.ValueError", "traceback": "Traceback …\nValueError: no"},
    ]
    for error, attributes in zip(SPECIAL, carried, strict=True):
        assert {name: getattr(error, name) for name in attributes} == attributes


def test_a_page_error_names_its_place() -> None:
    assert str(SPECIAL[0]) == "read of an unmapped page (address 0x7000, core 2)"
    assert str(SPECIAL[1]) == "a pin holds the page (core 3)"


def test_a_full_segment_says_size_need_and_path() -> None:
    assert str(SPECIAL[3]).startswith(
        "shared memory is full: 1073741824 bytes are needed, 4096 are available (/dev/shm); free"
        " space"
    )


def test_the_catalogue_imports_nothing() -> None:
    tree = ast.parse(Path(errors.__file__).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
