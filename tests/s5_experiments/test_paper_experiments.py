"""The paper's figure 3, table 1 and section 4.6 in smoke size, and what their documents must and
must not claim.
"""

from itertools import pairwise

import pytest
from s5_experiments.smoke import document_of, placement

from multikernel.experiments import local_call, poll_or_block, registry, shared_memory
from multikernel.experiments.instrument.arms import Outcome
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import SIZES, Request, Size
from multikernel.machine.host.cpus import Placement
from multikernel.results.document import Document, Series
from multikernel.results.encoding import decode, encode
from multikernel.results.histogram import Histogram

FIGURES = {"shared-memory": "figure 3", "local-call": "table 1", "poll-or-block": "§4.6"}
CROWDED: dict[str, Document] = {}


def crowded(name: str) -> Document:
    """The document of two cores that share a CPU."""
    cpu = placement().cpus[0]
    if name not in CROWDED:
        request = Request(Placement((cpu, cpu)), SIZES["smoke"])
        CROWDED[name] = registry.get(name)(request).run()
    return CROWDED[name]


def medians(document: Document, measure: str = "") -> dict[tuple[str, int], float]:
    """By variant and cores, of series that are no controls and no rates, or of one measure."""
    return {
        (one.variant, one.cores): one.p50
        for one in document.series
        if not one.control
        and "transport" not in one.parameters
        and (one.measure == measure if measure else one.measure != "throughput")
    }


@pytest.mark.parametrize("name", FIGURES)
def test_document_is_valid_and_named_by_the_papers_figure(name: str) -> None:
    document = document_of(name)
    assert document.experiment == name
    assert decode(encode(document)) == document
    assert registry.get(name).entry.figure == FIGURES[name]
    assert name in {one.name for one in registry.listed()}


@pytest.mark.parametrize("name", FIGURES)
def test_percentiles_are_ordered_and_arms_have_a_control_and_a_floor(name: str) -> None:
    document = document_of(name)
    for one in document.series:
        assert all(
            low <= high
            for low, high in pairwise((one.min, one.p5, one.p50, one.p95, one.p99, one.max))
        )
        assert one.min > 0
    originals = {
        (one.variant, one.cores, one.measure, one.mode)
        for one in document.series
        if not one.control
    }
    controls = [one for one in document.series if one.control]
    assert controls
    assert {(one.variant, one.cores, one.measure, one.mode) for one in controls} <= originals
    assert any(ratio.name.startswith("control-over-") for ratio in document.ratios)
    assert len(document.floor) == 1


@pytest.mark.parametrize(
    "name",
    [
        name if name == "shared-memory" else pytest.param(name, marks=pytest.mark.full)
        for name in FIGURES
    ],
)
def test_where_cores_share_a_cpu_all_arms_run_and_nothing_is_claimed(name: str) -> None:
    document, apart = crowded(name), document_of(name)
    assert not document.series
    assert not document.ratios
    assert "oversubscribed" in {warning.code for warning in document.warnings}
    assert "poll-budget" not in {warning.code for warning in document.warnings}
    ran = {(one.variant, one.cores) for one in document.unmeasured if one.slices}
    assert ran | {("block", 2)} == {(one.variant, one.cores) for one in apart.series} | {
        ("block", 2)
    }
    assert decode(encode(document)) == document


# --- Figure 3
# --------------------------------------------------------------------------------------------------


def test_every_arm_of_figure_3_stands_at_every_number_of_cores() -> None:
    found = medians(document_of("shared-memory"))
    names = ("shm1", "shm2", "shm4", "shm8", "msg1", "msg8", "server1", "server8")
    assert set(found) == {(name, cores) for name in names for cores in (1, 2)}


def test_messages_go_by_sockets_too_where_there_is_somebody_to_ask() -> None:
    document = document_of("shared-memory")
    carried = {
        (one.parameters["transport"], one.variant, one.cores, one.measure): one
        for one in document.series
        if "transport" in one.parameters
    }
    assert set(carried) == {
        ("socket", name, 2, measure)
        for name in ("msg1", "msg8")
        for measure in ("round-trip", "throughput")
    }
    assert "msg8-socket-on-2-over-msg8-on-2" in {ratio.name for ratio in document.ratios}
    # A call of the host to send and one to receive, there and back: never as cheap as the server's
    # own work.
    (server,) = [one for one in document.series if one.key == "server8-on-2"]
    assert carried["socket", "msg8", 2, "round-trip"].p5 > server.p50


def test_updates_are_back_to_back_in_batches_and_the_servers_own_in_a_row() -> None:
    for one in document_of("shared-memory").series:
        server = one.variant.startswith("server")
        assert (one.mode, one.batch) == ("back-to-back", 64 if server else 100)
        assert one.system == ("raw" if one.variant.startswith("shm") else "multikernel")
        assert one.parameters["lines"] == int(one.variant[-1])


