"""Figures of fixed documents: what they draw and say, not their pixels."""

import pytest
from msgspec import structs
from s5_experiments import documents
from s5_experiments import report_documents as known
from s5_experiments.figure_structure import drawn, figures, painted, parsed, said, texts

from multikernel import catalogue
from multikernel.report.draw.chart import Chart
from multikernel.report.draw.heat import heat
from multikernel.report.figures import distributions, registry
from multikernel.report.figures.figure import Table
from multikernel.report.say.wording import number, short
from multikernel.results.document import Caution, Interval, Series


def test_floor_is_drawn_line_by_line() -> None:
    by_line, *bars = figures(known.floor())
    assert by_line.title == "Floor by line, CPUs 0 and 1"
    back_to_back, single = drawn(by_line).lines.values()
    assert back_to_back == [(1.0 + i, 300.0 + i) for i in range(16)]
    assert single == [(1.0 + i, 560.0 + i) for i in range(16)]
    assert drawn(by_line).marks == (307.5, 567.5)
    assert "back-to-back: median 308 cycles · 118 ns" in texts(by_line)
    assert [drawn(one).bars for one in bars] == [(310.5,), (310.5,)]


def test_round_trip_has_a_floor_across_each_mode() -> None:
    (figure,) = figures(known.round_trip())
    found = drawn(figure)
    assert (found.bars, found.controls) == ((400.5,) * 4, (400.5,) * 2)
    assert found.intervals == ((380, 420),) * 6
    assert found.marks == (310, 560)
    written = texts(figure)
    assert {"floor 310", "floor 560"} <= set(written)
    assert written.count("multikernel · call-line (control)") == 2
    assert written.count("400 cycles · 154 ns") == 6
    assert figure.paper


def test_latency_is_a_square_a_pair() -> None:
    (figure,) = figures(known.latency())
    numbers = [one for one in texts(figure) if len(one) == 3]
    assert sorted(map(int, numbers)) == sorted([
        176, 264,  # the ends of the scale, which are half as much again apart
        201, 201,  # measured in one direction
        *(200 + 10 * a + b for a in range(4) for b in range(4) if a != b and (a, b) > (1, 0)),
        202, 203,
    ])  # fmt: skip
    assert "Nearest pair: CPUs 0 and 1, 201 cycles" in figure.description
    assert "Farthest pair: CPUs 3 and 2, 232 cycles" in figure.description
    assert any("measured in one direction" in note for note in figure.notes)


def test_a_large_latency_matrix_is_one_picture() -> None:
    (figure,) = figures(known.latency(40))
    pictures = [
        value
        for image in parsed(figure).iter("image")
        for name, value in image.items()
        if name.endswith("href")
    ]
    assert len(pictures) == 2  # and the scale
    assert all(one.startswith("data:image/png;base64,") for one in pictures)
    assert isinstance(figure.drawing, Chart)
    assert len(figure.drawing.save("svg")) < 150_000
    assert len([one for one in texts(figure) if one.isdigit()]) < 80  # squares without numbers


def test_shared_memory_is_a_line_an_arm_named_as_in_the_paper() -> None:
    (figure,) = figures(known.shared_memory())
    assert {"SHM1", "SHM8", "MSG8"} <= set(texts(figure))
    found = drawn(figure)
    assert found.lines["SHM1"] == [(1, 100), (2, 200), (4, 400.5)]
    assert found.points == len(found.intervals) == 9
    assert "cores that update" in texts(figure)


def test_messages_over_sockets_are_a_figure_beside_the_papers() -> None:
    papers, transports = figures(known.by_the_host_too(known.shared_memory()))
    (alone,) = figures(known.shared_memory())
    assert (said(papers), drawn(papers)) == (said(alone), drawn(alone))
    assert {name: len(line) for name, line in drawn(transports).lines.items()} == {
        "MSG8": 3,
        "MSG8 (by socket)": 3,
    }
    assert {"MSG8", "MSG8 (by socket)"} <= set(texts(transports))


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
    assert drawn(rates).points == 8
    assert [drawn(one).points for one in (back_to_back, single)] == [5] * 2
    assert [drawn(one).marks for one in (back_to_back, single)] == [(310,), (560,)]
    assert "floor 310" in texts(back_to_back)
    assert "floor 560" in texts(single)
    assert [one.title.split(": ")[1] for one in ahead] == ["epoch-ring", "plain", "call-line"]
    (loop,) = figures(known.message_by_size())[6:]
    assert {"open-loop, median", "open-loop, 99 %", "open-loop, 99.9 %"} <= set(texts(loop))
    assert drawn(loop).points == 6


