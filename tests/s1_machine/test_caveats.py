"""Each caveat appears where it applies and nowhere else, and every text says something to do or to conclude."""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from s1_machine import trees

from multikernel.machine import caveats
from multikernel.machine.activity import Activity, CpuActivity
from multikernel.machine.clock import TscRate
from multikernel.machine.cpus import Placement, resolve
from multikernel.machine.host import Host
from multikernel.machine.topology import Topology

QUIET = Host(
    cpu_model="Big Iron",
    architecture="x86_64",
    flags=("constant_tsc", "nonstop_tsc"),
    kernel="6.12.0",
    virtualised=False,
    hypervisor=None,
    governor="performance",
    clocksource="tsc",
    cpu_quota=None,
    load=(0.0, 0.0, 0.0),
)
RATE = TscRate(hz=2.6e9, error=1e-5, source="measured")


def activity(steal: int) -> Activity:
    return Activity(10**9, {0: CpuActivity(0, 5, 5, None), 1: CpuActivity(steal, 5, 5, None)}, {})


def codes(host: Host, topology: Topology, placement: Placement, **more: object) -> list[str]:
    more.setdefault("rate", RATE)
    found = caveats.find(host, topology, placement, **more)  # type: ignore[arg-type]
    for caveat in found:
        assert caveat.text.endswith(".")
        assert len(caveat.text) < 250
    return [caveat.code for caveat in found]


@pytest.fixture
def big(tmp_path: Path) -> Topology:
    return Topology.read(trees.two_packages(tmp_path))


def test_a_quiet_big_machine_has_none(big: Topology) -> None:
    assert codes(QUIET, big, resolve("8", big), during=activity(0)) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda host: replace(host, virtualised=True, hypervisor="KVM"), "virtual-machine"),
        (lambda host: replace(host, governor="powersave"), "governor"),
        (lambda host: replace(host, load=(4.1, 0.0, 0.0)), "load-high"),
        (lambda host: replace(host, cpu_quota=7.5), "cpu-quota"),
        (lambda host: replace(host, flags=("constant_tsc",)), "tsc-not-invariant"),
        (lambda host: replace(host, flags=(*host.flags, "invlpgb")), "broadcast-tlb"),
        (lambda host: replace(host, architecture="aarch64", flags=()), "broadcast-tlb"),
    ],
)
def test_what_the_host_says(big: Topology, change: Callable[[Host], Host], code: str) -> None:
    assert codes(change(QUIET), big, resolve("8", big)) == [code]


def test_a_group_of_cpus_that_is_granted_is_no_caveat(big: Topology) -> None:
    assert codes(replace(QUIET, cpu_quota=8.0), big, resolve("8", big)) == []
    assert codes(replace(QUIET, governor=None, load=None), big, resolve("8", big)) == []


def test_small_virtual_machine(tmp_path: Path) -> None:
    small = Topology.read(trees.virtual_machine(tmp_path))
    assert codes(QUIET, small, resolve("2", small)) == ["single-node", "few-cpus"]


def test_placements(big: Topology, tmp_path: Path) -> None:
    assert codes(QUIET, big, resolve("0,8", big)) == ["smt-shared"]
    assert codes(QUIET, big, resolve("0,0", big)) == ["oversubscribed"]
    texts = [caveat.text for caveat in caveats.find(QUIET, big, resolve("0,8,1", big), rate=RATE)]
    assert texts[0].startswith("CPUs 0,8 are hardware threads")


def test_cores_of_two_kinds(tmp_path: Path) -> None:
    hybrid = Topology.read(trees.hybrid(tmp_path))
    assert "mixed-cores" in codes(QUIET, hybrid, resolve("2,4", hybrid))
    assert "mixed-cores" not in codes(QUIET, hybrid, resolve("4-7", hybrid))


def test_the_clock(big: Topology) -> None:
    assert codes(QUIET, big, resolve("8", big), rate=replace(RATE, error=0.02)) == ["tsc-rate-uncertain"]
    assert codes(QUIET, big, resolve("8", big), rate=None) == []


def test_steal_names_its_share(big: Topology) -> None:
    found = caveats.find(QUIET, big, resolve("0,1", big), rate=RATE, during=activity(10))
    assert [caveat.code for caveat in found] == ["steal"]
    assert "0.10 s (5.0 %)" in found[0].text


def test_every_code_is_on_the_page_that_lists_them() -> None:
    assert caveats.__doc__ is not None
    listed = set(caveats.__doc__.split("Codes:")[1].split(".")[0].replace(",", " ").split())
    used = {
        node.args[0].value
        for node in ast.walk(ast.parse(Path(caveats.__file__).read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Caveat"
        if isinstance(node.args[0], ast.Constant)
    }
    assert used == listed
