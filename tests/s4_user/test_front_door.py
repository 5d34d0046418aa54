"""The front door: the names a user looks for, what cores print, a program on each core, measuring,
and what a notebook shows.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import multikernel
from multikernel.errors import BadInput, CoreBusy, CoreDied, MultikernelError, TimedOut
from multikernel.knowledge.tree import Tree
from multikernel.knowledge.tree_picture import places
from multikernel.measuring.measured import Measured
from multikernel.runtime.printed import Printed
from multikernel.virtual.system import VirtualCore, VirtualSystem

# --- Names ---


def test_every_name_that_is_listed_is_there_and_explained() -> None:
    names = [name for name in dir(multikernel) if name[0] != "_"]
    assert {"boot", "here", "measure", "compare", "channels", "Topology", "Task"} < set(names)
    for name in names:
        value = getattr(multikernel, name)
        if callable(value) or inspect.ismodule(value):
            assert inspect.getdoc(value), name
    assert set(names) <= {*multikernel.__all__, *vars(multikernel)}


def test_every_exception_has_one_root() -> None:
    raised = [
        value
        for name in dir(multikernel)
        if inspect.isclass(value := getattr(multikernel, name)) and issubclass(value, Exception)
    ]
    assert len(raised) > 40
    assert all(issubclass(one, MultikernelError) for one in raised)


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        multikernel.nonsense  # noqa: B018


def test_importing_loads_no_library_of_others() -> None:
    code = "import sys, multikernel; print([m for m in ('numpy', 'click', 'rich', 'matplotlib',"
    code += " 'multikernel.native._native') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- Programs on each core ---


def number(times: int) -> int:
    return multikernel.here().core * times


def wrong() -> None:
    raise LookupError(f"core {multikernel.here().core}")


def endless() -> None:
    time.sleep(600)


def prints(what: str) -> None:
    print(what, multikernel.here().core, flush=True)
    os.write(1, b"from below Python\n")
    print("an error", file=sys.stderr)


def dies() -> None:
    print("last words", flush=True)
    os.kill(os.getpid(), 9)


def test_a_program_runs_on_each_core() -> None:
    with multikernel.boot(cores=3) as system:
        assert system.on_each(number, 5) == [0, 5, 10]
        with pytest.raises(LookupError, match="core 0"):
            system.on_each(wrong)
        with pytest.raises(TimedOut) as late:
            system.on_each(endless, timeout=0.2)
        assert isinstance(late.value, TimeoutError)
        assert system.on_each(number, 1) == [0, 1, 2]  # nothing runs on


def test_a_busy_core_keeps_a_program_from_every_core(tmp_path: Path) -> None:
    def leaves_a_mark() -> None:
        (tmp_path / str(multikernel.here().core)).touch()

    with multikernel.boot(cores=3) as system:
        busy = system.cores[2].start(endless)
        with pytest.raises(CoreBusy) as refused:
            system.on_each(leaves_a_mark)
        assert refused.value.core == 2
        assert not busy.done()  # it is not what was given up
        assert busy.cancel(60)
        assert not list(tmp_path.iterdir())
        system.on_each(leaves_a_mark)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["0", "1", "2"]


def boots() -> None:
    multikernel.boot(cores=2)


def test_a_core_boots_nothing() -> None:
    """A module that boots when it is imported would be imported by its cores, and so on."""
    with multikernel.boot(cores=2) as system, pytest.raises(BadInput, match="__main__"):
        system.cores[1].run(boots)


@pytest.mark.parametrize("name", ["start", "run", "read", "write", "digest"])
def test_a_modelled_core_takes_the_same_arguments(name: str) -> None:
    real = inspect.signature(getattr(multikernel.Core, name)).parameters
    assert list(real) == list(inspect.signature(getattr(VirtualCore, name)).parameters)


@pytest.mark.parametrize(
    "name", ["allocate", "free", "map", "unmap", "protect", "ram", "group", "on_each", "install"]
)
def test_a_modelled_system_takes_the_same_arguments(name: str) -> None:
    real = inspect.signature(getattr(multikernel.System, name)).parameters
    assert list(real) == list(inspect.signature(getattr(VirtualSystem, name)).parameters)


def test_virtual_time_has_no_timeout() -> None:
    with multikernel.boot(machine="8x4-amd", cores=2) as system:
        core = system.cores[1]
        for call in (system.on_each, core.run):
            with pytest.raises(BadInput, match="timeout"):
                call(number, 1, timeout=1)
        task = core.start(number, 7)
        assert not task.done()
        with pytest.raises(BadInput, match="timeout"):
            task.result(1)
        assert task.result() == 7
        assert task.done()
        assert system.on_each(number, 5) == [0, 5]


WRONG = [None, "x", b"", -1, 1.5, float("nan"), [], {}, [-1], [0, "a"], True, 1 << 70, object()]
"""What is no core, no file, no time, …; an argument that takes some of it may."""


def said_wrong(call: Callable[[Any], Any]) -> list[str]:
    """What it raises of these that is not of ours, such as Python's own TypeError."""
    wrong = []
    for value in WRONG:
        try:
            call(value)
        except MultikernelError:
            continue
        except Exception as error:
            wrong.append(f"{value!r}: {error!r}")
    return wrong


