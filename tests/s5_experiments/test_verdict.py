"""Table and verdict, from documents alone: what is called faster, slower or no difference, and what
is never said.
"""

import functools
import re
from collections import Counter

import msgspec
import pytest
from s5_experiments import documents
from s5_experiments import report_documents as known

from multikernel import columns
from multikernel.experiments import registry
from multikernel.experiments.instrument.arms import Ratio
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.shapes import Shape
from multikernel.experiments.unmap import Unmap, by_cores
from multikernel.knowledge.tree import Tree
from multikernel.machine.host.cpus import Placement
from multikernel.report.say import table
from multikernel.report.say import verdict as v
from multikernel.report.say.verdict import TITLES
from multikernel.report.say.wording import number
from multikernel.results import document as d
from multikernel.results.judge import spread_of

TREES = (*by_cores.KINDS, "binary")


def planned(booted: int) -> by_cores.Plan:
    """Of a machine on which all trees differ."""
    trees = [
        Shape(kind, Tree(0, tuple((0, core) for core in range(1, booted)), kind)) for kind in TREES
    ]
    return by_cores.Plan(booted, (booted,), tuple(trees if booted > 2 else trees[:1]), "adaptive")


def request(cores: int) -> Request:
    return Request(Placement(tuple(range(cores))), SIZES["quick"])


@functools.cache
def declared() -> dict[str, Ratio]:
    """All that experiments compare, by name."""
    names = [name for name in registry.NAMES if name not in ("latency", "unmap", "scale")]
    others = [registry.get(name)(request(2)) for name in names]
    unmaps = [Unmap(request(booted), planned(booted)) for booted in (2, 4)]
    return {ratio.name: ratio for one in (*others, *unmaps) for ratio in one.ratios()}


def said() -> list[Ratio]:
    """Those that a verdict has a sentence for."""
    return [one for one in declared().values() if one.words is not None]


def ratio(name: str, value: float, low: float | None = None, high: float | None = None) -> d.Ratio:
    interval = d.Interval(low=low or value, high=high or value, coverage=0.9375, method="min-max")
    known = declared().get(name)
    kind, words = (known.kind, known.words) if known else ("cost", None)
    return documents.ratio(name, value, interval, words, kind)


def sentences(*ratios: d.Ratio, warnings: list[d.Caution] | None = None) -> dict[str, list[str]]:
    return dict(v.verdict([documents.document(ratios=list(ratios), warnings=warnings or [])]))


def only(*ratios: d.Ratio) -> v.Judgement:
    (judgement,) = v.judgements([documents.document(ratios=list(ratios))])
    return judgement


SHARED = "shared-polling-over-two-phase-polling"
LINUX = "linux-computing-over-two-phase-polling"
NOTIFIED_ALIKE = "linux-computing-over-two-phase-computing"
CONTROL = "control-over-two-phase-polling"


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome"),
    [
        (1.5, 1.3, 1.7, "better"),
        (0.5, 0.45, 0.55, "worse"),
        (1.1, 0.9, 1.3, "unknown"),
        (1.08, 1.02, 1.14, "better"),
        (1.01, 0.98, 1.04, "same"),
    ],
)
def test_a_sentence_says_what_the_judge_says(
    value: float, low: float, high: float, outcome: str
) -> None:
    judgement = only(ratio(SHARED, value, low, high), ratio(CONTROL, 1.0, 0.97, 1.05))
    assert judgement.outcome == outcome
    assert ("are the same within 5 %" in judgement.sentence) == (outcome == "same")
    assert ("cannot be told" in judgement.sentence) == (outcome == "unknown")


def test_a_wide_interval_beyond_1_says_which_is_better_and_no_more() -> None:
    judgement = only(ratio(SHARED, 12.0, 9.0, 16.0))
    assert judgement.outcome == "unknown"
    assert "is better than" in judgement.sentence
    assert judgement.sentence.count("cannot be told") == 1


