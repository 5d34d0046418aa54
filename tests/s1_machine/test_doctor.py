"""The doctor against captured hosts: each check both ways, nothing said is "unknown", nothing ever
raises.
"""

import json
import os
import signal
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_machine import doctor_hosts, trees
from s1_machine.doctor_hosts import CLOCKS, HUGE, IRQ
from s1_machine.trees import CPU
from sampling import more

from multikernel.cli import doctor as command
from multikernel.cli import main
from multikernel.machine.doctor.findings import CHECKS, VERDICTS, Finding, counts, doctor, record

HOSTS = {
    make.__name__: make
    for make in (
        doctor_hosts.tuned,
        doctor_hosts.laptop,
        doctor_hosts.virtual,
        doctor_hosts.container,
        doctor_hosts.arm64,
    )
}
GOLDEN = Path(__file__).with_name("doctor_virtual.txt")


def found(root: Path, files: Mapping[str, str]) -> dict[str, Finding]:
    return {finding.code: finding for finding in doctor(trees.write(root, files))}


def verdicts(findings: Mapping[str, Finding]) -> dict[str, list[str]]:
    return {
        verdict: [code for code, finding in findings.items() if finding.verdict == verdict]
        for verdict in VERDICTS
    }


def test_a_tuned_host_is_good_throughout(tmp_path: Path) -> None:
    findings = found(tmp_path, doctor_hosts.tuned())
    assert [(f.code, f.value) for f in findings.values() if f.verdict != "good"] == []
    assert all(finding.remedy == "" for finding in findings.values())


def test_a_laptop_as_it_comes(tmp_path: Path) -> None:
    findings = found(tmp_path, doctor_hosts.laptop())
    assert verdicts(findings) == {
        "bad": [
            "load", "governor", "c-states", "power", "tsc", "clocksource", "numa-balancing", "swap",
        ],
        "matters": [
            "isolation", "tick", "interrupts", "turbo", "smt", "throttling", "broadcast-tlb",
            "mitigations",
            "counters", "nmi-watchdog", "thp", "locked-memory", "shm", "map-count",
        ],
        "unknown": [],
        "good": [
            "virtual", "vcpu-placement", "steal", "container", "cpu-quota", "cpuset",
            "system-calls", "limits",
        ],
    }  # fmt: skip
    assert findings["swap"].value == "512 MiB in use, swappiness 60"
    assert findings["c-states"].value == "intel_idle: down to C6 (170 µs)"
    assert findings["mitigations"].value == "meltdown (PTI), retbleed (untrained return thunk)"


def test_a_virtual_machine(tmp_path: Path) -> None:
    findings = found(tmp_path, doctor_hosts.virtual())
    assert findings["virtual"].value == "yes (KVM)"
    assert "5 times within minutes" in findings["vcpu-placement"].why
    assert findings["mitigations"].value == "spec_rstack_overflow (Safe RET)"
    assert findings["locked-memory"].verdict == "good"  # root may lock what it likes
    assert {findings[code].verdict for code in ("governor", "turbo", "smt")} == {"unknown"}


def test_a_container(tmp_path: Path) -> None:
    findings = found(tmp_path, doctor_hosts.container())
    assert findings["container"].value == "looks like one, system calls filtered"
    assert findings["cpu-quota"].value == "1.5 CPUs' worth of time"
    assert findings["cpuset"].value == "2 of 16 (2-3)"
    assert findings["shm"].verdict == "matters"
    # /sys is read-only there: what belongs to the one kernel is changed outside.
    assert findings["thp"].remedy.startswith("on the container's host: echo madvise")
    assert findings["numa-balancing"].remedy.startswith("on the container's host: sudo sysctl")
    assert findings["shm"].remedy.startswith("sudo mount")


def test_arm64(tmp_path: Path) -> None:
    findings = found(tmp_path, doctor_hosts.arm64())
    assert findings["virtual"].value == "yes (Amazon Nitro)"
    assert findings["broadcast-tlb"].value == "TLBI reaches all CPUs"
    assert (findings["tsc"].verdict, findings["clocksource"].verdict) == ("matters", "good")
    assert (findings["counters"].verdict, findings["steal"].verdict) == ("good", "bad")


