"""The host's own page tables stand behind it: what the accessor does not check, the processor
does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from s2_kernel import programs

from multikernel import Page, System
from multikernel.errors import CoreDied


def load_raw(address: int, length: int) -> bytes:
    import ctypes

    return ctypes.string_at(address, length)


def store_raw(address: int) -> None:
    import ctypes

    ctypes.memset(address, 1, 1)


def test_a_mapped_page_is_plain_memory(system: System) -> None:
    page = system.map(system.allocate(4096))
    page.write(100, b"plain")
    for core in system.cores:
        assert core.run(load_raw, page.address + 100, 5) == b"plain"
    system.cores[1].run(store_raw, page.address)
    assert page.read(0, 1) == b"\x01"


def died(system: System, core: int, function: Callable[..., Any], *args: Any) -> None:
    """The program's core dies of SIGSEGV, and all is taken down."""
    pids = [one.pid for one in system.cores] + [system.launched.process.pid]
    with pytest.raises(CoreDied) as caught:
        system.cores[core].run(function, *args)
    assert (caught.value.core, caught.value.pid) == (core, pids[core])
    assert caught.value.status == -signal.SIGSEGV
    assert f"core {core} died" in str(caught.value)
    assert system.launched.closed
    for pid in pids:
        assert not os.path.exists(f"/proc/{pid}"), pid


@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
def test_a_raw_load_of_an_unmapped_page(boot: Callable[..., System], protocol: Any) -> None:
    system = boot(2)
    page = system.map(system.allocate(4096))
    assert system.cores[1].run(load_raw, page.address, 1) == b"\0"
    system.unmap(page, protocol=protocol)
    died(system, 1, load_raw, page.address, 1)


def test_a_raw_load_where_the_page_never_was(boot: Callable[..., System]) -> None:
    system = boot(2)
    page = system.map(system.allocate(4096), cores=[0])
    died(system, 1, load_raw, page.address, 1)


def test_a_raw_load_beyond_the_page(boot: Callable[..., System]) -> None:
    """There is a guard behind every page, also when the next one follows at once."""
    system = boot(2)
    frame = system.allocate(4096)
    page = system.map(frame)
    system.map(frame)
    died(system, 0, load_raw, page.address + 4095, 2)


def test_a_raw_store_to_a_read_only_page(boot: Callable[..., System]) -> None:
    system = boot(2)
    page = system.map(system.allocate(4096), rights="read-only")
    died(system, 1, store_raw, page.address)


def test_a_fault_that_has_nothing_to_do_with_pages(boot: Callable[..., System]) -> None:
    system = boot(2)
    died(system, 1, load_raw, 8, 1)


def test_a_core_that_ends_itself(boot: Callable[..., System]) -> None:
    system = boot(3)
    with pytest.raises(CoreDied, match="core 2 died \\(exit status 7\\)") as caught:
        system.cores[2].run(os._exit, 7)
    assert caught.value.status == 7
    with pytest.raises(Exception, match="closed"):
        system.allocate(1)


def in_a_child(page: Page) -> str:
    """What becomes of a forked copy of the core that looks at the page's address."""
    import ctypes
    import os

    page.write(0, b"secret")
    child = os.fork()
    if child == 0:
        ctypes.string_at(page.address, 6)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return (
        f"signal {os.WTERMSIG(status)}"
        if os.WIFSIGNALED(status)
        else f"exit {os.WEXITSTATUS(status)}"
    )


def memory_of_a_child(page: Page) -> list[str]:
    """Every mapping of shared memory that a forked copy of the core has in the range of pages."""
    import os

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with open("/proc/self/maps") as maps:
            lines = [
                line
                for line in maps
                if 0x20_0000_0000 <= int(line.split("-")[0], 16) < 0x30_0000_0000
            ]
        os.write(write, "".join(lines).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as answer:
        return answer.read().splitlines()


def test_a_forked_child_of_a_program_cannot_reach_pages(system: System) -> None:
    page = system.map(system.allocate(4096))
    gone = system.map(system.allocate(4096))
    system.unmap(gone)
    for core in system.cores:
        assert core.run(in_a_child, page) == f"signal {int(signal.SIGSEGV)}"
        assert core.run(memory_of_a_child, page) == []
    system.protect(page)
    assert system.cores[0].run(programs.read_here, page, 0, 6) == b"secret"
    assert system.cores[0].run(memory_of_a_child, page) == []


def test_a_program_may_start_other_programs(system: System) -> None:
    def ask_the_shell(words: str) -> str:
        import subprocess

        return subprocess.run(["echo", words], capture_output=True, text=True, check=True).stdout

    page = system.map(system.allocate(4096))
    for core in system.cores:
        assert core.run(ask_the_shell, "still here") == "still here\n"
        assert core.read(page, 0, 1) == b"\0"


def test_no_core_has_another_way_to_the_memory(system: System) -> None:
    """Physical memory appears in no core's address space but as pages."""

    def shared_memory() -> list[str]:
        with open("/proc/self/maps") as maps:
            return [line for line in maps if "multikernel-" in line]

    before = [len(core.run(shared_memory)) for core in system.cores]
    page = system.map(system.allocate(4096), cores=[1])
    after = [core.run(shared_memory) for core in system.cores]
    assert [len(lines) for lines in after] == [before[0], before[1] + 1, before[2]]
    assert sum(f"{page.address:x}-" in line for line in after[1]) == 1
