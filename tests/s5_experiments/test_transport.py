"""The paper's table 3 in smoke size: what the document must hold, and must not claim."""

from dataclasses import replace

import pytest
from s5_experiments.smoke import document_of, placement

from multikernel.experiments import registry, transport
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.transport import ways
from multikernel.experiments.transport.loops import EVENTS, Counting
from multikernel.machine.host.cpus import Placement
from multikernel.results.document import Series
from multikernel.results.encoding import decode, encode

WAYS = {way.name: way for way in ways.WAYS}


def found(measure: str, *, control: bool = False) -> list[Series]:
    series = document_of("transport").series
    return [one for one in series if one.measure == measure and one.control == control]


def test_the_document_is_valid_and_answers_table_3() -> None:
    document = document_of("transport")
    assert decode(encode(document)) == document
    assert registry.get("transport").entry.figure == "table 3"


def test_every_way_has_a_latency_in_both_modes_and_what_carries_messages_a_throughput() -> None:
    for mode in ("back-to-back", "single"):
        assert {one.variant for one in found("round-trip") if one.mode == mode} == set(WAYS)
    assert {one.variant for one in found("throughput")} == {
        way.name for way in ways.WAYS if way.streams
    }


def test_the_hosts_own_mechanisms_are_there_asleep_polled_and_on_one_cpu() -> None:
    host = {"pipe", "stream-socket", "packet-socket", "eventfd"}
    sleeping = host | {"futex"}
    assert {f"{name}-polled" for name in host} | sleeping <= set(WAYS)
    assert {f"{name}-one-cpu" for name in sleeping} <= set(WAYS)
    assert {"channel-socket", "channel-pipe", "epoch-ring", "call-line"} <= set(WAYS)


def test_every_series_says_what_it_crosses_and_whether_it_sleeps() -> None:
    for one in document_of("transport").series:
        way = WAYS[one.variant]
        assert one.parameters["crosses"] == transport.CROSSED[way.crosses]
        assert one.parameters["waits"] == way.waits
        assert one.parameters["target"] == ("idle" if way.waits == "sleeps" else "polling")
        assert one.parameters["memory_shared"] == way.shares_memory
        assert one.system == ways.SYSTEMS[way.kind]
    assert not WAYS["channel-socket"].shares_memory
    assert not WAYS["channel-pipe"].shares_memory
    assert WAYS["futex"].shares_memory
    # What polls in memory never enters the host's kernel; what sleeps does.
    assert all(way.crosses for way in ways.WAYS if way.waits == "sleeps")


def test_only_two_cpus_have_a_floor() -> None:
    for one in found("round-trip"):
        assert (one.over_floor is None) == (WAYS[one.variant].kind == "one-cpu")


def test_a_system_call_costs_more_than_a_cache_line() -> None:
    fastest = {one.variant: one.min for one in found("round-trip") if one.mode == "back-to-back"}
    for way in ways.WAYS:
        if way.crosses:
            assert fastest[way.name] > fastest["call-line"]


def test_one_arm_of_each_kind_is_measured_twice() -> None:
    assert {one.variant for one in found("round-trip", control=True)} == {ways.LATENCY_CONTROL}
    assert {one.variant for one in found("throughput", control=True)} == {ways.RATE_CONTROL}
    names = {ratio.name for ratio in document_of("transport").ratios}
    assert {"control-over-call-line-single", "control-over-epoch-ring-rate"} <= names
    assert "channel-socket-back-to-back-over-call-line-back-to-back" in names


def test_cache_lines_are_counted_or_it_is_said_why_not() -> None:
    document = document_of("transport")
    codes = {warning.code: warning.text for warning in document.warnings}
    names = {f"{event.replace('-', '_')}_per_message" for event in EVENTS}
    counted = [one for one in document.series if names & set(one.parameters)]
    if "cache-lines-not-available" in codes:
        assert not counted
        assert "not available: " in codes["cache-lines-not-available"]
    else:
        assert "cache-lines-counted" in codes
        assert {WAYS[one.variant].kind for one in counted} == {"channel", "host", "one-cpu"}
    assert "not-the-papers-l4" in codes


def test_counts_are_told_by_message_and_beside_the_back_to_back_latency_alone() -> None:
    request = Request(Placement((0, 1)), SIZES["smoke"])
    experiment, collector = transport.Transport(request), Collector(request)
    experiment.counts = Counting(EVENTS)
    collector.sums.update({"pipe counted": 50})
    collector.sums.update({f"pipe {event}": 100 * n for n, event in enumerate(EVENTS)})
    specs = {spec.key: spec for arm in experiment.arms() for spec in arm.specs}
    spec = specs["pipe-back-to-back"]
    assert experiment.revised(spec, collector).parameters == {
        **spec.parameters, "l1d_reads_per_message": 0.0, "l1d_misses_per_message": 2.0,
        "l1i_misses_per_message": 4.0,
    }  # fmt: skip
    for other in (
        specs["pipe-single"],
        specs["pipe-rate"],
        specs["futex-back-to-back"],
        replace(spec, control=True),
    ):
        assert experiment.revised(other, collector) == other


def test_the_call_line_is_held_against_the_host_in_words_back_to_back() -> None:
    ratios = list(transport.Transport(Request(Placement((0, 1)), SIZES["smoke"])).ratios())
    assert {one.over for one in ratios if one.words} == {
        f"{name}-back-to-back" for name in ways.NAMED
    }
    assert {one.kind for one in ratios if one.words} == {"notification"}
    assert {one.over for one in ratios if one.kind == "transport" and "rate" not in one.over} == {
        f"channel-{form}-{mode}"
        for form in ("socket", "pipe")
        for mode in ("back-to-back", "single")
    }


def test_what_sleeps_says_how_often_it_did() -> None:
    for one in found("round-trip"):
        slept = one.parameters.get("sleeps_per_message")
        assert (slept is not None) == (WAYS[one.variant].waits == "sleeps")
        assert slept is None or (isinstance(slept, float) and slept >= 0)
    on_one_cpu = [one for one in found("round-trip") if WAYS[one.variant].kind == "one-cpu"]
    # There the other side cannot run before this one gives the CPU up.
    assert all(one.parameters["sleeps_per_message"] > 0.5 for one in on_one_cpu)  # type: ignore[operator]


def test_what_is_counted_without_the_hosts_kernel_says_so() -> None:
    some = ("l1d-reads",)
    assert "touches more" in transport.lines_touched(Counting(some, kernel=False)).text
    assert "for it" in transport.lines_touched(Counting(some, kernel=True)).text
    assert (
        "Not available: No such"
        in transport.lines_touched(Counting(some, True, "No such (l1i-misses)")).text
    )
    refused = transport.lines_touched(Counting((), why="no counters"))
    assert refused.code == "cache-lines-not-available"
    assert "no counters" in refused.text


@pytest.mark.full
def test_where_cores_share_a_cpu_all_ways_run_and_nothing_is_claimed() -> None:
    cpu = placement().cpus[0]
    document = registry.get("transport")(Request(Placement((cpu, cpu)), SIZES["smoke"])).run()
    assert not document.series
    assert not document.ratios
    ran = {one.key for one in document.unmeasured if one.slices}
    assert {one.key for one in document_of("transport").series if not one.control} <= ran
    assert len(ran) >= len(WAYS)
