"""Programs on modelled cores: Python functions, each in a thread of its own, one at a time.

Guarantees: a program runs until it asks its kernel; then time goes on until some program has its
answer, and that one runs. So a program needs no other form than on a real core, what it does
between two requests takes no time unless it says so (`compute`), and the same programs come to the
same times in every run. Not thread-safe: whoever made the system drives it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from multikernel.errors import BadInput, CoreBusy, MultikernelError, SystemClosed
from multikernel.virtual.kernel import Answer, Kernel, Reply

_mine = threading.local()


class Program:
    """One that runs. now: its own time, in cycles."""

    def __init__(self, core: int, function: Callable[[], Any], now: int) -> None:
        self.core = core
        self.now = now
        self.ended = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.answer: Answer | None = None
        self._function = function
        self._goes = threading.Semaphore(0)
        self._stops = threading.Semaphore(0)
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Until it asks for something, or ends."""
        self._goes.release()
        self._stops.acquire()

    def wait(self) -> Answer:
        """In its own thread: until it is resumed, with an answer."""
        self._stops.release()
        self._goes.acquire()
        if self._closed:
            raise SystemClosed("the system is closed")
        assert self.answer is not None
        return self.answer

    def close(self) -> None:
        """It ends at once, by an exception."""
        self._closed = True
        while not self.ended:
            self.resume()
        self._thread.join()

    def _run(self) -> None:
        self._goes.acquire()
        _mine.program = self
        try:
            if not self._closed:
                self.value = self._function()
        except BaseException as error:  # the starter's to raise
            self.error = error
        self.ended = True
        self._stops.release()


def current() -> Program | None:
    """The program that this thread is."""
    return getattr(_mine, "program", None)


class Programs:
    """All programs of a system, and what they wait for."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._ready: deque[Program] = deque()
        self._waiting: dict[int, Program] = {}
        self._answers: dict[int, Answer] = {}
        self._on: dict[int, Program] = {}
        self._closed = False

    def start(self, core: int, function: Callable[[], Any]) -> Program:
        """On that core, now. Raises CoreBusy, SystemClosed."""
        self.check()
        if core in self._on and not self._on[core].ended:
            raise CoreBusy("a program runs on this core already", core=core)
        starter = current()
        program = Program(core, function, self.kernel.now if starter is None else starter.now)
        self._on[core] = program
        self._ready.append(program)
        return program

    def check(self) -> None:
        """Raises SystemClosed."""
        if self._closed:
            raise SystemClosed("the system is closed")

    def request(self, core: int, of: int, kind: int, words: tuple[int, ...],
                kept: bytes) -> Reply:  # fmt: skip
        """Asked by this thread's program; from outside, by a program on that core."""
        self.check()
        program = current()
        if program is None:
            return self._until(self.kernel.ask_number(core, kind, words, of=of, kept=kept)).reply
        ticket = self.kernel.ask_number(program.core, kind, words, at=program.now, of=of, kept=kept)
        self._waiting[ticket] = program
        answer = program.wait()
        program.now = answer.time
        return answer.reply

    def finish(self, program: Program) -> Any:
        """What it returned, or raises what it raised."""
        while not program.ended:
            self._turn()
        if program.error is not None:
            raise program.error
        return program.value

    def close(self) -> None:
        """All of them end."""
        self._closed = True
        for program in self._on.values():
            program.close()

    def _until(self, ticket: int) -> Answer:
        while ticket not in self._answers:
            self._turn()
        return self._answers.pop(ticket)

    def _turn(self) -> None:
        if current() is not None:
            raise MultikernelError("a program on a modelled core cannot wait for another program")
        if self._ready:
            self._ready.popleft().resume()
            return
        found = self.kernel.next()
        if found is None:
            waits = sorted(program.core for program in self._waiting.values())
            raise BadInput(
                "nothing goes on any more, and programs wait", value=f"on cores {waits}",
                hint="nobody sends what they wait for; in a group all members call the same",
            )  # fmt: skip
        ticket, answer = found
        program = self._waiting.pop(ticket, None)
        if program is None:
            self._answers[ticket] = answer
        else:
            program.answer = answer
            self._ready.append(program)
