"""What is compared with what, and how it is worded: the list behind the verdict.

Guarantees: in "structure" both sides are notified in the same way; in "tree" one kernel is notified
along different trees, or by messages and by its line; "transport" is what the monitors' messages
cost where they share no memory; in "spared" one side has nobody to notify; in "asking" the
multikernel's cores agree and the shared kernel's take locks; in "notification" the sides are
notified differently; "cost" is what else is paid. Every comparison says which side is the
multikernel's. A comparison whose ratio a document does not have is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["structure", "tree", "transport", "spared", "asking", "notification", "cost"]
TITLES: dict[Kind, str] = {
    "structure": "What structure is worth (both sides notified in the same way)",
    "tree": "What the tree is worth",
    "transport": "What shared memory is worth to messages (call lines against sockets)",
    "spared": "What cores are spared that don't hold the page",
    "asking": "What it costs to ask all, where the shared kernel's cores take a lock",
    "notification": "What the kind of notification is worth (poll, signal, interrupt, nothing)",
    "cost": "What else is paid",
}
TIME = ("is {} as fast as", "is slower and takes {} the time of")
RATE = ("does {} the work of", "does less, by {}, than")


@dataclass(frozen=True, slots=True)
class Comparison:
    """ratio: its name in a document. more_is_better…: whether a ratio above 1 speaks for the
    multikernel's side.

    words: what a better and a worse multikernel does, with a place for the factor. remarks: what
    must be added, by outcome. is_counterpart: whether the other side is
    another kernel's, not another configuration of the multikernel.
    """

    ratio: str
    kind: Kind
    more_is_better_for_multikernel: bool
    multikernel: str
    other: str
    lead: str = ""
    words: tuple[str, str] = TIME
    remarks: Mapping[str, str] = field(default_factory=dict)
    is_counterpart: bool = True


POLL = "Unmap, targets polling, notified by poll"
SIGNAL = "Unmap, targets computing, notified by signal"
ONE, TWO = "the multikernel in one phase", "the multikernel in two phases"
SHARED = "the shared kernel under its lock"
ANY_KERNEL = (
    "One is notified by poll, the other by interrupt: this is what the notification is worth, and"
    " any kernel whose cores poll would have it."
)
ANY_SHARED = (
    "The shared kernel, notified by poll, has it too: it comes of the notification, not of the"
    " structure."
)
NOBODY = (
    "Linux has nobody to notify here: its peers sleep. Its call costs more than the mapping call of"
    " the table all the same, for it is made once they do, and not again and again."
)
OWN_LINUX = (
    "The multikernel notifies only cores that hold the page, and nobody else holds these; threads"
    " of one address space share all pages, so Linux must interrupt every CPU that runs one. What"
    " an interrupt costs here is part of it."
)
OWN_PROCESSES = (
    "Processes have an address space each, as cores have, and interrupt nobody either: what threads"
    " lack is that, and not a multikernel."
)
BY_THE_HOST = (
    "Polling is asking the host here, and every message a call of the host to send and another to"
    " receive; the shared kernel notifies by shared memory, these messages need"
    " none."
)
HOST_TRANSPORTS = {"socket": "Unix sockets"}
AT_ONCE = "Cores with pages of their own, all unmapping at once"


def _unmap(
    ratio: str,
    kind: Kind,
    multikernel: str,
    other: str,
    lead: str,
    remarks: Mapping[str, str] | None = None,
) -> Comparison:
    return Comparison(ratio, kind, True, multikernel, other, lead, remarks=remarks or {})


def _always(text: str) -> dict[str, str]:
    return {"better": text, "worse": text}


def _by_the_host() -> Iterator[Comparison]:
    for transport, name in HOST_TRANSPORTS.items():
        for protocol, who in (("one-phase", ONE), ("two-phase", TWO)):
            ours = f"{protocol}-polling-{transport}"
            yield Comparison(
                f"{ours}-over-{protocol}-polling", "transport", False, f"{who} over {name}",
                "the same over call lines", POLL, is_counterpart=False,
            )  # fmt: skip
            yield _unmap(
                f"shared-polling-over-{ours}",
                "transport",
                f"{who} over {name}",
                SHARED,
                POLL,
                _always(BY_THE_HOST),
            )
            yield _unmap(
                f"linux-computing-over-{ours}", "notification",
                f"{who} over {name}, targets polling,",
                "Linux, peers computing", "Unmap", _always(ANY_KERNEL),
            )  # fmt: skip


TREES = (
    "sequential", "cluster", "numa-aware", "adaptive",
    "binary", "3-ary", "4-ary", "8-ary", "minimum-spanning", "optimum", "chosen",
)  # fmt: skip
"""The first is what the others are compared with. Those of the second line only where a system
chose them.
"""
MESSAGES_COST = (
    "Along a tree the shared kernel notifies by messages, where its line is one for all: both are"
    " in this."
)


def _along_trees() -> Iterator[Comparison]:
    lead = "Unmap, targets polling, notified by messages along the same tree"
    protocols = (("one-phase", ONE), ("two-phase", TWO))
    for kind in TREES:
        tree, shared = f"along the tree {kind}", f"shared-polling-{kind}"
        for protocol, who in protocols:
            ours = f"{protocol}-polling-{kind}"
            yield _unmap(
                f"{shared}-over-{ours}",
                "structure",
                f"{who} {tree}",
                f"the shared kernel {tree}",
                lead,
            )
            yield _unmap(
                f"linux-computing-over-{ours}", "notification", f"{who} {tree}, targets polling,",
                "Linux, peers computing", "Unmap", _always(ANY_KERNEL),
            )  # fmt: skip
            if kind != TREES[0]:
                yield _own(f"{protocol}-polling-{TREES[0]}-over-{ours}", f"{who} {tree}", TREES[0])
        if kind != TREES[0]:
            yield _own(
                f"shared-polling-{TREES[0]}-over-{shared}", f"the shared kernel {tree}", TREES[0]
            )
        yield Comparison(
            f"shared-polling-over-{shared}", "tree", True, f"the shared kernel {tree}",
            "the same by its line", POLL,
            remarks=_always(MESSAGES_COST), is_counterpart=False,
        )  # fmt: skip
    for protocol, who in protocols:
        yield _unmap(
            f"shared-polling-{TREES[0]}-over-{protocol}-polling", "structure", who,
            "the shared kernel notified by messages too",
            "Unmap on two cores, which have but one tree",
        )  # fmt: skip


def _own(ratio: str, who: str, plain: str) -> Comparison:
    return Comparison(
        ratio, "tree", True, who, f"the same along the tree {plain}", POLL, is_counterpart=False
    )


LOCKS = {
    "big-lock": "the shared kernel under one lock",
    "region-locks": "the shared kernel under one a region",
}
RETYPES = "Retype and delete, all cores at once, {}"
RETYPED = {
    "alone": "memory of their own that no other core knows",
    "copied": "memory of their own that all have copies of",
    "common": "their parts of one memory that all have copies of",
}
ASKED_BY = {"two-phase": ("copied", "common"), "owner": ("common",)}
FLIGHTS = {"": "", "-16-in-flight": ", 16 in flight,"}


def _retypes() -> Iterator[Comparison]:
    ways = {"two-phase": TWO, "owner": "the multikernel by owners"}
    for memory, words in RETYPED.items():
        for way, who in ways.items():
            asks = memory in ASKED_BY[way]
            for flight, flying in FLIGHTS.items() if asks else [("", "")]:
                for lock, other in LOCKS.items():
                    yield Comparison(
                        f"{way}-{memory}{flight}-rate-over-{lock}-{memory}-rate",
                        "asking" if asks else "structure",
                        True, f"{who}{flying}", other, RETYPES.format(words), RATE,
                    )  # fmt: skip


RINGS = {"epoch-ring": "epoch", "used-ring": "used-bit"}
STREAM = "Messages one way, {} slots"
THERE_AND_BACK = "A message there and back, back-to-back, bare ends"
BOTH_POLL = "Both sides poll in both; the host's way enters its kernel for every message."
ONE_SLEEPS = (
    "The one polls and the other sleeps: what waking costs here is most of it, and polling takes a"
    " CPU."
)

ONE_CPU = (
    "There no CPU has to be woken, the host switches from one to the other; a call line takes a CPU"
    " for each."
)


def _plain(ring: str, name: str, slots: int) -> Comparison:
    return Comparison(
        f"{ring}-{slots}-rate-over-plain-{slots}-rate", "cost", True, f"the {name} ring",
        "a ring that only carries words", STREAM.format(slots), RATE, is_counterpart=False,
    )  # fmt: skip


def _host(way: str, other: str, remark: str) -> Comparison:
    return Comparison(
        f"{way}-back-to-back-over-call-line-back-to-back", "notification", True,
        "a call line", other, THERE_AND_BACK,
        remarks=_always(remark),
    )  # fmt: skip


def _own_pages(key: str, kind: Kind, other: str, remark: str = "") -> Comparison:
    ratio = f"own-pages-multikernel-over-own-pages-{key}"
    return Comparison(
        ratio, kind, True, "the multikernel", other, AT_ONCE, RATE, _always(remark)
    )  # fmt: skip


def _beside(what: str, lead: str, key: str, other: str) -> Comparison:
    name = f"{what}-{key}-over-{what}-multikernel"
    return Comparison(name, "cost", True, "the multikernel", other, lead)


MESSAGES = (
    *(_plain(ring, name, slots) for slots in (64, 1024, 4096) for ring, name in RINGS.items()),
    _host("pipe-polled", "the host's pipes, polled", BOTH_POLL),
    _host("packet-socket-polled", "the host's packet sockets, polled", BOTH_POLL),
    _host("eventfd-polled", "the host's eventfds, polled", BOTH_POLL),
    _host("pipe", "the host's pipes, asleep", ONE_SLEEPS),
    _host("packet-socket", "the host's packet sockets, asleep", ONE_SLEEPS),
    _host("futex", "the host's futex, asleep", ONE_SLEEPS),
    _host("pipe-one-cpu", "the host's pipes with both processes on one CPU", ONE_CPU),
)
"""Of the experiments message and transport."""

COMPARISONS = (
    _unmap("shared-polling-over-one-phase-polling", "structure", ONE, SHARED, POLL),
    _unmap("shared-polling-over-two-phase-polling", "structure", TWO, SHARED, POLL),
    _unmap("shared-computing-over-one-phase-computing", "structure", ONE, SHARED, SIGNAL),
    _unmap("shared-computing-over-two-phase-computing", "structure", TWO, SHARED, SIGNAL),
    _own_pages("shared", "structure", "the shared kernel"),
    _own_pages("linux", "spared", "Linux's threads", OWN_LINUX),
    _own_pages("linux-processes", "spared", "as many processes of Linux", OWN_PROCESSES),
    Comparison(
        "multikernel-call-line-back-to-back-over-shared-call-line-back-to-back",
        "structure",
        False,
        "the multikernel",
        "the shared kernel",
        "A call from driver to driver, 8 channels polled, back-to-back",
    ),
    Comparison(
        "two-phase-polling-over-one-phase-polling",
        "structure",
        False,
        "voting first (two phases)",
        "doing it at once (one phase)",
        POLL,
        is_counterpart=False,
    ),
    _unmap(
        "linux-computing-over-one-phase-polling",
        "notification",
        f"{ONE}, targets polling,",
        "Linux, peers computing",
        "Unmap",
        _always(ANY_KERNEL),
    ),
    _unmap(
        "linux-computing-over-two-phase-polling",
        "notification",
        f"{TWO}, targets polling,",
        "Linux, peers computing",
        "Unmap",
        _always(ANY_KERNEL),
    ),
    Comparison(
        "linux-computing-over-shared-polling",
        "notification",
        True,
        "the shared kernel, targets polling,",
        "Linux, peers computing",
        "Unmap",
        remarks={"better": ANY_SHARED},
        is_counterpart=False,
    ),
    _unmap(
        "linux-computing-over-one-phase-computing",
        "notification",
        f"{ONE}, notified by signal,",
        "Linux, notified by interrupt",
        "Unmap, peers computing in both",
    ),
    _unmap(
        "linux-computing-over-two-phase-computing",
        "notification",
        f"{TWO}, notified by signal,",
        "Linux, notified by interrupt",
        "Unmap, peers computing in both",
    ),
    _unmap(
        "linux-idle-over-one-phase-polling",
        "notification",
        f"{ONE}, targets polling,",
        "Linux, peers asleep",
        "Unmap",
        _always(NOBODY),
    ),
    _unmap(
        "linux-idle-over-two-phase-polling",
        "notification",
        f"{TWO}, targets polling,",
        "Linux, peers asleep",
        "Unmap",
        _always(NOBODY),
    ),
    _beside("map", "Mapping on all cores", "shared", "the shared kernel"),
    _beside("touch", "The first touch on all cores", "shared", "the shared kernel"),
    *(
        _beside(f"life-{form}", f"A page's whole life, {how}", key, other)
        for form, how in (("fresh", "mapped where none was"), ("reused", "where it was before"))
        for key, other in (
            ("shared", "the shared kernel"),
            ("linux-computing", "Linux's threads, the others computing"),
            ("linux-idle", "Linux's threads, the others asleep"),
        )
    ),
    Comparison(
        "program-multikernel-interrupted-over-program-multikernel-alone",
        "cost",
        True,
        "a program computing on a notified core of the multikernel",
        "the same left alone",
        "Maps, touches and unmaps one after the other, each an interrupt",
        RATE,
        is_counterpart=False,
    ),
    Comparison(
        "program-shared-interrupted-over-program-shared-alone",
        "cost",
        True,
        "a program computing on a notified core of the shared kernel",
        "the same left alone",
        "Maps, touches and unmaps one after the other, each an interrupt",
        RATE,
        is_counterpart=False,
    ),
    Comparison(
        "multikernel-call-line-back-to-back-over-floor-0-1-back-to-back",
        "cost",
        False,
        "a call through the driver",
        "the bare line",
        "Back-to-back, 8 channels polled",
        is_counterpart=False,
    ),
    Comparison(
        "multikernel-epoch-ring-back-to-back-over-multikernel-call-line-back-to-back",
        "cost",
        False,
        "a call over two rings",
        "one over a call line",
        "Back-to-back, through the driver",
        is_counterpart=False,
    ),
    *_along_trees(),
    *_by_the_host(),
    *_retypes(),
    *MESSAGES,
)