def test_an_arm_is_judged_by_the_control_that_was_measured_as_it_was() -> None:
    several = [
        documents.series(key="any-rate", measure="throughput", unit="operations/s"),
        documents.series(key="other-rate", measure="throughput", unit="operations/s"),
        documents.series(key="any"),
        documents.series(key="two-phase-polling"),
    ]
    controls = [ratio("control-over-any-rate", 1.01), ratio("control-over-any", 1.6)]
    document = documents.document(series=several, ratios=controls)
    assert spread_of(document, ratio("x-over-other-rate", 2.0)) == pytest.approx(0.01)
    assert spread_of(document, ratio(SHARED, 2.0)) == pytest.approx(0.6)
    assert spread_of(document) == pytest.approx(0.6)
    rate = documents.document(series=several, ratios=controls[:1])
    assert spread_of(rate, ratio(SHARED, 2.0)) == pytest.approx(0.01)
    assert spread_of(documents.document(ratios=[ratio(SHARED, 2.0)]), ratio(SHARED, 2.0)) == 0


def test_the_same_ratio_is_a_difference_where_the_noise_is_less() -> None:
    assert only(ratio(SHARED, 1.14, 1.12, 1.16), ratio(CONTROL, 1.0)).outcome == "better"
    assert only(ratio(SHARED, 1.14, 1.12, 1.16), ratio(CONTROL, 1.3)).outcome == "unknown"


def test_a_slower_multikernel_has_its_sentence_with_the_ratio() -> None:
    found = sentences(ratio(SHARED, 0.5), ratio(NOTIFIED_ALIKE, 0.8), ratio(LINUX, 9.0))
    slower = found["Where the multikernel is slower"]
    assert len(slower) == 2
    assert any("shared kernel" in one and "2.00 ×" in one for one in slower)
    assert any("Linux, notified by interrupt" in one and "1.25 ×" in one for one in slower)


def test_every_comparison_with_another_kernel_can_be_lost() -> None:
    for one in said():
        assert one.words is not None
        lost = 0.5 if one.words.more_is_better else 2.0
        judgement = only(ratio(one.name, lost))
        assert judgement.outcome == "worse", one.name
        assert "2.00 ×" in judgement.sentence
        found = sentences(ratio(one.name, lost))["Where the multikernel is slower"]
        assert (judgement.sentence in found) == one.words.counterpart


def test_the_unmap_is_held_against_the_other_kernel_and_linux_in_words() -> None:
    assert {SHARED, LINUX, NOTIFIED_ALIKE} <= {one.name for one in said()}
    assert {one.kind for one in said()} == set(TITLES)


def test_a_kind_that_is_not_known_has_a_section_of_its_own() -> None:
    words = d.Words(subject="one", other="another")
    odd = msgspec.structs.replace(ratio(SHARED, 2.0), kind="odd-kind", words=words)
    assert sentences(odd)["Odd kind"] == ["One is 2.00 × as fast as another (2.00 × – 2.00 ×)."]


def test_what_has_no_words_is_passed_over() -> None:
    silent = msgspec.structs.replace(ratio(SHARED, 2.0), words=None)
    assert v.judgements([documents.document(ratios=[silent])]) == []


def test_poll_against_interrupt_is_said_to_hold_for_any_kernel() -> None:
    found = sentences(ratio(LINUX, 12.0), ratio(SHARED, 1.2))
    (notification,) = found[TITLES["notification"]]
    (structure,) = found[TITLES["structure"]]
    assert "any kernel" in notification
    assert "notified by poll, the other by interrupt" in notification
    assert "interrupt" not in structure


def test_no_arm_told_differently_is_called_structure() -> None:
    assert not any("linux" in one.name for one in said() if one.kind == "structure")


def test_what_goes_by_the_host_is_told_from_what_goes_by_memory() -> None:
    arm = "two-phase-polling-socket"
    found = sentences(
        ratio(f"{arm}-over-two-phase-polling", 5.0), ratio(f"shared-polling-over-{arm}", 0.2),
        ratio(f"linux-computing-over-{arm}", 1.5),
    )  # fmt: skip
    transport = found[TITLES["transport"]]
    assert len(transport) == 2
    assert all(
        "the multikernel in two phases over Unix sockets" in one and "5.00 ×" in one
        for one in transport
    )
    assert "the same over call lines" in transport[0]
    assert TITLES["structure"] not in found
    (notification,) = found[TITLES["notification"]]
    assert "over Unix sockets" in notification
    assert "any kernel" in notification
    (slower,) = found["Where the multikernel is slower"]
    assert "the shared kernel" in slower


