"""The latency matrix as text: triangle, table, progress."""

from __future__ import annotations

from collections.abc import Mapping

from s5_experiments.documents import document as made
from s5_experiments.documents import series

from multikernel.cli import latency_table
from multikernel.experiments.instrument.arms import Pair
from multikernel.experiments.latency import Look
from multikernel.results.document import Document

GOLDEN = """\
  CPU    0    1    2
    1  101
    2  300   305
   10    –   250   –"""


def test_triangle_is_symmetric_and_golden() -> None:
    values = {(0, 1): 100.0, (1, 0): 102.0, (2, 0): 300.0, (1, 2): 305.0, (1, 10): 250.0}
    lines = latency_table.triangle((0, 1, 2, 10), values)
    turned = {pair[::-1]: value for pair, value in values.items()}
    assert lines == latency_table.triangle((0, 1, 2, 10), turned)
    assert [line.split() for line in lines] == [line.split() for line in GOLDEN.splitlines()]
    assert len({len(line) for line in lines[-1:]} | {len(lines[0])}) == 1


def matrix_document(values: Mapping[Pair, int]) -> Document:
    """A document of a matrix; two lines take half as much again."""
    shared = {"relation": "l3", "group": "l3", "group_pairs": 6}
    return made(
        experiment="latency",
        series=[
            series(
                [cycles * factor // 2], system="raw", variant=variant, measure="round-trip",
                over_floor=None,
                parameters={"from_cpu": a, "to_cpu": b, **shared},
            )
            for variant, factor in (("one-line", 2), ("two-lines", 3))
            for (a, b), cycles in values.items()
        ],
    )  # fmt: skip


def test_table_of_a_document_is_golden() -> None:
    document = matrix_document({(0, 1): 300, (1, 0): 310, (0, 2): 260})
    assert latency_table.table(document) == [
        "One cache line, there and back, TSC cycles",
        " CPU    0    1",
        "   1  305",
        "   2  260    –",
        "",
        "Two cache lines, one each way, TSC cycles",
        " CPU    0    1",
        "   1  458",
        "   2  390    –",
        "",
        "By relation, TSC cycles",
        "related by  pairs  measured  one line  least – most   ns  two lines   ns",
        "l3              6         3       300     260 – 310  115        450  173",
        "",
    ]


def test_progress_draws_small_matrices_and_counts_large_ones() -> None:
    assert latency_table.progress(Look((0, 1), {(0, 1): 100.0}, 2, 2, 1)) == [
        " CPU    0",
        "   1  100",
        "1 of 2 planned pairs measured, of 2 in all; boot 1",
    ]
    (line,) = latency_table.progress(Look(tuple(range(500)), {(0, 1): 100.0}, 400, 249_500, 1))
    assert line.startswith("1 of 400 planned pairs measured, of 249500 in all")
