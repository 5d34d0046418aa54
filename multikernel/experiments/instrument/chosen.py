"""The tree that a running system has chosen, and whether it was right: beside every fixed tree, in
one run.

Guarantees: the tree is the one that boots with `trees="chosen"` have, decided by running candidates
on the cores; what is said of it is drawn from ratios within boots, and a slower one is called so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from multikernel import system as system_
from multikernel.experiments.instrument.request import Request
from multikernel.knowledge.tree import Tree
from multikernel.results.document import Caution, Ratio

SLACK = 0.05
"""A chosen tree may be so much slower than the best of the fixed ones."""


def tree_of_all(request: Request) -> Tree | None:
    """That of core 0 to all others; None where a boot chooses nothing: of two cores, or where they
    share CPUs.
    """
    if request.cores <= 2 or request.crowded:
        return None
    request.progress("which tree this machine has chosen")
    with system_.boot(list(request.placement.cpus)) as booted:
        return booted.trees[0].tree


def judged(
    request: Request, ratios: Iterable[Ratio], fixed: Mapping[str, str], kind: str
) -> list[Caution]:
    """What to say; nothing where nothing was measured. fixed: by the name of a ratio of a fixed
    tree over the chosen one, what was held against what.

    The chosen tree is slower if the whole interval says so, by more than the slack.
    """
    held = [(fixed[ratio.name], ratio) for ratio in ratios if ratio.name in fixed]
    if not held or request.crowded or not request.size.measures:
        return []
    slower = [
        f"{what}: {1 / ratio.value:.2f} × ({1 / ratio.interval.high:.2f} –"
        f" {1 / ratio.interval.low:.2f})"
        for what, ratio in held
        if ratio.interval.high * (1 + SLACK) < 1
    ]
    comparisons = f"{len(held)} comparison{'s' if len(held) > 1 else ''} with fixed trees"
    if slower:
        text = (
            f"The chosen tree ({kind}) is more than {100 * SLACK:.0f} % slower in {len(slower)} of"
            f" {comparisons}: {'; '.join(slower)}. Measure anew which is best:"
            " choose_trees(fresh=True)."
        )
        return [Caution(code="chosen-tree-slower", text=text)]
    text = (
        f"The chosen tree ({kind}) is more than {100 * SLACK:.0f} % slower in none of"
        f" {comparisons}."
    )
    return [Caution(code="chosen-tree-best", text=text)]
