"""What blocking costs, kept: used on the machine it was measured on, passed over with a reason
everywhere else.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.errors import BadInput
from multikernel.knowledge import block_cost, kept
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology
from multikernel.machine.topology.synthetic import from_string

HERE, HOST = Topology.read(), Host.read()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "multikernel/costs/blocking"


def test_what_was_kept_is_the_budget(directory: Path) -> None:
    nothing = block_cost.budget(HERE)
    assert (nothing.us, nothing.measured) == (block_cost.DEFAULT_US, False)
    assert (
        str(nothing)
        == "100 µs (the default: what blocking costs was not measured on this machine yet)"
    )
    for us in (41.5, 27.25):
        path = block_cost.save(us, HERE, HOST)
        assert [*directory.iterdir()] == [path]
        assert block_cost.budget(HERE) == block_cost.Budget(us, True, f"kept in {path}")
    assert str(block_cost.budget(HERE)) == "27.2 µs (C, what blocking costs here)"


def test_kept_beside_the_costs_of_messages_and_not_taken_for_them() -> None:
    path = block_cost.save(30, HERE, HOST)
    directory = kept.directory()
    assert directory is not None
    assert path.is_relative_to(directory)
    assert path not in directory.glob("*.json")


def test_another_machines_is_not_used() -> None:
    block_cost.save(30, HERE, replace(HOST, kernel="2.6.0"))
    assert block_cost.load(HERE, HOST) == (
        None, "what blocking costs is kept, but of another machine: another kernel",
    )  # fmt: skip
    block_cost.save(30, HERE, HOST)
    assert block_cost.load(HERE, replace(HOST, cpu_model="Other"))[0] is None
    assert block_cost.load(from_string("8x4"), HOST) == (
        None,
        "what blocking costs is kept for this host only",
    )


def test_old_and_future_ones_are_not_used() -> None:
    path = block_cost.save(30, HERE, HOST)
    document = json.loads(path.read_text())
    for age, used in (
        (0, True),
        (kept.MAX_AGE - 60, True),
        (kept.MAX_AGE + 60, False),
        (-3600, False),
    ):
        path.write_text(json.dumps(document | {"time": int(time.time()) - age}))
        us, why = block_cost.load(HERE, HOST)
        assert (us == 30) == used, why
        assert used or "used for 30 days" in why


@given(st.one_of(
    st.text(max_size=30),
    st.builds(
        json.dumps,
        st.fixed_dictionaries(
            {"schema": st.sampled_from([block_cost.STORE.schema, "multikernel-block-cost/9", 3])},
            optional={
                "machine": st.one_of(st.just(kept.fingerprint(HOST, HERE)), st.none(), st.just({})),
                "time": st.one_of(
                    st.just(int(time.time()) - 60), st.none(), st.text(max_size=3), st.floats()
                ),
                "us": st.one_of(
                    st.none(), st.text(max_size=3), st.floats(), st.booleans(), st.integers()
                ),
            },
        ),
    ),
))  # fmt: skip
def test_whatever_the_file_holds_a_boot_has_a_budget(text: str) -> None:
    path = block_cost.save(30, HERE, HOST)
    path.write_text(text)
    found = block_cost.budget(HERE)
    assert 0 < found.us <= block_cost.MOST_US
    assert found.measured or found.us == block_cost.DEFAULT_US
    assert str(path) in found.reason


def test_a_directory_that_cannot_be_is_no_error_for_a_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "cannot be read: Not a directory" in block_cost.budget(HERE).reason
    with pytest.raises(BadInput, match="cannot keep what blocking costs: Not a directory"):
        block_cost.save(30, HERE, HOST)


@pytest.mark.parametrize("us", [0, -1, float("nan"), float("inf"), 2e6])
def test_what_cannot_be_a_cost_is_not_kept(us: float, directory: Path) -> None:
    with pytest.raises(BadInput, match="not what blocking costs"):
        block_cost.save(us, HERE, HOST)
    assert not directory.exists()
