"""Ends of channels in one process, and a process for the other side."""

from __future__ import annotations

import mmap
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from multikernel.native import _native
from multikernel.native._native import CallEnd, ChannelEnd

FIFOS = {"epoch-ring": (4, 64), "used-ring": (1, 2, 64), "call-line": (1, 5, 32)}
CASES = [(form, slots) for form, sizes in FIFOS.items() for slots in sizes]
fork = multiprocessing.get_context("fork")


def shared(form: str, slots: int) -> mmap.mmap:
    memory = mmap.mmap(-1, _native.channel_bytes(form, slots))
    _native.channel_create(memory, form, slots)
    return memory


def fifo_pair(form: str, slots: int) -> tuple[ChannelEnd, ChannelEnd]:
    if form == "socket":
        one, other = _native.socket_pair()
        return ChannelEnd.socket(one), ChannelEnd.socket(other)
    if form == "pipe":
        (a, b), (c, d) = _native.pipe_pair()
        return ChannelEnd.pipe(a, b), ChannelEnd.pipe(c, d)
    memory = shared(form, slots)
    return ChannelEnd.attach(memory, form, 0), ChannelEnd.attach(memory, form, 1)


def call_pair(window: int) -> tuple[CallEnd, CallEnd]:
    memory = shared("calls", window)
    return CallEnd.attach(memory, 0), CallEnd.attach(memory, 1)


ALL = [*CASES, ("socket", 32), ("pipe", 32)]


@contextmanager
def child(function: Callable[..., None], *arguments: Any) -> Iterator[Any]:
    process = fork.Process(target=function, args=arguments)
    process.start()
    try:
        yield process
        process.join(60)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()
