"""Launchers that end in other ways than by closing their systems: forks, threads, exceptions,
signals.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from s7_faults.systems import Launcher, all_gone, names_of, running
from s7_faults.test_kills import nothing_left

import multikernel
from multikernel import System
from multikernel.errors import CoreDied, SystemClosed


def test_a_launcher_that_forked_children_dies(kernel: str) -> None:
    launcher = Launcher(kernel, 2, "fork_and_die")
    launcher.booted()
    assert launcher.process.stdout is not None
    child = int(launcher.process.stdout.readline())
    assert running(child)
    launcher.process.wait()
    all_gone(launcher.pids - {child})  # while the child, with its copy of the socket, lives on
    assert running(child)
    assert names_of({*launcher.pids, launcher.process.pid}) == []
    os.kill(child, signal.SIGKILL)
    assert launcher.end()[0] == -signal.SIGKILL
    nothing_left(launcher)


def test_a_forked_child_can_neither_use_nor_end_the_system(kernel: str) -> None:
    launcher = Launcher(kernel, 2, "fork_and_use")
    launcher.booted()
    status, output, errors = launcher.end()
    assert (status, output) == (0, "alive\n"), errors
    nothing_left(launcher)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(("what", "status"), [("forget", 1), ("leave_at_once", 3)])
def test_a_launcher_that_never_closes(kernel: str, what: str, status: int) -> None:
    launcher = Launcher(kernel, 2, what)
    launcher.booted()
    assert launcher.end()[0] == status
    nothing_left(launcher)


def test_ctrl_c_reaches_who_waits(kernel: str) -> None:
    launcher = Launcher(kernel, 2, "wait_for_interrupt")
    launcher.booted()
    assert launcher.process.stdout is not None
    assert launcher.process.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    launcher.process.send_signal(signal.SIGINT)
    status, output, errors = launcher.end()
    assert (status, output) == (0, "True 1\n"), errors
    nothing_left(launcher)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_launcher_that_is_terminated(kernel: str, how: signal.Signals) -> None:
    launcher = Launcher(kernel, 2, "programs")
    launcher.booted()
    launcher.process.send_signal(how)
    assert launcher.end()[0] == -how
    nothing_left(launcher)


def test_the_thread_that_booted_may_end(kernel: str) -> None:
    systems: list[System] = []
    thread = threading.Thread(target=lambda: systems.append(multikernel.boot(2, kernel=kernel)))  # type: ignore[arg-type]
    thread.start()
    thread.join()
    time.sleep(0.1)
    with systems.pop() as system:
        page = system.map(system.allocate(4096))
        system.cores[1].write(page, 0, b"stays")
        assert page.read(0, 5) == b"stays"
        assert system.cores[1].run(os.getppid) == system.launched.process.pid


def test_many_at_once_in_a_process_with_threads(kernel: str) -> None:
    stop = threading.Event()
    others = [threading.Thread(target=stop.wait) for _ in range(30)]
    for thread in others:
        thread.start()
    seen: list[bytes] = []

    def boot_and_use(number: int) -> None:
        with multikernel.boot(2, kernel=kernel) as system:  # type: ignore[arg-type]
            page = system.map(system.allocate(4096))
            system.cores[1].write(page, 0, bytes([number]))
            seen.append(page.read(0, 1))

    booting = [threading.Thread(target=boot_and_use, args=(number,)) for number in range(5)]
    for thread in booting:
        thread.start()
    for thread in booting:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert sorted(seen) == [bytes([number]) for number in range(5)]


def test_side_by_side_they_know_nothing_of_each_other() -> None:
    with (
        multikernel.boot(2) as one,
        multikernel.boot(2) as two,
        multikernel.boot(2, kernel="shared") as three,
    ):
        pages = [system.map(system.allocate(4096)) for system in (one, two, three)]
        assert len({page.address for page in pages}) == 1
        for number, page in enumerate(pages):
            page.write(0, bytes([number]))
        two.close()
        with pytest.raises(SystemClosed):
            pages[1].read(0, 1)
        assert (pages[0].read(0, 1), pages[2].read(0, 1)) == (b"\0", b"\2")


def test_a_system_that_is_dropped_is_gone(kernel: str) -> None:
    system = multikernel.boot(2, kernel=kernel)  # type: ignore[arg-type]
    pids = {system.launched.process.pid, *(core.pid for core in system.cores)}
    system.cores[0].run(abs, 1)
    del system
    gc.collect()
    all_gone(pids)


def test_processes_are_called_what_they_are(kernel: str) -> None:
    import psutil

    with multikernel.boot(3, kernel=kernel) as system:  # type: ignore[arg-type]
        supervisor = psutil.Process(system.launched.process.pid)
        assert supervisor.name() == "mk-supervisor"
        assert supervisor.ppid() == os.getpid()
        for core in system.cores:
            process = psutil.Process(core.pid)
            assert process.name() == f"mk-core-{core.index}"
            assert process.ppid() == supervisor.pid
            assert process.cpu_affinity() == [core.cpu]
        assert names_of({supervisor.pid, *(core.pid for core in system.cores)}) == []


def test_programs_and_requests_learn_of_a_death(kernel: str) -> None:
    """Everybody who waits learns of it, whatever they wait for."""
    system = multikernel.boot(3, kernel=kernel)  # type: ignore[arg-type]
    tasks = [core.start(time.sleep, 100) for core in system.cores]
    learned: list[int | None] = []

    def wait_for(task: multikernel.user.task.Task) -> None:
        try:
            task.result()
        except CoreDied as error:
            learned.append(error.core)
        except SystemClosed:
            learned.append(-1)

    waiters = [threading.Thread(target=wait_for, args=(task,)) for task in tasks]
    for thread in waiters:
        thread.start()
    time.sleep(0.05)
    os.kill(system.cores[2].pid, signal.SIGKILL)
    for thread in waiters:
        thread.join()
    assert len(learned) == 3
    assert 2 in learned
    with pytest.raises(SystemClosed):
        system.allocate(1)


def looks_until_it_dies(system: System) -> None:
    while True:
        system.launched.check()
        time.sleep(0.01)


def test_a_core_that_is_killed_while_it_is_inspected() -> None:
    with multikernel.boot(cores=2) as system:
        stopped = system.cores[1].pid
        os.kill(stopped, signal.SIGSTOP)
        inspect = [sys.executable, "-m", "multikernel", "inspect", "--json", "-"]
        asking = subprocess.Popen(
            [*inspect, str(os.getpid())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(1.0)
        os.kill(stopped, signal.SIGKILL)
        asking.wait()
        with pytest.raises(CoreDied) as died:
            looks_until_it_dies(system)
        assert (died.value.core, died.value.status) == (1, -signal.SIGKILL)
