"""The Python ends: against deques, between two processes, and what they say when asked for what
cannot be.
"""

from __future__ import annotations

import mmap
import os
import signal
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s0_native.ends import ALL, CASES, FIFOS, child, fifo_pair, fork, shared

from multikernel.errors import ChannelClosed, ChannelMisused
from multikernel.native import _native
from multikernel.native._native import ChannelEnd

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "receive", "send_many", "receive_many", "bytes"]),
        st.integers(0, 1),
        st.integers(1, 70),
    ),
    max_size=50,
)


def message(number: int) -> tuple[int, ...]:
    return tuple((number * 0x9E3779B97F4A7C15 + i) % 2**64 for i in range(7))


@settings(deadline=None, max_examples=40)
@given(STEPS)
@pytest.mark.parametrize(("form", "slots"), ALL)
def test_an_end_is_a_queue(form: str, slots: int, steps: list[tuple[str, int, int]]) -> None:
    ends = fifo_pair(form, slots)
    queues: tuple[deque[tuple[int, ...]], deque[tuple[int, ...]]] = (deque(), deque())
    number = 0
    for what, side, times in steps:
        end, out, incoming = ends[side], queues[side], queues[1 - side]
        if what == "send_many":
            rows = [message(number + i) for i in range(times)]
            sent = end.try_send_many(np.array(rows, dtype=np.uint64))
            out.extend(rows[:sent])
            number += times
        elif what == "receive_many":
            array = np.zeros((times, 7), dtype=np.uint64)
            got = end.try_receive_many(array)
            assert got == min(times, len(incoming))
            assert [tuple(row) for row in array[:got].tolist()] == [
                incoming.popleft() for _ in range(got)
            ]
        elif what == "send":
            number += 1
            if end.try_send_words(message(number)):
                out.append(message(number))
        elif what == "receive":
            assert end.try_receive_words() == (incoming.popleft() if incoming else None)
        elif incoming:
            assert (
                end.try_receive_message() == np.array(incoming.popleft(), dtype=np.uint64).tobytes()
            )
        assert form in ("socket", "pipe") or len(out) <= slots
    ends[0].close()
    while queues[0]:
        assert ends[1].receive_words() == queues[0].popleft()
    with pytest.raises(ChannelClosed):
        ends[1].receive_words()


# --- Two processes ---


def echo(memory: mmap.mmap, form: str, count: int) -> None:
    end = ChannelEnd.attach(memory, form, 1)
    for _ in range(count):
        end.send_words(end.receive_words())


@pytest.mark.parametrize(("form", "slots"), CASES)
def test_two_processes_echo(form: str, slots: int) -> None:
    memory = shared(form, slots)
    with child(echo, memory, form, 300):
        end = ChannelEnd.attach(memory, form, 0)
        for number in range(300):
            end.send_words(message(number))
            assert end.receive_words() == message(number)


def stream_rows(memory: mmap.mmap, form: str, count: int) -> None:
    end = ChannelEnd.attach(memory, form, 1)
    rows = np.arange(count * 7, dtype=np.uint64).reshape(count, 7)
    for part in np.array_split(rows, 7):
        end.send_many(part)
    end.close()


@pytest.mark.parametrize(("form", "slots"), CASES)
def test_arrays_stream(form: str, slots: int) -> None:
    memory, count = shared(form, slots), 5000
    with child(stream_rows, memory, form, count):
        end = ChannelEnd.attach(memory, form, 0)
        got = np.zeros((count, 7), dtype=np.uint64)
        for part in np.array_split(got, 3):
            end.receive_many(part)
        assert np.array_equal(got, np.arange(count * 7, dtype=np.uint64).reshape(count, 7))
        for name in (ChannelClosed, EOFError, BrokenPipeError):
            with pytest.raises(name, match="closed"):
                end.receive_words()
            with pytest.raises(name, match="closed"):
                end.send_words((1,))


def wait_to_be_killed(memory: mmap.mmap, form: str) -> None:
    end = ChannelEnd.attach(memory, form, 1)
    end.send_words((9,))
    time.sleep(600)


