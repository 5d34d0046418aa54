"""What a channel is worth from Python: beside multiprocessing.Pipe, two processes on two CPUs.

Each group is one thing that is carried, once by each. The figure is in the extra information:
`trip`, microseconds there and back, or of arrays `rate`, GB/s one way. Rounds of the two are not
interleaved: run it twice before a ratio is believed.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from multikernel.user import channels

CARRIED: dict[str, Any] = {
    "8 bytes": b"8 bytes.",
    "a tuple": (1, 2.5, "three"),
    "an array of 80 kB": np.arange(10_000.0),
}
COUNTS = {"pipe": 2_000, "channel": 20_000}
ARRAYS = 1_000


def _ends(side: Any, what: str) -> tuple[Any, Callable[[Any], None], Callable[[], Any]]:
    if isinstance(side, channels.Side):
        end: Any = side.open()
        if what == "8 bytes":
            return end, end.send_bytes, end.receive_bytes
        return end, end.send, end.receive
    if what == "8 bytes":
        return side, side.send_bytes, side.recv_bytes
    return side, side.send, side.recv


def _other(side: Any, cpu: int, what: str) -> None:
    os.sched_setaffinity(0, {cpu})
    _end, send, receive = _ends(side, what)
    while True:
        count = receive() if what != "8 bytes" else int.from_bytes(receive(), "little")
        if not count:
            return
        for _ in range(count if "array" not in what else 0):
            send(receive())
        if "array" in what:
            for _ in range(count):
                receive()
            send(0)


@pytest.mark.parametrize("carrier", ["pipe", "channel"])
@pytest.mark.parametrize("what", CARRIED)
def test_beside_a_pipe(benchmark: Any, what: str, carrier: str) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("two CPUs are needed")
    benchmark.group = what
    ours, theirs = multiprocessing.Pipe() if carrier == "pipe" else channels.pair()
    process = multiprocessing.Process(target=_other, args=(theirs, cpus[1], what), daemon=True)
    process.start()
    os.sched_setaffinity(0, {cpus[0]})
    try:
        _end, send, receive = _ends(ours, what)
        message, arrays = CARRIED[what], "array" in what
        count = ARRAYS if arrays else COUNTS[carrier]

        def start(number: int) -> None:
            send(number if what != "8 bytes" else number.to_bytes(8, "little"))

        def round_trips() -> float:
            start(count)
            began = time.perf_counter()
            for _ in range(count):
                send(message)
                if not arrays:
                    receive()
            if arrays:
                receive()
            return time.perf_counter() - began

        took: list[float] = []
        benchmark.pedantic(lambda: took.append(round_trips()), rounds=5, warmup_rounds=1)
        median = sorted(took)[len(took) // 2]
        if arrays:
            benchmark.extra_info["rate"] = round(count * message.nbytes / median / 1e9, 2)
        else:
            benchmark.extra_info["trip"] = round(median / count * 1e6, 3)
        start(0)
        process.join(10)
    finally:
        os.sched_setaffinity(0, cpus)
        process.kill()
        process.join()