def test_how_far_a_writer_is_ahead_is_drawn_as_a_distribution() -> None:
    ahead = next(one for one in figures(known.message_by_size()) if "epoch-ring" in one.title)
    shares = [
        (10.0 * part, 60.0 if part < 5 else 90.0 if part < 10 else 100.0) for part in range(11)
    ]
    assert drawn(ahead).lines == {f"{slots} slots": shares for slots in (16, 64, 1024)}
    assert "16 slots: median 0, 5 % below 0, 5 % above 16 messages ahead" in ahead.description


def test_transport_stands_in_the_form_of_table_3_and_each_kind_has_its_own_axis() -> None:
    why = Caution(
        code="cache-lines-not-available", text="Cache lines touched: not available: no counters."
    )
    document = known.transport(warnings=[why])
    table, *others = registry.draw(document)
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
    assert [block.title for block in others] == [
        "There and back. Cache lines alone",
        "There and back. Through the host's kernel, polled",
        "There and back. Asleep in the host's kernel",
        "There and back. Asleep, both processes on one CPU",
        "One way. Cache lines alone",
        "One way. Through the host's kernel",
    ]
    assert [len(drawn(one).bars) for one in figures(document)] == [4, 4, 2, 2, 1, 4]


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
    latency, lost, loss, cost = figures(known.poll_or_block())
    assert drawn(cost).bars == pytest.approx((6095.5,))
    for figure in (latency, lost, loss):
        assert "P = C = 6 096" in texts(figure)
        assert drawn(figure).marks == (6095.5,)
        (line,) = drawn(figure).lines.values()
        assert [budget for budget, _ in line] == [0, 100, 1000, 10_000]
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


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [((175, 179), 0, 0.1), ((100, 400), 0.7, 1), ((0, 0), 0, 0), ((7, 7), 0, 0)],
)
def test_pairs_that_are_all_but_the_same_have_all_but_the_same_colour(
    values: tuple[float, float], least: float, most: float
) -> None:
    (image,) = painted(heat({(0, 1): values[0], (1, 0): values[1]}, [0, 1], "cycles")).images
    reds = [float(image.to_rgba(value)[0]) for value in values]
    assert least <= abs(reds[0] - reds[1]) <= most


def test_what_nobody_has_a_figure_for_is_drawn_all_the_same() -> None:
    bars, sweep, rate = figures(known.unknown())
    assert drawn(bars).bars == pytest.approx((100, 110, 120), rel=0.01)
    assert [size for size, _ in drawn(sweep).lines["multikernel · sweep"]] == [1, 2, 4, 8]
    assert "size" in texts(sweep)
    assert len(drawn(rate).bars) == 1


def test_any_series_under_any_name_are_all_drawn() -> None:
    lost = []
    for experiment in (*registry.FIGURES, "of-tomorrow"):
        for shape in known.every():
            found = figures(known.document(experiment, shape.series))
            # What is drawn is described: see below.
            written = " ".join(f"{one.title} {one.description}" for one in found).lower()
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
    assert drawn(figure).bars
    assert not drawn(figure).intervals
    assert "no error bar" in figure.notes[0]


def test_error_bars_are_named() -> None:
    (figure,) = figures(known.round_trip())
    assert (
        figure.notes[0]
        == "Bars and points: median of all samples. Error bars: interval of the median over 20"
        " boots (order statistics; covers 96.0 %)."
    )


def test_every_figure_has_a_title_and_a_description() -> None:
    for figure in (one for document in known.every() for one in figures(document)):
        assert figure.title
        assert len(figure.description) > 20, figure.title
        assert figure.notes, figure.title


def test_descriptions_have_the_name_and_value_of_every_bar_and_point() -> None:
    for document in (*known.every(), known.hostile()):
        for figure in figures(document):
            if not figure.description.startswith(("Bars", "Lines over")):
                continue
            found = drawn(figure)
            for value in (*found.bars, *found.controls, *found.papers):
                assert short(value) in figure.description
            for label, points in found.lines.items():
                values = ", ".join(f"{number(y)} at {number(x)}" for x, y in points)
                assert f"{label}: {values}" in figure.description


