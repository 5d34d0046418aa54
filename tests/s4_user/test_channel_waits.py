"""How waits on channels end: a message, a close, a death at any moment; descriptors and event
loops. Real processes, killed for real.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from multikernel.errors import ChannelClosed, ChannelTimeout
from multikernel.user import channels
from multikernel.user.channels import CallEnd, FifoEnd, Side

FORMS = ["used-ring", "epoch-ring", "call-line", "calls", "socket", "pipe"]
FIFOS = [form for form in FORMS if form != "calls"]
METHODS = ["fork", "spawn", "forkserver"]


def receive(end: Any) -> Any:
    return end.receive_words(timeout=60)


def dies_at_once(side: Side) -> None:
    os._exit(1)


def sleeps(side: Side) -> None:
    time.sleep(600)


def opens_and_sleeps(side: Side) -> None:
    end = side.open()
    if isinstance(end, FifoEnd):
        end.send_words((1,))
    time.sleep(600)


# --- Deaths ---


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
def test_who_dies_before_it_opens_its_side_is_missed(method: str, form: Any) -> None:
    if method != "fork" and form not in ("used-ring", "socket"):
        pytest.skip("two forms are enough")
    ours, theirs = channels.pair(form)
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=dies_at_once, args=(theirs,))
    process.start()
    with ours.open() as end, pytest.raises(ChannelClosed):
        receive(end)
    process.join()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("does", [sleeps, opens_and_sleeps])
def test_who_is_killed_while_the_other_sleeps_is_missed(form: Any, does: Any) -> None:
    ours, theirs = channels.pair(form)
    process = multiprocessing.get_context("fork").Process(target=does, args=(theirs,))
    process.start()
    end = ours.open()
    if does is opens_and_sleeps and isinstance(end, FifoEnd):
        assert receive(end)[0] == 1
    killer = threading.Timer(0.3, process.kill)
    killer.start()
    with pytest.raises(ChannelClosed):
        receive(end)
    assert not process.is_alive()
    killer.join()


def test_it_is_missed_beside_siblings_who_inherited_its_side() -> None:
    pairs = [channels.pair() for _ in range(3)]
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=does, args=(pair[1],))
        for pair, does in zip(pairs, [dies_at_once, sleeps, sleeps], strict=True)
    ]
    for process in processes:
        process.start()
    try:
        with pairs[0][0].open() as end, pytest.raises(ChannelClosed):
            receive(end)
        with pairs[1][0].open() as end, pytest.raises(ChannelTimeout):
            end.receive_words(timeout=0.3)
    finally:
        for process in processes:
            process.kill()
            process.join()


def test_a_program_that_never_comes_to_its_side_is_missed() -> None:
    ours, theirs = channels.pair()
    with subprocess.Popen([sys.executable, "-c", "pass", str(theirs)],
                          pass_fds=theirs.descriptors):  # fmt: skip
        theirs.close()
        with ours.open() as end, pytest.raises(ChannelClosed):
            receive(end)


@pytest.mark.parametrize("closes", [True, False])
def test_a_side_that_is_given_up_is_missed(closes: bool) -> None:
    ours, theirs = channels.pair()
    if closes:
        theirs.close()
    del theirs
    with ours.open() as end, pytest.raises(ChannelClosed):
        receive(end)


def test_nothing_is_left_of_sides_and_ends_that_are_lost() -> None:
    gc.collect()  # what other tests have left
    before = len(os.listdir("/proc/self/fd"))
    for form in FORMS:
        ours, theirs = channels.pair(form)  # type: ignore[arg-type]
        end = ours.open()
        end.fileno()
        other = theirs.open()
        end.poll()
        del ours, theirs, end, other
        channels.pair(form)  # type: ignore[arg-type]
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_side_that_a_later_process_opens_is_waited_for() -> None:
    ours, theirs = channels.pair()
    fork = multiprocessing.get_context("fork")
    first = fork.Process(target=dies_at_once, args=(theirs,))
    first.start()
    first.join()
    end = ours.open()
    with pytest.raises(ChannelClosed):
        receive(end)
    second = fork.Process(target=opens_and_sleeps, args=(theirs,))
    second.start()
    try:
        assert receive(end)[0] == 1
    finally:
        second.kill()
        second.join()


# --- Sleeping, and being woken ---


def answers(side: Side, pauses: float) -> None:
    end = side.open()
    assert isinstance(end, FifoEnd)
    for message in end:
        time.sleep(pauses)
        end.send(message)


@pytest.mark.parametrize("form", FIFOS)
def test_who_sleeps_is_woken_by_every_message(form: Any) -> None:
    ours, theirs = channels.pair(form)
    process = multiprocessing.get_context("fork").Process(target=answers, args=(theirs, 0.002))
    process.start()
    theirs.close()
    with ours.open() as end:
        assert isinstance(end, FifoEnd)
        for number in range(100):
            end.send(number)
            assert end.receive(timeout=60) == number
    process.join(60)
    assert process.exitcode == 0


def burnt() -> float:
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return used.ru_utime + used.ru_stime


def test_a_receiver_that_waits_long_burns_nothing() -> None:
    one, other = (side.open() for side in channels.pair())
    before = burnt()
    with pytest.raises(ChannelTimeout):
        one.receive_words(timeout=2)
    assert burnt() - before < 0.02
    other.close()


@pytest.mark.parametrize("form", FIFOS)
def test_a_selector_hears_of_every_message(form: Any) -> None:
    ours, theirs = channels.pair(form)
    process = multiprocessing.get_context("fork").Process(target=answers, args=(theirs, 0.001))
    process.start()
    theirs.close()
    with ours.open() as end, selectors.DefaultSelector() as selector:
        assert isinstance(end, FifoEnd)
        selector.register(end, selectors.EVENT_READ)
        got: list[int] = []
        for number in range(60):
            end.send(number)
            if number % 3 == 2:  # three may have come before it is asked
                while len(got) <= number:
                    assert selector.select(60), got
                    if end.poll():  # one at a time: it goes on saying that there are more
                        got.append(end.receive())
        assert got == list(range(60))
        os.kill(process.pid or 0, signal.SIGKILL)
        assert selector.select(60)
        while not end.poll():
            assert selector.select(60)
        with pytest.raises(ChannelClosed):
            end.receive()
    process.join()


@pytest.mark.parametrize("form", FORMS)
def test_one_of_several_is_waited_for(form: Any) -> None:
    pairs = [tuple(side.open() for side in channels.pair(form)) for _ in range(3)]
    ours = [pair[0] for pair in pairs]
    theirs: list[Any] = [pair[1] for pair in pairs]
    assert channels.wait(ours, 0.02) == []

    def later() -> None:
        time.sleep(0.1)
        (theirs[1].begin if form == "calls" else theirs[1].send_words)((3,))

    thread = threading.Thread(target=later)
    thread.start()
    assert channels.wait(ours, 60) == [ours[1]]
    thread.join()
    assert ours[1].receive_words()[0] == 3
    theirs[2].close()
    assert channels.wait(ours, 60) == [ours[2]]
    assert channels.wait([]) == []


def test_ends_without_a_descriptor_are_waited_for_too() -> None:
    import mmap

    from multikernel.native import _native

    memory = mmap.mmap(-1, _native.channel_bytes("used-ring", 4))
    _native.channel_create(memory, "used-ring", 4)
    one, other = (channels.attach(memory, "used-ring", side) for side in (0, 1))
    assert channels.wait([one], 0.01) == []
    assert isinstance(other, FifoEnd)
    other.send_words((1,))
    assert channels.wait([one], 60) == [one]


@pytest.mark.parametrize("form", FIFOS)
def test_an_event_loop_receives_without_a_thread(form: Any) -> None:
    ours, theirs = channels.pair(form)
    process = multiprocessing.get_context("fork").Process(target=answers, args=(theirs, 0.001))
    process.start()
    theirs.close()

    async def talk(end: FifoEnd) -> list[Any]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.create_task(tick())
        got = []
        for number in range(20):
            end.send(number)
            got.append(await asyncio.wait_for(end.receive_async(), 60))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(end.receive_async(), 0.02)
        ticking.cancel()
        assert ticks
        process.kill()
        async for message in end:
            got.append(message)
        return got

    with ours.open() as end:
        assert isinstance(end, FifoEnd)
        assert asyncio.run(asyncio.wait_for(talk(end), 60)) == list(range(20))
    process.join()


def test_calls_are_served_by_an_event_loop() -> None:
    one, other = (side.open() for side in channels.pair("calls"))
    assert isinstance(one, CallEnd)
    assert isinstance(other, CallEnd)

    async def serve(end: CallEnd) -> None:
        for _ in range(5):
            request = await end.receive_words_async()
            end.reply((request[0] * 2,))

    server = threading.Thread(target=asyncio.run, args=(serve(other),))
    server.start()
    assert [one.call((number,), timeout=60)[0] for number in range(5)] == [0, 2, 4, 6, 8]
    server.join()
