"""What the kernel says about its processor, from golden files."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from s1_machine import trees

from multikernel.machine.host import provenance
from multikernel.machine.host.processor import Host, load_average

BARE = (
    "vendor_id : GenuineIntel\nmodel name : Big Iron\nflags : fpu constant_tsc nonstop_tsc"
    " movdir64b waitpkg invlpgb"
)


def dmi(root: Path, vendor: str, product: str) -> Path:
    return trees.write(
        root, {"sys/class/dmi/id/sys_vendor": vendor, "sys/class/dmi/id/product_name": product}
    )


def test_a_virtual_machine(tmp_path: Path) -> None:
    host = Host.read(trees.virtual_machine(tmp_path), cpus=(0, 1))
    assert host == Host(
        cpu_model="AMD EPYC",
        architecture="x86_64",
        flags=("constant_tsc", "nonstop_tsc", "hypervisor", "clwb", "pcid"),
        kernel="6.1.0-test",
        virtualised=True,
        hypervisor="KVM",
        governor=None,
        clocksource="kvm-clock",
        cpu_quota=1.5,
        load=(0.10, 0.20, 0.30),
    )


def test_arm64(tmp_path: Path) -> None:
    host = Host.read(trees.arm64(tmp_path), cpus=(0, 3))
    assert (host.cpu_model, host.architecture) == ("Neoverse-N1", "aarch64")
    assert host.flags == ("atomics", "lrcpc", "uscat")
    assert host.governor == "schedutil"
    assert host.virtualised is None  # neither a flag nor a word of firmware


@pytest.mark.parametrize(
    ("vendor", "product", "virtualised", "name"),
    [
        ("Amazon EC2", "m7g.large", True, "Amazon Nitro"),
        ("Amazon EC2", "m7g.metal", False, None),
        ("QEMU", "KVM Virtual Machine", True, "KVM"),
        ("Microsoft Corporation", "Virtual Machine", True, "Hyper-V"),
        ("Microsoft Corporation", "Surface Pro X", False, None),
        ("Ampere", "Mt. Jade", False, None),
    ],
)
def test_arm64_firmware_tells(
    tmp_path: Path, vendor: str, product: str, virtualised: bool, name: str | None
) -> None:
    host = Host.read(dmi(trees.arm64(tmp_path), vendor, product))
    if virtualised:
        assert (host.virtualised, host.hypervisor) == (True, name)
    else:
        assert not host.virtualised
        assert host.hypervisor is None


def test_bare_metal_x86_is_what_cpuid_says_whatever_the_firmware_is_called(tmp_path: Path) -> None:
    trees.write(dmi(tmp_path, "QEMU", "Standard PC"), {"proc/cpuinfo": BARE})
    host = Host.read(tmp_path)
    assert host.virtualised is False
    assert host.flags == ("constant_tsc", "nonstop_tsc", "movdir64b", "waitpkg", "invlpgb")


def test_governors_that_differ_are_both_named(tmp_path: Path) -> None:
    trees.arm64(tmp_path)
    (tmp_path / trees.CPU / "cpu2/cpufreq/scaling_governor").write_text("performance\n")
    assert Host.read(tmp_path, cpus=(1, 2)).governor == "performance+schedutil"


@pytest.mark.parametrize("text", ["max 100000", "banana", "", "100000 0"])
def test_no_quota_is_none(tmp_path: Path, text: str) -> None:
    assert Host.read(trees.write(tmp_path, {"sys/fs/cgroup/cpu.max": text})).cpu_quota is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/b/cpu.max": "300000 100000"}, 3.0),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "150000 100000",
          "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 1.5),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "150000 100000",
          "sys/fs/cgroup/a/b/cpu.max": "50000 100000"}, 0.5),
        ({"proc/self/cgroup": "0::/a", "sys/fs/cgroup/other/cpu.max": "50000 100000"}, None),
        ({"proc/self/cgroup": "0::/../../up", "sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5),
        ({"proc/self/cgroup": "4:cpu,cpuacct:/x\n0::/",
          "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "25000",
          "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "50000"}, 0.5),
        ({"proc/self/cgroup": "4:cpu:/", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
          "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000"}, None),
    ],
)  # fmt: skip
def test_the_quota_is_the_tightest_of_the_process_s_own_groups(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    assert Host.read(trees.write(tmp_path, files)).cpu_quota == quota


@given(
    st.dictionaries(
        st.sampled_from(
            ["proc/loadavg", "proc/self/cgroup", "sys/fs/cgroup/cpu.max", "proc/cpuinfo"]
        ),
        st.text(alphabet="0123456789. max²٣-:/\n", max_size=40),
    )
)
def test_garbled_files_tell_nothing_and_are_no_error(files: dict[str, str]) -> None:
    with TemporaryDirectory() as directory:
        host = Host.read(trees.write(Path(directory), files))
    assert host.load is None or all(0 <= one < 1e10 for one in host.load)
    assert host.cpu_quota is None or host.cpu_quota > 0


@pytest.mark.parametrize("text", ["1.2.3 0 0 1/2 3", ". . . ", "1..5 1 1 1/1 1"])
def test_no_load_is_none(tmp_path: Path, text: str) -> None:
    assert load_average(trees.write(tmp_path, {"proc/loadavg": text})) is None


def test_nothing_to_read_is_no_error(tmp_path: Path) -> None:
    host = Host.read(tmp_path)
    assert (host.cpu_model, host.flags, host.load, host.clocksource) == ("unknown", (), None, None)
    assert load_average(tmp_path) is None


def test_revision_of_a_checkout_and_of_none(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "multikernel/machine"
    package.mkdir(parents=True)
    (package / "file.py").write_text("one\n")
    git("init", "--quiet")
    assert provenance.revision(package) is None  # no commit yet
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    head = git("rev-parse", "HEAD")
    assert provenance.revision(package) == head
    assert provenance.revision(tmp_path / ".venv/lib") == head
    (package / "untracked.py").write_text("")
    assert provenance.revision(package) == head
    (package / "file.py").write_text("two\n")
    assert provenance.revision(package) == head + "+changes"


def test_another_repository_is_not_ours(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert provenance.revision(tmp_path / "file.py") is None


def test_versions_name_only_what_is_installed() -> None:
    assert set(provenance.package_versions(("numpy", "no-such-package-anywhere"))) == {"numpy"}
    assert provenance.python_version().split()[1].count(".") == 2
