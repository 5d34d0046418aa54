"""Comparing runs: what changed and how sure that is, on runs whose difference is known."""

from typing import Any

import pytest
from s5_experiments import documents
from s5_experiments import report_documents as known

from multikernel.errors import BadInput
from multikernel.results import document as d
from multikernel.results.compare import Comparison, compare
from multikernel.results.same_machine import machine_differences


def run(median: float, *, noise: float = 0.0, **changes: Any) -> list[d.Document]:
    """One document of one series, and a control ratio that shows so much noise."""
    environment = changes.pop("environment", known.environment())
    changes.setdefault("spread", 0.01)
    warnings = changes.pop("warnings", [])
    interval = d.Interval(
        low=1 / (1 + noise), high=1 + noise, coverage=0.96, method="order-statistic"
    )
    control = documents.ratio("control-over-two-phase-polling", 1.0, interval)
    return [
        known.document(
            "unmap",
            [known.series(median, **changes)],
            environment=environment,
            ratios=[control],
            warnings=warnings,
        )
    ]


def only(found: Comparison) -> tuple[str, bool]:
    """Outcome and whether the threshold was crossed, of the only change."""
    (change,) = found.changes
    return change.outcome, change.crossed


@pytest.mark.parametrize(
    ("new", "outcome", "crossed"),
    [
        (1000, "same", False),
        (1300, "worse", True),
        (700, "better", False),
    ],
)
def test_longer_is_worse(new: float, outcome: str, crossed: bool) -> None:
    assert only(compare(run(1000), run(new))) == (outcome, crossed)


def test_where_the_intervals_overlap_nothing_is_known() -> None:
    assert only(compare(run(1000, spread=0.05), run(1050, spread=0.05))) == ("unknown", False)


def test_less_throughput_is_worse() -> None:
    rate: dict[str, Any] = {"measure": "throughput", "unit": "operations/s"}
    assert only(compare(run(1000, **rate), run(700, **rate))) == ("worse", True)
    assert only(compare(run(1000, **rate), run(1300, **rate))) == ("better", False)


def test_how_far_a_writer_runs_ahead_is_neither_better_nor_worse() -> None:
    def both(ahead: float) -> list[d.Document]:
        several = [known.series(1000), known.series(ahead, measure="occupancy", unit="messages")]
        return [known.document("message", several)]

    (change,) = compare(both(10), both(900)).changes
    assert change.series.measure != "occupancy"


def test_the_interval_is_that_of_opposite_ends() -> None:
    (change,) = compare(run(1000, spread=0.1), run(2000, spread=0.1)).changes
    assert change.ratio == pytest.approx(2.0, rel=0.01)
    assert change.interval.low == pytest.approx(1800 / 1100)
    assert change.interval.high == pytest.approx(2200 / 900)
    assert change.interval.coverage == pytest.approx(0.92)


def test_what_the_control_shows_to_be_noise_is_no_change() -> None:
    assert only(compare(run(1000, noise=0.3), run(1300))) == ("unknown", False)
    assert only(compare(run(1000), run(1300, noise=0.01))) == ("worse", True)


def test_a_threshold_is_crossed_only_beyond_it() -> None:
    assert only(compare(run(1000, spread=0.01), run(1150, spread=0.01))) == ("worse", True)
    assert only(compare(run(1000, spread=0.01), run(1150, spread=0.01), threshold=0.2)) == (
        "worse",
        False,
    )


def test_too_few_boots_decide_nothing() -> None:
    assert only(compare(run(1000), run(5000, boots=1))) == ("unknown", False)


def test_cores_that_share_cpus_decide_nothing() -> None:
    crowded = [d.Caution(code="oversubscribed", text="4 cores share 2 CPUs.")]
    assert only(compare(run(1000), run(5000, warnings=crowded))) == ("unknown", False)


def test_different_machines_are_refused_and_what_differs_is_named() -> None:
    other = known.environment(cpu_model="Small Iron", tsc_hz=5.2e9)
    with pytest.raises(
        BadInput,
        match=(
            "different machines: cpu_model: Big Iron against Small Iron; tsc_hz: 2600 MHz against"
        ),
    ) as caught:
        compare(run(1000), run(1000, environment=other))
    assert "--different-machines" in str(caught.value)


def test_different_machines_are_compared_in_time_if_wanted() -> None:
    other = known.environment(cpu_model="Small Iron", tsc_hz=5.2e9)
    found = compare(run(1000), run(1000, environment=other), different_machines=True)
    (change,) = found.changes
    assert change.unit == "ns"
    assert (change.old, change.new) == pytest.approx((1000 / 2.6, 1000 / 5.2), rel=0.01)
    assert change.ratio == pytest.approx(0.5, rel=0.01)
    assert found.machine


