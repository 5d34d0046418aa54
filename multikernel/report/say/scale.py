"""What cores do together, by their number and by tree, in sentences: where one tree takes over from
another, how many messages that takes, what is the bottleneck, and whether the chosen tree is the
fastest.

Guarantees: of two trees one is called cheaper only where the whole interval of their ratio says so,
which is taken within each seed, whose calibration both have; where they cross is read off the
logarithms of both axes, between two numbers of cores that decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import exp, log

from multikernel.report.say.wording import capital, names_of, number
from multikernel.results.document import Document, Series
from multikernel.results.statistics import ratio

Curve = Mapping[int, Series]
CHOSEN, IN_TURN = "chosen", "sequential"
AGREEMENT = "agreement"
PAIRS = (
    (IN_TURN, "binary"), (IN_TURN, "cluster"), ("binary", "hierarchical"),
    ("cluster", "hierarchical"),
)  # fmt: skip
"""Trees whose crossings are told."""
SLIGHT = 0.01
"""A smaller difference is none."""
FULL = 0.5
"""What is busy for less of the time than that is no bottleneck."""


def is_scale(document: Document) -> bool:
    """Whether it is of this experiment."""
    return document.simulated and document.experiment == "scale"


def curves(document: Document) -> dict[str, dict[str, dict[int, Series]]]:
    """By operation and name of the tree; what came to the same tree is under all its names."""
    found: dict[str, dict[str, dict[int, Series]]] = {}
    for one in document.series:
        for name in names_of(one, str(one.parameters.get("tree"))):
            found.setdefault(one.variant, {}).setdefault(name, {})[one.cores] = one
    return found


def sentences(document: Document) -> list[str]:
    """Nothing of another experiment."""
    if not is_scale(document):
        return []
    by_operation = curves(document)
    found = [
        *_costs(by_operation), *_crossings(by_operation), *_messages(by_operation),
        *_bottlenecks(by_operation.get(AGREEMENT, {})), *_proposals(by_operation),
    ]  # fmt: skip
    return [f"Simulated, {document.machine}: {sentence}" for sentence in found]


def _costs(by_operation: Mapping[str, Mapping[str, Curve]]) -> Iterator[str]:
    parts = []
    few = most = 0
    for operation, trees in by_operation.items():
        chosen, in_turn = trees.get(CHOSEN, {}), trees.get(IN_TURN, {})
        if len(chosen) > 1:
            few, most = min(chosen), max(chosen)
            text = f"{operation} {number(chosen[few].p50)} and {number(chosen[most].p50)}"
            if most in in_turn and in_turn[most] is not chosen[most]:
                text += f" ({number(in_turn[most].p50)})"
            parts.append(text)
    if parts:
        yield (
            f"cycles along the chosen tree on {few} and on {number(most)} cores (and there where"
            f" core 0 sends to all in turn): {', '.join(parts)}."
        )


# --- Which is cheaper, and from where on


def cheaper(one: Series, other: Series) -> int:
    """-1 where the first is, 1 where the other is, 0 where that cannot be told or is slight."""
    ours, theirs = ({boot.boot: boot.p50 for boot in series.by_boot} for series in (one, other))
    both = [boot for boot in ours if boot in theirs]
    value, interval = ratio([ours[boot] for boot in both], [theirs[boot] for boot in both])
    slight = abs(log(one.p50 / other.p50)) < SLIGHT or (one.p50 < other.p50) != (value < 1)
    if slight or interval.low <= 1 <= interval.high:
        return 0
    return -1 if value < 1 else 1


@dataclass(frozen=True, slots=True)
class Course:
    """Two trees over the number of cores. runs: (first, last, -1, 0 or 1 as `cheaper` has it, None
    where they are one tree); crossings: numbers of cores.
    """

    runs: tuple[tuple[int, int, int | None], ...]
    crossings: tuple[float, ...]


def course(one: Curve, other: Curve) -> Course:
    """Over the numbers of cores that both were run with."""
    sides = [
        (cores, None if one[cores] is other[cores] else cheaper(one[cores], other[cores]))
        for cores in sorted({*one} & {*other})
    ]
    runs = []
    for side, group in groupby(sides, lambda pair: pair[1]):
        counts = [cores for cores, _ in group]
        runs.append((counts[0], counts[-1], side))
    ratios = {cores: log(one[cores].p50 / other[cores].p50) for cores, _ in sides}
    decided = [pair for pair in sides if pair[1]]
    crossings = [
        _nought([(cores, ratio) for cores, ratio in ratios.items() if a <= cores <= b])
        for (a, before), (b, after) in pairwise(decided)
        if before != after
    ]
    return Course(tuple(runs), tuple(crossings))


def _nought(points: Sequence[tuple[int, float]]) -> float:
    """Where points whose ends have different signs go through nought, over the logarithm of x."""
    for (a, low), (b, high) in pairwise(points):
        if (low < 0) != (high < 0):
            return exp(log(a) + (log(b) - log(a)) * low / (low - high))
    raise ValueError("they stay on one side")


def _crossings(by_operation: Mapping[str, Mapping[str, Curve]]) -> Iterator[str]:
    for operation, trees in by_operation.items():
        pairs = PAIRS if operation == AGREEMENT else PAIRS[1:2]
        for one, other in pairs:
            found = course(trees.get(one, {}), trees.get(other, {}))
            if any(side for _, _, side in found.runs):
                yield f"{operation}, {one} or {other}: {_said(found, one, other)}."


def _said(found: Course, one: str, other: str) -> str:
    words = {
        None: "the same tree", 0: "no measurable difference",
        -1: f"{one} is cheaper", 1: f"{other} is cheaper",
    }  # fmt: skip
    parts = [
        f"{words[side]} with {number(first)}{'' if first == last else f' to {number(last)}'} cores"
        for first, last, side in found.runs
    ]
    text = "; ".join(parts)
    if found.crossings:
        at = " and ".join(f"{cores:.2g}" if cores < 100 else number(cores)
                          for cores in found.crossings)  # fmt: skip
        text += f"; they cross at about {at}"
    return text


# --- Messages, and what is full


def _messages(by_operation: Mapping[str, Mapping[str, Curve]]) -> Iterator[str]:
    parts = []
    for operation, trees in by_operation.items():
        each: dict[int, set[float]] = {}
        for one in (one for curve in trees.values() for one in curve.values()):
            messages = float(one.parameters.get("messages") or 0)
            each.setdefault(one.cores, set()).add(round(messages / max(1, one.cores - 1), 2))
        said = ((cores, "/".join(f"{one:g}" for one in sorted(each[cores]))) for cores in each)
        runs = [next(group) for _, group in groupby(sorted(said), lambda pair: pair[1])]
        text = f"{operation} {runs[0][1]}"
        parts.append(text + "".join(f" ({what} from {first} cores on)" for first, what in runs[1:]))
    if parts:
        yield f"messages for each core but the first, along any tree: {', '.join(parts)}."


def _bottlenecks(trees: Mapping[str, Curve]) -> Iterator[str]:
    """Of all cores: in turn, along the chosen tree, and the one whose link is the busiest."""
    most = max((cores for curve in trees.values() for cores in curve), default=0)
    last = {name: curve[most] for name, curve in trees.items() if most in curve}
    fullest = max(last, key=lambda name: _share(last[name], "link_busy"), default="")
    told: list[Series] = []
    for name in (IN_TURN, CHOSEN, fullest):
        if name in last and last[name] not in told:
            told.append(last[name])
            yield f"an agreement of {number(most)} cores, tree {name}: {_bottleneck(told[-1])}."


def _share(series: Series, what: str) -> float:
    return float(series.parameters.get(what) or 0)


def _bottleneck(series: Series) -> str:
    core, link = _share(series, "core_busy"), _share(series, "link_busy")
    text = ""
    if "busiest_link" in series.parameters:
        time = (
            f"is busy for {100 * link:.0f} % of the time"
            if link
            else "needs no time for them in this model"
        )
        text = (
            f"the link from {series.parameters['busiest_link']} carries most lines,"
            f" {number(_share(series, 'link_lines'))}, and {time}; "
        )
    text += (
        f"the busiest core, {series.parameters.get('busiest_core')}, is so for {100 * core:.0f} %"
    )
    if max(core, link) < FULL:
        return f"{text}: neither is full, what takes long is the way down the tree and up"
    return f"{text}: the bottleneck is that {'core' if core >= link else 'link'}"


# --- Whether the knowledge base was right


def slower(trees: Mapping[str, Curve]) -> list[tuple[int, str, float]]:
    """Numbers of cores with which another tree is cheaper than the chosen one: which is the
    cheapest, and how many times as long the chosen one takes.
    """
    found = []
    for cores, chosen in sorted(trees.get(CHOSEN, {}).items()):
        others = {name: curve[cores] for name, curve in trees.items() if cores in curve}
        name = min(others, key=lambda name: others[name].p50)
        if cheaper(others[name], chosen) < 0:
            found.append((cores, name, chosen.p50 / others[name].p50))
    return found


def _proposals(by_operation: Mapping[str, Mapping[str, Curve]]) -> Iterator[str]:
    right = []
    for operation, trees in by_operation.items():
        wrong, counts = slower(trees), len(trees.get(CHOSEN, {}))
        if not wrong:
            right.append(operation)
            continue
        each = [f"with {cores} by {100 * (by - 1):.1f} % ({name})" for cores, name, by in wrong]
        yield (
            f"{operation}: the tree that the knowledge base chose was dearer than the cheapest with"
            f" {len(wrong)} of {counts} numbers of cores: {', '.join(each)}."
        )
    if right:
        yield (
            f"{', '.join(right)}: the tree that the knowledge base chose was measurably dearer than"
            " the cheapest with no number of cores."
        )


def paragraph(document: Document, operation: str) -> Sequence[str]:
    """What stands below that operation's figure."""
    own = {operation: curves(document).get(operation, {})}
    return [capital(sentence) for sentence in (*_crossings(own), *_proposals(own))]
