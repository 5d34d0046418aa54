"""Every experiment in smoke size: its document is valid, has every arm, and its numbers agree with
one another.
"""

import resource
from itertools import pairwise

import pytest
from s5_experiments.smoke import document_of, placement

from multikernel.errors import BadInput
from multikernel.experiments import registry
from multikernel.experiments.instrument.floors import LINES, pairs_of, root_pairs
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.round_trip import WAYS
from multikernel.experiments.unmap.kernels import ONE, TWO
from multikernel.experiments.unmap.notified import SIGNALS
from multikernel.machine.doctor import caveats
from multikernel.machine.doctor.findings import doctor
from multikernel.machine.host.cpus import Placement
from multikernel.results.document import Document, Series
from multikernel.results.encoding import decode, encode
from multikernel.runtime import links

EXPERIMENTS = ("floor", "round-trip", "unmap")


def arm(series: Series) -> tuple[str, str, object, object, str, bool]:
    parameters = series.parameters
    target, told = parameters.get("target"), parameters.get("told")
    return series.system, series.variant, target, told, series.mode, series.control


def refused(document: Document) -> str:
    return " ".join(warning.text for warning in document.warnings if warning.code == "refused")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_document_is_valid_and_names_its_experiment(name: str) -> None:
    document = document_of(name)
    assert document.experiment == name
    assert decode(encode(document)) == document
    assert document.environment.cpus == list(placement().cpus)
    assert document.environment.seed == 1


CHANGING = ("load", "steal", "interrupts", "power", "throttling", "swap")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_document_carries_what_the_doctor_finds_here(name: str) -> None:
    texts = [warning.text for warning in document_of(name).warnings]
    assert len(texts) == len(set(texts))
    for finding in doctor():
        never = finding.verdict not in ("bad", "matters") or finding.code in caveats.NOT_OF_NUMBERS
        by_the_run = finding.code in ("cpu-quota", *caveats.OF_A_RUN)
        if finding.code not in CHANGING and not by_the_run:
            assert texts.count(finding.sentence) == (not never), finding.code


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_percentiles_are_ordered_and_samples_counted(name: str) -> None:
    for series in document_of(name).series:
        values = [
            series.min,
            series.p5,
            series.p50,
            series.p95,
            series.p99,
            series.p999,
            series.max,
        ]
        assert all(low <= high for low, high in pairwise(values)), arm(series)
        assert values[0] > 0
        assert series.histogram.samples == series.samples
        assert series.boots == SIZES["smoke"].boots


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_floor_has_both_modes_on_enough_lines(name: str) -> None:
    (floor,) = document_of(name).floor
    assert floor.pair == placement().cpus
    assert len(floor.by_line.back_to_back) == len(floor.by_line.single) == LINES >= 16


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_over_floor_divides_by_the_floor_of_the_same_mode(name: str) -> None:
    document = document_of(name)
    (floor,) = document.floor
    judged = [series for series in document.series if series.over_floor is not None]
    assert judged
    for series in judged:
        mode = floor.single if series.mode == "single" else floor.back_to_back
        assert series.over_floor == pytest.approx(series.p50 / mode)
        assert series.unit == "tsc-cycles"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_control_and_its_ratio(name: str) -> None:
    document = document_of(name)
    controls = [series for series in document.series if series.control]
    for control in controls:
        original = (*arm(control)[:-1], False)
        assert original in {arm(series) for series in document.series}
    assert controls
    assert any(ratio.name.startswith("control-over-") for ratio in document.ratios)


def test_round_trip_has_every_arm() -> None:
    found = {
        (*arm(series)[:2], series.mode, series.batch) for series in document_of("round-trip").series
    }
    for way in WAYS:
        system, variant = way.system, way.variant
        assert (system, variant, "single", 1) in found
        assert (system, variant, "back-to-back", 100) in found


def test_round_trip_says_how_many_channels_were_polled() -> None:
    for series in document_of("round-trip").series:
        assert series.parameters["polled_channels"] == (0 if series.system == "raw" else 8)


def test_unmap_has_every_arm_or_says_why_not() -> None:
    document = document_of("unmap")
    found = {arm(series)[:4] for series in document.series if not series.control}
    wanted = {
        "one-phase-polling": ("multikernel", "one-phase", "polling", "poll"),
        "two-phase-polling": ("multikernel", "two-phase", "polling", "poll"),
        "one-phase-computing": ("multikernel", "one-phase", "computing", "signal"),
        "two-phase-computing": ("multikernel", "two-phase", "computing", "signal"),
        "shared-polling": ("shared", "mcs", "polling", "poll"),
        "shared-computing": ("shared", "mcs", "computing", "signal"),
        "linux-computing": ("linux", "mprotect", "computing", "interrupt"),
        "linux-idle": ("linux", "mprotect", "idle", "none"),
        "local": ("raw", "local", None, "none"),
    }
    missing = {key for key, expected in wanted.items() if expected not in found}
    assert all(key in refused(document) for key in missing), (missing, document.warnings)
    assert not missing & {
        "one-phase-polling",
        "two-phase-polling",
        "shared-polling",
        "local",
        "linux-idle",
    }


