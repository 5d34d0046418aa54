"""The signals of a core's process, which a program may use as it likes while it runs, and which are
the core's again when it has ended: a handler that it leaves behind would run in the core's own
code, and a timer would end the core.
"""

from __future__ import annotations

# What the module signal wraps, without its enumerations: they cost 100 µs a program.
import _signal as signal  # type: ignore[import-not-found]

_NATIVE = {signal.SIGSEGV, signal.SIGBUS, signal.SIGURG}
"""The driver's, which puts them back itself."""


class Handlers:
    """As they are now."""

    def __init__(self) -> None:
        ours = signal.valid_signals() - _NATIVE - {signal.SIGKILL, signal.SIGSTOP}
        now = [(number, signal.getsignal(number)) for number in ours]
        self._handlers = [one for one in now if one[1] is not None]  # None: not Python's
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def put_back(self) -> None:
        """Makes them so again. What a handler raises meanwhile is nobody's any more."""
        while True:
            try:
                for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
                    signal.setitimer(timer, 0)
                for number, handler in self._handlers:
                    if signal.getsignal(number) is not handler:
                        signal.signal(number, handler)
                signal.set_wakeup_fd(-1)
                signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
                return
            except BaseException:
                continue
