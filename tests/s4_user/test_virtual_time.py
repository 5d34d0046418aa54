"""Virtual time: modelled cores end where real ones do, and come to the same times in every run."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

import multikernel
from multikernel.errors import (
    BadInput,
    CoreBusy,
    ForeignHandle,
    MultikernelError,
    NotMapped,
    PageFault,
    PagePinned,
    SystemClosed,
)
from multikernel.knowledge.trees import KINDS as TREES
from multikernel.machine.models import reading
from multikernel.native._native import cores_word
from multikernel.virtual.calibrating import free_machine
from multikernel.virtual.kernel import Kernel, machine
from multikernel.virtual.work import Work, key_of

AMD = "8x4-amd"


def boot(**options: Any) -> Any:
    return multikernel.boot(machine=options.pop("machine", AMD), **options)


def operations(system: Any, seed: int, count: int) -> list[tuple[Any, ...]]:
    """Random operations, one after the other: what each came to."""
    draw, pages, said = random.Random(seed), [], []
    frames = [system.allocate(4096 * draw.randrange(1, 3)) for _ in range(4)]
    cores = range(len(system.cores))
    for _ in range(count):
        try:
            if not pages or draw.random() < 0.4:
                some = draw.sample(cores, draw.randrange(1, len(cores) + 1))
                page = system.map(draw.choice(frames), cores=some)
                pages.append(page)
                said.append(("map", page.slot, page.generation, page.address, page.cores))
            elif draw.random() < 0.3:
                system.protect(draw.choice(pages), draw.choice(["read-only", "read-write"]))
                said.append(("protect",))
            else:
                page = draw.choice(pages)
                system.unmap(page, protocol=draw.choice(["one-phase", "two-phase"]))
                said.append(("unmap",))
        except MultikernelError as error:
            said.append((type(error).__name__,))
    return said


@pytest.mark.parametrize("seed", range(4))
def test_a_real_and_a_simulated_run_of_the_same_operations_end_in_equal_replicas(seed: int) -> None:
    with multikernel.boot(cores=[0, 0, 0], trees="sequential", slots=16) as real:
        expected = operations(real, seed, 40)
        time.sleep(0.02)  # acknowledgements
        digests = [core.digest() for core in real.cores]
    with boot(cores=3, trees="sequential", slots=16) as modelled:
        assert operations(modelled, seed, 40) == expected
        modelled.settle()
        assert [core.digest() for core in modelled.cores] == digests


def contend(system: Any, seed: int) -> list[tuple[int, int, str]]:
    """Programs on all cores that want the same pages: when each operation ended, and how."""
    draw = random.Random(seed)
    pages = [system.map(system.allocate(4096)) for _ in range(3)]

    def program(seed: int) -> list[tuple[int, int, str]]:
        own, here, log = random.Random(seed), multikernel.here(), []
        for _ in range(6):
            system.compute(own.randrange(5000))
            page = own.choice(pages)
            try:
                own.choice([here.protect, here.unmap])(page)  # type: ignore[operator]
                how = "ok"
            except NotMapped:
                how = "not mapped"
            log.append((here.core, system.now, how))
        return log

    tasks = [core.start(program, draw.random()) for core in system.cores]
    logs = [task.result() for task in tasks]
    for log in logs:
        assert [when for _, when, _ in log] == sorted(when for _, when, _ in log)
    return [entry for log in logs for entry in log]


@pytest.mark.parametrize("trees", ["sequential", "cluster", "chosen"])
def test_the_same_run_comes_to_the_same_times_and_to_equal_replicas(trees: str) -> None:
    logs = []
    for _ in range(2):
        with boot(trees=trees) as system:
            logs.append(contend(system, 1))
            system.settle()
            digests = {core.digest() for core in system.cores}
            now, sent, handled, *_ = system.virtual.native.counts()
            assert len(digests) == 1
            assert sent == handled > 0
            assert now <= system.now
    assert logs[0] == logs[1]
    unmapped = [entry for entry in logs[0] if entry[2] == "ok"]
    assert unmapped


@pytest.mark.parametrize("kernel", ["multikernel", "shared"])
def test_memory_is_one_on_all_cores_and_rights_are_each_core_s(kernel: str) -> None:
    with boot(cores=8, kernel=kernel) as system:
        page = system.map(system.allocate(8192), cores=[0, 2, 5])
        text = b"written by one core in several pieces, and read by another"
        system.cores[2].write(page, 4090, text)
        assert system.cores[5].read(page, 4090, len(text)) == text
        with pytest.raises(PageFault):
            system.cores[1].read(page, 0, 1)
        system.protect(page)
        with pytest.raises(PageFault):
            system.cores[2].write(page, 0, b"x")
        page.pin(core=5)
        with pytest.raises(PagePinned):
            system.unmap(page)
        page.unpin(core=5)
        system.unmap(page)
        with pytest.raises(PageFault):
            system.cores[5].read(page, 0, 1)


def test_capabilities_are_agreed_on_by_all_cores() -> None:
    with boot() as system:
        ram = system.ram(1 << 20)
        begun = system.now
        ram.retype("Frame", size=4096)
        alone = system.now - begun
        copy = ram.copy(7)
        system.settle()
        begun = system.now
        ram.retype("Frame", size=4096, offset=4096)
        assert system.now - begun > 3 * alone
        ram.revoke()
        with pytest.raises(MultikernelError):
            copy.retype("Frame", size=4096)


def cycles_of_an_unmap(cores: int, **options: Any) -> int:
    with boot(cores=cores, **options) as system:
        page = system.map(system.allocate(4096))
        system.settle()
        system.compute(100_000)
        begun = system.now
        system.unmap(page, protocol="one-phase")
        return int(system.now - begun)


def test_more_cores_take_longer_and_a_tree_less_long() -> None:
    flat = [cycles_of_an_unmap(cores, trees="sequential") for cores in (2, 8, 16, 32)]
    assert flat == sorted(flat)
    assert flat[-1] > 3 * flat[0]
    for kind in TREES[1:]:
        if kind not in ("optimum", "k-ary"):
            assert cycles_of_an_unmap(32, trees=kind) < flat[-1], kind


def test_on_a_machine_where_nothing_costs_anything_time_stands_still() -> None:
    kernel = Kernel(machine(free_machine(), 4, "free"), Work.of_steps("none", 1.0))
    offset, generation = kernel.request(0, "ALLOCATE", 4096).reply[2][:2]
    page = kernel.request(0, "MAP", offset, 4096, 3, 15, generation).reply
    assert page[0] == 0
    kernel.settle()
    assert kernel.request(3, "UNMAP", page[2][0], 0).reply[0] == 0
    kernel.settle()
    assert kernel.now == 0
    assert {kernel.request(core, "DIGEST", 2**64 - 1).reply[2] for core in range(4)} != set()


def test_what_is_charged_comes_from_the_table() -> None:
    """Twice the work, and nothing else that costs: twice the time."""
    reference = Work.reference()
    took = []
    for scale in (1.0, 2.0):
        model = free_machine().varied({"local.work_scale": scale})
        kernel = Kernel(machine(model, 8, "free"), reference)
        offset, generation = kernel.request(0, "ALLOCATE", 4096).reply[2][:2]
        page = kernel.request(0, "MAP", offset, 4096, 3, 255, generation).reply[2][0]
        kernel.settle()
        took.append(kernel.request(0, "UNMAP", page, 0).took)
    assert took[1] == pytest.approx(2 * took[0], rel=0.05)


def test_the_shipped_table_knows_the_steps_of_every_operation_it_was_made_of() -> None:
    entries = Work.reference().entries
    assert len({entry.key for entry in entries}) == len(entries)
    assert all(entry.cycles > 0 and entry.steps > 20 for entry in entries)
    table = Work.reference().table()
    by_key = {key_of(number): table[number] for number in range((len(table) - 2) // 2)}
    assert all(by_key[tuple(entry.key)] == entry.cycles for entry in entries)
    assert min(by_key.values()) >= 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"machine": "nowhere"},
        {"cores": 33},
        {"cores": "0-3"},
        {"kernel": "microkernel"},
        {"kernel": "shared", "lock_scope": "small"},
        {"trees": "oak"},
        {"trees": {0: [(0, 1)]}},
    ],
)
def test_what_cannot_be_modelled_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        boot(**wrong)


def test_handles_belong_to_their_system_and_programs_end_with_it() -> None:
    with boot(cores=4) as one, boot(cores=4) as other:
        page = one.map(one.allocate(4096))
        with pytest.raises(ForeignHandle):
            other.unmap(page)

        def again() -> None:
            while True:
                page.read(0, 1)

        task = one.cores[1].start(again)
        with pytest.raises(CoreBusy):
            one.cores[1].start(again)
        one.cores[2].run(page.read, 0, 1)
    assert task.done()
    with pytest.raises(SystemClosed):
        one.unmap(page)
    with pytest.raises(SystemClosed):
        one.cores[0].start(again)


def test_a_program_s_error_is_its_starter_s() -> None:
    def fails() -> None:
        raise ZeroDivisionError("in a program")

    with boot(cores=2) as system:
        with pytest.raises(ZeroDivisionError, match="in a program"):
            system.cores[1].run(fails)
        assert system.cores[1].run(lambda: multikernel.here().core) == 1
    with pytest.raises(BadInput):
        multikernel.here()


def run_of(cores: int, roots: int, count: int) -> tuple[int, ...]:
    model = reading.read("64x16") if cores > 512 else reading.shipped(AMD)
    kernel = Kernel(machine(model, cores, "here"), Work.reference())
    word, kept = cores_word((1 << cores) - 1, cores)
    asked: dict[int, tuple[int, str]] = {}
    done = 0
    frames = [kernel.request(0, "ALLOCATE", 4096).reply[2] for _ in range(roots)]

    def map_(i: int) -> None:
        offset, name = frames[i][:2]
        core = i * (cores // roots)
        asked[kernel.ask(core, "MAP", offset, 4096, 3, word, name, kept=kept)] = (i, "map")

    for i in range(roots):
        map_(i)
    while done < count:
        found = kernel.next()
        assert found is not None
        i, what = asked.pop(found[0])
        assert found[1].reply[0] == 0
        done += 1
        if what == "map":
            page = found[1].reply[2][0]
            asked[kernel.ask(i * (cores // roots), "UNMAP", page, 0)] = (i, "unmap")
        else:
            map_(i)
    kernel.settle()
    return kernel.native.counts()


def test_a_thousand_cores_agree() -> None:
    now, sent, handled, events, _ = run_of(1024, 4, 12)
    assert sent == handled > 12 * 1023
    assert now > 0
    assert events > 3 * sent
