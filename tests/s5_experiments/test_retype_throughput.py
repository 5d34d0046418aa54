"""Retype throughput: what cores do at once and leave behind, what the plan holds for any machine,
what is said.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from s5_experiments.smoke import document_of, placement

import multikernel
from multikernel import System
from multikernel.errors import ProtocolError
from multikernel.experiments import registry
from multikernel.experiments import retype_throughput as experiment
from multikernel.experiments.instrument.arms import Outcome
from multikernel.experiments.instrument.capability_loops import BATCH
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.deciding import REGION, WAYS, Way
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.retype_throughput import (
    CORES_MOST,
    MEMORIES,
    SLOTS,
    Memory,
    Work,
)
from multikernel.machine.host.cpus import Placement
from multikernel.native._native import CAPABILITY_TYPES, KINDS
from multikernel.report.figures import registry as figures
from multikernel.results.document import Series
from multikernel.results.encoding import decode, encode
from multikernel.results.histogram import Histogram

CORES = 3


class Booted:
    """A furnished system whose cores meet."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.base = 0
        system.cores[0].run(experiment.furnish)

    def work(
        self, memory: Memory, in_flight: int, cores: int, members: int
    ) -> list[experiment.Report]:
        work = Work(memory, in_flight, cores, members, 0.0005, self.base)
        self.base += experiment.MEETINGS * members
        tasks = [core.start(experiment.at_once, work, None) for core in self.system.cores[:members]]
        return [task.result() for task in tasks]

    def contents(self) -> list[tuple[int, ...]]:
        """Capabilities, locks, and whether an invariant is broken, on every core."""
        words = [
            self.system.launched.request(core, KINDS["CAP_DIGEST"])[2] for core in range(CORES)
        ]
        return [(one[1], one[2], one[4]) for one in words]

    def range_in(self, core: int, slot: int) -> range:
        """The memory that a slot of that core's root CNode leads to."""
        words = self.system.launched.request(core, KINDS["CAP_LOOK"], slot, 0)[2]
        return range(words[1], words[1] + words[2])


@pytest.fixture(params=WAYS, ids=[way.name for way in WAYS], scope="module")
def booted(request: pytest.FixtureRequest) -> Iterator[Booted]:
    way: Way = request.param
    with multikernel.boot(cores=CORES, kernel=way.system, **dict(way.options)) as system:
        yield Booted(system)


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("cores", [1, CORES])
@pytest.mark.parametrize("in_flight", [1, experiment.MOST])
@pytest.mark.parametrize("memory", MEMORIES)
def test_all_retype_at_once_and_leave_everything_as_it_was(
    booted: Booted, memory: Memory, in_flight: int, cores: int
) -> None:
    before = booted.contents()
    for report in booted.work(memory, in_flight, cores, cores):
        counts = report.counts
        assert counts["operations"] >= BATCH
        samples, total, *_ = report.samples["times"]
        assert samples <= counts["operations"] // BATCH
        # Batches lie end to end within what counts, and each is a batch or a little more.
        mean, each, more = (
            total / samples,
            counts["cycles"] / counts["operations"],
            1 + in_flight / BATCH,
        )
        assert each / more - 1 <= mean <= each * more + 1
    assert booted.contents() == before
    assert not any(locks or broken for _, locks, broken in before)


@pytest.mark.parametrize("memory", MEMORIES)
def test_who_only_answers_does_so_for_as_long(booted: Booted, memory: Memory) -> None:
    before = booted.contents()
    asking, *answering = booted.work(memory, experiment.MOST, 1, CORES)
    assert asking.counts["operations"] >= BATCH
    assert len(answering) == CORES - 1
    for report in answering:
        assert not report.samples
        assert report.counts["operations"] == 0
        assert report.counts["cycles"] > 0
    assert booted.contents() == before


