"""Shared objects between real cores, against what they must come to: in every form, while forms
change, with owners that compute or run nothing, by threads, and up to their end.

A counter's operations say what it was before. Where every operation took effect once, at one
moment, these chain: each begins where another one ended, and each program's own in its order.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import pickle
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

import multikernel
from multikernel import Shared, System
from multikernel.errors import (
    BadInput,
    CoreBusy,
    CoreDied,
    MultikernelError,
    NoLockFreeForm,
    NotAMember,
    ObjectClosed,
    ObjectFull,
    ObjectTimeout,
    OutOfMemory,
    OutOfSlots,
    UnknownForm,
    UnknownKind,
)

FORMS = ("locked", "fifo", "optimistic", "delegated", "replicated", "lock-free", "combined")
FORMS += ("adaptive",)
Steps = list[tuple[int, int]]
"""What a counter was before, and what was added."""


def add_often(counter: Any, times: int, seed: int) -> Steps:
    chosen = random.Random(seed + multikernel.here().core)
    steps = []
    for _ in range(times):
        amount = chosen.choice((1, 1, 1, 7, 1 << 32))
        steps.append((counter.add(amount), amount))
        if chosen.random() < 0.1:
            before = counter.value()
            assert before >= steps[-1][0] + amount  # its own is in it
    return steps


def add_until(counter: Any, page: Any) -> Steps:
    """Up to the word of the launcher."""
    steps = []
    while page.read(0, 1) == b"\0":
        steps += add_often(counter, 50, len(steps))
    return steps


def chain(all_steps: list[Steps]) -> int:
    """What it has come to."""
    for steps in all_steps:
        assert steps == sorted(steps)
    at = 0
    for before, amount in sorted(step for steps in all_steps for step in steps):
        assert before == at
        at += amount
    return at


def on_all(system: System, shared: Any, function: Any, *arguments: Any) -> list[Any]:
    tasks = [system.cores[core].start(function, shared, *arguments) for core in shared.cores]
    return [task.result() for task in tasks]


def objects(system: System) -> list[Any]:
    found: list[Any] = system.inspect()["objects"]
    return [one for one in found if one["type"] != "CNode"]


@pytest.fixture(scope="module")
def system(kernel: Any) -> Iterator[System]:
    """Of two cores: where more of them share CPUs, most of the time is the host's."""
    with multikernel.boot(2, kernel=kernel) as booted:
        yield booted


@pytest.fixture(scope="module")
def crowd(kernel: Any) -> Iterator[System]:
    with multikernel.boot(4, kernel=kernel) as booted:
        yield booted


@pytest.fixture
def nothing_stays(system: System) -> Iterator[None]:
    """All memory is given back."""
    before = objects(system)
    yield
    gc.collect()
    assert objects(system) == before


@pytest.mark.parametrize("form", FORMS)
def test_operations_chain_in_every_form(system: System, nothing_stays: None, form: Any) -> None:
    with system.shared("counter", form, owner=1) as counter:
        came_to = chain(on_all(system, counter, add_often, 400, 1))
        assert counter.value() == came_to
        seen = counter.seen()
        assert all(one.operations >= 400 for one in seen.cores)
        assert all(one.reads <= one.operations for one in seen.cores)
        assert form in (seen.form, "adaptive")
        assert seen.adaptive == (form == "adaptive")


@pytest.mark.parametrize("form", FORMS)
def test_operations_chain_where_cores_share_cpus(crowd: System, form: Any) -> None:
    with crowd.shared("counter", form, owner=2, cores=[0, 2, 3]) as counter:
        came_to = chain(on_all(crowd, counter, add_often, 20, 1))
        assert counter.value() == came_to


def change_often(system: System, changes: int) -> None:
    page = system.map(system.allocate(4096))
    chosen = random.Random(changes)
    with system.shared("counter", "locked", owner=1) as counter:
        tasks = [core.start(add_until, counter, page) for core in system.cores]
        forms = [chosen.choice(FORMS) for _ in range(changes)]
        for form in forms:
            counter.switch(form)
        page.write(0, b"1")
        came_to = chain([task.result() for task in tasks])
        assert counter.value() == came_to
        really = sum(a != b for a, b in itertools.pairwise(["locked", *forms]))
        assert counter.switches >= really * 0.5  # adaptive may be in the next form already
    system.unmap(page)