ADDED = {  # what to lay over the tuned host: the code that then complains, what it says, the files
    "virtual": ("matters",
    {"proc/cpuinfo": "vendor_id : A\nflags : constant_tsc nonstop_tsc hypervisor"}),
    "vcpu-placement": ("bad",
    {"proc/cpuinfo": "vendor_id : A\nflags : constant_tsc nonstop_tsc hypervisor"}),
    "steal": ("bad", {"proc/stat": "cpu  1000 0 500 90000 10 0 5 5000 0 0"}),
    "container": ("matters", {"run/.containerenv": ""}),
    "cpu-quota": ("bad", {"sys/fs/cgroup/user.slice/cpu.max": "250000 100000"}),
    "cpuset": ("matters", {"proc/self/status": "Cpus_allowed_list:\t2-3\nSeccomp:\t0"}),
    "isolation": ("matters", {f"{CPU}/isolated": ""}),
    "tick": ("matters", {f"{CPU}/nohz_full": "(null)"}),
    "interrupts": ("matters", {f"{IRQ}/26/effective_affinity_list": "0-3"}),
    "load": ("matters", {"proc/loadavg": "1.50 0.05 0.07 1/200 4242"}),
    "governor": ("bad", {f"{CPU}/cpu3/cpufreq/scaling_governor": "powersave"}),
    "turbo": ("matters", {f"{CPU}/intel_pstate/no_turbo": "0"}),
    "smt": ("matters", {f"{CPU}/smt/active": "1"}),
    "c-states": ("bad", {f"{CPU}/cpu3/cpuidle/state2/disable": "0"}),
    "throttling": ("matters", {f"{CPU}/cpu3/thermal_throttle/package_throttle_count": "1"}),
    "power": ("bad", {f"sys/class/power_supply/B/{n}": t for n, t in (("type", "Battery"),
    ("status", "Discharging"))}),
    "tsc": ("bad", {"proc/cpuinfo": "vendor_id : A\nflags : constant_tsc"}),
    "clocksource": ("bad", {f"{CLOCKS}/current_clocksource": "acpi_pm"}),
    "broadcast-tlb": ("matters",
    {"proc/cpuinfo": "vendor_id : A\nflags : constant_tsc nonstop_tsc invlpgb"}),
    "mitigations": ("matters",
    {f"{CPU}/vulnerabilities/mds": "Mitigation: Clear CPU buffers; SMT vulnerable"}),
    "counters": ("matters", {"proc/sys/kernel/perf_event_paranoid": "2"}),
    "nmi-watchdog": ("matters", {"proc/sys/kernel/nmi_watchdog": "1"}),
    "thp": ("bad", {f"{HUGE}/shmem_enabled": "[always] within_size advise never deny force"}),
    "numa-balancing": ("bad", {"proc/sys/kernel/numa_balancing": "2"}),
    "swap": ("matters",
    {"proc/swaps": "Filename Type Size Used Priority\n/dev/zram0 partition 4194300 0 100"}),
    "locked-memory": ("matters",
    {"proc/self/limits": "Max locked memory         8388608   8388608   bytes"}),
    "shm": ("matters",
    {"proc/self/mounts": "tmpfs /dev/shm tmpfs rw 0 0\nshm /dev/shm tmpfs rw,size=64m 0 0"}),
    "map-count": ("matters", {"proc/sys/vm/max_map_count": "65529"}),
    "limits": ("matters", {"sys/fs/cgroup/user.slice/pids.max": "9",
                           "sys/fs/cgroup/user.slice/pids.current": "4"}),
}  # fmt: skip
TRIED = {"system-calls"}
"""On the host itself; a captured one says no more than that nothing is filtered."""


@pytest.mark.parametrize("code", ADDED)
def test_each_check_complains_of_its_own_setting(tmp_path: Path, code: str) -> None:
    verdict, files = ADDED[code]
    findings = found(tmp_path, doctor_hosts.tuned() | files)
    assert findings[code].verdict == verdict
    complaining = {
        finding.code for finding in findings.values() if finding.verdict in ("bad", "matters")
    }
    beside = {"virtual", "vcpu-placement", "c-states"} if "virtual" in complaining else set()
    assert complaining <= {code} | beside


