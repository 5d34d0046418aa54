"""What the unmap experiment compares, and what each difference means in words.

Guarantees: "structure" compares sides that are notified in the same way; where they are notified
differently the words say that the difference comes of that.
"""

from collections.abc import Iterator
from dataclasses import replace

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.shapes import Shape
from multikernel.experiments.unmap.by_cores import KINDS, LINE, Plan
from multikernel.experiments.unmap.kernels import ONE, TWO
from multikernel.experiments.unmap.linux import COMPUTES
from multikernel.results import judge
from multikernel.runtime.plan import HOST_TRANSPORTS

WHO = {ONE: "the multikernel in one phase", TWO: "the multikernel in two phases"}
LOCKED = "the shared kernel under its lock"
COMPUTE, ASLEEP = "Linux, peers computing", "Linux, peers asleep"
POLL = "Unmap, targets polling, notified by poll"
SIGNAL = "Unmap, targets computing, notified by signal"
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


def _ratio(
    over: str, under: str, kind: str, subject: str, other: str, lead: str, remark: str = "", *,
    remarked: tuple[judge.Outcome, ...] = ("better", "worse"), counterpart: bool = True,
    rate: bool = False, more_is_better: bool = True,
) -> Ratio:  # fmt: skip
    """With words. remarked: the outcomes that have the remark; rate: of work in a time."""
    words = Words(
        subject=subject, other=other, lead=lead, more_is_better=more_is_better,
        counterpart=counterpart, remarks=dict.fromkeys(remarked, remark) if remark else {},
        **(WORK if rate else {}),
    )  # fmt: skip
    return Ratio(over, under, kind, words)


def ratios() -> Iterator[Ratio]:
    for protocol, who in WHO.items():
        polling, computing = f"{protocol}-polling", f"{protocol}-computing"
        yield _ratio("shared-polling", polling, "structure", who, LOCKED, POLL)
        yield _ratio("shared-computing", computing, "structure", who, LOCKED, SIGNAL)
        polls = f"{who}, targets polling,"
        yield _ratio(COMPUTES, polling, "notification", polls, COMPUTE, "Unmap", ANY_KERNEL)
        yield _ratio(
            COMPUTES, computing, "notification", f"{who}, notified by signal,",
            "Linux, notified by interrupt", "Unmap, peers computing in both",
        )  # fmt: skip
        yield _ratio("linux-idle", polling, "notification", polls, ASLEEP, "Unmap", NOBODY)
        yield Ratio(polling, "local", "cost")
    yield Ratio("shared-polling", "local", "cost")
    yield _ratio(
        "two-phase-polling", "one-phase-polling", "structure", "voting first (two phases)",
        "doing it at once (one phase)", POLL, counterpart=False, more_is_better=False,
    )  # fmt: skip
    yield Ratio("two-phase-computing", "one-phase-computing", "structure")
    yield _ratio(
        COMPUTES, "shared-polling", "notification", "the shared kernel, targets polling,", COMPUTE,
        "Unmap", ANY_SHARED, remarked=("better",), counterpart=False,
    )  # fmt: skip
    yield Ratio(COMPUTES, "shared-computing", "notification")
    yield Ratio("linux-idle", "shared-polling", "notification")
    for key, kind, other, remark in (
        ("shared", "structure", "the shared kernel", ""),
        ("linux", "spared", "Linux's threads", OWN_LINUX),
        ("linux-processes", "spared", "as many processes of Linux", OWN_PROCESSES),
    ):
        yield _ratio(
            "own-pages-multikernel", f"own-pages-{key}", kind, "the multikernel", other,
            "Cores with pages of their own, all unmapping at once", remark, rate=True,
        )  # fmt: skip
    yield Ratio("own-pages-shared", "own-pages-linux", "spared")
    yield from _what_else_is_paid()
    yield from _by_the_host()