def test_operations_chain_while_the_form_changes(system: System, nothing_stays: None) -> None:
    change_often(system, 150)


@pytest.mark.full
def test_operations_chain_while_the_form_changes_often(system: System, crowd: System) -> None:
    change_often(system, 5000)
    change_often(crowd, 300)


def use_map(shared: Any, times: int, seed: int) -> dict[int, int]:
    """Keys of its own, against a dict; and some that all add to."""
    core, cores = multikernel.here().core, multikernel.here().cores
    chosen = random.Random(seed + core)
    model: dict[int, int] = {}
    for _ in range(times):
        key = 100 + chosen.randrange(20) * cores + core
        match chosen.randrange(5):
            case 0:
                model[key] = chosen.choice((0, 1, (1 << 64) - 1, chosen.getrandbits(64)))
                shared[key] = model[key]
            case 1:
                assert shared.get(key) == model.get(key)
                assert (key in shared) == (key in model)
            case 2 if key in model:
                del model[key]
                del shared[key]
            case 3:
                assert shared.add(key, 3) == model.get(key, 0)
                model[key] = (model.get(key, 0) + 3) % (1 << 64)
            case _:
                shared.add(chosen.randrange(3))
                model[-1] = model.get(-1, 0) + 1
    return model


@pytest.mark.parametrize("form", ["locked", "delegated", "replicated", "adaptive"])
def test_a_map_is_what_its_keys_were_given(system: System, nothing_stays: None, form: Any) -> None:
    with system.shared("map", form, size=256) as shared:
        models = on_all(system, shared, use_map, 300, 9)
        assert sum(shared.get(key, 0) for key in range(3)) == sum(one.pop(-1, 0) for one in models)
        whole = {key: value for model in models for key, value in model.items()}
        assert all(shared[key] == value for key, value in whole.items())
        assert [key for key in range(100, 200) if key in shared] == sorted(whole)


def through_queue(shared: Any, times: int) -> list[int]:
    """Puts its own numbers, and takes whatever there is."""
    core = multikernel.here().core
    taken = []
    for number in range(times):
        while True:
            try:
                shared.put(core << 16 | number)
                break
            except ObjectFull:
                taken.append(shared.take())
        if number % 2:
            taken.append(shared.take())
    return [one for one in taken if one is not None]


@pytest.mark.parametrize("form", ["fifo", "delegated", "replicated", "lock-free", "adaptive"])
def test_a_queue_loses_nothing_and_keeps_each_core_s_order(
    system: System, nothing_stays: None, form: Any
) -> None:
    with system.shared("queue", form, size=64) as shared:
        taken = on_all(system, shared, through_queue, 300)
        while (one := shared.take()) is not None:
            taken.append([one])
        assert shared.front() is None
        everything = sorted(one for some in taken for one in some)
        assert everything == sorted(c << 16 | n for c in range(2) for n in range(300))
        for some in taken:
            for core in range(2):
                its = [one for one in some if one >> 16 == core]
                assert its == sorted(its)


def busy(page: Any) -> None:
    """Python that never asks its kernel."""
    view = page.view()
    while not view[0]:
        pass


def asleep(page: Any) -> None:
    while page.read(0, 1) == b"\0":
        time.sleep(0.05)


@pytest.mark.parametrize("owner_runs", [None, busy, asleep])
def test_an_owner_answers_whatever_it_runs(
    system: System, nothing_stays: None, owner_runs: Any
) -> None:
    page = system.map(system.allocate(4096))
    with system.shared("counter", "delegated", owner=0) as counter:
        task = None if owner_runs is None else system.cores[0].start(owner_runs, page)
        steps = [system.cores[1].run(add_often, counter, 50, 3)]
        counter.switch("replicated")  # by request to a core that computes
        steps.append(system.cores[1].run(add_often, counter, 50, 3))
        page.write(0, b"1", core=1)
        if task is not None:
            task.result()
        came_to = chain(steps)
        assert counter.value() == came_to
    system.unmap(page)


