"""Frames and pages on real processes, one conformance suite for both kernels."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from resting import rest
from s2_kernel import programs

import multikernel
from multikernel import System
from multikernel.errors import (
    BadInput,
    CoreBusy,
    DeadHandle,
    ForeignHandle,
    NotMapped,
    OutOfMemory,
    OutOfSlots,
    PageFault,
    PagePinned,
    SystemClosed,
)

PAGE = 4096


def test_the_first_example(kernel: str) -> None:
    with multikernel.boot(cores=4, kernel=kernel) as system:  # type: ignore[arg-type]
        frame = system.allocate(4096)
        page = system.map(frame)
        page.write(0, b"hello")
        assert system.cores[2].read(page, 0, 5) == b"hello"
        system.unmap(page)
        with pytest.raises(PageFault):
            system.cores[1].read(page, 0, 5)


def test_one_address_and_one_memory_on_every_core(system: System) -> None:
    page = system.map(system.allocate(3 * PAGE))
    assert (page.size, page.cores) == (3 * PAGE, (0, 1, 2))
    assert page.address % PAGE == 0
    for core in system.cores:
        core.write(page, 2 * PAGE + core.index, bytes([65 + core.index]))
    assert [core.read(page, 2 * PAGE, 3) for core in system.cores] == [b"ABC"] * 3
    assert [core.run(programs.read_here, page, 2 * PAGE, 3) for core in system.cores] == [
        b"ABC"
    ] * 3


@pytest.mark.parametrize("length", [0, 1, 7, 8, 24, 25, 47, 48, 49, 1000, 2 * PAGE])
def test_every_length_and_offset_is_read_as_written(system: System, length: int) -> None:
    page = system.map(system.allocate(2 * PAGE))
    data = bytes(i * 7 % 256 for i in range(length))
    for offset in sorted({0, 1, 2 * PAGE - length, PAGE - length // 2}):
        if 0 <= offset <= 2 * PAGE - length:
            system.cores[1].write(page, offset, data)
            assert system.cores[2].read(page, offset, length) == data
            assert system.cores[0].run(programs.read_here, page, offset, length) == data


def test_outside_the_page_is_bad_input(system: System) -> None:
    page = system.map(system.allocate(PAGE))
    for offset, length in [(-1, 1), (0, PAGE + 1), (PAGE, 1), (1, -1)]:
        with pytest.raises(BadInput, match="outside the page"):
            page.read(offset, length)
    with pytest.raises(BadInput, match="outside the page"):
        page.write(PAGE - 1, b"ab")


@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
@pytest.mark.parametrize("cores", [[0], [1], [2], [0, 2], [1, 2]])
def test_on_some_cores_it_is_there_only(system: System, cores: list[int], protocol: str) -> None:
    page = system.map(system.allocate(PAGE), cores=cores)
    assert page.cores == tuple(cores)
    first = system.cores[cores[0]]
    first.write(page, 0, b"some")
    for core in system.cores:
        if core.index in cores:
            assert core.read(page, 0, 4) == b"some"
        else:
            with pytest.raises(PageFault) as caught:
                core.read(page, 0, 4)
            assert (caught.value.core, caught.value.address) == (core.index, page.address)
    system.unmap(page, protocol=protocol)  # type: ignore[arg-type]
    for core in system.cores:
        with pytest.raises(PageFault):
            core.read(page, 0, 4)
    with pytest.raises(NotMapped):
        system.unmap(page)


@pytest.mark.parametrize("initiator", [0, 1, 2])
@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
def test_any_core_that_has_it_may_unmap(system: System, initiator: int, protocol: str) -> None:
    for mapper in system.cores:
        page = mapper.run(programs.map_here, system.allocate(PAGE))
        system.cores[initiator].run(programs.unmap_here, page, protocol)
        for core in system.cores:
            with pytest.raises(PageFault):
                core.read(page, 0, 1)
            with pytest.raises(NotMapped):
                core.run(programs.unmap_here, page, protocol)


def test_one_frame_mapped_twice(system: System) -> None:
    frame = system.allocate(PAGE)
    one, other = system.map(frame), system.map(frame, rights="read-only")
    assert one.address != other.address
    one.write(10, b"both")
    assert system.cores[2].read(other, 10, 4) == b"both"
    system.unmap(one)
    assert system.cores[1].read(other, 10, 4) == b"both"
    system.unmap(other)


def test_read_only(system: System) -> None:
    page = system.map(system.allocate(PAGE), rights="read-only")
    assert system.cores[1].read(page, 0, 4) == bytes(4)
    for core in system.cores:
        with pytest.raises(PageFault):
            core.write(page, 0, b"x")
    system.protect(page, "read-write")
    system.cores[2].write(page, 0, b"open")
    system.protect(page)
    for core in system.cores:
        assert core.read(page, 0, 4) == b"open"
        with pytest.raises(PageFault):
            core.write(page, 0, b"x")
        with pytest.raises(PageFault):
            core.run(programs.write_here, page, 0, b"x")
    system.cores[1].run(programs.protect_here, page, "read-write")
    system.cores[0].write(page, 0, b"again")
    system.unmap(page)
    with pytest.raises(NotMapped):
        system.protect(page)


def test_cores_may_be_given_as_such(system: System) -> None:
    page = system.map(system.allocate(PAGE), cores=system.cores[1:])
    assert page.cores == (1, 2)
    page.write(0, memoryview(b"here"), core=system.cores[2])
    assert page.read(0, 4, core=system.cores[1]) == b"here"
    page.pin(system.cores[1])
    page.unpin(system.cores[1])
    with pytest.raises(BadInput, match="no pin to take back"):
        page.unpin(system.cores[1])
    group = system.group(system.cores[:2], root=system.cores[1])
    assert (group.cores, group.root) == ((0, 1), 1)
    system.close_group(group)
    system.unmap(page)


def test_refusals_name_page_core_and_remedy(system: System) -> None:
    frame = system.allocate(PAGE)
    page = system.map(frame, cores=[0, 1])
    at = f"{page.address:#x}"
    with pytest.raises(
        PageFault, match=rf"page fault: {at} \(read on core 2\); .*map the frame there"
    ):
        page.read(0, 1, core=2)
    page.pin(1)
    with pytest.raises(
        PagePinned, match=rf"core 1 has the page pinned: {at} \(unmap on core 0\); .*unpin\(1\)"
    ):
        system.unmap(page)
    page.unpin(1)
    for core in (3, -1, "0"):
        with pytest.raises(BadInput, match=rf"no such core: {core} \(read\)"):
            page.read(0, 1, core=core)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="takes bytes: 'text'"):
        page.write(0, "text")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="this is no Page: <Frame 4096 bytes"):
        system.unmap(frame)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no such core: 3"):
        system.cores[0].digest(3)
    with pytest.raises(BadInput, match="spin_us"):
        system.cores[0].policy(spin_us=-1)
    system.unmap(page)
    with pytest.raises(NotMapped, match=rf"\(any more\): {at} \(unmap on core 0\)"):
        system.unmap(page)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("cores", 1.5, "cores are a number, or a list of CPUs: 1.5"),
        ("memory", "16M", "whole number: '16M'"),
        ("memory", 4095, "less than a page"),
        ("memory", 1 << 70, "no machine has as much"),
        ("slots", "many", "whole number: 'many'"),
        ("channels", 1.5, "whole number: 1.5"),
        ("trees", 5, "a kind, or edges by root: 5"),
        ("trees", {0: "star"}, "edges are pairs of cores .*: 'star'"),
    ],
)
def test_what_cannot_be_booted(option: str, value: object, said: str) -> None:
    options: dict[str, Any] = {"cores": 2, option: value}
    with pytest.raises(BadInput, match=said):
        multikernel.boot(**options)


def test_twice_unmapped_is_not_mapped(system: System) -> None:
    page = system.map(system.allocate(PAGE))
    system.unmap(page)
    with pytest.raises(NotMapped) as caught:
        system.unmap(page)
    assert caught.value.address == page.address
    for protocol in ("two-phase", "one-phase"):
        with pytest.raises(NotMapped):
            system.unmap(page, protocol=protocol)  # type: ignore[arg-type]


def test_an_old_handle_does_not_act_on_the_next_page_in_its_slot(
    boot: Callable[..., System],
) -> None:
    system = boot(2, slots=1)
    frame = system.allocate(PAGE)
    old = system.map(frame)
    system.unmap(old)
    pages = [system.map(frame) for _ in range(2 if system.kernel == "shared" else 1)]
    assert old.slot in {page.slot for page in pages}
    for act in (system.unmap, system.protect, old.__class__.pin, old.__class__.unpin):
        with pytest.raises(NotMapped):
            act(old)
    for page in pages:
        assert page.read(0, 1) == b"\0"
    with pytest.raises(PageFault):
        old.read(0, 1)


def test_memory_is_what_was_asked_for(boot: Callable[..., System]) -> None:
    system = boot(2, memory=10 * PAGE)
    for size in (0, -1, -PAGE):
        with pytest.raises(BadInput, match="at least one byte"):
            system.allocate(size)
    for size in (10 * PAGE + 1, 1 << 40, 1 << 60, 1 << 80):
        with pytest.raises(OutOfMemory):
            system.allocate(size)
    frames = [system.allocate(size) for size in (1, PAGE, PAGE + 1)]
    assert [frame.size for frame in frames] == [PAGE, PAGE, 2 * PAGE]
    rest = system.allocate(6 * PAGE)
    with pytest.raises(OutOfMemory):
        system.allocate(1)
    system.free(frames[2])
    again = system.allocate(2 * PAGE)
    assert again.offset == frames[2].offset
    with pytest.raises(OutOfMemory):
        system.cores[1].run(programs.allocate_here, 1)
    # The whole of it is there, to its last byte.
    page = system.map(rest)
    system.cores[1].write(page, 6 * PAGE - 1, b"!")
    assert page.read(6 * PAGE - 1, 1) == b"!"


def test_freeing(system: System) -> None:
    frame = system.allocate(PAGE)
    page = system.map(frame)
    with pytest.raises(BadInput, match="mapped"):
        system.free(frame)
    system.unmap(page)
    system.free(frame)
    with pytest.raises(DeadHandle):
        system.free(frame)
    with pytest.raises(DeadHandle):
        system.map(frame)


@pytest.mark.parametrize("protocol", ["two-phase", "one-phase"])
@pytest.mark.parametrize("by", [0, 1])
def test_a_frame_that_another_core_mapped_and_unmapped_can_be_freed(
    system: System, by: int, protocol: str
) -> None:
    frame = system.allocate(PAGE)
    page = system.cores[1].run(programs.map_here, frame)
    with pytest.raises(BadInput, match="mapped"):
        system.free(frame)
    system.cores[by].run(programs.unmap_here, page, protocol)
    system.free(frame)


def test_what_cannot_be_mapped(system: System) -> None:
    frame = system.allocate(PAGE)
    for cores in ([3], [-1], [0, 99]):
        with pytest.raises(BadInput, match="no such core"):
            system.map(frame, cores=cores)
    with pytest.raises(BadInput, match="at least one core"):
        system.map(frame, cores=[])
    with pytest.raises(BadInput, match="unknown rights: write-only"):
        system.map(frame, rights="write-only")  # type: ignore[arg-type]
    page = system.map(frame)
    with pytest.raises(BadInput, match="unknown protocol: three-phase"):
        system.unmap(page, protocol="three-phase")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="unknown rights"):
        system.protect(page, "none")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no such core"):
        page.pin(3)
    assert page.read(0, 1) == b"\0"


def test_handles_of_another_system(system: System, boot: Callable[..., System]) -> None:
    other = boot(2)
    frame, page = other.allocate(PAGE), other.map(other.allocate(PAGE))
    for act in (
        lambda: system.map(frame),
        lambda: system.free(frame),
        lambda: system.unmap(page),
        lambda: system.protect(page),
        lambda: system.cores[1].read(page, 0, 1),
        lambda: system.cores[1].write(page, 0, b"x"),
    ):
        with pytest.raises(ForeignHandle):
            act()
    with pytest.raises(ForeignHandle):
        system.cores[0].run(programs.read_here, page, 0, 1)
    with pytest.raises(ForeignHandle):
        system.cores[0].run(programs.map_here, frame)
    # By pickle they come back to where their system was booted, and go nowhere else.
    again = pickle.loads(pickle.dumps(page))
    assert again.read(0, 1) == b"\0"
    other.close()
    with pytest.raises(SystemClosed):
        again.read(0, 1)
    unknown = multikernel.Page("elsewhere", 0, 0, 0, PAGE, (0,))
    with pytest.raises(ForeignHandle):
        unknown.read(0, 1)


def test_after_the_end(boot: Callable[..., System]) -> None:
    system = boot(2)
    frame = system.allocate(PAGE)
    page = system.map(frame)
    core = system.cores[1]
    system.close()
    system.close()
    assert "closed" in repr(system)
    for act in (
        lambda: system.allocate(PAGE),
        lambda: system.map(frame),
        lambda: system.unmap(page),
        lambda: system.protect(page),
        lambda: system.free(frame),
        lambda: page.read(0, 1),
        lambda: page.write(0, b"x"),
        lambda: page.pin(1),
        lambda: core.read(page, 0, 1),
        lambda: core.run(programs.who),
        lambda: core.mode,
        lambda: core.digest(),
    ):
        with pytest.raises(SystemClosed):
            act()


def test_out_of_slots(boot: Callable[..., System]) -> None:
    system = boot(2, slots=4)
    most = 4 * (2 if system.kernel == "shared" else 1)
    frame = system.allocate(PAGE)
    for _ in range(3):
        pages = [system.map(frame) for _ in range(most)]
        with pytest.raises(OutOfSlots, match=r"(core 0|the kernel) has no room.*boot\(slots="):
            system.map(frame)
        assert len({page.address for page in pages}) == most
        for page in pages:
            system.unmap(page)
    assert system.map(frame).read(0, 1) == b"\0"


@pytest.mark.sampled(one_in=2)
def test_addresses_come_round(boot: Callable[..., System]) -> None:
    """More is mapped than there are addresses, without a pause in which the old could be cleaned
    up. The handle of a page that lay where another one lies now reads nothing.
    """
    system = boot(2, memory=1 << 30)
    frame = system.allocate(256 << 20)
    fit = (1 << 36) // (2 if system.kernel == "multikernel" else 1) // (frame.size + PAGE)
    page, old = system.cores[1].run(map_and_unmap, frame, fit + 10)  # where the oldest ones lay
    programs.sleep(0.1)
    assert page.address == old.address
    assert [core.run(programs.read_here, page, 0, 5) for core in system.cores] == [b"alive"] * 2
    for core in system.cores:
        assert core.run(programs.attempt, programs.read_here, old, 0, 5) == ("PageFault", None)
        with pytest.raises(PageFault):
            core.write(old, 0, b"gone")
    assert page.read(0, 5) == b"alive"


def map_and_unmap(
    frame: multikernel.Frame, times: int
) -> tuple[multikernel.Page, multikernel.Page]:
    """The last page, and one that lay there before."""
    here = multikernel.here()
    there: dict[int, multikernel.Page] = {}
    for _ in range(times):
        page = here.map(frame)
        there.setdefault(page.address, page)
        here.unmap(page)
    page = here.map(frame)
    page.write(0, b"alive")
    return page, there[page.address]


def test_many_pages_at_once(system: System) -> None:
    frame = system.allocate(64 * PAGE)
    pages = [system.map(frame) for _ in range(300)]
    pages[0].write(5, b"same")
    for page in pages:
        assert system.cores[page.slot % 3].read(page, 5, 4) == b"same"
    for page in pages:
        system.unmap(page, protocol="one-phase" if page.slot % 2 else "two-phase")
    for page in pages[::29]:
        with pytest.raises(PageFault):
            system.cores[1].read(page, 5, 4)


def test_replicas_are_equal_at_rest(system: System) -> None:
    frame = system.allocate(PAGE)
    for cores in ([0], [1, 2], None, [0, 1], None):
        system.map(frame, cores=cores)
    rest(system)
    for one in system.cores:
        assert one.digest()[2] == 0, "something is locked at rest"
        for other in system.cores:
            assert one.digest(other.index)[0] == other.digest(one.index)[0]


def test_handles_say_what_they_are(system: System) -> None:
    page = system.map(system.allocate(PAGE), cores=[1])
    for handle in (page, system.allocate(1), system, system.cores[1]):
        assert repr(handle).startswith("<")
    assert "4096 bytes" in repr(page)
    assert "[1]" in repr(page)
    assert list(range(3))[system.cores[1]] == 1
    assert issubclass(CoreBusy, Exception)