@pytest.mark.parametrize("form", FIFOS)
def test_who_waits_for_a_killed_process_is_told(form: str) -> None:
    memory = shared(form, 4)
    process = fork.Process(target=wait_to_be_killed, args=(memory, form))
    process.start()
    end = ChannelEnd.attach(memory, form, 0)
    assert end.receive_words()[0] == 9
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ChannelClosed, match="gone"):
        end.receive_words()
    process.join()


# --- Waiting ---


@pytest.mark.parametrize(("form", "slots"), ALL)
def test_a_wait_ends_with_its_timeout(form: str, slots: int) -> None:
    end, other = fifo_pair(form, slots)
    end.timeout = 0.02
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=form):
        end.receive_words()
    assert time.monotonic() - began >= 0.02
    while end.try_send_words((1,)):
        pass
    with pytest.raises(TimeoutError):
        end.send_words((1,))
    other.send_words((2,))
    assert end.receive_words()[0] == 2


def test_a_wait_lets_other_threads_run_and_keeps_them_off_the_end() -> None:
    end, other = fifo_pair("used-ring", 4)
    got: list[tuple[int, ...]] = []
    thread = threading.Thread(target=lambda: got.append(end.receive_words()))
    thread.start()
    time.sleep(0.05)
    with pytest.raises(ChannelMisused, match="one thread at a time"):
        end.try_receive_words()
    other.send_words((5,))
    thread.join()
    assert got[0][0] == 5


def test_ctrl_c_ends_a_wait() -> None:
    end, _other = fifo_pair("used-ring", 4)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        end.receive_words()
    timer.join()


def test_a_host_carried_end_can_be_selected() -> None:
    end, other = fifo_pair("socket", 0)
    assert end.fileno() >= 0
    other.send_words(b"hello")
    assert end.receive_message() == b"hello".ljust(56, b"\0")
    with pytest.raises(ChannelMisused, match="no descriptor"):
        fifo_pair("used-ring", 4)[0].fileno()


# --- Bad input ---


@pytest.mark.parametrize(
    "data",
    [(1,) * 8, b"x" * 57, bytearray(57), (-1,), (2**64,), ("1",), (1.0,), 3, [1, 2], "text"],
)
def test_what_is_no_message_is_refused(data: Any) -> None:
    end, other = fifo_pair("used-ring", 4)
    with pytest.raises(ChannelMisused) as refused:
        end.send_words(data)
    assert refused.value.value
    assert refused.value.hint
    assert other.try_receive_words() is None


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 6), np.uint64),
        np.zeros((3, 7)),
        np.zeros(7, np.uint64),
        np.zeros((7, 3), np.uint64).T,
    ],
)
def test_what_is_no_array_of_messages_is_refused(array: Any) -> None:
    end, _other = fifo_pair("used-ring", 4)
    with pytest.raises((ValueError, BufferError)):
        end.try_send_many(array)


def test_a_side_is_opened_once_and_only_as_what_it_is() -> None:
    memory = shared("used-ring", 4)
    ChannelEnd.attach(memory, "used-ring", 0)
    with pytest.raises(ValueError, match="opened before"):
        ChannelEnd.attach(memory, "used-ring", 0)
    with pytest.raises(ValueError, match="another form"):
        ChannelEnd.attach(memory, "epoch-ring", 1)
    with pytest.raises(ChannelMisused, match="no FIFO"):
        ChannelEnd.attach(memory, "calls", 1)
    with pytest.raises(ValueError, match="two sides"):
        ChannelEnd.attach(memory, "used-ring", 2)
    with pytest.raises(ValueError, match="in use"):
        _native.channel_create(memory, "used-ring", 4)
    with pytest.raises(ValueError, match="no channel"):
        ChannelEnd.attach(mmap.mmap(-1, 4096), "used-ring", 0)
    for form, slots in (
        ("used-ring", 3),
        ("epoch-ring", 2),
        ("calls", 33),
        ("epoch-ring", 65536),
        ("nothing", 4),
    ):
        with pytest.raises(ValueError, match=form):
            _native.channel_bytes(form, slots)


def test_a_closed_end_says_so() -> None:
    end, _other = fifo_pair("used-ring", 4)
    end.close()
    end.close()
    assert end.closed
    with pytest.raises(ValueError, match="closed"):
        end.send_words((1,))
    with pytest.raises(OSError, match="SEQPACKET"):
        ChannelEnd.socket(0)