def both(ours: Any, theirs: Any, times: int) -> None:
    for _ in range(times):
        ours.add()
        theirs.add()


def test_owners_that_wait_for_each_other_answer(system: System, nothing_stays: None) -> None:
    with (
        system.shared("counter", "delegated", owner=0) as one,
        system.shared("counter", "delegated", owner=1) as other,
    ):
        tasks = [
            system.cores[0].start(both, other, one, 300),
            system.cores[1].start(both, one, other, 300),
        ]
        for task in tasks:
            task.result()
        assert one.value() == other.value() == 600


def by_threads(counter: Any, times: int) -> list[Steps]:
    """Three threads, and the program's first."""
    found: list[Steps] = [[] for _ in range(4)]

    def work(steps: Steps) -> None:
        for _ in range(times):
            steps.append((counter.add(), 1))

    running = [threading.Thread(target=work, args=(steps,)) for steps in found[1:]]
    for one in running:
        one.start()
    work(found[0])
    for one in running:
        one.join()
    return found


@pytest.mark.parametrize("form", ["locked", "delegated", "replicated"])
def test_threads_of_a_program_share_its_end(system: System, nothing_stays: None, form: Any) -> None:
    with system.shared("counter", form, owner=1) as counter:
        found = on_all(system, counter, by_threads, 50)
        chain([steps for program in found for steps in program])
        assert counter.value() == 2 * 4 * 50


def test_counters_of_several_lines(system: System, nothing_stays: None) -> None:
    with system.shared("counter", "delegated", size=4) as counters:
        counters.add(5, at=3)
        counters.add(1 << 32)
        counters.add(1 << 32)
        assert [counters.value(at) for at in range(4)] == [1 << 33, 0, 0, 5]
        assert counters.value() == (1 << 33) + 5
        assert "lock-free" not in counters.forms


# --- Handles, and the end ---


def made_there() -> Any:
    made = multikernel.Shared("queue", "fifo", size=2, cores=[1])
    made.put(3)
    return made


def test_what_a_program_returns_belongs_to_whoever_gets_it(
    system: System, nothing_stays: None
) -> None:
    queue = system.cores[1].run(made_there)
    assert (queue.cores, queue.owner, queue.take()) == ((1,), 1, 3)
    assert objects(system)
    del queue


def test_what_a_program_made_and_kept_goes_with_it(system: System, nothing_stays: None) -> None:
    system.cores[1].run(lambda: multikernel.Shared("counter").add() and None)


def test_copies_are_the_same_object(system: System, nothing_stays: None) -> None:
    counter = system.shared("counter")
    copy = pickle.loads(pickle.dumps(counter))
    copy.add(4)
    del copy
    gc.collect()
    assert counter.value() == 4
    back = system.cores[1].run(lambda one: one, counter)
    back.add(4)
    del back
    gc.collect()
    assert counter.value() == 8
    del counter


def test_the_system_is_found(system: System, kernel: Any) -> None:
    with multikernel.boot(1, kernel=kernel), pytest.raises(BadInput, match="several systems"):
        Shared("counter")
    with Shared("counter", system=system) as counter:
        assert counter.add() == 0


def until_closed(counter: Any) -> Steps:
    steps: Steps = []
    try:
        while True:
            steps.append((counter.add(), 1))
    except ObjectClosed:
        return steps


@pytest.mark.parametrize("form", FORMS)
def test_closed_while_it_is_used(system: System, nothing_stays: None, form: Any) -> None:
    counter = system.shared("counter", form)
    tasks = [core.start(until_closed, counter) for core in system.cores]
    while counter.value() < 100:
        time.sleep(0.001)
    counter.close()
    chain([task.result() for task in tasks])
    counter.close()
    for use in (counter.add, counter.value, counter.seen, lambda: counter.form):
        with pytest.raises(ObjectClosed, match="counter"):
            use()
    with pytest.raises(ObjectClosed):
        counter.switch("locked")
    assert "closed" in counter._repr_html_()


