"""What the unmap experiment compares, and what each difference means in words.

Guarantees: "structure" compares sides that are notified in the same way; where they are notified
differently the words say that the difference comes of that.
"""

from __future__ import annotations

from collections.abc import Iterator

from multikernel.experiments.instrument.arms import Ratio
from multikernel.experiments.unmap.by_cores import KINDS, LINE, LINUX, PROTOCOLS, Plan, Tree
from multikernel.results.document import Words
from multikernel.runtime.plan import HOST_TRANSPORTS

WHO = {
    "one-phase": "the multikernel in one phase",
    "two-phase": "the multikernel in two phases",
}
SHARED = "the shared kernel under its lock"
POLL = "Unmap, targets polling, notified by poll"
SIGNAL = "Unmap, targets computing, notified by signal"
COMPUTING = "Unmap, peers computing in both"
RATE = ("does {} the work of", "does less, by {}, than")
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
MESSAGES_COST = (
    "Along a tree the shared kernel notifies by messages, where its line is one for all: both are"
    " in this."
)


def _words(
    subject: str, other: str, lead: str, remark: str = "", *, counterpart: bool = True,
    rate: bool = False, more_is_better: bool = True,
) -> Words:  # fmt: skip
    usual = Words(subject=subject, other=other)
    better, worse = RATE if rate else (usual.better, usual.worse)
    return Words(
        subject=subject, other=other, lead=lead, better=better, worse=worse,
        more_is_better=more_is_better, counterpart=counterpart,
        remarks={"better": remark, "worse": remark} if remark else {},
    )  # fmt: skip


def ratios() -> Iterator[Ratio]:
    """Of all cores."""
    for protocol, who in WHO.items():
        for target, lead in (("polling", POLL), ("computing", SIGNAL)):
            ours = f"{protocol}-{target}"
            yield Ratio(f"shared-{target}", ours, "structure", _words(who, SHARED, lead))
        yield from _against_linux(protocol, who)
        yield Ratio(f"{protocol}-polling", "local", "cost")
    yield Ratio("shared-polling", "local", "cost")
    yield Ratio(
        "two-phase-polling", "one-phase-polling", "structure",
        _words(
            "voting first (two phases)", "doing it at once (one phase)", POLL, counterpart=False,
            more_is_better=False,
        ),
    )  # fmt: skip
    yield Ratio("two-phase-computing", "one-phase-computing", "structure")
    words = _words(
        "the shared kernel, targets polling,", "Linux, peers computing", "Unmap", counterpart=False
    )
    yield Ratio("linux-computing", "shared-polling", "notification", _only_better(words))
    yield Ratio("linux-computing", "shared-computing", "notification")
    yield Ratio("linux-idle", "shared-polling", "notification")
    yield from _own_pages()
    yield from _what_else_is_paid()
    yield from _by_the_host()


def _only_better(words: Words) -> Words:
    """With the remark that holds where polling wins."""
    return Words(
        subject=words.subject, other=words.other, lead=words.lead, counterpart=False,
        remarks={"better": ANY_SHARED},
    )  # fmt: skip


def _against_linux(protocol: str, who: str) -> Iterator[Ratio]:
    kind, polling = "notification", f"{protocol}-polling"
    subject = f"{who}, targets polling,"
    words = _words(subject, "Linux, peers computing", "Unmap", ANY_KERNEL)
    yield Ratio("linux-computing", polling, kind, words)
    words = _words(f"{who}, notified by signal,", "Linux, notified by interrupt", COMPUTING)
    yield Ratio("linux-computing", f"{protocol}-computing", kind, words)
    words = _words(subject, "Linux, peers asleep", "Unmap", NOBODY)
    yield Ratio("linux-idle", polling, kind, words)


def _own_pages() -> Iterator[Ratio]:
    lead, ours = "Cores with pages of their own, all unmapping at once", "own-pages-multikernel"
    for key, kind, other, remark in (
        ("shared", "structure", "the shared kernel", ""),
        ("linux", "spared", "Linux's threads", OWN_LINUX),
        ("linux-processes", "spared", "as many processes of Linux", OWN_PROCESSES),
    ):
        words = _words("the multikernel", other, lead, remark, rate=True)
        yield Ratio(ours, f"own-pages-{key}", kind, words)
    yield Ratio("own-pages-shared", "own-pages-linux", "spared")


