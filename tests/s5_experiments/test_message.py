"""The paper's table 2 in smoke size: what the document must hold, and how it is planned and
reckoned.
"""

from itertools import pairwise

import pytest
from s5_experiments.smoke import document_of, placement

from multikernel.experiments import message, registry
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.machine.host.cpus import Placement
from multikernel.machine.topology.model import Cache, Cpu, Topology
from multikernel.results.document import Series
from multikernel.results.encoding import decode, encode
from multikernel.results.histogram import Histogram

MODES = ("back-to-back", "single")


def found(measure: str, *, control: bool = False) -> list[Series]:
    series = document_of("message").series
    return [one for one in series if one.measure == measure and one.control == control]


def arms(series: list[Series]) -> set[tuple[str, object]]:
    return {(one.variant, one.parameters["slots"]) for one in series if "slots" in one.parameters}


def test_the_document_is_valid_and_answers_table_2() -> None:
    document = document_of("message")
    assert decode(encode(document)) == document
    assert registry.get("message").entry.figure == "table 2"


def test_every_form_and_size_has_latency_throughput_and_occupancy() -> None:
    rings = {(name, slots) for name in message.RINGS for slots in message.SMOKE_SIZES}
    calls = {(message.CALLS, window) for window in message.SMOKE_WINDOWS}
    plain = {(message.PLAIN, slots) for slots in message.SMOKE_SIZES}
    for mode in MODES:
        assert arms([one for one in found("round-trip") if one.mode == mode]) == rings | calls
    assert arms(found("throughput")) == arms(found("occupancy")) == rings | calls | plain
    assert {one.unit for one in found("throughput")} == {"messages/s"}


def test_latencies_are_judged_by_the_floor_of_their_pair_and_streams_are_not() -> None:
    assert all(one.over_floor is not None for one in found("round-trip"))
    assert all(one.over_floor is None for one in found("throughput") + found("occupancy"))
    assert all(
        one.parameters["distance"] in message.DISTANCES.values() for one in found("round-trip")
    )


def test_a_writer_is_never_further_ahead_than_the_ring_is_long() -> None:
    for one in found("occupancy"):
        slots = one.parameters["slots"]
        assert isinstance(slots, int)
        assert 0 <= one.min <= one.max <= slots


def test_one_arm_of_each_kind_is_measured_twice() -> None:
    originals = {
        (one.variant, one.mode, one.measure, one.batch) for one in document_of("message").series
    }
    for measure in ("round-trip", "throughput"):
        (*controls,) = found(measure, control=True)
        assert controls
        assert {(one.variant, one.mode, one.measure, one.batch) for one in controls} <= originals
    names = {ratio.name for ratio in document_of("message").ratios}
    assert {f"control-over-epoch-ring-16-{what}" for what in ("rate", *MODES)} <= names
    assert "used-ring-1024-rate-over-plain-1024-rate" in names


def test_the_open_loop_goes_through_the_drivers_at_every_rate() -> None:
    loop = [one for one in found("round-trip") if one.variant == "open-loop"]
    assert [one.parameters["every_ns"] for one in loop] == list(message.OPEN_LOOP_NS)
    assert {(one.system, one.mode) for one in loop} == {("multikernel", "single")}


@pytest.mark.full
def test_where_cores_share_a_cpu_all_arms_run_and_nothing_is_claimed() -> None:
    cpu = placement().cpus[0]
    document = registry.get("message")(Request(Placement((cpu, cpu)), SIZES["smoke"])).run()
    assert not document.series
    assert not document.ratios
    ran = {one.key for one in document.unmeasured if one.slices}
    assert ran == {one.key for one in document_of("message").series if not one.control}


# Two packages of two L3 islands of two cores.
TOPOLOGY = Topology(
    cpus=tuple(Cpu(id=i, package=i // 4, siblings=(i,)) for i in range(8)),
    caches=tuple(Cache(level=3, cpus=(i, i + 1)) for i in range(0, 8, 2)),
    nodes=(), possible=tuple(range(8)), allowed=tuple(range(8)),
)  # fmt: skip


def test_there_is_a_pair_for_each_distance_from_core_0() -> None:
    request = Request(Placement(tuple(range(8))), SIZES["quick"])
    assert list(message.pairs_of(request, TOPOLOGY)) == [(0, 1), (0, 2), (0, 4)]
    assert message.pairs_of(Request(Placement((0, 4, 5)), SIZES["quick"]), TOPOLOGY) == {
        (0, 1): "two packages"
    }


def test_every_distance_has_its_own_arms_and_is_judged_by_its_own_floor() -> None:
    experiment = message.Message(Request(Placement((0, 1, 4)), SIZES["quick"]), TOPOLOGY)
    assert experiment.pairs() == [(0, 1), (0, 2)]
    specs = [spec for arm in experiment.arms() for spec in arm.specs]
    assert len({spec.key for spec in specs}) == len(specs)
    for pair, words, cpus in (
        ((0, 1), "shared third-level cache", "0-1"),
        ((0, 2), "two packages", "0-4"),
    ):
        own = [spec for spec in specs if spec.parameters["distance"] == words]
        assert {spec.parameters["pair"] for spec in own} == {cpus}
        assert {spec.floor for spec in own if spec.measure == "round-trip"} == {(pair,)}
        assert {spec.parameters["slots"] for spec in own if spec.variant == message.EPOCH} == set(
            message.SIZES
        )
    ratios = list(experiment.ratios())
    compared = {key for ratio in ratios for key in (ratio.over, ratio.under)}
    assert {key for key in compared if not key.startswith("floor-")} <= {spec.key for spec in specs}
    assert "used-ring-4096-0-2-rate-over-plain-4096-0-2-rate" in {ratio.name for ratio in ratios}
    # Words say nothing of a distance: they are of the first two cores.
    assert {ratio.over for ratio in ratios if ratio.words} == {
        f"{ring}-{slots}-rate" for ring in message.RINGS for slots in message.JUDGED
    }


def test_the_control_is_repeated_without_a_look_how_far_ahead_the_writer_is() -> None:
    experiment = message.Message(Request(Placement((0, 1)), SIZES["quick"]), TOPOLOGY)
    repeated = [spec.key for arm in experiment.arms() if arm.repeated for spec in arm.specs]
    assert repeated == [f"epoch-ring-64-{what}" for what in (*MODES, "rate")]


def test_stretches_of_a_stream_are_longer_than_the_ring_and_end_everywhere_in_it() -> None:
    for slots in message.SIZES:
        batch = message.Form(message.EPOCH, slots, (0, 1)).batch
        assert batch > 4 * slots
        ends = sorted({batch * number % slots for number in range(1, 33)})
        assert len(ends) >= min(slots, 32)
        assert max(b - a for a, b in pairwise([*ends, ends[0] + slots])) <= max(slots // 4, 1)


def test_rates_are_the_inverse_of_times() -> None:
    times = Histogram.from_values([1000, 1000, 4000])
    rates = message.rates(times, 10, 1e6)
    assert rates.samples == 3
    assert rates.maximum == pytest.approx(10_000, rel=0.01)
    assert rates.minimum == pytest.approx(2500, rel=0.01)


def test_memory_is_large_enough_for_the_largest_ring() -> None:
    assert message.bytes_for(16384) == 4096 + 2 * 16384 * 64