def test_whatever_is_wrong_with_an_argument_is_said_by_a_multikernel_error() -> None:
    with multikernel.boot(cores=2) as system:
        frame, group, core = system.allocate(4096), system.group(), system.cores[1]
        page, task = system.map(frame), core.start(number, 1)
        calls: dict[str, Callable[[Any], Any]] = {
            "allocate": system.allocate,
            "map": system.map,
            "map cores": lambda cores: system.map(frame, cores),
            "map rights": lambda rights: system.map(frame, rights=rights),
            "unmap": system.unmap,
            "unmap protocol": lambda protocol: system.unmap(page, protocol),
            "protect rights": lambda rights: system.protect(page, rights),
            "free": system.free,
            "group": system.group,
            "group root": lambda root: system.group(root=root),
            "close_group": system.close_group,
            "install root": lambda root: system.install(root, [(0, 1)]),
            "install edges": lambda edges: system.install(0, edges),
            "ram": system.ram,
            "shared": system.shared,
            "run": core.run,
            "start": core.start,
            "timeout": lambda timeout: core.run(number, 1, timeout=timeout),
            "on_each": system.on_each,
            "on_each timeout": lambda timeout: system.on_each(number, 1, timeout=timeout),
            "result": task.result,
            "cancel": task.cancel,
            "digest": core.digest,
            "read offset": lambda offset: page.read(offset, 1),
            "read length": lambda length: core.read(page, 0, length),
            "write offset": lambda offset: page.write(offset, b"x"),
            "write": lambda data: core.write(page, 0, data),
        }
        wrong = {name: found for name, call in calls.items() if (found := said_wrong(call))}
        assert not wrong
        assert core.run(number, 3) == 3
        assert group.cores == (0, 1)


def test_a_boot_that_cannot_be_is_refused_by_a_multikernel_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = {
        name: found
        for name in inspect.signature(multikernel.boot).parameters
        if (found := said_wrong(lambda value, name=name: booted_and_closed(name, value)))  # type: ignore[misc]
    }
    assert not wrong


def booted_and_closed(name: str, value: Any) -> None:
    how: dict[str, Any] = {"cores": 2, name: value}
    multikernel.boot(**how).close()


def test_cores_that_are_a_number_are_refused_where_they_are_named() -> None:
    with multikernel.boot(cores=2) as system:
        for call in (lambda: system.map(system.allocate(4096), 1), lambda: system.group(1)):  # type: ignore[arg-type]
            with pytest.raises(BadInput, match=r"not how many: 1 .*cores=\[0, 1\]"):
                call()


def test_map_takes_the_same_arguments_on_a_core_and_outside() -> None:
    outside = inspect.signature(multikernel.System.map).parameters
    assert list(outside) == list(inspect.signature(multikernel.Here.map).parameters)
    with multikernel.boot(cores=2) as system:
        page = system.map(system.allocate(4096), [1], "read-only")
        assert page.cores == (1,)
        system.unmap(page, "two-phase")


# --- What cores print ---


def test_what_cores_print_appears_where_their_caller_is() -> None:
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        with multikernel.boot(cores=2) as system:
            system.cores[1].run(prints, "one")
            assert out.getvalue() == "one 1\nfrom below Python\n"
            assert errors.getvalue() == "an error\n"
            system.on_each(prints, "each")
            with pytest.raises(CoreDied):
                system.cores[0].run(dies)
        assert sorted(out.getvalue().split("\n")[2:]) == sorted(
            ["each 0", "each 1", *["from below Python"] * 2, "last words", ""]
        )


def test_much_that_nobody_waits_for_is_printed_too() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), multikernel.boot(cores=2) as system:
        task = system.cores[0].start(print, "x" * 500_000)
        assert system.cores[0].run(number, 1, timeout=60) == 0 if task.result(60) else True
    assert len(out.getvalue()) == 500_001


