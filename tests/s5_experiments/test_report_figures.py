"""Figures of fixed documents: their structure, not their pixels."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest
from msgspec import structs
from s5_experiments import report_documents as known
from s5_experiments.figure_structure import SVG, classes, figures, parsed, texts

from multikernel import catalogue
from multikernel.report.figure import Table
from multikernel.report.figures import message, registry
from multikernel.report.draw.heat import heat
from multikernel.report.scales import Linear, Log, from_nought, over_counts
from multikernel.results.document import Caution


def test_floor_is_drawn_line_by_line() -> None:
    by_line, *bars = figures(known.floor())
    assert by_line.title == "Floor by line, CPUs 0 and 1"
    assert classes(by_line)["point"] == 16 + 16 + 2  # and two in the legend
    assert classes(by_line)["mark"] == 2
    assert "back-to-back: median 308 cycles · 118 ns" in texts(by_line)
    assert [classes(one)["bar"] for one in bars] == [1, 1]


def test_round_trip_has_a_floor_across_each_mode() -> None:
    (figure,) = figures(known.round_trip())
    assert classes(figure)["bar"] == 6
    assert classes(figure)["control"] == 2
    assert classes(figure)["whisker"] == 6
    assert classes(figure)["mark"] == 2
    assert {"floor 310", "floor 560"} <= set(texts(figure))
    assert "multikernel · call-line (control)" in texts(figure)
    assert figure.paper


def test_latency_is_a_square_a_pair() -> None:
    (figure,) = figures(known.latency())
    assert classes(figure)["cell"] == 12
    assert classes(figure)["void"] == 4  # the diagonal
    assert "Nearest pair: CPUs 0 and 1, 201 cycles" in figure.description
    assert "Farthest pair: CPUs 3 and 2, 232 cycles" in figure.description
    assert any("measured in one direction" in note for note in figure.notes)
    assert {"201", "232"} <= set(texts(figure))


def test_a_large_latency_matrix_is_one_picture() -> None:
    (figure,) = figures(known.latency(70))
    assert classes(figure)["cell"] == 0
    (image,) = parsed(figure).iter(SVG + "image")
    assert (image.get("href") or "").startswith("data:image/png;base64,")
    assert len(figure.drawing.body) < 60_000


def test_shared_memory_is_a_line_an_arm_named_as_in_the_paper() -> None:
    (figure,) = figures(known.shared_memory())
    assert {"SHM1", "SHM8", "MSG8"} <= set(texts(figure))
    assert classes(figure)["point"] == 9 + 3
    assert "cores that update" in texts(figure)


def test_messages_over_sockets_are_a_figure_beside_the_papers() -> None:
    papers, transports = figures(known.by_the_host_too(known.shared_memory()))
    assert papers == figures(known.shared_memory())[0]
    assert {"MSG8", "MSG8 (by socket)"} <= set(texts(transports))
    assert not any(one.startswith("SHM") for one in texts(transports))
    assert classes(transports)["point"] == 6 + 2


def test_messages_stand_in_the_form_of_table_2_with_the_papers_rows() -> None:
    table = registry.draw(known.message())[0]
    assert isinstance(table, Table)
    assert table.rows[0] == (
        "multikernel · epoch-ring, one way, single", "450", "428 – 472", "173", "–", "4.63", "12 M",
    )  # fmt: skip
    assert table.rows[1][5:] == ("–", "–")
    assert [row[1] for row in table.rows[2:]] == ["180 (σ 34)", "450 (σ 25)", "618 (σ 7)"]
    assert {len(row) for row in table.rows} == {len(table.headings)}


def test_messages_are_drawn_over_ring_size_occupancy_and_rate() -> None:
    blocks = registry.draw(known.message_by_size())
    table = blocks[0]
    assert isinstance(table, Table)
    # Rings of the usual size alone, every window of the call line; the control and the open loop
    # are elsewhere.
    names = [row[0] for row in table.rows if not row[0].startswith("the paper")]
    assert [name.split(",")[0] for name in names] == [
        *["bare · epoch-ring (64 slots)"] * 2,
        *["bare · call-line (1 slot)"] * 2,
        *["bare · call-line (32 slots)"] * 2,
        "bare · plain (64 slots)",
    ]
    a_kcycle = [row[5] for row in table.rows[:7]]
    assert a_kcycle[1::2] == ["–"] * 3  # a throughput stands once
    assert [float(cell) for cell in a_kcycle[::2]] == pytest.approx(
        [24.6, 0.385, 12.3, 24.6], rel=0.02
    )
    rates, back_to_back, single, *ahead = figures(known.message_by_size())[:6]
    assert classes(rates)["point"] == 8 + 3
    assert [classes(one)["point"] for one in (back_to_back, single)] == [5 + 2] * 2
    assert "floor 310" in texts(back_to_back)
    assert "floor 560" in texts(single)
    assert [one.title.split(": ")[1] for one in ahead] == ["epoch-ring", "plain", "call-line"]
    (loop,) = figures(known.message_by_size())[6:]
    assert {"open-loop, median", "open-loop, 99 %", "open-loop, 99.9 %"} <= set(texts(loop))
    assert classes(loop)["point"] == 6 + 3


def test_how_far_a_writer_is_ahead_is_drawn_as_a_distribution() -> None:
    ahead = next(one for one in figures(known.message_by_size()) if "epoch-ring" in one.title)
    assert classes(ahead)["point"] == 3 * 11 + 3
    points = message._shares(known.message_by_size().series[3])
    assert [(point.x, point.y) for point in points] == [
        (10.0 * part, 60.0 if part < 5 else 90.0 if part < 10 else 100.0) for part in range(11)
    ]
    assert "16 slots: median 0, 5 % below 0, 5 % above 16 messages ahead" in ahead.description


def test_transport_stands_in_the_form_of_table_3_and_each_kind_has_its_own_axis() -> None:
    why = Caution(
        code="cache-lines-not-available", text="Cache lines touched: not available: no counters."
    )
    document = known.transport(warnings=[why])
    table, *drawn = registry.draw(document)
    assert isinstance(table, Table)
    assert table.rows[0] == (
        "bare · call-line",
        "polls",
        "–",
        "shared",
        "310",
        "310",
        "119",
        "–",
        "37.2",
    )
    assert table.rows[4][:4] == ("Linux · pipe", "sleeps", "1.98", "not shared")
    assert table.rows[1][8] == "–"
    paper = [(row[0].split(": ")[1], row[4], row[8]) for row in table.rows[6:]]
    assert paper == [("URPC", "450", "3.42"), ("L4 IPC", "424", "2.36")]
    assert {len(row) for row in table.rows} == {len(table.headings)}
    assert why.text in table.notes
    assert [block.title for block in drawn] == [
        "There and back. Cache lines alone",
        "There and back. Through the host's kernel, polled",
        "There and back. Asleep in the host's kernel",
        "There and back. Asleep, both processes on one CPU",
        "One way. Cache lines alone",
        "One way. Through the host's kernel",
    ]
    assert [classes(one)["bar"] for one in figures(document)] == [4, 4, 2, 2, 1, 4]


def test_cache_lines_have_columns_where_they_were_counted() -> None:
    document = known.transport()
    counted = {"l1d_reads_per_message": 81.25, "l1d_misses_per_message": 2.0}
    first = structs.replace(
        document.series[0], parameters={**document.series[0].parameters, **counted}
    )
    table = registry.draw(structs.replace(document, series=[first, *document.series[1:]]))[0]
    assert isinstance(table, Table)
    assert table.headings[-2:] == ("L1D loads", "L1D misses")
    assert [row[-2:] for row in table.rows[:2]] == [("81.2", "2.0"), ("–", "–")]
    assert {len(row) for row in table.rows} == {len(table.headings)}


def test_poll_or_block_is_drawn_over_the_budget_with_its_cost() -> None:
    latency, lost, loss = found = figures(known.poll_or_block())
    for figure in found:
        assert "P = C = 6 100" in texts(figure)
        assert classes(figure)["point"] == 4 + 1
    assert latency.title == "Latency over the poll budget"
    assert lost.title == "CPU time lost for each message over the poll budget"
    assert loss.title.startswith("Loss, ")


def test_local_calls_are_named_briefly_and_their_boundaries_said_below() -> None:
    far = (
        "two processes on one CPU: the host switches between them because each sleeps until it is"
        " woken"
    )
    near = "program and driver of one core"
    several = [
        known.series(cycles, variant=variant, measure="round-trip", mode="single", control=control,
                     parameters={"boundary": boundary, "pair": "0-0"})
        for cycles, variant, boundary, control in (
            (60, "system-call", near, False), (61, "system-call", near, True),
            (13_000_000, "switch", far, False),
        )
    ]  # fmt: skip
    (figure,) = figures(known.document("local-call", several))
    shown = texts(figure)
    assert {
        "multikernel · system-call",
        "multikernel · system-call (control)",
        "multikernel · switch",
    } <= set(shown)
    assert "13 M cycles · 5 003 µs" in " ".join(shown)
    assert f"switch: {far}." in figure.notes
    assert figure.paper


def test_a_control_stands_beside_what_it_repeats_or_not_at_all() -> None:
    (figure,) = figures(known.document("of-tomorrow", [
        known.series(5, variant="arm", mode="single"),
        known.series(5, variant="arm", mode="single", control=True),
        known.series(5, variant="arm", mode="back-to-back", control=True),
    ]))  # fmt: skip
    assert len([text for text in texts(figure) if "control" in text]) == 1


def test_a_point_of_fewer_boots_is_on_its_line() -> None:
    several = [
        known.series(100 * cores, variant="arm", cores=cores, boots=20 // cores)
        for cores in (1, 2, 4)
    ]
    (figure,) = figures(known.document("of-tomorrow", several))
    assert "at 1, 200 at 2" in figure.description


def test_pairs_that_are_all_but_the_same_have_all_but_the_same_colour() -> None:
    fills = re.findall(
        r'class="cell" fill="#(..)',
        str(heat({(0, 1): 175.0, (1, 0): 179.0}, [0, 1], "cycles").body),
    )
    assert abs(int(fills[0], 16) - int(fills[1], 16)) < 20
    fills = re.findall(
        r'class="cell" fill="#(..)',
        str(heat({(0, 1): 100.0, (1, 0): 400.0}, [0, 1], "cycles").body),
    )
    assert abs(int(fills[0], 16) - int(fills[1], 16)) > 200


def test_what_nobody_has_a_figure_for_is_drawn_all_the_same() -> None:
    bars, sweep, rate = figures(known.unknown())
    assert classes(bars)["bar"] == 3
    assert classes(sweep)["point"] == 4 + 1
    assert "size" in texts(sweep)
    assert classes(rate)["bar"] == 1


def test_any_series_under_any_name_are_all_drawn() -> None:
    lost = []
    for experiment in (*registry.FIGURES, "of-tomorrow"):
        for shape in known.every():
            drawn = figures(known.document(experiment, shape.series))
            written = " ".join(str(one.drawing.body) for one in drawn).lower()
            # A heat map names CPUs, the paper's names are capitals; every other variant must be
            # somewhere.
            lost += [
                (experiment, f"series of {shape.experiment}", one.variant)
                for one in shape.series
                if one.variant.lower() not in written and "from_cpu" not in one.parameters
            ]
    assert lost == [], "drawn as, what was drawn, and the variant that is nowhere"


def test_one_boot_has_no_error_bar_and_says_so() -> None:
    document = known.document("of-tomorrow", [known.series(100, boots=1)])
    (figure,) = figures(document)
    assert classes(figure)["whisker"] == 0
    assert "no error bar" in figure.notes[0]


def test_error_bars_are_named() -> None:
    (figure,) = figures(known.round_trip())
    assert (
        figure.notes[0]
        == "Bars and points: median of all samples. Error bars: interval of the median over 20"
        " boots (order statistics; covers 96.0 %)."
    )


def test_every_figure_has_a_title_a_description_and_stays_inside() -> None:
    for figure in (one for document in known.every() for one in figures(document)):
        assert figure.title
        assert len(figure.description) > 20, figure.title
        assert figure.notes, figure.title
        for one in parsed(figure).iter():
            for name in ("x", "x1", "x2", "cx"):
                assert -1 <= float(one.get(name) or 0) <= 421, ElementTree.tostring(one)
            for number in re.findall(r"-?\d+(?:\.\d+)?", one.get("d") or ""):
                assert abs(float(number)) < 2000, ElementTree.tostring(one)


def test_every_value_of_the_papers_is_a_number_or_a_sentence() -> None:
    every = [one for entry in catalogue.entries().values() for one in entry.paper]
    assert every
    assert all((one.value is None) == bool(one.text) for one in every)
    assert all(entry.question for entry in catalogue.entries().values())


def test_cycles_of_the_paper_become_ns_by_its_machines_clock() -> None:
    first = catalogue.paper("round-trip")[0]
    assert first.ns == pytest.approx(180 / 2.66)


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (lambda: Linear(0, 10, 0, 100), [0, 2, 4, 6, 8, 10]),
        (lambda: from_nought([37], 0, 100), [0, 10, 20, 30, 40]),
        (lambda: from_nought([0], 0, 100), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (lambda: Log(1, 1000, 0, 100), [1, 10, 100, 1000]),
        (lambda: over_counts([1, 2, 4, 16], 0, 100), [1, 2, 4, 8, 16]),
        (lambda: over_counts([5], 0, 100), [4, 5, 6]),
        (lambda: over_counts([0, 100, 10_000], 0, 100), [0, 100, 1000, 10_000]),
    ],
)
def test_scales_have_round_ticks(scale: Callable[[], Linear | Log], ticks: list[float]) -> None:
    made = scale()
    assert made.ticks() == pytest.approx(ticks)
    assert all(0 <= made.at(tick) <= 100 for tick in made.ticks())


@pytest.mark.parametrize("values", [[2**63], [2**62, 2**62 + 1], [1e30], [-(2**63)], [0, 2**63]])
def test_choices_beyond_all_measure_have_a_place(values: list[float]) -> None:
    scale = over_counts(values, 0.0, 100.0)
    assert all(0.0 <= scale.at(value) <= 100.0 for value in values)
    assert len(scale.ticks()) >= 2
