"""Pins: a pinned page votes no, and stays mapped everywhere; a view of its memory is a pin."""

from __future__ import annotations

import pytest
from s2_kernel import programs

import multikernel
from multikernel import Page, System
from multikernel.errors import BadInput, NotMapped, PageFault, PagePinned

PROTOCOLS = ("two-phase", "one-phase")


def readable_everywhere(system: System, page: Page, content: bytes) -> bool:
    return all(core.read(page, 0, len(content)) == content for core in system.cores)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("initiator", [0, 1, 2])
@pytest.mark.parametrize("pinner", [0, 1, 2])
def test_a_pinned_page_stays_mapped_everywhere(
    system: System, initiator: int, pinner: int, protocol: str
) -> None:
    page = system.map(system.allocate(4096))
    page.write(0, b"stays")
    page.pin(pinner)
    for _ in range(3):
        with pytest.raises(PagePinned) as caught:
            system.cores[initiator].run(programs.unmap_here, page, protocol)
        assert caught.value.core == pinner
        assert f"core {pinner}" in str(caught.value)
        assert readable_everywhere(system, page, b"stays")
        system.cores[(pinner + 1) % 3].write(page, 0, b"stays")
    with pytest.raises(PagePinned):
        system.cores[initiator].run(programs.protect_here, page, "read-only")
    system.cores[initiator].write(page, 0, b"stays")
    page.unpin(pinner)
    system.cores[initiator].run(programs.unmap_here, page, protocol)
    for core in system.cores:
        with pytest.raises(PageFault):
            core.read(page, 0, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_as_many_unpins_as_pins(system: System, protocol: str) -> None:
    page = system.map(system.allocate(4096))
    page.pin(1)
    page.pin(1)
    page.pin(2)
    for core in (1, 1, 2):
        with pytest.raises(PagePinned):
            system.unmap(page, protocol=protocol)  # type: ignore[arg-type]
        page.unpin(core)
    with pytest.raises(BadInput):
        page.unpin(1)
    system.unmap(page, protocol=protocol)  # type: ignore[arg-type]
    for act in (page.pin, page.unpin):
        with pytest.raises(NotMapped):
            act(1)


def test_pins_where_the_page_is_not(system: System) -> None:
    page = system.map(system.allocate(4096), cores=[1])
    for core in (0, 2):
        with pytest.raises(NotMapped):
            page.pin(core)
    page.pin(1)
    with pytest.raises(PagePinned) as caught:
        system.unmap(page)
    assert caught.value.core == 1
    page.unpin(1)
    system.unmap(page)


def test_pins_do_not_outlive_the_page(system: System) -> None:
    """The slot's next page starts without the pins of its last."""
    frame = system.allocate(4096)
    for _ in range(3):
        page = system.map(frame)
        page.pin(2)
        page.unpin(2)
        system.unmap(page)


def test_a_view_is_the_memory_and_a_pin(system: System) -> None:
    import numpy as np

    page = system.map(system.allocate(8192))

    def keep(page: Page) -> int:
        import builtins

        import numpy

        array = numpy.frombuffer(page.view(), dtype=numpy.int64)
        array[:] = numpy.arange(len(array))
        builtins.kept = array[100:200]  # type: ignore[attr-defined]
        return int(array.sum())

    def drop() -> int:
        import builtins
        import gc

        total = int(builtins.kept.sum())  # type: ignore[attr-defined]
        del builtins.kept  # type: ignore[attr-defined]
        gc.collect()
        return total

    assert system.cores[1].run(keep, page) == 1024 * 1023 // 2
    assert np.frombuffer(system.cores[2].read(page, 0, 8192), np.int64).tolist() == list(
        range(1024)
    )
    for protocol in PROTOCOLS:
        with pytest.raises(PagePinned) as caught:
            system.unmap(page, protocol=protocol)  # type: ignore[arg-type]
        assert caught.value.core == 1
    assert system.cores[1].run(drop) == sum(range(100, 200))
    system.unmap(page)


def test_a_view_that_was_let_go_in_the_program(system: System) -> None:
    def look(page: Page) -> tuple[bytes, bool, int]:
        view = page.view(writable=False)
        with view:
            return bytes(view[:4]), view.readonly, view.nbytes

    page = system.map(system.allocate(4096))
    page.write(0, b"look")
    assert system.cores[2].run(look, page) == (b"look", True, 4096)
    system.unmap(page)


def test_no_view_from_outside_or_of_what_is_not_there(system: System) -> None:
    page = system.map(system.allocate(4096), cores=[1])
    with pytest.raises(BadInput, match="only by a program"):
        page.view()
    with pytest.raises(NotMapped):
        system.cores[0].run(lambda page: page.view(), page)
    with pytest.raises(BadInput, match="not a core"):
        multikernel.here()