def test_a_core_that_is_refused_says_so_and_keeps_nobody(booted: Booted) -> None:
    before, ask = booted.contents(), booted.system.launched.request
    ram = ask(1, KINDS["CAP_LOOK"], SLOTS["alone"], 0)[2][0]
    word = experiment.FRAMES | CAPABILITY_TYPES["Frame"] << 16 | 1 << 32
    in_the_way = ask(1, KINDS["CAP_RETYPE"], ram, experiment.ROOT, word, 0, experiment.PAGE)[2][0]
    work = Work("alone", 2, CORES, CORES, 0.0005, booted.base)
    booted.base += experiment.MEETINGS * CORES
    tasks = [core.start(experiment.at_once, work, None) for core in booted.system.cores]
    with pytest.raises(ProtocolError, match="on core 1 of 3 at once"):
        tasks[1].result()
    assert all(tasks[core].result().counts["operations"] >= BATCH for core in (0, 2))
    ask(1, KINDS["CAP_DELETE"], in_the_way)
    assert booted.contents() == before


def test_nobody_else_has_what_a_core_retypes_but_copies_of_it(booted: Booted) -> None:
    own = {
        memory: [booted.range_in(core, SLOTS[memory]) for core in range(CORES)]
        for memory in MEMORIES
    }
    assert len(set(own["common"])) == 1
    apart = [*own["alone"], *own["copied"], own["common"][0]]
    for one in apart:
        assert len(one) >= experiment.PAGES * experiment.PAGE
        assert not any(
            one.start < other.stop and other.start < one.stop for other in apart if other is not one
        )
    for core in range(CORES):
        others = {
            booted.range_in(core, experiment.OTHERS + other): own["copied"][other]
            for other in range(CORES)
            if other != core
        }
        assert all(found == theirs for found, theirs in others.items())
        assert len(others) == CORES - 1


@pytest.mark.parametrize("memory", ["alone", "copied"])
def test_the_memory_of_cores_was_created_in_a_row(memory: Memory) -> None:
    """Of RAM that is created in a row sixteen lie in sixteen regions, and addresses are given out
    in order.
    """
    with multikernel.boot(cores=CORES, kernel=REGION.system, **dict(REGION.options)) as system:
        found = Booted(system)
        starts = [found.range_in(core, SLOTS[memory]).start for core in range(CORES)]
    size = experiment.PAGES * experiment.PAGE
    assert starts == [starts[0] + core * size for core in range(CORES)]


def test_a_core_that_begins_when_others_have_counted_spoils_the_slice() -> None:
    def begun(*times: int) -> list[dict[str, int]]:
        return [{"operations": 100, "began": time, "cycles": 500} for time in times]

    assert not experiment.apart(begun(1000))
    assert not experiment.apart(begun(1000, 1010, 1049))
    assert experiment.apart(begun(1000, 1010, 1051))
    assert experiment.apart(begun(1400, 1000))


def test_cores_that_take_turns_on_a_cpu_do_no_more_than_one_after_the_other() -> None:
    apart = [{"operations": 100, "began": 1000 + 500 * core, "cycles": 500} for core in range(3)]
    assert experiment.rate_of(apart, hz=1000, crowded=True) == pytest.approx(200)
    together = [{"operations": 100, "began": 1000, "cycles": 500}] * 3
    for crowded in (False, True):
        assert experiment.rate_of(together, hz=1000, crowded=crowded) == pytest.approx(600)


# --- The plan
# --------------------------------------------------------------------------------------------------


def planned(cores: int) -> experiment.RetypeThroughput:
    return experiment.RetypeThroughput(Request(Placement(tuple(range(cores))), SIZES["quick"]))


@pytest.mark.parametrize("cores", [2, 3, 8, CORES_MOST, 300])
def test_ratios_are_of_series_that_there_are_each_once(cores: int) -> None:
    plan = planned(cores)
    arms = list(plan.arms())
    specs = [spec for arm in arms for spec in arm.specs]
    keys = [spec.key for spec in specs]
    assert len(set(keys)) == len(keys)
    names = [ratio.name for ratio in plan.ratios()]
    assert len(set(names)) == len(names)
    assert {key for ratio in plan.ratios() for key in (ratio.over, ratio.under)} <= set(keys)
    assert {form.booted for form in plan.forms} == set(experiment.counts(cores))
    assert plan.floors_on in {arm.on for arm in arms if arm.repeated}
    assert max(spec.cores for spec in specs) <= min(cores, CORES_MOST)
    for form in plan.forms:
        assert form.in_flight == 1 or form.asks


