"""Each caveat appears where it applies and nowhere else, and every text says something to do or to
conclude.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from s1_machine import doctor_hosts, trees

from multikernel.machine.doctor import caveats
from multikernel.machine.doctor.findings import doctor
from multikernel.machine.host.activity import Activity, CpuActivity
from multikernel.machine.host.clock import TscRate
from multikernel.machine.host.cpus import Placement, resolve
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology

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
    return Activity(10**9, {0: CpuActivity(0, 5), 1: CpuActivity(steal, 5)}, {})


def codes(host: Host, topology: Topology, placement: Placement, **more: object) -> list[str]:
    more.setdefault("rate", RATE)
    found = caveats.find(host, topology, placement, **more)  # type: ignore[arg-type]
    assert len({caveat.code for caveat in found}) == len(found)
    return [caveat.code for caveat in found]


@pytest.fixture
def big(tmp_path: Path) -> Topology:
    return Topology.read(trees.two_packages(tmp_path))


def test_a_quiet_big_machine_has_none(big: Topology) -> None:
    assert codes(QUIET, big, resolve("8", big), during=activity(0)) == []


HOSTS = (
    doctor_hosts.tuned, doctor_hosts.laptop, doctor_hosts.virtual, doctor_hosts.container,
    doctor_hosts.arm64,
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_what_the_doctor_finds_is_carried_once_with_value_reason_and_remedy(
    tmp_path: Path, big: Topology, host: Callable[[], dict[str, str]]
) -> None:
    findings = doctor(trees.write(tmp_path / "host", host()))
    carried = caveats.find(QUIET, big, resolve("8", big), rate=RATE, findings=findings)
    urgent = [
        one.code for verdict in ("bad", "matters") for one in findings if one.verdict == verdict
    ]
    assert [one.code for one in carried] == [
        code for code in urgent if code not in ("counters", "shm", "map-count")
    ]
    by_code = {one.code: one for one in findings}
    for caveat in carried:
        finding = by_code[caveat.code]
        assert caveat.text.startswith(f"{finding.title}: {finding.value}. {finding.why} ")
        assert finding.remedy
        assert caveat.text.endswith(finding.remedy)
        assert ".." not in caveat.text.replace("...", "")


def test_of_what_both_see_the_run_s_own_words_stay(tmp_path: Path, big: Topology) -> None:
    files = doctor_hosts.tuned() | {
        f"{trees.CPU}/smt/active": "1",
        "proc/self/status": "Cpus_allowed_list:\t2-3\nSeccomp:\t0",
        "proc/stat": "cpu  1000 0 500 90000 10 0 5 5000 0 0",
        "sys/fs/cgroup/user.slice/cpu.max": "250000 100000",
    }
    findings = doctor(trees.write(tmp_path / "host", files))
    granted = replace(QUIET, cpu_quota=2.5)

    def found(
        cpus: str, topology: Topology = big, host: Host = granted, **more: object
    ) -> list[str]:
        return codes(host, topology, resolve(cpus, topology), findings=findings, **more)

    assert found("2") == ["steal", "cpuset", "smt"]
    assert found("4") == ["steal", "cpu-quota", "cpuset", "smt"], (
        "four cores can use up 2.5 CPUs' worth of time"
    )
    assert found("2", during=activity(0)) == ["cpuset", "smt"], "nothing was stolen while it ran"
    assert found("2", during=activity(10)) == ["steal", "cpuset", "smt"]
    assert found("0,8") == ["smt-shared", "steal", "cpuset"]
    small = Topology.read(trees.virtual_machine(tmp_path / "small"))
    assert found("2", small) == ["single-node", "few-cpus", "steal", "smt"]


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
    assert codes(QUIET, big, resolve("8", big), rate=replace(RATE, error=0.02)) == [
        "tsc-rate-uncertain"
    ]
    assert codes(QUIET, big, resolve("8", big), rate=None) == []


def test_steal_names_its_share(big: Topology) -> None:
    found = caveats.find(QUIET, big, resolve("0,1", big), rate=RATE, during=activity(10))
    assert [caveat.code for caveat in found] == ["steal"]
    assert "0.10 s (5.0 %)" in found[0].text


def test_every_code_is_on_the_page_that_lists_them() -> None:
    assert caveats.__doc__ is not None
    listed = set(caveats.__doc__.split("is said here:")[1].split(".")[0].replace(",", " ").split())
    used = {
        node.args[0].value
        for node in ast.walk(ast.parse(Path(caveats.__file__).read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Caveat"
        if isinstance(node.args[0], ast.Constant)
    }
    assert used == listed
