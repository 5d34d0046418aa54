"""Programs on cores: what goes there, what comes back, and what both sides notice of each other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s2_kernel import programs

from multikernel import System
from multikernel.errors import BadInput, CoreBusy, RemoteError
from multikernel.native._native import KINDS, VERDICTS
from multikernel.runtime.launch import PROGRAMS

HERE = Path(__file__).resolve().parent


class Awkward(Exception):
    """Pickles, and does not come back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("awkward")


def test_it_runs_there(system: System) -> None:
    for core in system.cores:
        index, pid, cores, kernel, cpus = core.run(programs.who)
        assert (index, pid, cores, kernel) == (core.index, core.pid, 3, system.kernel)
        assert cpus == {core.cpu}
        assert core.counters()["pid"] == pid


def test_values_arguments_and_closures(system: System) -> None:
    core, base = system.cores[1], 40
    assert core.run(lambda x, *, y: base + x + y, 1, y=1) == 42
    assert core.run(divmod, 17, 5) == (3, 2)
    assert core.run(lambda: None) is None
    assert core.run(lambda: lambda x: x * base) is not None
    assert core.run(lambda: lambda x: x * base)(2) == 80


@pytest.mark.parametrize("size", [0, 1, 39, 40, 41, 47, 48, 49, 3_000_017])
def test_arguments_and_results_of_any_size(system: System, size: int) -> None:
    data = os.urandom(size)
    assert system.cores[2].run(lambda data: data[::-1], data) == data[::-1]


def test_an_exception_comes_back_with_its_traceback(system: System) -> None:
    def fails(where: dict[str, int]) -> int:
        return where["nowhere"]

    with pytest.raises(KeyError, match="nowhere") as caught:
        system.cores[1].run(fails, {})
    notes = "\n".join(caught.value.__notes__)
    assert "Traceback on core 1" in notes
    assert "in fails" in notes


def test_exceptions_that_cannot_travel(system: System) -> None:
    def fails(how: str) -> None:
        if how == "awkward":
            raise Awkward(1, 2)
        error = ValueError("holds a lock")
        error.lock = threading.Lock()  # type: ignore[attr-defined]
        raise error

    for how, name in [("awkward", "Awkward"), ("lock", "ValueError")]:
        with pytest.raises(RemoteError) as caught:
            system.cores[1].run(fails, how)
        assert caught.value.type_name.endswith(name)
        assert "in fails" in caught.value.traceback


def test_a_result_that_cannot_travel(system: System) -> None:
    with pytest.raises(BadInput, match="lock"):
        system.cores[1].run(threading.Lock)
    assert system.cores[1].run(int, "7") == 7