def test_what_an_unmap_costs_beyond_the_local_call_is_of_memory_alone() -> None:
    local = known.series(4100, system="raw", variant="local", cores=1, parameters={"told": "none"})
    plain = known.document("unmap", [*known.unmap().series, local], floor=known.floor().floor)
    assert v._costs([plain])
    assert v._costs([known.by_the_host_too(plain)]) == v._costs([plain])
    assert v._costs([known.by_cores_too(plain)]) == v._costs([plain])


def test_nothing_is_said_of_scaling() -> None:
    every = [
        msgspec.structs.replace(ratio(one.name, value), name=f"{one.name}-{number}")
        for one in said()
        for number, value in enumerate((0.5, 2.0))
    ]
    for title, lines in v.verdict([documents.document(ratios=every)]):
        if title != "To be read with":
            assert not any(word in line for line in [title, *lines] for word in ("scal", "grow"))


def test_where_cores_share_cpus_nothing_is_compared() -> None:
    oversubscribed = d.Caution(code="oversubscribed", text="5 cores share 2 CPUs.")
    found = sentences(ratio(SHARED, 3.0), warnings=[oversubscribed])
    assert list(found) == ["What this shows"]
    assert "no latency is claimed" in found["What this shows"][0]


def test_caveats_that_matter_are_repeated_with_the_verdict() -> None:
    caution = d.Caution(code="virtual", text="This is a virtual machine.")
    other = d.Caution(code="governor", text="The governor is powersave.")
    read_with = sentences(ratio(SHARED, 3.0), warnings=[caution, other])["To be read with"]
    assert "This is a virtual machine." in read_with
    assert other.text not in read_with


def test_a_tree_is_judged_within_a_kernel_and_a_structure_along_one_tree() -> None:
    found = sentences(
        ratio("one-phase-polling-sequential-over-one-phase-polling-numa-aware", 2.0),
        ratio("shared-polling-over-shared-polling-numa-aware", 0.5),
        ratio("shared-polling-numa-aware-over-one-phase-polling-numa-aware", 0.5),
    )
    within, line = found[TITLES["tree"]]
    assert (
        "one phase along the tree numa-aware is 2.00 × as fast as the same along the tree"
        " sequential" in within
    )
    assert "slower and takes 2.00 × the time of the same by its line" in line
    (structure,) = found[TITLES["structure"]]
    assert "the time of the shared kernel along the tree numa-aware" in structure
    assert found["Where the multikernel is slower"] == [structure]


@pytest.mark.parametrize(
    ("dearer", "says"),
    [
        ((2, 3, 4), "cheaper than Linux with every number of cores."),
        ((3, 4), "cheaper than Linux from 3 cores on."),
        ((4,), "cheaper than Linux from 4 cores on."),
        ((2, 4), "cheaper than Linux with 2, 4 cores."),
        ((2,), "cheaper than Linux with 2 cores."),
        ((), "cheaper than Linux with no number of cores."),
    ],
)
def test_from_how_many_cores_on_is_said_where_the_intervals_say_so(
    dearer: tuple[int, ...], says: str
) -> None:
    names = {2: "sequential-on-2", 3: "numa-aware-on-3", 4: "numa-aware"}
    ratios = [
        ratio(
            f"linux-computing{'' if cores == 4 else f'-on-{cores}'}-over-one-phase-polling-{name}",
            1.5, 1.1 if cores in dearer else 0.9, 2.0,
        )
        for cores, name in names.items()
    ]  # fmt: skip
    growth = known.by_cores_too(known.unmap(4, ratios=ratios))
    found = dict(v.verdict([growth]))["By the number of cores"]
    (linux,) = [line for line in found if "one phase" in line and "than Linux" in line]
    assert says in linux
    (course,) = [line for line in found if "cycles with" in line and "one phase" in line]
    first, last, each = (
        int(one.replace(" ", "")) for one in re.findall(r"\d[\d ]*(?= cycles| with| for)", course)
    )
    assert (first, last, each) == pytest.approx((4000, 6000, 1000), rel=0.02)


