"""A multicast tree: which core sends to which, and in which order.

Guarantees: a `Tree` spans its members, exactly once each, from its root; one that does not cannot
be made: BadInput names the edge. Edges stand in sending order: a core's edges in the order it sends
them, and none before the edge that reaches it. So the edges, taken one after the other, are a
schedule that can be run.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from multikernel.errors import BadInput


@dataclass(frozen=True, slots=True)
class Tree:
    """edges: (parent, child) in sending order. kind: how it was made, one of `trees.KINDS` or a
    name of the user's.
    """

    root: int
    edges: tuple[tuple[int, int], ...]
    kind: str
    _children: dict[int, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parents: dict[int, int] = {}
        children: dict[int, list[int]] = {self.root: []}
        for parent, child in self.edges:
            if child == self.root:
                raise self._wrong("the root is nobody's child", parent, child)
            if child in parents:
                raise self._wrong(
                    f"core {child} is reached twice, first from {parents[child]}", parent, child
                )
            if parent not in children:
                raise self._wrong(
                    f"core {parent} sends before it is reached, or never is", parent, child
                )
            parents[child] = parent
            children[parent].append(child)
            children[child] = []
        object.__setattr__(
            self, "_children", {core: tuple(sent) for core, sent in children.items()}
        )

    def _repr_html_(self) -> str:
        from multikernel.knowledge import tree_picture

        return tree_picture.html(self)

    @property
    def members(self) -> tuple[int, ...]:
        """All cores of the tree, sorted."""
        return tuple(sorted(self._children))

    @property
    def depth(self) -> int:
        """Edges on the longest way down; 0 for a root alone."""
        levels = {self.root: 0}
        for parent, child in self.edges:
            levels[child] = levels[parent] + 1
        return max(levels.values())

    def children(self, core: int) -> tuple[int, ...]:
        """The cores that `core` sends to, in sending order. Raises BadInput for a core that is no
        member.
        """
        self._known(core)
        return self._children[core]

    def check(self, members: Iterable[int]) -> "Tree":
        """The tree itself, if it reaches exactly these cores; BadInput naming the cores
        otherwise.
        """
        wanted, reached = set(members), set(self._children)
        if missing := sorted(wanted - reached):
            raise BadInput(
                "the tree does not reach all cores", value=_listed(missing), where=self._name()
            )
        if strangers := sorted(reached - wanted):
            raise BadInput(
                "the tree reaches cores that are no members",
                value=_listed(strangers),
                where=self._name(),
            )
        return self

    def _known(self, core: int) -> None:
        if core not in self._children:
            raise BadInput("no such core in the tree", value=core, where=self._name())

    def _name(self) -> str:
        return f"{self.kind} tree from core {self.root}"

    def _wrong(self, why: str, parent: int, child: int) -> BadInput:
        return BadInput(f"not a tree: {why}", value=f"edge {parent} → {child}", where=self._name())


def _listed(cores: list[int]) -> str:
    shown = ", ".join(map(str, cores[:8]))
    return shown if len(cores) <= 8 else f"{shown}, … ({len(cores)} cores)"