def test_closed_from_a_program(system: System, nothing_stays: None) -> None:
    counter = system.shared("counter")
    system.cores[1].run(lambda one: one.close(), counter)
    with pytest.raises(ObjectClosed):
        counter.add()


def test_freed_in_the_middle_of_a_request(system: System, nothing_stays: None) -> None:
    """Nobody waits for a lock that is his own: it is given back later."""
    counter = system.shared("counter")
    lock = system.launched.lock(0, 0)
    with lock:
        del counter
        gc.collect()
    assert objects(system)
    system.shared("counter").close()


def test_memory_is_given_back_where_there_is_no_room(boot: Callable[..., System]) -> None:
    system = boot(2, memory=4 << 20)
    before = objects(system)
    with pytest.raises(OutOfMemory):
        system.shared("map", size=1 << 17)
    held = [system.shared("counter") for _ in range(16)]
    with pytest.raises(OutOfSlots, match="core 0"):
        system.shared("counter")
    assert len({one.add() for one in held}) == 1
    del held
    gc.collect()
    assert objects(system) == before
    for _ in range(40):
        system.shared("counter").close()


@pytest.mark.parametrize("form", ["locked", "delegated", "replicated", "lock-free"])
def test_a_core_that_is_killed_ends_the_system(boot: Callable[..., System], form: Any) -> None:
    system = boot(3)
    pids = system.launched.pids
    counter = system.shared("counter", form, owner=1)
    tasks = [core.start(until_closed, counter) for core in system.cores]
    while counter.value() < 100:
        time.sleep(0.001)
    os.kill(pids[1], signal.SIGKILL)
    with pytest.raises(CoreDied, match="core 1"):
        tasks[0].result()
    with pytest.raises(MultikernelError):
        counter.add()
    assert "svg" not in counter._repr_html_()
    del counter
    gc.collect()
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def without_patience(counter: Any, page: Any) -> tuple[list[str], int]:
    """What operations say whose owner is stopped, and how many there were."""
    from multikernel.user import shared

    shared.PATIENCE = 0.1
    tries, said = 0, []
    while page.read(0, 1) == b"\0":
        try:
            tries += 1
            counter.add()
        except ObjectTimeout as error:
            said.append(str(error))
            page.write(1, b"1")
    while True:
        with contextlib.suppress(ObjectTimeout):
            return said, counter.value()


def test_an_owner_that_is_stopped(boot: Callable[..., System]) -> None:
    system = boot(2)
    page = system.map(system.allocate(4096))
    counter = system.shared("counter", "delegated", owner=0)
    task = system.cores[1].start(without_patience, counter, page)
    while counter.value() < 10:
        time.sleep(0.001)
    os.kill(system.cores[0].pid, signal.SIGSTOP)
    while page.read(1, 1, core=1) == b"\0":
        time.sleep(0.01)
    os.kill(system.cores[0].pid, signal.SIGCONT)
    page.write(0, b"1")
    said, came_to = task.result()
    assert said
    assert "core 0" in said[0]
    assert counter.value() == came_to


def asks_for_ever(counter: Any) -> None:
    while True:
        counter.add()


def test_a_wait_for_an_owner_that_is_stopped_is_cancelled(boot: Callable[..., System]) -> None:
    system = boot(2)
    counter = system.shared("counter", "delegated", owner=0)
    task = system.cores[1].start(asks_for_ever, counter)
    while counter.value() < 10:
        time.sleep(0.001)
    os.kill(system.cores[0].pid, signal.SIGSTOP)
    try:
        assert task.cancel(grace=60)
    finally:
        os.kill(system.cores[0].pid, signal.SIGCONT)
    before = counter.value()  # the one that was given up may be in it, or come yet
    assert system.cores[1].run(lambda one: one.add(), counter) - before in (0, 1)