def _what_else_is_paid() -> Iterator[Ratio]:
    beside = [
        ("map", "Mapping on all cores", "shared", "the shared kernel"),
        ("map", "Mapping on all cores", "linux", "Linux's threads"),
        ("touch", "The first touch on all cores", "shared", "the shared kernel"),
        ("touch", "The first touch on all cores", "linux", "Linux's threads"),
        *(
            (f"life-{form}", f"A page's whole life, {how}", key, other)
            for form, how in (("fresh", "mapped where none was"), ("reused", "where it was before"))
            for key, other in (
                ("shared", "the shared kernel"),
                ("linux-computing", "Linux's threads, the others computing"),
                ("linux-idle", "Linux's threads, the others asleep"),
            )
        ),
    ]
    for what, lead, key, other in beside:
        words = _words("the multikernel", other, lead)
        yield Ratio(f"{what}-{key}", f"{what}-multikernel", "cost", words)
    yield Ratio("life-fresh-multikernel", "life-reused-multikernel", "cost")
    lead = "Maps, touches and unmaps one after the other, each an interrupt"
    for name, kernel in (("multikernel", "the multikernel"), ("shared", "the shared kernel")):
        words = _words(
            f"a program computing on a notified core of {kernel}", "the same left alone", lead,
            counterpart=False, rate=True,
        )  # fmt: skip
        yield Ratio(f"program-{name}-interrupted", f"program-{name}-alone", "cost", words)


def _by_the_host() -> Iterator[Ratio]:
    """By the transport of the multikernel's messages."""
    names = {"socket": "Unix sockets"}
    for transport in HOST_TRANSPORTS:
        for protocol, who in WHO.items():
            ours, subject = f"{protocol}-polling-{transport}", f"{who} over {names[transport]}"
            words = _words(
                subject, "the same over call lines", POLL, counterpart=False, more_is_better=False
            )
            yield Ratio(ours, f"{protocol}-polling", "transport", words)
            words = _words(subject, SHARED, POLL, BY_THE_HOST)
            yield Ratio("shared-polling", ours, "transport", words)
            words = _words(
                f"{subject}, targets polling,", "Linux, peers computing", "Unmap", ANY_KERNEL
            )
            yield Ratio("linux-computing", ours, "notification", words)


# --- By number of cores, and by tree


def by_cores(plan: Plan) -> Iterator[Ratio]:
    """What the tree is worth in each kernel, what structure is worth with the same tree, and Linux
    beside both. Words are for all cores; how it goes with their number is said of all together.
    """
    for tree in plan.trees:
        said = tree.cores == plan.booted
        for ratio in _along(plan, tree):
            yield ratio if said else Ratio(ratio.over, ratio.under, ratio.kind)


def _along(plan: Plan, tree: Tree) -> Iterator[Ratio]:
    shared, along = plan.with_tree("shared", tree), f"along the tree {tree.kind}"
    line, linux = plan.key(LINE, tree.cores), plan.key(LINUX, tree.cores)
    plain = None if tree.kind == KINDS[0] else Tree(KINDS[0], tree.cores, ())
    words = _words(
        f"the shared kernel {along}", "the same by its line", POLL, MESSAGES_COST, counterpart=False
    )
    yield Ratio(line, shared, "tree", words)
    if plain is not None:
        over = plan.with_tree("shared", plain)
        yield Ratio(over, shared, "tree", _over_plain(f"the shared kernel {along}"))
    if not plan.protocols():
        lead = "Unmap on two cores, which have but one tree"
        for protocol in PROTOCOLS:
            words = _words(WHO[protocol], "the shared kernel notified by messages too", lead)
            yield Ratio(shared, f"{protocol}-polling", "structure", words)
    lead = "Unmap, targets polling, notified by messages along the same tree"
    for protocol in plan.protocols():
        ours, who = plan.with_tree(protocol, tree), f"{WHO[protocol]} {along}"
        words = _words(who, f"the shared kernel {along}", lead)
        yield Ratio(shared, ours, "structure", words)
        words = _words(f"{who}, targets polling,", "Linux, peers computing", "Unmap", ANY_KERNEL)
        yield Ratio(linux, ours, "notification", words)
        yield Ratio(line, ours, "structure")
        if plain is not None:
            yield Ratio(plan.with_tree(protocol, plain), ours, "tree", _over_plain(who))


def _over_plain(who: str) -> Words:
    return _words(who, f"the same along the tree {KINDS[0]}", POLL, counterpart=False)
