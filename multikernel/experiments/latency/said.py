"""What a latency document says in words: the nearest and farthest pair, where lines lay, what
moved, what is estimated.

Guarantees: every pair that has no series is counted in a sentence, by how it is related, with what
it is taken to cost or that nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from multikernel.experiments.latency.ledger import MOVED, reference_key
from multikernel.experiments.latency.plan import TOLERANCE, Group, Planner
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.topology.measured_levels import RELATIONS
from multikernel.results.document import Caution

if TYPE_CHECKING:
    from multikernel.experiments.latency import Latency


def cautions(latency: Latency) -> Iterator[Caution]:
    """What a reader must know of a run."""
    yield from _ends(latency)
    yield from _homes(latency)
    yield from _moves(latency)
    if latency.parallel:
        yield _said(
            "parallel-pairs",
            "Pairs without a CPU in common were measured at the same time, as was asked for: they"
            " share caches and links, and may have held one another up.",
        )
    yield from estimates(latency.planner)


def _said(code: str, text: str) -> Caution:
    return Caution(code=code, text=text)


def _ends(latency: Latency) -> Iterator[Caution]:
    ends = latency.ends()
    words = ("Nearest", "Farthest") if len(ends) > 1 else ("The only measured",)
    codes = ("nearest-pair", "farthest-pair")
    for word, code, (pair, cycles) in zip(words, codes, ends.items(), strict=False):
        root = next(group.root for group in latency.planner.groups if pair in group.pairs)
        a, b = sorted(pair)
        yield _said(
            code,
            f"{word} pair: CPUs {a} and {b} ({RELATIONS[root.split()[0]]}), {cycles:.0f} TSC cycles"
            f" ({cycles / tsc_rate().hz * 1e9:.0f} ns) there and back on one line.",
        )


def _homes(latency: Latency) -> Iterator[Caution]:
    if len(latency.machine.nodes) < 2:
        yield _said(
            "home-not-varied",
            f"The CPUs measured are of one memory node ({latency.machine.nodes[0]}): the home of a"
            " line was not varied, as there is no other.",
        )
        return
    homes = latency.ledger.homes
    unknown = [node for node, _ in homes.values() if node < 0]
    if unknown:
        yield _said(
            "home-not-verified",
            f"The host does not say where memory lies (error {-unknown[0]} of move_pages): the"
            f" homes of {len(unknown)} lines' sets are where they were touched first, unverified.",
        )
    elsewhere = sorted(
        {
            pair
            for (pair, home), (node, nodes) in homes.items()
            if node >= 0
            and (nodes > 1 or node != latency.site[pair[0] if home == "from" else pair[1]].node)
        }
    )
    if elsewhere:
        a, b = elsewhere[0]
        yield _said(
            "home-elsewhere",
            f"Lines of {len(elsewhere)} pairs, of CPUs {a} and {b} among them, lie on another"
            " memory node than that of the CPU that touched them first; home_node says where.",
        )


def _moves(latency: Latency) -> Iterator[Caution]:
    a, b = latency.reference
    key = reference_key((a, b))
    if latency.ledger.moved(key):
        seen = [value for _, value in latency.ledger.slices_of[key]]
        yield _said(
            "reference-moved",
            f"The reference pair, CPUs {a} and {b}, was measured {len(seen)} times between the"
            f" others and moved between {min(seen):.0f} and {max(seen):.0f} TSC cycles, as when a"
            " hypervisor moves the CPUs: no value here is that of one fixed place.",
        )
    measured = latency.planner.readings
    unsteady = sum(not latency.steady(pair) for pair in measured)
    if unsteady:
        yield _said(
            "unsteady-pairs",
            f"{unsteady} of {len(measured)} measured pairs moved by more than {MOVED:g}× while they"
            " were measured, or the reference pair did meanwhile; their series say steady: false.",
        )


def estimates(planner: Planner) -> Iterator[Caution]:
    """What is said of pairs that were not measured, by how they are related; and what was left
    open.
    """
    for root in dict.fromkeys(group.root for group in planner.groups):
        groups = [group for group in planner.groups if group.root == root]
        missing = sum(map(planner.unmeasured, groups))
        values = [value for group in groups if (value := planner.value(group)) is not None]
        name, _, rest = root.partition(" ")
        who = RELATIONS[name] + (f" ({rest})" if rest else "")
        if missing and values:
            yield _said("estimated", _estimate(who, groups, missing, values))
        elif missing:
            yield _said(
                "unknown-pairs",
                f"Neither measured nor estimated: {missing} pairs of {who}; they have no series.",
            )
    unsettled = planner.unsettled()
    if unsettled:
        pairs = sum(map(planner.unmeasured, unsettled))
        yield _said(
            "unsettled",
            f"Groups still disagreed by more than {TOLERANCE:.0%} and noise when as many pairs had"
            f" been measured as may be: {len(unsettled)} of {len(planner.groups)}. The estimates of"
            f" {pairs} pairs in them are poor.",
        )


def _estimate(who: str, groups: Sequence[Group], missing: int, values: Sequence[float]) -> str:
    pairs = sum(len(group.pairs) for group in groups)
    low, high = min(values), max(values)
    head = f"Estimated, not measured, and without a series: {missing} of {pairs} pairs of {who}. "
    if len(groups) == 1:
        return head + (
            f"They are taken to be the median of those that were measured, {low:.0f} TSC cycles on"
            " one line."
        )
    return head + (
        f"They fall into {len(groups)} groups, and are taken to be the median of their group,"
        f" {low:.0f} to {high:.0f} TSC cycles on one line; each measured series names its group."
    )
