"""Multicast trees as the kernel takes them: at boot, and installed in a running system by
agreement.

Guarantees: a tree is checked before anything is sent, and the error names the edge; every core
checks it again. An installation that returned is in force on all cores; operations under way keep
to the tree they began with and none is lost (native/monitor/install_tree.c). Where trees come from:
knowledge/.
"""

from __future__ import annotations

import operator
import secrets
from array import array
from collections.abc import Mapping, Sequence

from multikernel.errors import BadInput
from multikernel.native._native import KINDS
from multikernel.user.access import Access, core_number
from multikernel.user.outcome import OK, error_of

Edges = Sequence[tuple[int, int]]
"""(parent, child) in sending order: a parent's edges in the order in which it sends, each after the
one that leads to the parent."""

PIECE = 6
"""Edges a message carries."""


def checked(root: int, edges: Edges, cores: int) -> list[int]:
    """The edges as they travel. Raises BadInput unless they are a tree of all cores below root, in
    an order in which they can be sent.
    """
    where = f"tree of core {root}"
    root = core_number(cores, root, "tree")
    try:
        edges = [(operator.index(parent), operator.index(child)) for parent, child in edges]
    except (TypeError, ValueError):
        raise BadInput(
            "edges are pairs of cores (parent, child)", value=repr(edges), where=where
        ) from None
    inside = {root}
    for parent, child in edges:
        edge = f"{parent} → {child}"
        for core in (parent, child):
            if not 0 <= core < cores:
                raise BadInput("no such core", value=core, where=f"{where}, edge {edge}")
        if parent not in inside:
            raise BadInput(
                "an edge from a core that nothing has led to yet", value=edge, where=where
            )
        if child in inside:
            raise BadInput("an edge to a core that is in the tree already", value=edge, where=where)
        inside.add(child)
    if len(inside) < cores:
        missing = sorted(set(range(cores)) - inside)
        raise BadInput(
            "the tree does not span all cores",
            value=missing,
            where=where,
            hint="add edges to these",
        )
    return [parent | child << 16 for parent, child in edges]


def encoded(trees: Mapping[int, Edges], cores: int) -> bytes:
    """Trees of some roots, as the driver takes them at boot. Raises BadInput."""
    rows = [[root, *checked(root, edges, cores)] for root, edges in trees.items()]
    return b"".join(array("I", row).tobytes() for row in rows)


def install(access: Access, root: int, edges: Edges) -> None:
    """Makes it root's tree; the root initiates. By agreement of all cores, in the shared kernel
    under its lock. Raises BadInput, TreeOvertaken.
    """
    cores = access.plan.cores
    if access.plan.kernel == "shared" and not access.plan.trees:
        raise BadInput(
            "this shared kernel was booted without trees, so it notifies all cores by one line",
            where="install",
            hint='boot it with trees, as boot(kernel="shared", trees={0: edges})',
        )
    travelling = checked(root, edges, cores)
    number = secrets.randbelow(0xFFFF) + 1
    for position in range(0, len(travelling), PIECE):
        piece = travelling[position : position + PIECE]
        head = position | len(travelling) << 16 | number << 32 | len(piece) << 48
        padded = piece + [0] * (PIECE - len(piece))
        pairs = [padded[i] | padded[i + 1] << 32 for i in range(0, PIECE, 2)]
        verdict, named, _ = access.request(root, KINDS["TREE"], head, *pairs, root)
        if verdict != OK:
            raise error_of(verdict, named, "install", core=root)