@pytest.mark.parametrize(
    ("code", "verdict", "value", "files"),
    [
        ("c-states", "good", "none: idle=poll", {"proc/cmdline": "idle=poll"}),
        ("c-states", "matters", "C8 (60 µs)", {f"{CPU}/cpu0/cpuidle/state3/{n}": t
                                               for n, t in (("name", "C8"), ("latency", "60"))}),
        ("isolation", "matters", "2-3, used only when named",
         {"proc/self/status": "Cpus_allowed_list:\t0-1"}),
        ("cpuset", "good", "2 of 4 (0-1)", {"proc/self/status": "Cpus_allowed_list:\t0-1"}),
        ("cpuset", "bad", "1 of 4 (1)", {"proc/self/status": "Cpus_allowed_list:\t1"}),
        ("isolation", "good", "1-3", {"sys/fs/cgroup/user.slice/cpuset.cpus.partition": "isolated",
                                      "sys/fs/cgroup/user.slice/cpuset.cpus.effective": "1"}),
        ("cpu-quota", "bad", "0.5 ", {"proc/self/cgroup": "4:cpu,cpuacct:/x",
                                      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
                                      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}),
        ("cpu-quota", "good", "none",
         {"proc/self/cgroup": "0::/../../../up", "sys/fs/cgroup/cpu.max": "max 100000"}),
        ("interrupts", "matters", "irqbalance", {"proc/9/comm": "irqbalance"}),
        ("load", "bad", "4.10", {"proc/loadavg": "4.10 0.05 0.07 1/200 4242"}),
        ("governor", "matters", "ondemand, performance",
         {f"{CPU}/cpu0/cpufreq/scaling_governor": "ondemand"}),
        ("clocksource", "matters", "kvm-clock", {f"{CLOCKS}/current_clocksource": "kvm-clock"}),
        ("counters", "good", "4", {"proc/sys/kernel/perf_event_paranoid": "4",
          "proc/self/status": "CapEff:\t0000004000000000\nCpus_allowed_list:\t0-3"}),
        ("power", "good", "with a battery", {"sys/class/power_supply/B/type": "Battery",
                                             "sys/class/power_supply/B/status": "Charging"}),
        ("power", "good", "no battery", {"sys/class/power_supply/mouse/type": "Battery",
                                         "sys/class/power_supply/mouse/scope": "Device",
                                         "sys/class/power_supply/mouse/status": "Discharging"}),
        ("shm", "matters", "not mounted: memory files",
         {"proc/self/mounts": "sysfs /sys sysfs rw 0 0"}),
        ("shm", "matters", "read-only: memory files",
         {"proc/self/mounts": "shm /dev/shm tmpfs ro,size=65536k 0 0"}),
        ("system-calls", "unknown", "tried", {"proc/self/status": "Seccomp:\t2"}),
        ("limits", "matters", "RLIMIT_AS 4294967296",
         {"proc/self/limits": "Max address space         4294967296   unlimited    bytes"}),
        ("limits", "matters", "/sys/fs/cgroup/user.slice of 40 MiB leaves 30 MiB",
         {"sys/fs/cgroup/user.slice/memory.max": str(40 << 20),
                            "sys/fs/cgroup/user.slice/memory.current": str(30 << 20),
                            "sys/fs/cgroup/user.slice/memory.stat":
                            f"anon 4096\ninactive_file {8 << 20}\nactive_file {12 << 20}"}),
        ("shm", "matters", "128 MiB",
         {"proc/self/mounts": "tmpfs /dev/shm tmpfs rw,size=131072k 0 0"}),
        ("shm", "good", "8000 MiB", {}),
        ("thp", "matters", "always", {f"{HUGE}/enabled": "[always] madvise never"}),
        ("container", "matters", "no, system calls filtered", {"proc/self/status": "Seccomp:\t2"}),
        ("steal", "matters", "0.0", {"proc/stat": "cpu  1000 0 500 90000 10 0 5 10 0 0"}),
        ("mitigations", "matters", "spectre_v2 (IBRS)",
         {f"{CPU}/vulnerabilities/spectre_v2": "Mitigation: IBRS; IBPB: conditional"}),
        ("tsc", "good", "1 GHz", {"proc/cpuinfo": "Features : ecv\nCPU implementer : 0x41"}),
        ("virtual", "matters", "WSL",
         {"proc/sys/kernel/osrelease": "5.15.1-microsoft-standard-WSL2",
          "proc/cpuinfo": "vendor_id : A\nflags : constant_tsc nonstop_tsc hypervisor"}),
    ],
)  # fmt: skip
def test_the_finer_distinctions(
    tmp_path: Path, code: str, verdict: str, value: str, files: dict[str, str]
) -> None:
    finding = found(tmp_path, doctor_hosts.tuned() | files)[code]
    assert (finding.verdict, value in finding.value) == (verdict, True), finding