def test_unmap_goes_by_sockets_too() -> None:
    document = document_of("unmap")
    by = {
        (series.parameters["transport"], series.variant): series
        for series in document.series
        if "transport" in series.parameters
    }
    assert set(by) == {("socket", p) for p in ("one-phase", "two-phase")}
    for series in by.values():
        assert (series.system, series.parameters["told"], series.parameters["target"]) == (
            "multikernel", "poll", "polling",
        )  # fmt: skip
    made = {ratio.name for ratio in document.ratios}
    assert {f"{protocol}-polling-socket-over-{protocol}-polling" for protocol in (ONE, TWO)} <= made


def test_a_comparison_of_kernels_spares_itself_what_compares_the_multikernel_with_itself() -> None:
    request = Request(placement(), SIZES["smoke"], comparing=True)
    document = registry.get("unmap")(request).run()
    assert not any({"transport", "booted"} & set(series.parameters) for series in document.series)
    # On a busy machine an arm may bring nothing that can be trusted: then it is said to be missing.
    whole = document_of("unmap")
    assert keys(document) <= keys(whole)
    for series in whole.series:
        with_itself = {"transport", "booted", "tree"} & set(series.parameters)
        assert with_itself or series.key in keys(document), series.key


def keys(document: Document) -> set[str]:
    """Of what was measured, and of what is said not to have been."""
    return {one.key for one in document.series} | {one.key for one in document.unmeasured}


@pytest.mark.parametrize("name", [pytest.param("unmap", marks=pytest.mark.full), "shared-memory"])
def test_a_host_that_allows_few_open_files_loses_the_arms_that_need_them_and_no_others(
    name: str,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (links.needed("socket", 2) - 1, before[1]))
    try:
        document = registry.get(name)(Request(placement(), SIZES["smoke"])).run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert {series.parameters.get("transport") for series in document.series} == {None}
    (text,) = [warning.text for warning in document.warnings if warning.code == "transport-refused"]
    assert "over a socket" in text
    assert f"ulimit -n {links.needed('socket', 2)}" in text


def test_unmap_has_throughput_map_and_touch() -> None:
    found = {
        (series.system, series.variant, series.measure) for series in document_of("unmap").series
    }
    assert {
        (system, "own-pages", "throughput") for system in ("multikernel", "shared", "linux")
    } <= found
    assert ("linux", "own-pages-processes", "throughput") in found
    for system in ("multikernel", "shared"):
        assert (system, "map", "completion") in found
        assert (system, "touch", "completion") in found


def test_a_page_lives_on_less_where_it_was_before() -> None:
    """Mapped again where it was it costs neither a mapping nor its removal: on the kernels and
    beside sleeping threads of Linux, whose lives take thousands of cycles more without that.
    """
    lives = {
        (series.system, series.variant, series.parameters["target"]): series.p50
        for series in document_of("unmap").series
        if series.parameters.get("operation") == "map-touch-unmap"
    }
    for system, target in (("multikernel", "polling"), ("shared", "polling"), ("linux", "idle")):
        assert lives[system, "life-reused", target] < lives[system, "life-fresh", target]
        for form in ("fresh", "reused"):  # a rate and a time of the same lives
            taken = (
                lives[system, f"sustained-{form}", target] * lives[system, f"life-{form}", target]
            )
            assert 0.3 < taken / document_of("unmap").environment.tsc_hz < 3


def test_unmap_costs_at_least_the_local_call() -> None:
    medians = {
        arm(series)[:3]: series.p50 for series in document_of("unmap").series if not series.control
    }
    local = medians["raw", "local", None]
    for key in (("multikernel", "two-phase", "polling"), ("shared", "mcs", "polling")):
        # Half of it: smoke size says little, but an unmap that does not unmap would cost next to
        # nothing.
        assert medians[key] > local / 2


def test_signalled_arms_count_their_interrupts() -> None:
    for series in document_of("unmap").series:
        if series.parameters.get("told") == "signal" and series.measure == "completion":
            each = series.parameters["interrupts_per_operation"]
            assert isinstance(each, float)
            assert each >= SIGNALS


@pytest.mark.full
def test_where_cores_share_one_cpu_everything_runs_and_no_latency_is_claimed() -> None:
    cpu = placement().cpus[0]
    document = registry.get("unmap")(Request(Placement((cpu, cpu, cpu)), SIZES["smoke"])).run()
    assert {"multikernel", "shared", "linux", "raw"} == {
        one.system for one in document.unmeasured if one.slices
    }
    assert not document.series
    assert not document.ratios
    assert "oversubscribed" in {warning.code for warning in document.warnings}
    assert decode(encode(document)) == document


def test_registry_names_figures_and_refuses_unknown_names() -> None:
    for experiment in registry.listed():
        assert (
            "figure" in experiment.figure
            or "table" in experiment.figure
            or "§" in experiment.figure
        )
        assert registry.get(experiment.name).entry == experiment
    with pytest.raises(BadInput, match="unknown experiment: nope"):
        registry.get("nope")


def test_one_core_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 2 cores"):
        Request(Placement((0,)), SIZES["smoke"])


def test_pairs_are_all_of_few_cores_and_some_of_many() -> None:
    assert pairs_of(3) == [(0, 1), (0, 2), (1, 2)]
    assert len(pairs_of(8)) == 28
    many = root_pairs(1024)
    assert len(many) <= 28
    assert (0, 1) in many
    assert (0, 1023) in many
    assert len(set(many)) == len(many)
