"""The commands of virtual time: machines, calibrations, simulated runs, and what they refuse."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from s6_cli.command import assert_one_line_and_code_2

from multikernel.machine.models import reading
from multikernel.results import store
from multikernel.results.document import Document
from multikernel.virtual.work import Work

Here = Callable[..., CompletedProcess[str]]
AMD = (Path(reading.__file__).parent / "8x4-amd.toml").read_text()
SMALL = ("bench", "run", "shootdown", "--machine", "8x4-amd", "--cores", "4", "--boots", "1")


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that another host might have written: all steps take twice as long."""
    record = json.loads(Work.reference().to_json())
    record["host"] = "a slower host"
    for entry in record["entries"]:
        entry["cycles"] *= 2
        entry["cold"] = entry["cold"] and 2 * entry["cold"]
    file = tmp_path_factory.mktemp("calibration") / "slow.json"
    file.write_text(json.dumps(record))
    return file


def only(directory: Path) -> Document:
    ((document,),) = store.read(directory).values()
    return document


# --- Machines


def test_every_machine_of_the_list_is_shown_with_all_its_numbers(here: Here) -> None:
    listed = here("machine", "list")
    assert listed.returncode == 0
    for name in reading.names():
        assert name in listed.stdout
        done = here("machine", "show", name)
        assert done.returncode == 0
        for place, number in reading.shipped(name).numbers():
            (line,) = [one for one in done.stdout.splitlines() if one.startswith(f"{place} ")]
            assert number.mark in line
            assert float(line.split()[1]) == pytest.approx(number.value, rel=1e-5)


def test_an_unknown_machine_is_refused_with_a_near_one(here: Here) -> None:
    for arguments in (("machine", "show", "8x4-am"), (*SMALL[:3], "--machine", "8x4-am")):
        assert_one_line_and_code_2(here(*arguments), "8x4-am", "8x4-amd")


