"""The Python ends of calls: against a model, between two processes, and into buffers."""

from __future__ import annotations

import itertools
import mmap
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s0_native.ends import call_pair, child, shared

from multikernel.native._native import CallEnd

CALLS = st.lists(
    st.tuples(st.sampled_from(["begin", "receive", "reply", "take"]), st.integers(0, 31)),
    max_size=80,
)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 32), CALLS)
def test_a_call_end_answers_in_order(window: int, steps: list[tuple[str, int]]) -> None:
    caller, answerer = call_pair(window)
    sent: deque[tuple[int, int]] = deque()
    held: deque[tuple[int, int]] = deque()
    replied: dict[int, int] = {}
    number = 0
    for what, choice in steps:
        busy = {line for line, _ in (*sent, *held)} | replied.keys()
        if what == "begin":
            number += 1
            line = caller.try_begin((number,))
            if line >= 0:
                assert line not in busy
                sent.append((line, number))
            else:
                assert busy
        elif what == "receive":
            got = answerer.try_receive_words()
            if not sent:
                assert got is None
            else:
                held.append(sent.popleft())
                assert got is not None
                assert got[0] == held[-1][1]
        elif what == "reply":
            if not held:
                with pytest.raises(ValueError, match="no request"):
                    answerer.reply(())
            else:
                line, value = held.popleft()
                answerer.reply((value, 7))
                replied[line] = value
        elif busy:
            line = sorted(busy)[choice % len(busy)]
            got = caller.try_take(line)
            assert got == ((replied.pop(line), 7, 0, 0, 0, 0, 0) if line in replied else None)
        else:
            with pytest.raises(ValueError, match="nothing was called"):
                caller.try_take(0)


def serve(memory: mmap.mmap) -> None:
    end = CallEnd.attach(memory, 1)
    request = end.receive_words()
    try:
        while True:
            request = end.reply_receive((request[0] + request[1],))
    except EOFError:
        end.close()


@pytest.mark.parametrize("window", [1, 4])
def test_two_processes_call(window: int) -> None:
    memory = shared("calls", window)
    with child(serve, memory), CallEnd.attach(memory, 0) as end:
        for number in range(1000):
            assert end.call((number, 5))[0] == number + 5
        lines = [end.begin((number, 1)) for number in range(window)]
        assert [end.take(line)[0] for line in lines] == list(range(1, window + 1))


def serve_into(memory: mmap.mmap) -> None:
    end, buffer = CallEnd.attach(memory, 1), memoryview(bytearray(56))
    words = buffer.cast("Q")
    try:
        while True:
            end.serve_into(buffer)
            words[0] += words[1]
    except EOFError:
        end.close()


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize(
    "kind",
    [
        bytearray,
        lambda size: memoryview(bytearray(size)),
        lambda size: memoryview(bytearray(size + 1))[1:],
    ],
)
def test_two_processes_call_into_buffers(window: int, kind: Callable[[int], Any]) -> None:
    memory = shared("calls", window)
    with child(serve_into, memory), CallEnd.attach(memory, 0) as end:
        request, reply = kind(56), kind(56)
        asked, told = memoryview(request).cast("Q"), memoryview(reply).cast("Q")
        for number in range(1000):
            asked[0], asked[1] = number, 5
            end.call_into(request, reply)
            assert (told[0], told[1], asked[0]) == (number + 5, 5, number)
        end.call_into(request, request)
        assert asked[0] == 1004
        blocks = sys.getallocatedblocks()
        for _ in itertools.repeat(None, 1000):
            end.call_into(request, reply)
        assert sys.getallocatedblocks() - blocks < 10


RELEASED = memoryview(bytearray(56))
RELEASED.release()


@pytest.mark.parametrize(
    ("buffer", "error"),
    [
        (bytearray(55), ValueError),
        (memoryview(bytearray(57)), ValueError),
        (b"x" * 56, BufferError),
        (memoryview(bytearray(112))[::2], BufferError),
        (memoryview(bytes(56)), BufferError),
        (RELEASED, ValueError),
        ((1,), TypeError),
    ],
)
def test_what_takes_no_message_is_refused_before_anything_is_sent(
    buffer: Any, error: type[Exception]
) -> None:
    ours, theirs = call_pair(1)
    with pytest.raises(error):
        ours.call_into(bytes(56), buffer)
    assert theirs.try_receive_words() is None
    ours.begin((7,))
    with pytest.raises(error):
        theirs.serve_into(buffer)
    assert theirs.receive_words()[0] == 7


def test_the_reply_of_a_call_that_timed_out_is_dropped() -> None:
    caller, answerer = call_pair(1)
    caller.timeout = 0.01
    with pytest.raises(TimeoutError):
        caller.call((1,))
    with pytest.raises(TimeoutError):
        caller.call((2,))  # the only line is still in use
    assert answerer.receive_words()[0] == 1
    answerer.reply((10,))
    line = caller.begin((3,))
    assert answerer.try_receive_words() == (3, 0, 0, 0, 0, 0, 0)
    answerer.reply((30,))
    assert caller.take(line)[0] == 30