def test_another_kernel_or_compiler_is_the_same_machine_and_is_named() -> None:
    other = known.environment(
        kernel="7.0", compiler="clang 20", topology={**known.TOPOLOGY, "allowed": "0-1"}
    )
    found = compare(run(1000), run(1000, environment=other))
    assert found.conditions == ["kernel: 6.12.0 against 7.0", "compiler: gcc 12 against clang 20"]


def test_what_was_counted_while_measuring_is_no_choice() -> None:
    def counted(value: float) -> dict[str, Any]:
        return {"parameters": {"told": "interrupt", "interrupts_per_operation": value}}

    assert only(compare(run(1000, **counted(1.0)), run(1000, **counted(1.07)))) == ("same", False)


def test_what_has_no_partner_is_listed() -> None:
    old = [known.unmap(), known.floor()]
    new = [known.document("unmap", known.unmap().series[:3]), known.message()]
    found = compare(old, new)
    assert len(found.changes) == 3
    assert len(found.only_old) == len(known.unmap().series) - 3 + len(known.floor().series)
    assert len(found.only_new) == len(known.message().series)


def test_runs_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(BadInput, match="nothing was measured in both runs"):
        compare([known.floor()], [known.message()])


def test_the_latest_of_several_documents_counts() -> None:
    early = run(5000, environment=known.environment(time="2020-01-01T00:00:00Z"))
    assert only(compare([*run(1000), *early], run(1000))) == ("same", False)


def test_controls_are_not_judged() -> None:
    old = known.document("unmap", [known.series(100), known.series(100, control=True)])
    assert len(compare([old], [old]).changes) == 1


def test_what_makes_a_machine() -> None:
    ours = documents.environment()
    assert (
        machine_differences(
            ours, known.environment(topology={"cpus": 2, "allowed": "0"}, kernel="1")
        )
        == []
    )
    assert machine_differences(
        ours, known.environment(topology={"cpus": 2}, cpu_flags=["sse"])
    ) == ["cpu_flags: constant_tsc against sse"]


# --- Ratios, floors, and what is observed


def with_ratio(value: float, *, floor: float = 310.0, median: float = 1000) -> list[d.Document]:
    """A document with a ratio that says what is better, and a floor."""
    words = d.Words(subject="the multikernel", other="the shared kernel")
    interval = d.Interval(
        low=0.99 * value, high=1.01 * value, coverage=0.96, method="order-statistic"
    )
    lines = d.LineFloors(back_to_back=[floor], single=[floor])
    floors = [d.Floor(pair=(0, 1), back_to_back=floor, single=floor, by_line=lines)]
    ratio = documents.ratio("shared-over-two-phase", value, interval, words, "structure")
    series = known.series(median, spread=0.01, key="two-phase")
    return [known.document("unmap", [series], ratios=[ratio], floor=floors)]


@pytest.mark.parametrize(
    ("new", "outcome", "crossed"),
    [(2.0, "same", False), (1.5, "worse", True), (1.85, "worse", False), (3.0, "better", False)],
)
def test_ratios_are_judged_and_gated_on(new: float, outcome: str, crossed: bool) -> None:
    found = compare(with_ratio(2.0), with_ratio(new))
    (ratio,) = found.ratios
    assert (ratio.outcome, ratio.crossed) == (outcome, crossed)
    assert bool(found.crossed) == crossed


def test_where_there_are_ratios_medians_alone_cross_nothing() -> None:
    found = compare(with_ratio(2.0), with_ratio(2.0, median=1500))
    assert [change.outcome for change in found.changes] == ["worse"]
    assert not found.crossed


def test_where_the_host_had_moved_the_cpus_medians_say_nothing() -> None:
    found = compare(with_ratio(2.0, floor=160), with_ratio(1.0, floor=1000, median=3000))
    assert found.moved == ["unmap"]
    assert [change.outcome for change in found.changes] == ["unknown"]
    assert [ratio.outcome for ratio in found.ratios] == ["worse"]


def test_what_was_observed_is_no_part_of_what_a_series_is() -> None:
    def seen(**parameters: d.Scalar) -> list[d.Document]:
        several = [
            known.series(1000, key=f"pair-{n}", parameters={"from_cpu": n, **parameters})
            for n in range(2)
        ]
        return [known.document("latency", several)]

    found = compare(seen(steady="yes", told="none"), seen(steady="no", told="interrupt"))
    assert len(found.changes) == 2
    assert not found.only_old