@pytest.mark.parametrize("lines", [1, 8])
@pytest.mark.parametrize("cores", [1, 2])
def test_the_server_takes_no_longer_than_the_message_it_is_part_of(lines: int, cores: int) -> None:
    found = medians(document_of("shared-memory"))
    assert found[f"server{lines}", cores] <= found[f"msg{lines}", cores]


def test_more_lines_cost_one_core_more() -> None:
    found = medians(document_of("shared-memory"))
    assert found["shm1", 1] < found["shm8", 1]


def test_only_messages_between_cores_are_judged_by_the_floor() -> None:
    judged = {
        (one.variant, one.cores)
        for one in document_of("shared-memory").series
        if one.over_floor is not None
    }
    assert judged == {("msg1", 2), ("msg8", 2)}


def test_the_server_is_no_client_and_many_cores_are_measured_at_some_counts() -> None:
    message, shared = shared_memory.Form(8, True), shared_memory.Form(8, False)
    assert message.cores(4) == (1, 2, 3)
    assert shared.cores(4) == (0, 1, 2, 3)
    assert message.cores(1) == (0,)
    assert shared_memory.counts_of(16) == list(range(1, 17))
    many = shared_memory.counts_of(500)
    assert many[:2] == [1, 2]
    assert many[-1] == 500
    assert len(many) <= shared_memory.COUNTS_MAX
    assert many == sorted(set(many))


@pytest.mark.parametrize(("cpu_ns", "away"), [(1000, False), (901, False), (899, True), (0, True)])
def test_a_core_that_was_off_its_cpu_for_a_tenth_of_a_slice_was_away(
    cpu_ns: int, away: bool
) -> None:
    report = Report(counts={"wall_ns": 1000, "cpu_ns": cpu_ns})
    assert shared_memory.was_away(report) == away


# --- Table 1
# --------------------------------------------------------------------------------------------------


def local_series() -> list[Series]:
    return document_of("local-call").series


def test_every_local_call_names_the_boundary_it_crosses() -> None:
    found = {(one.variant, one.mode) for one in local_series() if one.parameters["boundary"]}
    assert found == {
        (name, mode) for name in local_call.BOUNDARIES for mode in ("back-to-back", "single")
    }
    assert len({one.parameters["boundary"] for one in local_series()}) == len(local_call.BOUNDARIES)


def test_a_document_of_local_calls_says_that_they_are_no_lrpc() -> None:
    (text,) = [
        one.text for one in document_of("local-call").warnings if one.code == "not-the-papers-lrpc"
    ]
    assert "address space" in text


def test_calls_within_a_cpu_have_no_floor_and_the_message_has() -> None:
    for one in local_series():
        assert (one.over_floor is None) == (one.variant != local_call.MESSAGE)


@pytest.mark.parametrize("switch", [local_call.YIELD, local_call.SLEEP])
@pytest.mark.parametrize("mode", ["back-to-back", "single"])
def test_switching_processes_costs_more_than_staying_in_one(switch: str, mode: str) -> None:
    found = {(one.variant, one.mode): one.p50 for one in local_series() if not one.control}
    assert found[switch, mode] > found[local_call.OWN, mode]


# --- Section 4.6
# --------------------------------------------------------------------------------------------------


def test_every_budget_has_latency_cpu_and_loss_at_every_interval() -> None:
    found = {
        (one.variant, one.parameters["budget_us"], one.parameters["every_us"])
        for one in document_of("poll-or-block").series
        if one.variant != "block"
    }
    assert found == {
        (what, float(budget), interval)
        for what in ("latency", "cpu-lost", "loss")
        for budget in poll_or_block.BUDGETS_US
        for interval in poll_or_block.INTERVALS_US
    }


def test_a_longer_budget_takes_more_of_the_targets_cpu() -> None:
    rare = poll_or_block.INTERVALS_US[-1]
    found = {
        one.parameters["budget_us"]: one.min
        for one in document_of("poll-or-block").series
        if one.variant == "cpu-lost" and one.parameters["every_us"] == rare and not one.control
    }
    # Rare messages: a core that polls for 500 µs is busy nearly all the time, one that parks at
    # once nearly never.
    assert found[0.0] < found[500.0]


def test_the_default_is_among_the_budgets_and_the_document_says_what_is_used() -> None:
    assert poll_or_block.PRODUCT_US in poll_or_block.BUDGETS_US
    document = document_of("poll-or-block")
    (said,) = [one.text for one in document.warnings if one.code == poll_or_block.USED]
    # Smoke size measures nothing, so nothing is kept.
    assert "poll for 100 µs (the default: what blocking costs was not measured" in said