@pytest.mark.parametrize("how", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_program_that_wants_to_end_the_process(system: System, how: type[BaseException]) -> None:
    def leave(how: type[BaseException]) -> None:
        raise how(3)

    with pytest.raises(RemoteError, match=how.__name__) as caught:
        system.cores[1].run(leave, how)
    assert caught.value.type_name == how.__name__
    assert system.cores[1].run(programs.who)[1] == system.cores[1].pid


def test_what_cannot_be_sent(system: System) -> None:
    with pytest.raises(BadInput, match="cannot be sent"):
        system.cores[1].run(print, threading.Lock())
    with pytest.raises(BadInput, match="functions"):
        system.cores[1].run(42)  # type: ignore[arg-type]


@pytest.mark.sampled(one_in=2)
def test_busy_is_said_at_once_and_does_no_harm(system: System) -> None:
    core = system.cores[1]
    task = core.start(programs.sleep, 0.5)
    for _ in range(40):  # more than a channel has lines
        with pytest.raises(CoreBusy):
            core.run(programs.who)
    assert not task.done()
    with pytest.raises(TimeoutError):
        task.result(timeout=0.01)
    assert task.result() is None
    assert task.done()
    assert core.run(programs.who)[0] == 1


@pytest.mark.sampled(one_in=2)
def test_busy_is_said_while_another_thread_waits(system: System) -> None:
    core = system.cores[2]
    task = core.start(programs.sleep, 1.0)
    waiter = threading.Thread(target=task.result)
    waiter.start()
    busy = 0
    while not task.done():
        try:
            core.run(programs.who)
        except CoreBusy:
            busy += 1
    waiter.join()
    assert busy > 3


def test_a_result_waits_for_who_asks_later(system: System) -> None:
    core = system.cores[1]
    first = core.start(lambda: b"first" * 1000)
    while not first.done():
        time.sleep(0.001)
    again = core.start(lambda: "again")
    time.sleep(0.05)
    assert core.run(lambda: "second") == "second"
    assert (first.result(), again.result(), first.result()) == (
        b"first" * 1000,
        "again",
        b"first" * 1000,
    )


def test_results_nobody_asks_for(system: System) -> None:
    """Fire and forget, more often than a channel has lines."""
    core = system.cores[1]
    for _ in range(80):
        while True:
            try:
                core.start(lambda: bytes(100))
                break
            except CoreBusy:
                time.sleep(0.001)
    while True:
        try:
            assert core.run(lambda: "asked") == "asked"
            break
        except CoreBusy:
            time.sleep(0.001)


def test_a_program_that_was_given_up_half_way(system: System) -> None:
    """As Ctrl-C leaves it: announced and never sent."""
    for _ in range(3):
        line = system.launched.begin(1, PROGRAMS, KINDS["RUN_BEGIN"], 1000)
        assert system.launched.finish(1, PROGRAMS, line)[0] == VERDICTS["OK"]
    assert system.cores[1].run(abs, -5) == 5


def test_a_program_for_which_there_is_no_memory(system: System) -> None:
    """Nothing of it is loaded, and none of its pieces goes where the last one was."""
    begin, core = KINDS["RUN_BEGIN"], 1
    data = begin + 1
    assert system.cores[core].run(sum, [1, 2]) == 3
    for before in ((), (1000,)):  # another one half way, or none
        for size in before:
            assert system.launched.request(core, begin, size)[0] == VERDICTS["OK"]
        assert system.launched.request(core, begin, 1 << 62)[0] == VERDICTS["NO_MEMORY"]
        for offset in (0, 40, 999, 1 << 61):
            refused = system.launched.request(core, data, offset, 1, 2, 3, 4, 5)[0]
            assert refused == VERDICTS["BAD_REQUEST"]
        assert system.launched.request(core, KINDS["RUN_GO"])[0] == VERDICTS["BAD_REQUEST"]
    assert system.cores[core].run(sum, [1, 2]) == 3


@pytest.mark.sampled(one_in=2)
def test_all_cores_at_once(system: System) -> None:
    tasks = [core.start(programs.sleep, 0.5) for core in system.cores]
    while {core.mode for core in system.cores} != {"user"}:
        assert not any(task.done() for task in tasks)
    for task in reversed(tasks):
        task.result()
    assert [core.run(programs.who)[0] for core in system.cores] == [0, 1, 2]


def test_one_after_the_other_without_a_breath(system: System) -> None:
    for i in range(300):
        assert system.cores[i % 2].run(abs, -i) == i


def test_from_many_threads_at_once(system: System) -> None:
    page = system.map(system.allocate(4096))
    page.write(0, b"12345678")
    failed: list[BaseException] = []

    def client(number: int) -> None:
        try:
            for _ in range(50):
                assert system.cores[number % 3].read(page, 0, 8) == b"12345678"
                if number < 3:
                    assert system.cores[number].run(abs, -number) == number
                mine = system.map(system.allocate(1))
                system.unmap(mine)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.mark.sampled(one_in=2)
def test_a_thread_of_a_program_cannot_enter_the_driver_that_is_already_in(system: System) -> None:
    """A thread left behind by a program, calling while the core is in its loop, is refused and does
    no damage.
    """

    def leave_thread(page: Any) -> None:
        import threading
        import time

        def late() -> None:
            time.sleep(0.2)
            try:
                page.read(0, 1)
            except RuntimeError as error:
                page.__class__.late = str(error)

        threading.Thread(target=late, daemon=True).start()

    page = system.map(system.allocate(1))
    system.cores[1].run(leave_thread, page)
    time.sleep(0.5)
    said = system.cores[1].run(lambda page: getattr(page.__class__, "late", None), page)
    assert said is not None
    assert "in its driver" in said


def run_script(text: str, tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    return subprocess.run(
        [*command, sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


SCRIPT = """
import sys
import multikernel

KERNEL, SEEN = {kernel!r}, []

class Point:
    def __init__(self, x): self.x = x

def double(point):
    print("on core", multikernel.here().core, "of", KERNEL)
    sys.stderr.write("to stderr\\n")
    return Point(2 * point.x)

def main():
    with multikernel.boot(cores={cores}, kernel=KERNEL) as system:
        for core in system.cores:
            assert core.run(double, Point(core.index)).x == 2 * core.index
        print("end", flush=True)

if __name__ == "__main__":
    main()
"""


def test_a_script_sends_what_it_defines(kernel: str, tmp_path: Path) -> None:
    done = run_script(SCRIPT.format(kernel=kernel, cores=2), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"on core 0 of {kernel}", f"on core 1 of {kernel}", "end"]
    assert done.stderr == "to stderr\n" * 2


@pytest.mark.sampled(one_in=2)
def test_on_one_cpu(kernel: str, tmp_path: Path) -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    done = run_script(SCRIPT.format(kernel=kernel, cores=4), tmp_path, "taskset", "-c", cpu)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("on core") == 4


@pytest.mark.sampled(one_in=2)
def test_where_stdin_is_the_program(kernel: str) -> None:
    text = SCRIPT.format(kernel=kernel, cores=2)
    done = subprocess.run(
        [sys.executable, "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("on core") == 2


def test_eight_cores_on_two_cpus(boot: Callable[..., System]) -> None:
    system = boot(8)
    page = system.map(system.allocate(4096))
    for core in system.cores:
        core.write(page, core.index, bytes([core.index]))
    tasks = [core.start(programs.read_here, page, 0, 8) for core in system.cores]
    assert [task.result() for task in tasks] == [bytes(range(8))] * 8
    for _ in range(20):
        other = system.map(system.allocate(1), cores=[1, 3, 5, 7])
        system.unmap(other, protocol="one-phase")
    system.unmap(page)
    assert len({core.pid for core in system.cores}) == 8