def _what_else_is_paid() -> Iterator[Ratio]:
    shared, threads = ("shared", "the shared kernel"), ("linux", "Linux's threads")
    idle = ("linux-idle", "Linux's threads, the others asleep")
    lives = (shared, (COMPUTES, "Linux's threads, the others computing"), idle)
    for what, lead, others in (
        ("map", "Mapping on all cores", (shared, threads)),
        ("touch", "The first touch on all cores", (shared, threads)),
        ("life-fresh", "A page's whole life, mapped where none was", lives),
        ("life-reused", "A page's whole life, where it was before", lives),
    ):
        for key, other in others:
            over, under = f"{what}-{key}", f"{what}-multikernel"
            yield _ratio(over, under, "cost", "the multikernel", other, lead)
    yield Ratio("life-fresh-multikernel", "life-reused-multikernel", "cost")
    for name in ("multikernel", "shared"):
        who = "the multikernel" if name == "multikernel" else "the shared kernel"
        yield _ratio(
            f"program-{name}-interrupted", f"program-{name}-alone", "cost",
            f"a program computing on a notified core of {who}", "the same left alone",
            "Maps, touches and unmaps one after the other, each an interrupt", counterpart=False,
            rate=True,
        )  # fmt: skip


def _by_the_host() -> Iterator[Ratio]:
    names = {"socket": "Unix sockets"}
    for transport in HOST_TRANSPORTS:
        for protocol, who in WHO.items():
            ours, subject = f"{protocol}-polling-{transport}", f"{who} over {names[transport]}"
            yield _ratio(
                ours, f"{protocol}-polling", "transport", subject, "the same over call lines", POLL,
                counterpart=False, more_is_better=False,
            )  # fmt: skip
            yield _ratio("shared-polling", ours, "transport", subject, LOCKED, POLL, BY_THE_HOST)
            polls = f"{subject}, targets polling,"
            yield _ratio(COMPUTES, ours, "notification", polls, COMPUTE, "Unmap", ANY_KERNEL)


# --- By number of cores, and by tree


def by_cores(plan: Plan) -> Iterator[Ratio]:
    """What the tree is worth, and structure with the same tree. Words are for all cores."""
    for tree in plan.trees:
        for ratio in _along(plan, tree):
            yield ratio if tree.cores == plan.booted else replace(ratio, words=None)


def _along(plan: Plan, tree: Shape) -> Iterator[Ratio]:
    shared, along = plan.with_tree("shared", tree), f"along the tree {tree.name}"
    line, linux = plan.key(LINE, tree.cores), plan.key(COMPUTES, tree.cores)
    plain = replace(tree, name=KINDS[0])

    def over_plain(arm: str, who: str) -> Iterator[Ratio]:
        if tree.name != KINDS[0]:
            over, under = (plan.with_tree(arm, one) for one in (plain, tree))
            other = f"the same along the tree {KINDS[0]}"
            yield _ratio(over, under, "tree", who, other, POLL, counterpart=False)

    yield _ratio(
        line, shared, "tree", f"the shared kernel {along}", "the same by its line", POLL,
        MESSAGES_COST, counterpart=False,
    )  # fmt: skip
    yield from over_plain("shared", f"the shared kernel {along}")
    if not plan.protocols():
        for protocol, who in WHO.items():
            yield _ratio(
                shared, f"{protocol}-polling", "structure", who,
                "the shared kernel notified by messages too",
                "Unmap on two cores, which have but one tree",
            )  # fmt: skip
    for protocol in plan.protocols():
        ours, who = plan.with_tree(protocol, tree), f"{WHO[protocol]} {along}"
        yield _ratio(
            shared, ours, "structure", who, f"the shared kernel {along}",
            "Unmap, targets polling, notified by messages along the same tree",
        )  # fmt: skip
        polls = f"{who}, targets polling,"
        yield _ratio(linux, ours, "notification", polls, COMPUTE, "Unmap", ANY_KERNEL)
        yield Ratio(line, ours, "structure")
        yield from over_plain(protocol, who)
