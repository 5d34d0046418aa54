"""Signals that are nobody's: ignored ones that are inherited, and those that somebody sends to a
core. And handlers that a program puts in the place of ours.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

import multikernel
from multikernel import Page, System
from multikernel.errors import CoreDied, PageFault, RemoteError

KILLED = """
import os, signal, multikernel
from multikernel import errors
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with multikernel.boot(cores=2) as system:
    system.cores[1].run(abs, -1)
with multikernel.boot(cores=2) as system:
    os.kill(system.cores[1].pid, signal.SIGKILL)
    try:
        while True:
            system.unmap(system.map(system.allocate(4096)))
    except errors.CoreDied as error:
        print(error.core, error.status)
"""


def test_a_launcher_that_ignores_its_children() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1 -9\n", "", 0)


def test_sigint_to_an_idle_core_is_nobodys(system: System) -> None:
    for _ in range(3):
        os.kill(system.cores[1].pid, signal.SIGINT)
        time.sleep(0.05)
        assert system.cores[1].run(abs, -1) == 1
    system.unmap(system.map(system.allocate(4096)))


def sleeps() -> None:
    time.sleep(100)


def test_sigint_to_a_program_is_the_programs(system: System) -> None:
    task = system.cores[1].start(sleeps)
    time.sleep(0.2)
    os.kill(system.cores[1].pid, signal.SIGINT)
    with pytest.raises(RemoteError, match="KeyboardInterrupt"):
        task.result(timeout=20)
    assert system.cores[1].run(abs, -1) == 1


def puts_a_handler_of_its_own() -> str:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return "done"


def test_a_programs_handler_of_sigint_goes_with_it(system: System) -> None:
    assert system.cores[1].run(puts_a_handler_of_its_own) == "done"
    test_sigint_to_an_idle_core_is_nobodys(system)


def runs_until_it_dies(system: System) -> None:
    for _ in range(200):
        system.cores[1].run(abs, -1)
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS])
def test_a_fault_that_somebody_sends_ends_the_core(kernel: str, number: signal.Signals) -> None:
    with multikernel.boot(cores=2, kernel=kernel) as system:
        os.kill(system.cores[1].pid, number)
        with pytest.raises(CoreDied) as died:
            runs_until_it_dies(system)
        assert (died.value.core, died.value.status) == (1, -number)


def faults_with(handler: str, page: Page, other: Page) -> list[str]:
    if handler == "faulthandler":
        faulthandler.enable(open(os.devnull, "w"))  # noqa: SIM115  it keeps the descriptor
    else:
        for number in (signal.SIGSEGV, signal.SIGBUS):
            signal.signal(number, lambda *_: None)
    said = []
    for _ in range(3):
        try:
            page.read(0, 1)
            said.append("read")
        except PageFault:
            said.append("PageFault")
        said.append(other.read(0, 1).decode())
    return said


@pytest.mark.parametrize("handler", ["faulthandler", "python"])
def test_page_faults_with_a_handler_of_the_programs(kernel: str, handler: str) -> None:
    with multikernel.boot(cores=2, kernel=kernel) as system:
        gone = system.map(system.allocate(4096))
        system.unmap(gone)
        page = system.map(system.allocate(4096))
        page.write(0, b"x")
        said = system.cores[1].run(faults_with, handler, gone, page)
        assert said == ["PageFault", "x"] * 3
        # What others ask while no program runs, and while another one does.
        with pytest.raises(PageFault):
            gone.read(0, 1, core=1)
        assert page.read(0, 1, core=1) == b"x"


def blocks_all() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def ignores_all() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):  # those that the C library keeps
            signal.signal(number, signal.SIG_IGN)


def closes_all() -> None:
    os.closerange(3, 4096)


def computes_until_told(page: Page) -> None:
    flag = page.view()
    while not flag[0]:
        pass


@pytest.mark.parametrize("rude", [blocks_all, ignores_all, closes_all])
def test_what_a_program_did_to_its_process_harms_no_later_one(
    system: System, rude: Callable[[], None]
) -> None:
    """The next one is interrupted when others want the core to answer: a core that waits until it
    has ended waits for ever.
    """
    system.cores[1].run(rude)
    told = system.map(system.allocate(4096))
    task = system.cores[1].start(computes_until_told, told)
    for _ in range(20):
        frame = system.allocate(4096)
        page = system.map(frame)
        page.write(0, b"x", core=1)
        system.unmap(page)
        system.free(frame)
    told.write(0, b"x")
    assert task.result() is None
    system.unmap(told)