def test_switches_of_other_drivers(tmp_path: Path) -> None:
    files = doctor_hosts.tuned()
    del files[f"{CPU}/intel_pstate/no_turbo"], files[f"{CPU}/smt/active"]
    assert found(tmp_path / "none", files)["turbo"].verdict == "unknown"
    assert found(tmp_path / "none", files)["smt"].verdict == "good"
    siblings = {f"{CPU}/cpu1/topology/thread_siblings_list": "1,3"}
    assert found(tmp_path / "siblings", files | siblings)["smt"].verdict == "matters"
    for name, turned in (
        ("cpufreq/boost", "1"),
        ("cpu2/cpufreq/boost", "1"),
        ("cpu2/cpufreq/boost", "0"),
    ):
        finding = found(tmp_path / f"{name}-{turned}", files | {f"{CPU}/{name}": turned})["turbo"]
        assert finding.verdict == ("matters" if turned == "1" else "good")


def test_a_latency_limit_keeps_deep_states_out(tmp_path: Path) -> None:
    trees.write(tmp_path, doctor_hosts.laptop())
    (tmp_path / "dev").mkdir()
    for limit, verdict in ((2_000_000_000, "bad"), (20, "good"), (0, "good"), (200, "bad")):
        (tmp_path / "dev/cpu_dma_latency").write_bytes(struct.pack("<i", limit))
        finding = {finding.code: finding for finding in doctor(tmp_path)}["c-states"]
        assert (finding.verdict, "held at" in finding.value) == (verdict, limit < 10**9), finding


def test_of_nothing_everything_is_unknown(tmp_path: Path) -> None:
    findings = doctor(tmp_path)
    assert {finding.verdict for finding in findings} == {"unknown"}
    assert [finding.code for finding in findings] == [check.code for check in CHECKS]


PRIMARY = {  # without these files a check cannot know
    "virtual": ["proc/cpuinfo"], "vcpu-placement": ["proc/cpuinfo"], "steal": ["proc/stat"],
    "container": ["proc/self/status", "proc/self/cgroup"], "cpu-quota": ["proc/self/cgroup"],
    "cpuset": ["proc/self/status"], "isolation": [f"{CPU}/isolated"],
    "tick": [f"{CPU}/nohz_full", f"{CPU}/isolated"], "interrupts": [IRQ], "load": ["proc/loadavg"],
    "governor": ["/cpufreq/"], "turbo": ["/no_turbo"], "smt": ["/smt/", "/topology/"],
    "c-states": ["/cpuidle/"],
    "throttling": ["/thermal_throttle/"], "power": ["sys/class/power_supply"],
    "tsc": ["proc/cpuinfo"],
    "clocksource": ["/current_clocksource"], "broadcast-tlb": ["proc/cpuinfo"],
    "mitigations": ["/vulnerabilities/"],
    "counters": ["/event_source/"], "nmi-watchdog": ["nmi_watchdog"], "thp": [HUGE],
    "numa-balancing": ["numa_balancing"], "swap": ["proc/swaps"],
    "locked-memory": ["proc/self/limits"],
    "shm": ["proc/self/mounts"], "map-count": ["max_map_count"],
    "system-calls": ["proc/self/status"], "limits": ["proc/self/limits"],
}  # fmt: skip


@pytest.mark.parametrize("code", [check.code for check in CHECKS])
def test_each_check_without_its_files_is_unknown(tmp_path: Path, code: str) -> None:
    files = {
        name: text
        for name, text in doctor_hosts.tuned().items()
        if not any(part in name for part in PRIMARY[code])
    }
    assert found(tmp_path, files)[code].verdict == "unknown"


@given(data=st.data())
@settings(max_examples=more(20, 60), deadline=None)
def test_whatever_is_missing_or_garbled_nothing_raises(data: st.DataObject) -> None:
    files = HOSTS[data.draw(st.sampled_from(sorted(HOSTS)))]()
    names = data.draw(st.lists(st.sampled_from(sorted(files)), max_size=12, unique=True))
    garbage = st.one_of(
        st.none(),
        st.sampled_from(
            ["", "-1", "0", "²", "99999999999999999999", "1..2 3.4. 5", "[", "a:b:c::", "x y z w v"]
        ),
        st.text(max_size=20, alphabet=st.characters(exclude_categories=["Cs"])),
    )
    for name in names:
        text = data.draw(garbage)
        if text is None:
            del files[name]
        else:
            files[name] = text
    with TemporaryDirectory() as directory:
        well_formed(doctor(trees.write(Path(directory), files)))