def losses(of: dict[int, list[int]]) -> dict[int, dict[int, float]]:
    return {
        interval: dict(zip(poll_or_block.BUDGETS_US, map(float, values), strict=True))
        for interval, values in of.items()
    }


def test_the_budget_is_judged_by_the_load_where_it_is_worst() -> None:
    at = losses(
        {
            30: [900, 800, 700, 600, 400, 300, 200, 100],
            300: [100, 110, 120, 130, 200, 300, 500, 900],
        }
    )
    assert poll_or_block.best_at(at[30]) == 500
    assert poll_or_block.best_at(at[300]) == 0
    assert poll_or_block.regret_of(100, at) == pytest.approx(3.0)
    assert poll_or_block.regret_of(500, at) == pytest.approx(9.0)
    assert poll_or_block.nearest(30.0) == 20
    assert poll_or_block.nearest(0.1) == 5
    said = poll_or_block.judged(at, 40.0)
    assert said is not None
    assert said.code == "poll-budget"
    for part in (
        "500 µs with a message every 30 µs",
        "0 µs with a message every 300 µs",
        "C = 40.0 µs",
        "2.5 × C",
    ):
        assert part in said.text


def test_without_a_cost_of_blocking_nothing_is_said_of_the_budget() -> None:
    at = losses({30: [1, 2, 3, 4, 5, 6, 7, 8]})
    said = poll_or_block.judged(at, None)
    assert said is not None
    assert said.code == "no-block-cost"
    assert poll_or_block.judged({}, 40.0) is None


def test_where_an_arm_is_not_like_itself_nothing_is_said_of_the_budget() -> None:
    said = poll_or_block.judged(losses({30: [1, 2, 3, 4, 5, 6, 7, 8]}), 40.0, 1.6)
    assert said is not None
    assert said.code == "budget-undecided"
    assert "1.60 ×" in said.text


@pytest.mark.parametrize(("shown", "known"), [(2, False), (3, True)])
def test_blocking_costs_something_only_if_most_boots_say_so(shown: int, known: bool) -> None:
    collector = Collector(Request(Placement((0, 1)), Size("test", 4, 1, 1.0)))
    for boot in range(shown):
        collector.keep(boot, Outcome({poll_or_block.BLOCK: Histogram.from_values([100])}))
    assert poll_or_block.cost_of(collector) == (100 if known else None)
    assert collector.has(poll_or_block.BLOCK) == known


def test_the_best_budget_of_a_collector_is_over_boots_and_needs_every_budget() -> None:
    collector = Collector(Request(Placement((0, 1)), Size("test", 3, 1, 1.0)))

    def keep(budget: int, values: tuple[int, ...]) -> None:
        for boot, value in enumerate(values):
            key = f"loss-p{budget}-every30"
            collector.keep(boot, Outcome({key: Histogram.from_values([value])}))

    for budget in poll_or_block.BUDGETS_US[:-1]:
        keep(budget, (1000 + budget, 1010 + budget, 9000))
    assert poll_or_block.losses_of(collector) == {}
    keep(poll_or_block.BUDGETS_US[-1], (100, 9000, 110))
    found = poll_or_block.losses_of(collector)
    assert set(found) == {30}
    assert poll_or_block.best_at(found[30]) == 500
    assert found[30][0] == pytest.approx(1010, rel=0.01)


def test_a_cost_that_shows_is_kept_and_its_series_says_what_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[float] = []
    monkeypatch.setattr(poll_or_block.block_cost, "save", lambda us, *_: kept.append(us))
    request = Request(Placement((0, 1)), Size("test", 3, 1, 1.0))
    experiment, collector = poll_or_block.PollOrBlock(request), Collector(request)
    specs = [spec for arm in experiment.arms() for spec in arm.specs]
    for boot in range(3):
        for spec in specs:
            if spec.key != poll_or_block.BLOCK:
                cycles = 90_000 - 100 * float(str(spec.parameters["budget_us"]))
                samples = {spec.key: Histogram.from_values([round(cycles)])}
                collector.keep(boot, Outcome(samples))
    assert [one.code for one in experiment.cautions(collector)] == [
        "poll-budget",
        poll_or_block.USED,
    ]
    (block,) = [spec for spec in specs if spec.key == poll_or_block.BLOCK]
    found = experiment.revised(block, collector).parameters
    assert found["rule_us"] == pytest.approx(kept[0])
    assert found["best_us_every300"] == 500
    series = collector.series(block)
    assert series is not None
    assert (series.boots, series.p50) == (3, pytest.approx(50_000, rel=0.1))
