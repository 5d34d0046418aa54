"""What a multicast along a tree is predicted to take, from the root's first send to the last
acknowledgement, in TSC cycles.

Guarantees: the prediction is exact arithmetic on the costs: dearer messages never make it smaller.
It claims order, not truth: the best few trees are run on the cores before one is believed.

The model. A core that has received the message sends to its children one after the other, each send
keeping it busy; a message then travels while nobody is busy, and its receive keeps the child busy;
the child forwards as soon as it has received. When a core has sent to all its children it takes
their acknowledgements, one after the other in order of arrival, and then acknowledges to its own
parent. It ends when the root has taken its last acknowledgement. A leaf answers at once: the work
of the operation itself is left out, being the same in every tree. Not modelled: contention between
lines under way, and cores that share a CPU (their sends and receives overlap here).

Source: LogP (Culler et al., 1993) for busy ends and idle wires; Smelt (OSDI'16) for forwarding in
sending order with a cost a pair. That acknowledgements queue at the parent is what the monitors
here do.
"""

from dataclasses import dataclass

from multikernel.knowledge.costs import Costs
from multikernel.knowledge.tree import Tree


@dataclass(frozen=True, slots=True)
class Timing:
    """reached: when each core has received the message; total: when the root has all
    acknowledgements. TSC cycles.
    """

    reached: dict[int, float]
    total: float


def simulate(tree: Tree, costs: Costs) -> Timing:
    """Run a multicast through the model."""
    send, wire, receive = costs.send, costs.wire, costs.receive
    reached = {tree.root: 0.0}
    busy = {tree.root: 0.0}
    for parent, child in tree.edges:
        busy[parent] += float(send[parent, child])
        reached[child] = busy[child] = busy[parent] + float(
            wire[parent, child] + receive[parent, child]
        )
    # A core's own edges stand behind the one that reaches it, so backwards every core comes after
    # its children.
    arriving: dict[int, list[tuple[float, int]]] = {core: [] for core in reached}
    for parent, child in reversed(tree.edges):
        left = gathered(busy[child], arriving[child], costs, child) + float(send[child, parent])
        arriving[parent].append((left + float(wire[child, parent]), child))
    return Timing(reached, gathered(busy[tree.root], arriving[tree.root], costs, tree.root))


def gathered(free: float, arriving: list[tuple[float, int]], costs: Costs, core: int) -> float:
    """When `core`, free from then on, has taken all these (arrival, sender)."""
    for arrival, sender in sorted(arriving):
        free = max(free, arrival) + float(costs.receive[sender, core])
    return free


def predict(tree: Tree, costs: Costs) -> float:
    """TSC cycles from the root's first send to its last acknowledgement."""
    return simulate(tree, costs).total


def slowest_first(tree: Tree, costs: Costs) -> Tree:
    """The same tree, each core sending first to the child whose acknowledgement would take the
    longest to come.

    A child's time is that of its round trip and of everything below it; of equal ones the lower
    number comes first.
    """
    spent: dict[int, float] = {}
    order: dict[int, list[int]] = {}
    for core in reversed([tree.root, *(child for _, child in tree.edges)]):
        key = {
            child: -(spent[child] + float(costs.round_trip[core, child]))
            for child in tree.children(core)
        }
        order[core] = sorted(key, key=lambda child: (key[child], child))
        spent[core] = sent = 0.0
        for child in order[core]:
            spent[core] = max(spent[core], sent - key[child])
            sent += float(costs.send[core, child])
    edges: list[tuple[int, int]] = []
    reached = [tree.root]
    for core in reached:  # grows while it is walked: breadth first
        edges += [(core, child) for child in order[core]]
        reached += order[core]
    return Tree(tree.root, tuple(edges), tree.kind)
