"""The best multicast tree under the model, for small systems: clingo searches all of them, and
proves that it has.

Guarantees: the tree is never worse than the one it starts from. `proven` says whether no tree is
better under the model (to a millionth of a cycle); it is False where the search was given up after
`limit` conflicts, which makes the result the same on every machine, however fast. Says nothing
about what the model leaves out.

How. optimum.lp chooses edges and sending orders. Whenever clingo has decided something, the part of
the tree that hangs on the root is timed as the model times it; what is still open can only add to
that. If that already takes as long as the best tree so far, the choices that make it so, and no
others, are given back to clingo as a nogood, which excludes them for good. A complete tree that is
better becomes the best so far; the search ends when nothing is left.

Source: clingo's propagators (Gebser et al., ICLP'16), used as in branch and bound; the model is
model.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import clingo
import numpy as np

from multikernel.errors import BadInput
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.model import predict
from multikernel.knowledge.tree import Tree

LARGEST = 10
"""Most cores it takes on. Which of these it can prove depends on how many of them are alike."""
SLACK = 1e-6
"""TSC cycles by which a tree must be better: less is rounding."""
RULES = Path(__file__).with_name("optimum.lp")


@dataclass(frozen=True, slots=True)
class Optimum:
    """tree: the best found. predicted: TSC cycles. proven: whether there is no better. conflicts:
    how hard it was.
    """

    tree: Tree
    predicted: float
    proven: bool
    conflicts: int


def search(start: Tree, costs: Costs, *, limit: int) -> Optimum:
    """The best tree over the members of `start`, from its root. limit: conflicts after which to
    give up.

    Raises BadInput for more than `LARGEST` members.
    """
    members = start.members
    if len(members) > LARGEST:
        raise BadInput(
            "too many cores to search all trees",
            value=len(members),
            hint=f"the optimum is for up to {LARGEST} cores",
        )
    control = clingo.Control(["-c", f"root={start.root}", "--models=0"])
    control.load(str(RULES))
    given = [f"core({core})." for core in members]
    given += [f"alike({a},{b})." for a, b in _alike(members, start.root, costs)]
    # An atom that no fact speaks of would be reported on stderr.
    control.add("base", [], " ".join(given) + " #defined alike/2. #show.")
    control.ground([("base", [])])
    control.configuration.solve.solve_limit = str(limit)  # type: ignore[union-attr]
    bound = _Bound(start, costs)
    control.register_propagator(bound)
    exhausted = bool(control.solve().exhausted)
    kind = "optimum" if exhausted else "optimum (not proven)"
    conflicts = int(control.statistics["solving"]["solvers"]["conflicts"])
    return Optimum(Tree(start.root, bound.edges, kind), bound.best, exhausted, conflicts)


def _alike(members: Sequence[int], root: int, costs: Costs) -> list[tuple[int, int]]:
    """Pairs of cores, the root aside, that can be swapped without any cost changing."""
    found = []
    for a, b in combinations([core for core in members if core != root], 2):
        swapped = [{a: b, b: a}.get(core, core) for core in members]
        here, there = np.ix_(members, members), np.ix_(swapped, swapped)
        if all(
            np.array_equal(term[here], term[there])
            for term in (costs.send, costs.receive, costs.round_trip)
        ):
            found.append((a, b))
    return found


class _Bound(clingo.Propagator):
    """Refuses what cannot be better than the best tree so far. best: TSC cycles; edges: of that
    tree.
    """

    def __init__(self, start: Tree, costs: Costs) -> None:
        self.root = start.root
        self.edges = start.edges
        self.best = predict(start, costs)
        self.send: list[list[float]] = costs.send.tolist()
        self.onward: list[list[float]] = (costs.wire + costs.receive).tolist()
        self.back: list[list[float]] = (costs.send + costs.wire).tolist()
        self.receive: list[list[float]] = costs.receive.tolist()
        self.choices: list[tuple[int, str, int, int]] = []

    def init(self, init: clingo.PropagateInit) -> None:
        """Called once, by clingo."""
        init.check_mode = clingo.PropagatorCheckMode.Both
        for name in ("edge", "before"):
            for atom in init.symbolic_atoms.by_signature(name, 2):
                a, b = atom.symbol.arguments
                self.choices.append((init.solver_literal(atom.literal), name, a.number, b.number))

    def check(self, control: clingo.PropagateControl) -> None:
        """Clingo's hook: it has drawn its conclusions."""
        holds = control.assignment.is_true
        made = [choice for choice in self.choices if holds(choice[0])]
        takes = self._takes(made)
        if takes < self.best - SLACK:
            if not control.assignment.is_total:
                return
            self.best, self.edges = takes, self._in_order(made)
        # Only what is needed to make it too slow: the fewer choices, the more they exclude.
        needed = made
        for choice in reversed(made):
            fewer = [other for other in needed if other is not choice]
            if self._takes(fewer) >= self.best - SLACK:
                needed = fewer
        control.add_nogood([choice[0] for choice in needed])

    def _takes(self, made: list[tuple[int, str, int, int]]) -> float:
        """TSC cycles of what hangs on the root by these choices; the least it can take if more are
        made.
        """
        children: dict[int, list[int]] = {}
        first: dict[int, list[int]] = {}
        for _, name, a, b in made:
            if name == "edge":
                children.setdefault(a, []).append(b)
            else:
                first.setdefault(b, []).append(a)

        def acknowledged(core: int, reached: float) -> float:
            send = self.send[core]
            mine = children.get(core, ())
            arriving = []
            for child in mine:
                sent = reached + send[child]
                for other in first.get(child, ()):
                    if other in mine:
                        sent += send[other]
                done = acknowledged(child, sent + self.onward[core][child])
                arriving.append((done + self.back[child][core], child))
            free = reached + sum([send[child] for child in mine])
            for arrival, child in sorted(arriving):
                free = max(free, arrival) + self.receive[child][core]
            return free

        return acknowledged(self.root, 0.0)

    def _in_order(self, made: list[tuple[int, str, int, int]]) -> tuple[tuple[int, int], ...]:
        """The edges of a complete tree in sending order."""
        before = {(a, b) for _, name, a, b in made if name == "before"}
        edges = [(a, b) for _, name, a, b in made if name == "edge"]
        found: list[tuple[int, int]] = []
        reached = [self.root]
        for core in reached:  # grows while it is walked: breadth first
            mine = [child for parent, child in edges if parent == core]
            # Not sorted in place: a list is empty while it is being sorted, and the key looks into
            # it.
            mine = sorted(mine, key=lambda child: sum((other, child) in before for other in mine))
            found += [(core, child) for child in mine]
            reached += mine
        return tuple(found)
