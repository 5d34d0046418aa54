"""What a latency document says in words: the nearest and farthest pair, where lines lay, what
moved, what is estimated.

Guarantees: every pair that has no series is counted in a sentence, by how it is related, with what
it is taken to cost or that nothing is known of it.
"""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from multikernel.experiments.instrument.arms import caution
from multikernel.experiments.latency.ledger import MOVED, reference_key
from multikernel.experiments.latency.plan import TOLERANCE, Planner
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.topology.measured_levels import RELATIONS
from multikernel.results.document import Caution

if TYPE_CHECKING:
    from multikernel.experiments.latency import Latency


def cautions(latency: "Latency") -> Iterator[Caution]:
    return chain(_ends(latency), _homes(latency), _moves(latency), estimates(latency.planner))


def _ends(latency: "Latency") -> Iterator[Caution]:
    ends = latency.ends()
    words = ("Nearest", "Farthest") if len(ends) > 1 else ("The only measured",)
    for word, code, (pair, cycles) in zip(
        words, ("nearest-pair", "farthest-pair"), ends.items(), strict=False
    ):
        root = next(group.root for group in latency.planner.groups if pair in group.pairs)
        a, b = sorted(pair)
        text = (
            f"{word} pair: CPUs {a} and {b} ({RELATIONS[root.split()[0]]}), {cycles:.0f} TSC cycles"
            f" ({cycles / tsc_rate().hz * 1e9:.0f} ns) there and back on one line."
        )
        yield caution(code, text)


def _homes(latency: "Latency") -> Iterator[Caution]:
    nodes, homes = latency.planner.node, latency.ledger.homes
    if len(set(nodes.values())) < 2:
        text = (
            f"The CPUs measured are of one memory node ({nodes[latency.cpus[0]]}): the home of a"
            " line was not varied, as there is no other."
        )
        yield caution("home-not-varied", text)
        return
    unknown = [node for node, _ in homes.values() if node < 0]
    if unknown:
        text = (
            f"The host does not say where memory lies (error {-unknown[0]} of move_pages): the"
            f" homes of {len(unknown)} lines' sets are where they were touched first, unverified."
        )
        yield caution("home-not-verified", text)
    elsewhere = {
        pair
        for (pair, home), (node, of_how_many) in homes.items()
        if node >= 0 and (of_how_many > 1 or node != nodes[pair[home == "to"]])
    }
    if elsewhere:
        a, b = min(elsewhere)
        text = (
            f"Lines of {len(elsewhere)} pairs, of CPUs {a} and {b} among them, lie on another"
            " memory node than that of the CPU that touched them first; home_node says where."
        )
        yield caution("home-elsewhere", text)


def _moves(latency: "Latency") -> Iterator[Caution]:
    (a, b), key = latency.reference, reference_key(latency.reference)
    if latency.ledger.moved(key):
        seen = [value for _, value in latency.ledger.slices_of[key]]
        text = (
            f"The reference pair, CPUs {a} and {b}, was measured {len(seen)} times between the"
            f" others and moved between {min(seen):.0f} and {max(seen):.0f} TSC cycles, as when a"
            " hypervisor moves the CPUs: no value here is that of one fixed place."
        )
        yield caution("reference-moved", text)
    measured = latency.planner.readings
    if unsteady := sum(not latency.steady(pair) for pair in measured):
        text = (
            f"{unsteady} of {len(measured)} measured pairs moved by more than {MOVED:g}× while they"
            " were measured, or the reference pair did meanwhile; their series say steady: false."
        )
        yield caution("unsteady-pairs", text)
    if latency.parallel:
        text = (
            "Pairs without a CPU in common were measured at the same time, as was asked for: they"
            " share caches and links, and may have held one another up."
        )
        yield caution("parallel-pairs", text)


def estimates(planner: Planner) -> Iterator[Caution]:
    """Of pairs that were not measured, by how they are related; and of what was left open."""
    for root in dict.fromkeys(group.root for group in planner.groups):
        groups = [group for group in planner.groups if group.root == root]
        missing = sum(map(planner.unmeasured, groups))
        values = [value for group in groups if (value := planner.value(group)) is not None]
        name, _, rest = root.partition(" ")
        who = RELATIONS[name] + (f" ({rest})" if rest else "")
        if not missing:
            continue
        if not values:
            text = f"Neither measured nor estimated: {missing} pairs of {who}; they have no series."
            yield caution("unknown-pairs", text)
            continue
        pairs, low, high = sum(len(group.pairs) for group in groups), min(values), max(values)
        taken = (
            f"They are taken to be the median of those that were measured, {low:.0f} TSC cycles on"
            " one line."
            if len(groups) == 1
            else f"They fall into {len(groups)} groups, and are taken to be the median of their"
            f" group, {low:.0f} to {high:.0f} TSC cycles on one line; each measured series names"
            " its group."
        )
        text = (
            f"Estimated, not measured, and without a series: {missing} of {pairs} pairs of {who}."
            f" {taken}"
        )
        yield caution("estimated", text)
    if unsettled := planner.unsettled():
        pairs = sum(map(planner.unmeasured, unsettled))
        text = (
            f"Groups still disagreed by more than {TOLERANCE:.0%} and noise when as many pairs had"
            f" been measured as may be: {len(unsettled)} of {len(planner.groups)}. The estimates of"
            f" {pairs} pairs in them are poor."
        )
        yield caution("unsettled", text)
