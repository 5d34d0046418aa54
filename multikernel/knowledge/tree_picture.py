"""A multicast tree as a notebook shows it: by levels, each core below the one that sends to it.

Guarantees: plain SVG, without any library; sending order is from left to right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multikernel.markup import Markup, element, joined

if TYPE_CHECKING:
    from multikernel.knowledge.tree import Tree

APART, DOWN, RADIUS, MARGIN = 30.0, 46.0, 11.0, 16.0
MOST = 400
"""Cores that are drawn; of more the kind and the depth say as much."""


def places(tree: Tree) -> dict[int, tuple[float, int]]:
    """By core where it stands: across, in cores, and its level. Nobody stands on another's place,
    and each stands above the middle of those it sends to.
    """
    levels = {tree.root: 0}
    for parent, child in tree.edges:
        levels[child] = levels[parent] + 1
    # Children come behind their parents in the edges: so backwards each is placed before its own.
    inside: dict[int, int] = {}
    for core in [*(child for _, child in reversed(tree.edges)), tree.root]:
        inside[core] = sum(inside[child] for child in tree.children(core)) or 1
    left = {tree.root: 0}
    for core in [tree.root, *(child for _, child in tree.edges)]:
        at = left[core]
        for child in tree.children(core):
            left[child] = at
            at += inside[child]
    return {core: (left[core] + inside[core] / 2, levels[core]) for core in levels}


def html(tree: Tree) -> str:
    """The picture, and a line that says what it is."""
    count = len(tree.members)
    says = f"{tree.kind} tree of {count} cores, root {tree.root}, {tree.depth} levels below it"
    line = element("p", says)
    if count > MOST:
        return element("div", line)
    at = {
        core: (MARGIN + APART * across, MARGIN + DOWN * level)
        for core, (across, level) in places(tree).items()
    }
    lines = joined(_line(at[parent], at[child]) for parent, child in tree.edges)
    drawn = joined(_core(core, *at[core]) for core in tree.members)
    width = max(x for x, _ in at.values()) + MARGIN + RADIUS
    height = max(y for _, y in at.values()) + MARGIN + RADIUS
    svg = element(
        "svg", element("title", says), lines, drawn, xmlns="http://www.w3.org/2000/svg",
        width=width, height=height, role="img", style="background:#fff;font-family:sans-serif",
    )  # fmt: skip
    return element("div", line, svg)


def _line(one: tuple[float, float], other: tuple[float, float]) -> Markup:
    return element("line", x1=one[0], y1=one[1], x2=other[0], y2=other[1], stroke="#5b626d")


def _core(core: int, x: float, y: float) -> Markup:
    disc = element("circle", cx=x, cy=y, r=RADIUS, fill="#fff", stroke="#1b1e23")
    name = element(
        "text", str(core), x=x, y=y + 4, font_size=10.0, text_anchor="middle", fill="#1b1e23"
    )
    return joined((disc, name))