def in_child(counter: Any, used_before: bool) -> bytes:
    receive, send = os.pipe()
    if used_before:
        counter.value()
    if not (child := os.fork()):
        try:
            counter.add()
        except MultikernelError as error:
            os.write(send, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(send)
    os.waitpid(child, 0)
    return os.read(receive, 64)


def test_a_child_of_a_program_is_no_member(system: System, nothing_stays: None) -> None:
    with system.shared("counter") as counter:
        assert system.cores[1].run(in_child, counter, False) == b"ForeignHandle"
        assert system.cores[1].run(in_child, counter, True) == b"SystemClosed"
        assert counter.value() == 0


# --- What it costs, and the picture ---


def shown(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html.replace("&nbsp;", " "))


def test_measured_and_pictured(system: System, nothing_stays: None) -> None:
    with system.shared("map", "locked", size=64) as shared:
        shared[1] = 1
        for form in shared.forms:
            for reads in (0.0, 0.5, 1.0):
                cost = shared.measure(form, reads=reads, seconds=0.01)
                assert (cost.form, cost.reads, cost.think) == (form, reads, 0)
                assert form in (cost.became, "adaptive")
                assert len(cost.operations) == 2
                assert sum(cost.operations) > 0
        assert cost.crowded == system.plan.crowded
        with_thought = shared.measure(think=500, seconds=0.01)
        assert with_thought.form == "locked"
        assert shared.get(2) is None  # it was another one that was measured
        picture = shown(shared._repr_html_())
        names = {
            "".join(one.itertext()) for one in picture.iter("{http://www.w3.org/2000/svg}text")
        }
        assert set(shared.forms) <= names
        lines = list(picture.iter("{http://www.w3.org/2000/svg}polyline"))
        assert len(lines) == len(shared.forms) + 1
        assert all(len(one.attrib["points"].split()) == 3 for one in lines[:-1])
        assert len(shared.measured) == 3 * len(shared.forms) + 1


def test_the_forms_it_has_been_in_are_pictured(system: System, nothing_stays: None) -> None:
    with system.shared("counter", "locked") as counter:
        counter.add()
        for form in ("delegated", "fifo", "fifo", "replicated"):
            counter.switch(form)  # type: ignore[arg-type]
            counter.add()
        seen = counter.seen()
        forms = ["locked", "delegated", "fifo", "replicated"]
        assert [one.form for one in seen.changes] == forms
        assert seen.switches == 3
        assert [one.seconds for one in seen.changes] == sorted(one.seconds for one in seen.changes)
        assert {one.form for one in seen.forms} == set(forms)
        strip = list(shown(counter._repr_html_()).iter("{http://www.w3.org/2000/svg}rect"))
        assert len(strip) == 4
        for n in range(300):
            counter.switch(("locked", "fifo")[n % 2])  # type: ignore[arg-type]
        assert [one.form for one in counter.seen().changes][:2] in (
            ["locked", "locked"], ["locked", "fifo"],
        )  # fmt: skip
        shown(counter._repr_html_())


def test_it_chooses(boot: Callable[..., System]) -> None:
    """Not which: that is the chooser's, and the host's."""
    system = boot(2)
    counter = system.shared("counter", size=8)
    assert (counter.adaptive, counter.form, counter.switches) == (True, "locked", 0)
    deadline = time.monotonic() + 60
    while not counter.switches and time.monotonic() < deadline:
        on_all(system, counter, add_often, 2000, 1)
    assert counter.seen().races >= 1
    came_to = counter.value()
    counter.switch("fifo")
    assert (counter.adaptive, counter.form) == (False, "fifo")
    assert counter.value() == came_to
    counter.switch("adaptive")
    assert counter.adaptive


def test_nothing_is_measured_beside_programs(system: System, nothing_stays: None) -> None:
    page = system.map(system.allocate(4096))
    with system.shared("counter") as counter:
        task = system.cores[1].start(asleep, page)
        with pytest.raises(CoreBusy, match="core 1"):
            counter.measure(seconds=0.01)
        page.write(0, b"1")
        task.result()
        with pytest.raises(BadInput, match="programs cannot start others"):
            system.cores[0].run(lambda one: one.measure(), counter)
        counter.measure(seconds=0.01)
    system.unmap(page)


# --- Bad input ---


@pytest.mark.parametrize(
    ("error", "words", "arguments", "options"),
    [
        (UnknownKind, "'heap'", ("heap",), {}),
        (UnknownKind, "None", (None,), {}),
        (UnknownForm, "'lockfree'", ("counter", "lockfree"), {}),
        (UnknownForm, "3", ("counter", 3), {}),
        (NoLockFreeForm, "map of size 1024", ("map", "lock-free"), {}),
        (NoLockFreeForm, "counter of size 2", ("counter", "lock-free"), {"size": 2}),
        (BadInput, "33", ("counter",), {"size": 33}),
        (BadInput, "100", ("map",), {"size": 100}),
        (BadInput, "'big'", ("queue",), {"size": "big"}),
        (BadInput, "-1", ("queue",), {"size": -1}),
        (BadInput, "100", ("counter",), {"log": 100}),
        (BadInput, "8", ("counter",), {"log": 8}),
        (BadInput, "2", ("counter",), {"cores": [0, 2]}),
        (BadInput, "0", ("counter",), {"cores": []}),
        (NotAMember, "core 1", ("counter",), {"cores": [0], "owner": 1}),
        (BadInput, "7", ("counter",), {"owner": 7}),
    ],
)
def test_what_cannot_be_made(
    system: System,
    nothing_stays: None,
    error: type[Exception],
    words: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    with pytest.raises(error, match=words) as caught:
        system.shared(*arguments, **options)
    assert isinstance(caught.value, BadInput)
    assert caught.value.hint


def test_what_cannot_be_done(system: System, nothing_stays: None) -> None:
    with (
        system.shared("counter", size=2) as counter,
        system.shared("map", size=8) as shared,
        system.shared("queue", size=2, cores=[0]) as queue,
    ):
        for amount in (0, -1, (1 << 32) + 1, 1.5, "1"):
            with pytest.raises(BadInput, match="amount"):
                counter.add(amount)
        for at in (-1, 2, None):
            with pytest.raises(BadInput, match="counter"):
                counter.add(1, at)
        for key in (-1, (1 << 64) - 1, "k", 1.0):
            with pytest.raises(BadInput, match="key"):
                shared[key] = 1
            with pytest.raises(BadInput, match="key"):
                shared[key]
        with pytest.raises(BadInput, match="value"):
            shared[1] = 1 << 64
        with pytest.raises(KeyError):
            shared[1]
        with pytest.raises(KeyError):
            del shared[1]
        with pytest.raises(BadInput, match="keys"):
            list(shared)
        for key in range(7):
            shared[key] = 1
        with pytest.raises(ObjectFull, match="key 7"):
            shared[7] = 1
        with pytest.raises(ObjectFull, match="key 9"):
            shared.add(9)
        with pytest.raises(BadInput, match="value"):
            queue.put(1 << 32)
        with pytest.raises(NotAMember, match="core 1") as caught:
            system.cores[1].run(lambda one: one.put(1), queue)
        assert caught.value.core == 1
        for form in ("best", None, 0):
            with pytest.raises(UnknownForm):
                queue.switch(form)
        with pytest.raises(NoLockFreeForm):
            shared.switch("lock-free")
        assert queue.take() is None
        assert counter.value() == 0
        for options in ({"reads": 1.5}, {"think": -1}, {"seconds": 0}, {"form": "best"}):
            with pytest.raises(BadInput):
                counter.measure(**options)
        with pytest.raises(UnknownKind):
            type(counter)("map", system=system)


def test_where_there_is_none() -> None:
    with multikernel.boot(2, machine="8x4-amd") as modelled:
        with pytest.raises(BadInput, match="running system of this host"):
            Shared("counter", system=modelled)
        with pytest.raises(BadInput, match="running system of this host"):
            Shared("counter", system=3)
