"""The transports that are compared: what they are called, what they go through, who makes their
ends; and the systems whose cores are given them.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from multikernel.experiments import message
from multikernel.experiments.instrument.machines import Booted
from multikernel.experiments.instrument.rig import Bench
from multikernel.experiments.transport import ends
from multikernel.experiments.transport.ends import Both
from multikernel.results.document import System, Words
from multikernel.user.channels import Form
from multikernel.user.memory import Page

SLOTS = 64
Waits = Literal["polls", "sleeps"]
Kind = Literal["bare", "driver", "channel", "host", "one-cpu"]
SYSTEMS: Mapping[Kind, System] = {
    "bare": "raw", "driver": "multikernel", "channel": "raw", "host": "linux", "one-cpu": "linux",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """make: its two sides, None where the kernels have it already; via: which of theirs."""

    name: str
    kind: Kind
    waits: Waits = "polls"
    make: Callable[[str], Both] | None = None
    crosses: bool = False
    shares_memory: bool = True
    bytes: int = 56
    streams: bool = True
    via: int = 0

    @property
    def compared(self) -> str:
        """What its difference from a bare end in shared memory comes of."""
        if SYSTEMS[self.kind] == "linux":
            return "notification"
        return "transport" if self.crosses else "cost"

    @property
    def on(self) -> Booted:
        return TOGETHER if self.kind == "one-cpu" else APART


def _channels() -> Iterator[Way]:
    for form in get_args(Form):
        outside = form in ("socket", "pipe")
        yield Way(
            f"channel-{form}", "channel", make=partial(ends.channel, form=form),
            crosses=outside, shares_memory=not outside, streams=form != "calls",
        )  # fmt: skip


CARRYING: dict[str, Callable[..., Both]] = {
    "pipe": ends.pipes,
    "stream-socket": partial(ends.sockets, kind=socket.SOCK_STREAM),
    "packet-socket": partial(ends.sockets, kind=socket.SOCK_SEQPACKET),
}


def _host(waits: Waits, kind: Kind = "host") -> Iterator[Way]:
    blocking = waits == "sleeps"
    suffix = ("" if blocking else "-polled") + ("-one-cpu" if kind == "one-cpu" else "")
    for name, make in CARRYING.items():
        yield Way(
            name + suffix, kind, waits, partial(make, blocking=blocking), crosses=True,
            shares_memory=False, bytes=64,
        )  # fmt: skip
    # Polled, a futex is a word in memory: that is what the rings are made of.
    waking: dict[str, Callable[..., Both]] = {
        "eventfd": partial(ends.eventfds, blocking=blocking),
        "futex": ends.futexes,
    }
    for name in waking if blocking else ["eventfd"]:
        yield Way(name + suffix, kind, waits, waking[name], crosses=True, streams=False)


WAYS = (
    Way("epoch-ring", "bare"),
    Way("call-line", "bare"),
    Way("driver-epoch-ring", "driver", streams=False, via=1),
    Way("driver-call-line", "driver", streams=False, via=0),
    *_channels(),
    *_host("polls"),
    *_host("sleeps"),
    *_host("sleeps", "one-cpu"),
)
LATENCY_CONTROL, RATE_CONTROL = "call-line", "epoch-ring"
"""The ways whose latency, and whose throughput, is the control. All are held against these."""


def _prepared(bench: Bench, kinds: tuple[Kind, ...]) -> Page:
    """Gives cores 0 and 1 the sides of these kinds of ways, and memory for the bare ends."""
    ends.give(
        bench.system,
        [partial(way.make, way.name) for way in WAYS if way.make and way.kind in kinds],
    )
    return message.memory(bench, SLOTS)


APART = Booted(prepare=partial(_prepared, kinds=("channel", "host")))
"""Cores with CPUs of their own."""
TOGETHER = Booted(one_cpu=True, prepare=partial(_prepared, kinds=("one-cpu",)))

NAMED = {
    "pipe-polled": "pipes, polled",
    "packet-socket-polled": "packet sockets, polled",
    "eventfd-polled": "eventfds, polled",
    "pipe": "pipes, asleep",
    "packet-socket": "packet sockets, asleep",
    "futex": "futex, asleep",
    "pipe-one-cpu": "pipes with both processes on one CPU",
}
"""The host's ways that a call line is held against in words."""
REMARKS: Mapping[Waits, str] = {
    "polls": "Both sides poll in both; the host's way enters its kernel for every message.",
    "sleeps": (
        "The one polls and the other sleeps: what waking costs here is most of it, and polling"
        " takes a CPU."
    ),
}
ONE_CPU = (
    "There no CPU has to be woken, the host switches from one to the other; a call line takes a CPU"
    " for each."
)


def against(way: Way) -> Words:
    """A call line against it, there and back."""
    remark = ONE_CPU if way.kind == "one-cpu" else REMARKS[way.waits]
    return Words(
        subject="a call line", other=f"the host's {NAMED[way.name]}",
        lead="A message there and back, back-to-back, bare ends",
        remarks={"better": remark, "worse": remark},
    )  # fmt: skip