def test_one_number_of_cores_shows_no_growth_and_several_do() -> None:
    growth = known.by_cores_too(known.unmap(4))
    assert not any(
        "how costs grow" in line for title, lines in v.verdict([growth]) for line in lines
    )
    assert any(
        "how costs grow" in line for title, lines in v.verdict([known.unmap(4)]) for line in lines
    )


def test_every_ratio_is_of_series_that_the_experiment_has() -> None:
    for name in registry.NAMES:
        if name in ("latency", "unmap", "scale"):
            continue
        one = registry.get(name)(request(2))
        specs = [spec for arm in one.arms() for spec in arm.specs]
        keys = {key for spec in specs for key in (spec.key, *spec.also)}
        for ratio in one.ratios():
            sides = {side for side in (ratio.over, ratio.under) if not side.startswith("floor-")}
            assert sides <= keys, (name, ratio.name)


# --- The table
# --------------------------------------------------------------------------------------------------


def test_table_has_a_row_a_series_in_cycles_ns_floors_and_interval() -> None:
    (row,) = table.rows([documents.document()])
    cells = dict(zip(table.HEADINGS, row, strict=True))
    assert (cells["system"], cells["what"], cells["target"], cells["notified"]) == (
        "multikernel", "two-phase", "polling", "poll",
    )  # fmt: skip
    assert (cells["TSC cycles"], cells["ns"], cells["× floor"]) == ("310", "119", "1.50")
    assert cells["median of boots"] == "300 – 320"


def test_table_names_sizes_rates_and_what_is_no_time() -> None:
    several = [
        documents.series(
            measure="occupancy", unit="messages", parameters={"slots": 64}, over_floor=None
        ),
        documents.series(parameters={"every_ns": 400}),
        documents.series(parameters={"budget": 260, "budget_us": 0.1, "every_us": 30}),
    ]
    ahead, loop, budget = table.rows([documents.document(series=several)])
    cells = dict(zip(table.HEADINGS, ahead, strict=True))
    assert cells["what"] == "two-phase 64 slots messages ahead"
    assert (cells["TSC cycles"], cells["ns"]) == ("310", "–")
    assert "every 400 ns" in loop[2]
    assert "P=0.1 µs every 30 µs" in budget[2]


def test_throughput_has_no_nanoseconds_and_no_floor() -> None:
    series = documents.series(unit="operations/s", measure="throughput", over_floor=None)
    (row,) = table.rows([documents.document(series=[series])])
    cells = dict(zip(table.HEADINGS, row, strict=True))
    assert cells["TSC cycles"].endswith("/s")
    assert (cells["ns"], cells["× floor"]) == ("–", "–")


@pytest.mark.parametrize("document", known.every()[:-1], ids=lambda one: str(one.experiment))
def test_no_two_rows_of_a_document_are_called_the_same(document: d.Document) -> None:
    # Pairs of CPUs with a line at home on either side, cores and modes: what real documents vary.
    more = [
        known.series(9, system="raw", variant="one-line", measure="completion", cores=cores,
        mode=mode,
                     parameters={"from_cpu": 0, "to_cpu": cores, "home": home})
        for cores in (2, 3) for mode in ("back-to-back", "single") for home in ("from", "to")
    ]  # fmt: skip
    more += [
        known.series(9, variant="arm", measure=measure,
        parameters={"in_flight": n, "operation": operation})
        for measure in ("completion", "interval") for n in (1, 2) for operation in ("copy",
        "revoke")
    ]  # fmt: skip
    rows = table.rows(
        [msgspec.structs.replace(document, series=documents.distinct([*document.series, *more]))]
    )
    called = Counter((*row[:5], row[5].endswith("/s")) for row in rows)
    assert max(called.values()) == 1


def test_plain_table_is_text_in_columns() -> None:
    text = columns.table(table.HEADINGS, table.rows([documents.document()]), table.NUMBERS)
    heading, rule, row, *_ = text.splitlines()
    assert set(rule) == {"-", " "}
    assert heading.index("notified") == row.index("poll", row.index("polling") + 7)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4, "0"), (1234.0, "1 234"), (99_999.4, "99 999"), (123_456.0, "123 k"), (2.5e6, "2.5 M")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