class Echo(io.StringIO):
    """Whatever is shown here has more to be shown come after it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor, self.shown = descriptor, 0

    def write(self, text: str) -> int:
        self.shown += 1
        if self.shown < 1000:
            os.write(self.descriptor, text.encode())
        return len(text)


def test_nobody_reads_for_ever_what_another_core_prints() -> None:
    out = Echo(-1)
    with contextlib.redirect_stdout(out):
        printed = Printed()
        out.descriptor = os.dup(printed.descriptors["stdout"])
        try:
            os.write(out.descriptor, b"x" * 50_000)
            printed.drain()
            assert out.shown in (1, 2)
        finally:
            printed.started()
            os.close(out.descriptor)
            printed.close()


def test_a_script_that_prints_as_ever_has_its_cores_print_there() -> None:
    code = "import multikernel\nwith multikernel.boot(cores=2) as s: s.cores[0].run(print, 'here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "here\n"


# --- A notebook ---


class Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(value: Any) -> str:
    text: str = value._repr_html_()
    parser = Balanced()
    parser.feed(text)
    assert not parser.open
    return text


def test_a_notebook_shows_what_there_is() -> None:
    with multikernel.boot(cores=2) as system:
        page, group = system.map(system.allocate(4096)), system.group()
        task = system.cores[1].start(endless)
        assert "endless" in shown(system)
        assert f"{page.address:#x}" in shown(page)
        assert "root" in shown(group)
        assert "runs" in shown(task)
        task.cancel()
        assert "cancelled" in shown(task)
        assert "<circle" in shown(system.trees[0].tree)
    assert "closed" in shown(system)
    shown(task)
    with multikernel.boot(machine="8x4-amd", cores=4) as modelled:
        assert "simulated" in shown(modelled)


@settings(deadline=None)
@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_nobody_of_a_drawn_tree_stands_on_anothers_place(cores: int, random: Random) -> None:
    edges = tuple((random.randrange(core), core) for core in range(1, cores))
    at = places(Tree(0, edges, "given"))
    assert set(at) == set(range(cores))
    assert len(set(at.values())) == cores
    assert all(at[child][1] == at[parent][1] + 1 for parent, child in edges)
    shown(Tree(0, edges, "given"))


class Shell:
    """What is asked of IPython's: here it runs cells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.execution_count = 0
        self.user_global_ns: dict[str, Any] = {"multikernel": multikernel, "kept": []}
        there = SimpleNamespace(get_ipython=lambda: self)
        monkeypatch.setitem(sys.modules, "IPython", there)

    def run(self, cell: str) -> None:
        self.execution_count += 1
        name = f"<ipython-input-{self.execution_count}-{zlib.crc32(cell.encode()):x}>"
        exec(compile(cell, name, "exec"), self.user_global_ns)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    made = Shell(monkeypatch)
    yield made
    for system in made.user_global_ns["kept"]:
        system.close()


HELPER = "def start():\n    kept.append(multikernel.boot(cores=2))\n    return kept[-1]"


def test_a_cell_that_boots_again_closes_what_it_had_booted(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = shell.user_global_ns["kept"]
    shell.run(HELPER)
    for _ in range(2):
        shell.run("a = start(); b = start()")  # two on one line, by one function
    assert [system.launched.closed for system in kept] == [True, True, False, False]
    said = capsys.readouterr().err
    assert all(f"closed system {system.plan.system}" in said for system in kept[:2])

    shell.run("c = start()")  # another cell
    assert [system.launched.closed for system in kept] == [True, True, False, False, False]
    said = capsys.readouterr().err
    assert all(system.plan.system in said for system in kept[2:4])
    assert "closed" not in said


def test_a_cell_closes_what_has_lost_its_name(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("system = multikernel.boot(cores=2)")
    before = shell.user_global_ns["system"].launched.process
    shell.run("system = None")
    shell.run("other = multikernel.boot(cores=2)")
    shell.user_global_ns["kept"].append(shell.user_global_ns["other"])
    assert before.returncode is not None
    assert "still there" not in capsys.readouterr().err


# --- Measuring ---


def test_measuring_from_python_is_what_the_command_measures(tmp_path: Any) -> None:
    found = multikernel.measure("unmap", machine="8x4-amd", cores=4, quick=True, boots=5)
    assert isinstance(found, Measured)
    assert found.experiment == "unmap"
    assert found.document.simulated
    assert "series" in dir(found)
    assert found.series[0].key in {one.key for one in found.document.series}
    assert "unmap" in str(found)
    assert "unmap" in shown(found)
    assert found.figure().axes
    with pytest.raises(BadInput, match="no such figure"):
        found.figure(99)


def test_a_frame_has_a_row_a_series(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frames:
        @staticmethod
        def DataFrame(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
            return columns

    found = multikernel.measure("unmap", machine="8x4-amd", cores=4, quick=True, boots=5)
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", Frames)
    frame = found.to_frame()
    assert frame["key"] == [series.key for series in found.series]
    assert frame["p50"] == [series.p50 for series in found.series]
    assert {len(column) for column in frame.values()} == {len(found.series)}
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(BadInput, match="pandas or polars"):
        found.to_frame()


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ({"experiment": "unmpa"}, "unmpa"),
        ({"experiment": "unmap", "cores": "x"}, "x"),
        ({"experiment": "unmap", "cores": [0, "one"]}, "one"),
        ({"experiment": "unmap", "cores": True}, "True"),
        ({"experiment": "unmap", "time": "soon"}, "soon"),
        ({"experiment": "unmap", "only": "nothing"}, "nothing"),
        ({"experiment": "unmap", "machine": "9 by 9"}, "9 by 9"),
        ({"experiment": "unmap", "calibration": "here"}, "here"),
    ],
)
def test_what_cannot_be_measured_is_refused(asked: dict[str, Any], value: str) -> None:
    with pytest.raises(BadInput) as refused:
        multikernel.measure(**asked)
    assert value in str(refused.value.value)