CHANGES = {
    "transfer.hop": (r"hop = .*\n", ""),
    "local.call": (r"call = \{ value = 150", "call = { value = -150"),
    "transfer.links": (r"\[6, 7\], \[7, 0\]", "[7, 7]"),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_machine_file_that_makes_no_sense_is_refused_by_file_and_field(
    here: Here, tmp_path: Path, field: str
) -> None:
    pattern, by = CHANGES[field]
    text, times = re.subn(pattern, by, AMD)
    assert times
    (tmp_path / "mine.toml").write_text(text)
    run = (*SMALL[:3], "--machine", "mine.toml")
    for arguments in (("machine", "show", "mine.toml"), run):
        assert_one_line_and_code_2(here(*arguments), "mine.toml", field.split(".")[-1])


@pytest.mark.parametrize("cores", ["33", "4097", "0-3", "0"])
def test_more_cores_than_a_machine_has_are_refused(here: Here, cores: str) -> None:
    assert_one_line_and_code_2(here(*SMALL[:5], "--cores", cores), "--cores", cores)


# --- Calibrations


def test_a_run_rests_on_the_calibration_that_it_was_given(
    here: Here, tmp_path: Path, calibration: Path
) -> None:
    asked = ("bench", "run", "unmap", *SMALL[3:], "--only", "multikernel", "--size", "smoke")
    assert here(*asked, "--output", "usual").returncode == 0
    done = here(*asked, "--output", "slow", "--calibration", str(calibration))
    assert done.returncode == 0
    usual, slow = only(tmp_path / "usual"), only(tmp_path / "slow")
    assert usual.calibration is not None
    assert usual.calibration.reference
    assert slow.calibration is not None
    assert slow.calibration.host == "a slower host"
    assert not slow.calibration.reference
    assert "other-calibration" in {one.code for one in slow.warnings}
    assert "other-calibration" not in {one.code for one in usual.warnings}
    by_key = {one.key: one.p50 for one in usual.series}
    unmaps = [one for one in slow.series if one.parameters.get("operation") == "unmap"]
    dearer = [one for one in unmaps if one.variant.endswith("phase")]
    assert dearer
    assert all(one.p50 > by_key[one.key] for one in dearer)


@pytest.mark.full
def test_this_host_is_predicted_and_measured_side_by_side_and_its_calibration_can_be_used(
    here: Here, tmp_path: Path
) -> None:
    done = here("simulate", "--check", "--calibrate", "mine.json")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(.{34})\s*([\d.]+)\s+([\d.]+)\s+[+-]\d+ %$", done.stdout, re.M)
    assert len(rows) >= 8
    for _, *values in rows:
        assert all(math.isfinite(float(one)) and float(one) > 0 for one in values)
    work = Work.from_file(str(tmp_path / "mine.json"), "--calibration")
    assert {entry.key for entry in work.entries} >= {
        entry.key for entry in Work.reference().entries if entry.steps > 10_000
    }
    colder = [entry for entry in work.entries if entry.cold]
    assert len(colder) > len(work.entries) / 2
    done = here(*SMALL, "--calibration", "mine.json", "--output", "out")
    assert done.returncode == 0
    document = only(tmp_path / "out")
    assert document.calibration is not None
    assert document.calibration.host == work.host


def test_this_host_is_calibrated_without_being_checked(here: Here, tmp_path: Path) -> None:
    done = here("simulate", "--calibrate", "mine.json")
    assert done.returncode == 0, done.stderr
    work = Work.from_file(str(tmp_path / "mine.json"), "--calibration")
    assert {entry.key for entry in work.entries} >= {
        entry.key for entry in Work.reference().entries if entry.steps > 10_000
    }
    assert here(*SMALL, "--calibration", "mine.json", "--output", "out").returncode == 0
    calibration = only(tmp_path / "out").calibration
    assert calibration is not None
    assert calibration.host == work.host


@pytest.mark.full
def test_this_host_is_shown_as_a_modelled_machine(here: Here) -> None:
    shown = here("machine", "show", "here")
    assert shown.returncode == 0, shown.stderr
    known = {line.split()[0]: line for line in shown.stdout.splitlines() if " " in line}
    for measured in ("local.change", "local.call", "ghz"):
        assert "measured" in known[measured]
    assert "assumed" in known["local.interrupt_send"]


@pytest.mark.full
def test_this_host_is_a_modelled_machine_too(here: Here, tmp_path: Path) -> None:
    done = here(*SMALL[:3], "--machine", "here", "--cores", "2", "--boots", "1", "--output", "out")
    assert done.returncode == 0, done.stderr
    document = only(tmp_path / "out")
    assert document.simulated
    assert document.machine == "here"
    assert document.calibration is not None
    assert not document.calibration.reference


BROKEN: dict[str, Callable[[str], str]] = {
    "not JSON": lambda text: text[: len(text) // 2],
    "no key driver": lambda text: re.sub(r'"driver": [^,]*,', "", text),
    "$.entries[0].cycles": lambda text: re.sub(r'("cycles": )', r"\1-", text, count=1),
    "$.entries[0].key": lambda text: re.sub(r'("key": \[\s*)\d+', r"\g<1>99", text, count=1),
    "$.ghz": lambda text: re.sub(r'("ghz": )[\d.]+', r"\g<1>0", text),
    "$.call": lambda text: re.sub(r'("call": )[\d.]+', r"\g<1>1e400", text),
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_a_calibration_that_makes_no_sense_is_refused_by_file_and_field(
    here: Here, tmp_path: Path, wrong: str
) -> None:
    (tmp_path / "bad.json").write_text(BROKEN[wrong](Work.reference().to_json()))
    words = ("bad.json", "--calibration")
    words += (wrong,) if wrong.startswith("$.") and wrong != "$.call" else ()
    assert_one_line_and_code_2(here(*SMALL, "--calibration", "bad.json"), *words)
    assert_one_line_and_code_2(here("reproduce", "--calibration", "bad.json"), *words)


def test_a_calibration_that_is_not_there_or_of_no_model_is_refused(here: Here) -> None:
    assert_one_line_and_code_2(here(*SMALL, "--calibration", "none.json"), "none.json")
    done = here("bench", "run", "unmap", "--calibration", "here")
    assert_one_line_and_code_2(done, "--calibration", "--machine")


# --- Against this host, and against the paper


@pytest.mark.full
def test_one_figure_of_the_paper_is_reproduced(here: Here, tmp_path: Path) -> None:
    done = here("reproduce", "--figure", "6", "--seeds", "1", "--output", "out")
    assert done.returncode == 0
    assert only(tmp_path / "out").experiment == "shootdown"
    assert list((tmp_path / "out" / "figures").iterdir())


def test_a_figure_that_cannot_be_reproduced_is_refused(here: Here) -> None:
    assert_one_line_and_code_2(here("reproduce", "--figure", "5"), "--figure", "5")


@pytest.mark.parametrize(
    "options", [("--objects",), ("--check", "--objects", "--calibrate", "a.json")]
)
def test_objects_are_checked_and_nothing_else_with_them(
    options: tuple[str, ...], here: Here
) -> None:
    done = here("simulate", *options)
    assert done.returncode == 2
    assert "--objects" in done.stderr
    assert "simulate --check --objects" in done.stderr
