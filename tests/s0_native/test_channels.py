"""Ring and call line against deques, one operation at a time, at every capacity the tests can
name.
"""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s0_native.building import Shell

RING_SIZES = st.sampled_from([4, 8, 16, 32])
RING_STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "receive"]), st.integers(0, 1), st.integers(1, 40)),
    max_size=40,
)


class Rings:
    """Both ends beside two queues."""

    def __init__(self, shell: Shell, slots: int) -> None:
        self.shell = shell
        self.slots = slots
        self.queues: tuple[deque[int], deque[int]] = (deque(), deque())
        self.number = 0
        assert shell.ask("o", slots) == 1

    def send(self, end: int) -> bool:
        self.number += 1
        sent = self.shell.ask("s", end, self.number)
        if sent:
            self.queues[end].append(self.number)
        assert len(self.queues[end]) <= self.slots - 1, "more in flight than there are credits"
        return bool(sent)

    def receive(self, end: int) -> bool:
        got = self.shell.ask("r", end)
        waiting = self.queues[1 - end]
        assert got == (waiting.popleft() if waiting else -1)
        return got != -1

    def drain(self) -> None:
        """Both sides read until there is nothing."""
        quiet = 0
        while quiet < 4:
            quiet = 0 if self.receive(0) | self.receive(1) else quiet + 1


@settings(max_examples=50, deadline=None)
@given(RING_SIZES, RING_STEPS)
def test_a_ring_is_a_queue_each_way(
    channels: Shell, slots: int, steps: list[tuple[str, int, int]]
) -> None:
    rings = Rings(channels, slots)
    for what, end, times in steps:
        for _ in range(times):
            rings.send(end) if what == "send" else rings.receive(end)
    rings.drain()


@settings(max_examples=50, deadline=None)
@given(RING_SIZES, RING_STEPS, st.integers(0, 1))
def test_what_is_full_is_never_full_for_ever(
    channels: Shell, slots: int, steps: list[tuple[str, int, int]], first: int
) -> None:
    rings = Rings(channels, slots)
    for what, end, times in steps:
        for _ in range(times):
            rings.send(end) if what == "send" else rings.receive(end)
    # Fill both, to the last credit; then read and try again, in turn: each side must get through.
    while rings.send(0) | rings.send(1):
        pass
    sent = [0, 0]
    for _ in range(5):
        for end in (first, 1 - first):
            rings.drain()
            while rings.send(end):
                sent[end] += 1
    assert min(sent) >= 5 * slots // 4, sent


@pytest.mark.parametrize("slots", [4, 8, 32, 16384, 32768])
@pytest.mark.parametrize("end", [0, 1])
def test_the_acknowledgement_wraps_around(channels: Shell, slots: int, end: int) -> None:
    rings = Rings(channels, slots)
    # One way only, so that only ACK messages say what was consumed; then right at
    # the wrap, step by step.
    for base in range(4):
        count = 65536 if base else 65500
        rings.drain()
        assert channels.ask("w", end, count) == 1
        for _ in range(100):
            rings.send(end)
            rings.receive(1 - end)
            rings.send(1 - end)
            rings.receive(end)
    rings.drain()


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 32),
    st.lists(
        st.tuples(st.sampled_from(["call", "receive", "reply", "take"]), st.integers(0, 31)),
        max_size=120,
    ),
)
def test_a_call_line_is_requests_in_order_and_replies_in_any(
    channels: Shell, window: int, steps: list[tuple[str, int]]
) -> None:
    assert channels.ask("O", window) == 1
    calls = 0
    sent: deque[tuple[int, int]] = deque()  # line, value: not yet received
    held: dict[int, int] = {}  # received, not replied
    replied: dict[int, int] = {}  # replied, not taken
    for what, choice in steps:
        busy = {line for line, _ in sent} | held.keys() | replied.keys()
        match what:
            case "call":
                calls += 1
                line = channels.ask("q", calls)
                # Lines are used in order, so the next one decides.
                if line == -1:
                    assert busy
                else:
                    assert 0 <= line < window
                    assert line not in busy
                    sent.append((line, calls))
                assert (line == -1) <= (len(busy) > 0)
            case "receive":
                got = channels.ask("g")
                if not sent:
                    assert got == -1
                    continue
                line, value = sent.popleft()
                assert (channels.ask("l"), got) == (line, value)
                held[line] = value
            case "reply" if held:
                line = sorted(held)[choice % len(held)]
                replied[line] = held.pop(line) + 10_000_000
                assert channels.ask("p", line, replied[line]) == 1
            case "take" if busy:
                line = sorted(busy)[choice % len(busy)]
                assert channels.ask("t", line) == replied.pop(line, -1)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 32), st.integers(1, 4))
def test_a_call_line_takes_as_many_as_its_window(channels: Shell, window: int, rounds: int) -> None:
    assert channels.ask("O", window) == 1
    expected = 0
    for _ in range(rounds):
        lines = [channels.ask("q", 1) for _ in range(window)]
        assert lines == [(expected + i) % window for i in range(window)]
        assert channels.ask("q", 1) == -1
        for _ in lines:
            assert channels.ask("g") == 1
        for line in reversed(lines):
            channels.ask("p", line, 2)
        # Full until the reply of the line that comes next is taken, whatever else was.
        for line in reversed(lines[1:]):
            assert channels.ask("t", line) == 2
        assert channels.ask("q", 1) == -1
        assert channels.ask("t", lines[0]) == 2
