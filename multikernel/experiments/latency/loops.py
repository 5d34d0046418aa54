"""The latency matrix's loop as a program: what `latency` sends to the two cores of a pair.

Guarantees: both sides run the same rounds in the same order, on scratch lines that are spread over
the region of the core they belong to; where each line lies is asked of the host after it was
touched.
"""

from multikernel.experiments.instrument.loops import Loop, Plan, Report, Watch
from multikernel.native._native import Histogram

LINES = tuple(range(0, 64, 4))
"""16 scratch lines over 8 KiB: neighbours are often served alike."""
WARM = 16
"""Round trips on a line before the first that counts: the other side may not have come yet."""
ONE_LINE, SINGLE, TWO_LINES = "one-line", "one-line-single", "two-lines"


def span(counts: Plan, homes: int) -> int:
    """Round trips that `bounce` makes on each line; `base` grows by twice as many."""
    return homes * (WARM * len(counts) + sum(count for _, count, _ in counts))


def bounce(
    asker: int, answerer: int, role: int, homes: tuple[str, ...], base: int, counts: Plan,
    watch: Watch | None,
) -> Report:  # fmt: skip
    """Round trips between two cores. role: 0 on the asker, 1 on the answerer. homes: whose region
    the one line is in, "from" (the asker's) or "to"; of two lines each is in its receiver's,
    whatever the home.

    Samples: "WHAT.HOME", of all lines. Counts: "WHAT.HOME.LINE", the mean of a line; "node.HOME",
    the memory node of the lines there (the highest of them), minus an errno where the host does not
    say; "nodes.HOME", of how many nodes.
    """
    loop = Loop(watch)

    def trip(
        what: str, home: str, line: int, start: int, count: int, batch: int, into: Histogram
    ) -> None:
        two = what == TWO_LINES
        core = answerer if (role == 0 if two else home == "to") else asker
        loop.driver.probe(
            "two-lines" if two else "floor", core=core, role=role, line=line, base=start,
            count=count, batch=batch, times=into,
        )  # fmt: skip

    with loop.watched():
        at = base
        for home in homes:
            for what, count, batch in counts:
                if what == TWO_LINES and home != homes[0]:
                    continue
                into = loop.samples(f"{what}.{home}")
                for line in LINES:
                    # A histogram a line would be a longer way home than all that was measured.
                    total, samples = into.sum, into.n
                    trip(what, home, line, at, WARM, 1, Histogram())
                    trip(what, home, line, at + 2 * WARM, count, batch, into)
                    if role == 0:
                        mean = (into.sum - total) / (into.n - samples)
                        loop.counts[f"{what}.{home}.{line}"] = round(mean)
                at += 2 * (WARM + count)
    for home in homes:
        core = asker if home == "from" else answerer
        nodes = [loop.driver.probe_home(core, line) for line in LINES]
        loop.counts[f"node.{home}"] = min(nodes) if min(nodes) < 0 else max(nodes)
        loop.counts[f"nodes.{home}"] = len(set(nodes))
    return loop.done(samples=role == 0)
