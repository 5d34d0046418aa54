"""What channels carry: bytes of any length and objects, against what was sent; what they refuse."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import more

from multikernel.errors import (
    BadInput,
    ChannelBroken,
    ChannelClosed,
    ChannelError,
    ChannelMisused,
    ChannelTimeout,
    MultikernelError,
)
from multikernel.user import channels
from multikernel.user.channels import FifoEnd

FIFOS = ["used-ring", "epoch-ring", "call-line", "socket", "pipe"]
LENGTHS = [0, 1, 8, 47, 48, 49, 104, 105, 1000, 4096, 70_000, 300_000]
OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=60)
    | st.binary(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def opened(form: Any = "used-ring", **how: Any) -> tuple[FifoEnd, FifoEnd]:
    one, other = (side.open() for side in channels.pair(form, **how))
    assert isinstance(one, FifoEnd)
    assert isinstance(other, FifoEnd)
    one.timeout = other.timeout = 60
    return one, other


def meanwhile(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


@pytest.mark.parametrize("arena", [0, 4096, None])
@pytest.mark.parametrize("form", FIFOS)
def test_bytes_of_any_length_arrive_whole_and_in_order(form: str, arena: int | None) -> None:
    if arena and form in ("socket", "pipe"):
        pytest.skip("the host has no arena")
    one, other = opened(form, **({} if arena is None else {"arena": arena}))
    sent = [os.urandom(length) for length in LENGTHS]
    if form == "epoch-ring":
        sent = [data for data in sent if len(data) < (63 * 1024 if arena else 3500)]

    def send() -> None:
        for data in sent:
            one.send_bytes(data)
            one.receive_bytes()

    sender = meanwhile(send)
    for data in sent:
        assert other.receive_bytes() == data
        other.send_bytes(b"go on")
    sender.join()


@settings(deadline=None, max_examples=more(20, 200))
@given(st.lists(st.binary(max_size=300) | OBJECTS, max_size=12), st.randoms())
def test_objects_and_bytes_are_one_queue(messages: list[Any], random: Any) -> None:
    one, other = opened(slots=1024)
    queue: deque[Any] = deque()
    for message in messages:
        if isinstance(message, bytes) and random.random() < 0.5:
            one.send_bytes(message)
        else:
            one.send(message)
        queue.append(message)
        while queue and random.random() < 0.4:
            assert other.poll()
            assert other.receive(timeout=random.choice([None, 5])) == queue.popleft()
    one.close()
    assert list(other) == list(queue)
    with pytest.raises(ChannelClosed):
        other.receive()


@pytest.mark.parametrize("form", FIFOS)
def test_arrays_arrive_writable_and_of_their_own(form: str) -> None:
    one, other = opened(form)
    array = np.arange(2000, dtype=np.float64).reshape(40, 50)
    message = {"array": array, "again": array, "column": array[:, 3], "none": np.empty(0)}
    sender = meanwhile(lambda: one.send(message))
    got = other.receive()
    sender.join()
    for name, value in message.items():
        assert np.array_equal(got[name], value)
    assert got["array"] is got["again"]
    got["array"][0, 0] = 7
    assert array[0, 0] == 0


def test_what_a_buffer_holds_is_sent_without_being_pickled() -> None:
    one, other = opened()
    array = np.zeros(10_000)
    sender = meanwhile(lambda: one.send(array))
    assert other.poll() in (True, False)
    got = other.receive()
    sender.join()
    base = got
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, (bytearray, memoryview))


@pytest.mark.parametrize("form", FIFOS)
def test_a_wait_for_an_object_can_end_and_go_on(form: str) -> None:
    one, other = opened(form)
    for receive in (other.receive, other.receive_bytes):
        began = time.monotonic()
        with pytest.raises(ChannelTimeout) as timed:
            receive(timeout=0.02)
        assert time.monotonic() - began >= 0.02
        assert isinstance(timed.value, TimeoutError)
    one.send("late")
    assert other.receive() == "late"


def test_half_a_message_breaks_the_sender_and_not_silently() -> None:
    one, other = opened(slots=2, arena=4096)
    with pytest.raises(ChannelTimeout):
        one.send_bytes(bytes(1 << 20), timeout=0.02)
    with pytest.raises(ChannelBroken):
        one.send_bytes(b"next")
    with pytest.raises(ChannelTimeout):
        other.receive_bytes(timeout=0.02)
    one.close()
    with pytest.raises(ChannelClosed):
        other.receive_bytes()


def test_a_direction_carries_one_kind_and_nothing_is_lost() -> None:
    one, other = opened()
    one.send({"an": "object"})
    for wrong in (other.receive_words, other.try_receive_words, other.receive_message):
        with pytest.raises(ChannelMisused, match="objects or bytes"):
            wrong()
    with pytest.raises(ChannelMisused, match="an object"):
        other.receive_bytes()
    assert other.receive() == {"an": "object"}
    with pytest.raises(ChannelMisused, match="otherwise"):
        one.send_words((1,))
    other.send_words((1, 2))  # the other direction is its own
    with pytest.raises(ChannelMisused, match="words"):
        one.receive()
    assert one.receive_words() == (1, 2, 0, 0, 0, 0, 0)


def test_words_are_waited_for_from_the_first_on() -> None:
    one, other = opened()

    def send() -> None:
        time.sleep(0.05)
        one.send_words((5,))

    later = meanwhile(send)
    assert not other.poll()
    assert other.receive_words()[0] == 5
    later.join()
    one.send_words((6,))
    assert other.poll()
    array: Any = np.zeros((1, 7), np.uint64)
    assert other.try_receive_many(array) == 1
    assert array[0, 0] == 6


class Unpicklable:
    def __reduce__(self) -> Any:
        raise ValueError("not to be pickled")


def misuses() -> dict[str, Callable[[], object]]:
    one, other = opened()
    one.send(1)
    closed, _ = opened()
    closed.close()
    opened_before, _rest = channels.pair()
    opened_before.open()
    gone, _other = channels.pair()
    gone.close()
    calls = [side.open() for side in channels.pair("calls")]
    side, _another = channels.pair()
    text = str(side)
    side.close()
    return {
        "not bytes": lambda: one.send_bytes("text"),  # type: ignore[arg-type]
        "not in one piece": lambda: one.send_bytes([1]),  # type: ignore[arg-type]
        "words after objects": lambda: one.send_words((1,)),
        "words of objects": other.receive_words,
        "closed": lambda: closed.send(1),
        "closed, receiving": closed.receive,
        "opened twice": opened_before.open,
        "given up": gone.open,
        "no reply due": lambda: calls[0].reply(()),
        "nothing called": lambda: calls[0].take(0),
        "no timeout": lambda: other.receive(timeout=-1),
        "no timeout at all": lambda: other.receive(timeout="soon"),  # type: ignore[arg-type]
        "no timeout of an end": lambda: setattr(one, "timeout", float("nan")),
        "wait without end": lambda: channels.wait([other], -1),
        "calls on a FIFO": lambda: one.call((1,)),
        "a FIFO's on calls": lambda: calls[0].send("text"),
        "no side": lambda: channels.Side.parse("used-ring:0"),
        "no number": lambda: channels.Side.parse("used-ring:0:4096:a:b:c:d"),
        "not inherited": lambda: channels.Side.parse(text),
        "too long": lambda: opened("epoch-ring", arena=0)[0].send_bytes(bytes(1 << 16)),
        "no such form": lambda: channels.pair("ring"),  # type: ignore[arg-type]
        "no such slots": lambda: channels.pair("used-ring", 3),
        "no such arena": lambda: channels.pair("used-ring", arena=100),
    }


@pytest.mark.parametrize("what", misuses())
def test_what_is_misused_says_what_and_what_to_do(what: str) -> None:
    with pytest.raises(MultikernelError) as refused:
        misuses()[what]()
    assert isinstance(refused.value, BadInput)
    assert refused.value.value


def test_what_cannot_be_pickled_is_not_sent() -> None:
    one, other = opened()
    with pytest.raises(ValueError, match="not to be pickled"):
        one.send(Unpicklable())
    one.send("next")
    assert other.receive() == "next"


def test_an_end_is_not_its_childs() -> None:
    one, other = opened()
    child = os.fork()
    if not child:
        try:
            one.send(1)
        except ChannelMisused as error:
            os._exit(0 if "parent" in str(error) and isinstance(error, ChannelError) else 1)
        os._exit(2)
    assert os.waitid(os.P_PID, child, os.WEXITED).si_status == 0  # type: ignore[union-attr]
    one.send("still open")
    assert other.receive() == "still open"
