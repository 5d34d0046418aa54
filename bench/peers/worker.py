"""One of the two processes of a peer: pins itself, opens its end, and runs the loops it is asked
for.

Guarantees: it dies with the process that started it; it runs on its CPU alone, the threads of the
library included; no garbage is collected inside a loop. Requests and answers are tuples over the
control connection: ("round_trips", count, batch), ("stream", count), ("stop",); an answer is ("ok",
result) or ("failed", sentence).
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from multikernel.machine.host import pinning

from .peer import End, Failed, ProcessPeer

PR_SET_PDEATHSIG = 1
WARM = 64


def tether(parent: int | None = None) -> None:
    """From now on this process dies with the one that started it (parent, if that is known)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def main(
    peer: ProcessPeer,
    role: int,
    cpu: int,
    side: Any,
    control: Connection,
    parent: int,
    errors: Path,
) -> None:
    """A spawned worker, from beginning to end. errors: a file for what the library complains of."""
    tether(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    complaints = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(complaints, 1)
    os.dup2(complaints, 2)
    serve(peer, role, cpu, side, control)


def serve(peer: ProcessPeer, role: int, cpu: int, side: Any, control: Connection) -> None:
    """Opens the end and serves requests until one says stop."""
    try:
        pinning.pin(cpu)
        end = peer.open(side, role)
        control.send(("ok", None))
        gc.collect()
        gc.freeze()
        gc.disable()
        while (order := control.recv())[0] != "stop":
            control.send(("ok", _do(end, role, order)))
        end.close()
        control.send(("ok", None))
    except EOFError:
        pass
    except Exception as error:
        # Whatever a library raises is the reason why it has no figure.
        lines = str(error).strip().splitlines()
        control.send(
            ("failed", f"{type(error).__name__}: {lines[0] if lines else 'no more is said'}")
        )


def _do(end: End, role: int, order: tuple[Any, ...]) -> Any:
    if order[0] == "round_trips":
        _, count, batch = order
        if role == 0:
            return _ask(end, count, batch)
        _answer(end, count // batch * batch)
        return None
    _, count = order
    return _send(end, count) if role == 0 else _receive(end, count)


def _check(end: End, received: object) -> None:
    content = end.content(received)[: len(end.message)]
    if content != end.message:
        raise Failed(f"what arrived is not what was sent: {content[:16].hex()}…")


def _ask(end: End, count: int, batch: int) -> list[int]:
    """Nanoseconds of each batch of round trips."""
    message, send, receive, exchange = end.message, end.send, end.receive, end.exchange
    clock, times = time.perf_counter_ns, []
    received: object = None
    into, buffer = end.exchange_into, bytearray(len(message))
    for _ in range(count // batch):
        if into is not None:
            began = clock()
            for _ in range(batch):
                into(message, buffer)
            times.append(clock() - began)
            received = buffer
        elif exchange is not None:
            began = clock()
            for _ in range(batch):
                received = exchange(message)
            times.append(clock() - began)
        else:
            began = clock()
            for _ in range(batch):
                send(message)
                received = receive()
            times.append(clock() - began)
    _check(end, received)
    return times


def _answer(end: End, count: int) -> None:
    message, send, receive, answer = end.message, end.send, end.receive, end.answer
    into, buffer = end.answer_into, bytearray(len(message))
    received: object = None
    if into is not None and end.last is not None:
        for _ in range(count):
            into(buffer)
        end.last(message)
        received = buffer
    elif end.first is not None and answer is not None and end.last is not None:
        received = end.first()
        for _ in range(count - 1):
            received = answer(message)
        end.last(message)
    else:
        for _ in range(count):
            received = receive()
            send(message)
    _check(end, received)


def _send(end: End, count: int) -> int:
    """Nanoseconds from the first message until the last is known to have been received."""
    message, send = end.message, end.send
    # Both are there: the first message back says so.
    end.receive()
    began = time.perf_counter_ns()
    if end.send_many is not None:
        end.send_many(count)
    else:
        for _ in range(count):
            send(message)
    received = end.receive()
    took = time.perf_counter_ns() - began
    _check(end, received)
    return took


def _receive(end: End, count: int) -> None:
    receive, received = end.receive, None
    end.send(end.message)
    if end.receive_many is not None:
        end.receive_many(count)
        end.send(end.message)
    else:
        for _ in range(count):
            received = receive()
        end.send(end.message)
        _check(end, received)
