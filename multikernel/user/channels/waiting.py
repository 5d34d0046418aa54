"""Waiting for the first of several channels that has something.

Guarantees: no time is spent while nothing comes, but where an end has no descriptor (a channel in a
page), which is looked at every millisecond.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable

from multikernel.errors import ChannelMisused
from multikernel.user.channels.side import End

LOOK_SECONDS = 0.001
SLICE_SECONDS = 0.1


def wait(ends: Iterable[End], timeout: float | None = None) -> list[End]:
    """Those of the ends that have something to receive, or will have nothing more (receiving then
    raises ChannelClosed), in their order; waits for the first, at most timeout seconds. Empty: the
    time has passed. Raises ChannelMisused.
    """
    waited = list(ends)
    if timeout is not None and not timeout >= 0:
        raise ChannelMisused("a timeout is a number of seconds from 0 on", value=repr(timeout))
    until = math.inf if timeout is None else time.monotonic() + timeout
    ready = [end for end in waited if end.poll()]
    if ready or not waited:
        return ready
    poll, longest = select.poll(), SLICE_SECONDS
    for end in waited:
        try:
            poll.register(end.fileno(), select.POLLIN)
        except ChannelMisused:
            longest = LOOK_SECONDS
    while not ready:
        left = until - time.monotonic()
        poll.poll(max(0.0, min(left, longest)) * 1000)
        ready = [end for end in waited if end.poll()]
        if left <= 0:
            break
    return ready