def test_directories_in_place_of_files(tmp_path: Path) -> None:
    for name in doctor_hosts.tuned():
        (tmp_path / name).mkdir(parents=True)
    well_formed(doctor(tmp_path))


def well_formed(findings: tuple[Finding, ...]) -> None:
    assert [finding.code for finding in findings] == [check.code for check in CHECKS]
    for finding in findings:
        assert finding.value
        assert finding.why.endswith(".")
        assert finding.verdict in VERDICTS
        assert finding.remedy or finding.verdict in ("good", "unknown")
        assert not (finding.remedy and finding.verdict == "good")


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_every_host_is_answered_well_and_left_alone(tmp_path: Path, host: str) -> None:
    files = HOSTS[host]()
    findings = doctor(trees.write(tmp_path, files))
    well_formed(findings)
    assert sum(counts(findings).values()) == len(findings) == len(CHECKS)
    assert {
        path.relative_to(tmp_path).as_posix(): path.read_text().removesuffix("\n")
        for path in tmp_path.rglob("*")
        if path.is_file()
    } == files


def test_this_machine() -> None:
    well_formed(doctor())


def test_codes_are_unique_and_every_check_is_tested() -> None:
    codes = [check.code for check in CHECKS]
    assert len(set(codes)) == len(codes)
    assert set(codes) == set(ADDED) | TRIED == set(PRIMARY)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `multikernel doctor …`, run in this process."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        code = main(["doctor", *arguments])
    finally:
        signal.signal(signal.SIGTERM, before)
    return code, *capsys.readouterr()


def test_golden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trees.write(tmp_path, doctor_hosts.virtual())
    expected = GOLDEN.read_text(encoding="utf-8")
    assert run(capsys, "--root", str(tmp_path)) == (0, expected, "")


def test_json_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = record(doctor(trees.write(tmp_path, doctor_hosts.laptop())))
    code, output, errors = run(capsys, "--root", str(tmp_path), "--json", "-")
    assert (code, json.loads(output), errors) == (0, expected, "")
    assert expected["counts"] == {"bad": 8, "matters": 14, "unknown": 0, "good": 8}


def test_on_a_terminal_it_is_a_table_with_commands_that_can_be_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    findings = doctor(trees.write(tmp_path, doctor_hosts.laptop()))
    command.show_table(findings)
    table, _, below = capsys.readouterr().out.partition("What helps")
    assert max(map(len, table.splitlines())) <= 80
    assert all(finding.title in table for finding in findings)
    assert "  Turbo: echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost\n" in below
    assert all(finding.remedy in below for finding in findings)


def test_bad_input_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (("--root", str(tmp_path)), "no captured host here"),
        (("--root", str(tmp_path / "missing")), "no captured host here"),
        (("--root", os.devnull), "no captured host here"),
        (("--json", "file.json"), "stdout only: file.json (--json)"),
        (("extra",), "unexpected extra argument"),
    ):
        code, output, errors = run(capsys, *arguments)
        assert (code, output, errors.count("\n")) == (2, "", 1)
        assert words in errors
    assert list(tmp_path.iterdir()) == []


def test_a_host_of_pipes_endless_files_and_escapes(tmp_path: Path) -> None:
    """A captured host that somebody made up: nothing is waited for, nothing acts on a terminal."""
    for name in ("proc/cpuinfo", "proc/stat", "proc/interrupts", "dev/cpu_dma_latency"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(tmp_path / name)
    (tmp_path / "proc/meminfo").symlink_to("/dev/zero")
    hostile = "\x1b]0;mine\x07\u202e"
    for name in ("class/dmi/id/sys_vendor", "devices/system/cpu/cpu0/cpufreq/scaling_governor",
                 "devices/system/clocksource/clocksource0/current_clocksource"):  # fmt: skip
        (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / name).write_text(f"QEMU {hostile}\n")
    findings = doctor(tmp_path)
    assert len(findings) > 20
    assert any("mine" in finding.value for finding in findings)
    for finding in findings:
        assert all(text.isprintable() for text in asdict(finding).values()), finding
