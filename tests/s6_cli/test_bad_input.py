"""Bad input: one clear line on stderr, exit code 2, no traceback, and nothing measured."""

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from s6_cli.command import assert_one_line_and_code_2, run

from multikernel.machine.topology.model import Topology

ABSENT = max(Topology.read().possible) + 1


@pytest.mark.parametrize(
    ("command", "cores", "word"),
    [
        (("compare",), f"0,{ABSENT}", "CPU does not exist"),
        (("compare",), "0", "give 1 to 1024"),
        (("compare",), "1025", "give 1 to 1024"),
        (("compare",), "-3", "-3"),
        (("compare",), "two", "give a number of cores"),
        (("compare",), "", "no cores named"),
        (("compare",), "3-1", "backwards"),
        (("bench", "run", "floor"), f"0,{ABSENT}", "CPU does not exist"),
        (("boot",), f"0,{ABSENT}", "CPU does not exist"),
        (("boot",), "0", "give 1 to 1024"),
        (("boot",), "1025", "give 1 to 1024"),
    ],
)
def test_cores_that_cannot_be(
    here: Callable[..., CompletedProcess[str]],
    command: tuple[str, ...],
    cores: str,
    word: str,
    tmp_path: Path,
) -> None:
    assert_one_line_and_code_2(here(*command, "--cores", cores), word, "--cores")
    assert list(tmp_path.iterdir()) == []


def test_a_mask_of_fewer_cpus_than_cores(tmp_path: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("needs 2 CPUs")
    done = run("compare", "--cores", "2", cpus={allowed[0]}, cwd=tmp_path)
    assert_one_line_and_code_2(done, "more cores than CPUs", f"CPUs {allowed[1]}", "name them")


@pytest.mark.parametrize("command", [("compare",), ("bench", "run", "unmap")])
def test_more_cores_than_cpus_need_oversubscribe(
    here: Callable[..., CompletedProcess[str]], command: tuple[str, ...]
) -> None:
    cores = str(len(os.sched_getaffinity(0)) + 1)
    done = here(*command, "--cores", cores)
    assert_one_line_and_code_2(done, f"{cores} cores", "--oversubscribe")


def test_compare_on_one_core(tmp_path: Path) -> None:
    assert_one_line_and_code_2(run("compare", "--cores", "1", cwd=tmp_path), "at least 2 cores")
    cpu = min(os.sched_getaffinity(0))
    assert_one_line_and_code_2(run("compare", cpus={cpu}, cwd=tmp_path), "at least 2 cores")


@pytest.mark.parametrize(
    ("memory", "word"),
    [("lots", "such as 64M"), ("-1", "such as 64M"), ("1.5G", "such as 64M"),
    ("4095", "less than a page"),
     ("9999999T", "no machine has as much"), ("0", "less than a page")],
)  # fmt: skip
def test_memory_that_cannot_be(
    here: Callable[..., CompletedProcess[str]], memory: str, word: str
) -> None:
    assert_one_line_and_code_2(here("boot", "--memory", memory), word, "memory")


def test_more_memory_than_there_is(tmp_path: Path) -> None:
    done = run("boot", "--cores", "1", "--memory", "100T", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "shared memory is full" in done.stderr


def test_unknown_kernel_experiment_command_and_option(
    here: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    assert_one_line_and_code_2(here("boot", "--kernel", "hurd"), "hurd", "multikernel", "shared")
    assert_one_line_and_code_2(
        here("boot", "--lock-scope", "region"), "region", "lock_scope", "shared"
    )
    assert_one_line_and_code_2(
        here("bench", "run", "floor", "nope"), "unknown experiment: nope", "round-trip"
    )
    # The command as it is typed, too.
    assert_one_line_and_code_2(run("compair", cwd=tmp_path), "compair", "compare")
    assert_one_line_and_code_2(here("compare", "--fast"), "--fast")
    assert_one_line_and_code_2(here("bench", "run"), "NAME")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_output_is_found_before_measuring(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    done = run("compare", "--cores", "2", "--oversubscribe", "--output", str(taken))
    # One line: no progress was printed, so nothing was measured.
    assert_one_line_and_code_2(done, "cannot write results", str(taken), "--output")


def test_json_goes_to_stdout_only(tmp_path: Path) -> None:
    done = run("compare", "--cores", "2", "--oversubscribe", "--json", "file.json", cwd=tmp_path)
    assert_one_line_and_code_2(done, "--json", "file.json")
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    done = run("boot", "--cores", "1", "--", "nowhere.py", cwd=tmp_path)
    assert_one_line_and_code_2(done, "cannot read the program", "nowhere.py")