def test_what_is_drawn_lies_within_the_figure() -> None:
    for figure in figures(known.by_the_host_too(known.unmap())) + figures(known.message_by_size()):
        root = parsed(figure)
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for one in root.iter("text"):
            x, y = float(one.attrib["x"]), float(one.attrib["y"])
            assert 0 <= x <= width, one.text
            assert 0 < y <= height, one.text


def test_an_interval_that_does_not_hold_the_median_is_drawn_where_it_is() -> None:
    beside = Interval(low=150.0, high=180.0, coverage=0.96, method="order-statistic")
    several = [known.series(100, cores=cores, median_interval=beside) for cores in (1, 2, 4)]
    (lines,) = figures(known.document("of-tomorrow", several))
    (bars,) = figures(known.document("of-tomorrow", several[:1]))
    assert drawn(lines).intervals == ((150, 180),) * 3
    assert drawn(bars).intervals == ((150, 180),)


def test_every_value_of_the_papers_is_a_number_or_a_sentence() -> None:
    every = [one for entry in catalogue.entries().values() for one in entry.paper]
    assert every
    assert all((one.value is None) == bool(one.text) for one in every)
    assert all(entry.question for entry in catalogue.entries().values())


def test_cycles_of_the_paper_become_ns_by_its_machines_clock() -> None:
    first = catalogue.paper("round-trip")[0]
    assert first.ns == pytest.approx(180 / 2.66)


# --- Distributions
# --------------------------------------------------------------------------------------------------


def spread_out(**changes: object) -> Series:
    """1000 samples, of which one in fifty takes ten times as long."""
    samples = [100 + place % 20 if place % 50 else 1000 for place in range(1000)]
    fields = {"measure": "round-trip", "parameters": {}, "boots": 20}
    return documents.series(samples, **{**fields, **changes})


def test_distributions_are_of_the_histograms_the_rare_included() -> None:
    document = known.document("of-tomorrow", [
        spread_out(variant="ours"), spread_out(variant="theirs", system="linux"),
    ])  # fmt: skip
    *others, figure = figures(document)
    assert others
    assert figure.title == "How latencies are distributed: round trip"
    ours = drawn(figure).lines["multikernel · ours"]
    assert [share for _, share in ours] == list(distributions.PERCENTILES)
    values = [value for value, _ in ours]
    assert values == sorted(values)
    histogram = document.series[0].dense()
    assert values == [histogram.percentile(share) for share in distributions.PERCENTILES]
    assert values[0] < 105
    assert values[-1] > 990
    assert figure.description.count("99 of 100 within") == 2
    assert {"multikernel · ours", "Linux · theirs", "% of operations within"} <= set(texts(figure))


@pytest.mark.parametrize(
    "changes",
    [
        {"control": True},
        {"batch": 100, "mode": "back-to-back"},
        {"measure": "throughput", "unit": "operations/s"},
        {"measure": "interval"},
        {"measure": "occupancy", "unit": "messages"},
    ],
    ids=["control", "means", "rates", "intervals", "occupancy"],
)
def test_what_was_not_timed_one_by_one_has_no_distribution(changes: dict[str, object]) -> None:
    assert not list(distributions.draw(known.document("of-tomorrow", [spread_out(**changes)])))


def test_of_a_few_samples_there_is_no_distribution() -> None:
    assert not list(distributions.draw(known.document("of-tomorrow", [known.series(100)])))


def test_operations_have_distributions_of_their_own_and_no_figure_is_crowded() -> None:
    several = [
        spread_out(variant=f"arm-{place}", key=f"{operation}-{place}",
                   parameters={"operation": operation})
        for operation in ("map-page", "unmap-page")
        for place in range(10)
    ]  # fmt: skip
    found = list(distributions.draw(known.document("of-tomorrow", several)))
    assert [one.title.split(": ")[1] for one in found] == ["map page"] * 2 + ["unmap page"] * 2
    assert [len(drawn(one).lines) for one in found] == [6, 4, 6, 4]
    names = [label for one in found for label in drawn(one).lines]
    assert names == [f"multikernel · arm-{place}" for place in range(10)] * 2


def test_a_distribution_of_one_value_and_of_nought_is_drawn() -> None:
    several = [
        documents.series([value] * 100, measure="one-way", parameters={}, variant=f"all-{value}")
        for value in (0, 7, 2**60)
    ]
    (figure,) = distributions.draw(known.document("of-tomorrow", several))
    assert isinstance(figure.drawing, Chart)
    assert figure.drawing.save("svg")