def said(plan: experiment.RetypeThroughput, ours: float, code: str) -> list[str]:
    """What is said of a run in which the multikernel does so much of what the shared kernel
    does.
    """
    collector = Collector(plan.request)
    for form in plan.forms:
        rate = 1000 * form.cores * (ours if form.way in experiment.OURS else 1)
        collector.keep(0, Outcome({form.rate: Histogram.from_values([round(rate)])}))
    return [caution.text for caution in plan.cautions(collector) if caution.code == code]


@pytest.mark.parametrize("cores", [2, 4])
def test_every_arm_in_which_the_multikernel_is_slower_has_a_sentence(cores: int) -> None:
    plan = planned(cores)
    arms = list(experiment.against(cores))
    found = said(plan, 0.5, "slower")
    assert len(set(found)) == len(found)
    assert sum(text.count("0.50 × (") for text in found) == len(arms)
    for ours, theirs in arms:
        (own,) = (
            text
            for text in found
            if f"{experiment.IN_WORDS[ours.memory]}: {ours.in_words} does" in text
            and f"{theirs.in_words}, 0.50" in text
        )
        assert f"with {ours.cores} cores" in own
    assert not said(plan, 2, "slower")
    scaling = said(plan, 0.5, "scaling")
    assert len(scaling) == 2
    for text in scaling:
        assert text.count(f"{cores}.00 ×") == text.count(" ×")


def test_the_verdict_compares_all_cores_in_every_arm() -> None:
    for cores in (2, 4):
        compared = {ratio.name: ratio for ratio in planned(cores).ratios()}
        for ours, theirs in experiment.against(cores):
            ratio = compared[f"{ours.rate}-over-{theirs.rate}"]
            assert ratio.kind == ("asking" if ours.asks else "structure")
            assert (ratio.words is not None) == (ours.cores == cores)


# --- Documents
# --------------------------------------------------------------------------------------------------


def arms_of(several: list[Series]) -> set[tuple[object, ...]]:
    return {
        (one.variant, one.parameters["memory"], one.parameters.get("in_flight", 1), one.cores)
        for one in several
        if not one.control
    }


def test_every_way_has_a_rate_and_an_interval_of_every_memory_and_number_of_cores() -> None:
    document = document_of("retype-throughput")
    expected = {
        (form.way.name, form.memory, form.in_flight, form.cores) for form in experiment.forms(2)
    }
    found = [one for one in document.series if "memory" in one.parameters]
    by = {
        measure: [one for one in found if one.measure == measure]
        for measure in ("throughput", "interval")
    }
    assert arms_of(by["throughput"]) == arms_of(by["interval"]) == expected
    assert {memory for _, memory, _, cores in expected if cores == 2} == set(MEMORIES)
    assert {one.unit for one in by["throughput"]} == {"operations/s"}
    assert [one for one in by["throughput"] if one.control]
    # What asks no other core is judged by no line between cores.
    assert all(one.over_floor is None for one in found if one.parameters["told"] == "none")
    assert {"operation", "regions", "who-is-asked"} <= {
        caution.code for caution in document.warnings
    }


def test_the_document_is_read_back_and_drawn() -> None:
    document = document_of("retype-throughput")
    assert decode(encode(document)) == document
    drawn = figures.draw(document)
    assert len({block.title for block in drawn}) == len(drawn) >= 4


@pytest.mark.full
def test_where_cores_share_cpus_it_runs_and_nothing_is_claimed() -> None:
    cpus = placement().cpus
    request = Request(Placement((*cpus, cpus[0])), SIZES["smoke"])
    document = registry.get("retype-throughput")(request).run()
    assert {one.cores for one in document.unmeasured if one.slices} == {1, 2, 3}
    codes = {warning.code for warning in document.warnings}
    assert "oversubscribed" in codes
    assert not codes & {"slower", "scaling"}
    assert not document.series
    assert not document.ratios
