"""Slices, arms and the collector: what is dropped, what is refused, and what becomes of the rest.
Nothing is booted.
"""

import pytest

from multikernel.experiments.instrument import collector as collecting
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Outcome,
    Ratio,
    Spec,
    floor_key,
    line_key,
)
from multikernel.experiments.instrument.collector import Collector, Ready
from multikernel.experiments.instrument.floors import settle
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import SIZES, Request, Size
from multikernel.experiments.unmap import notified
from multikernel.experiments.unmap.linux import LinuxArms
from multikernel.machine.host.activity import Activity, CpuActivity, TaskActivity
from multikernel.machine.host.cpus import Placement
from multikernel.native._native import Histogram as Samples
from multikernel.results.histogram import Histogram


def request(boots: int = 2, rounds: int = 3) -> Request:
    return Request(Placement((0, 1)), Size("test", boots, rounds, 1.0))


def happened(
    steal: int = 0,
    involuntary: int = 0,
    migrations: int = 0,
    tlb: int | None = 0,
    throttled: int | None = None,
) -> Activity:
    cpu = CpuActivity(steal_ticks=steal, tlb_shootdowns=tlb)
    task = TaskActivity(voluntary=0, involuntary=involuntary, migrations=migrations)
    return Activity(time_ns=1_000_000, cpus={0: cpu, 1: cpu}, tasks={42: task}, throttled=throttled)


def outcome(
    key: str = "arm", value: int = 300, count: int = 100, activity: Activity | None = None
) -> Outcome:
    return Outcome({key: Histogram.from_values([value] * count)}, activity=activity or happened())


def spec(key: str = "arm", **changes: object) -> Spec:
    fields: dict[str, object] = {
        "key": key, "system": "raw", "variant": "call-line", "cores": 2, "measure": "round-trip",
        "mode": "single",
    }  # fmt: skip
    return Spec(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("activity", "reason"),
    [
        (happened(), None),
        (happened(steal=1), "steal"),
        (happened(throttled=1), "throttled"),
        (happened(throttled=0), None),
        (happened(migrations=1), "migrated"),
        (happened(involuntary=5), None),  # of 100 samples
        (happened(involuntary=50), "preempted"),
    ],
)
def test_what_disturbs_a_slice(activity: Activity, reason: str | None) -> None:
    assert collecting.disturbed(outcome(activity=activity), crowded=False) == reason
    assert collecting.disturbed(outcome(activity=activity), crowded=True) is None


def test_an_arm_may_refuse_its_slice_and_say_why() -> None:
    for watched in (happened(), happened(steal=1), None):
        refused = Outcome({"arm": Histogram.from_values([1])}, activity=watched, reason="core-away")
        assert collecting.disturbed(refused, crowded=False) == "core-away"
        assert collecting.disturbed(refused, crowded=True) is None


def test_a_disturbed_slice_is_measured_again_and_only_the_good_one_counts() -> None:
    tries = iter([outcome(value=9000, activity=happened(steal=3)), outcome(value=300)])
    collector = Collector(request())
    collector.slice(0, Ready("arm", lambda: next(tries)))
    series = collector.series(spec())
    assert series is not None
    assert series.max == 300
    (warning,) = collector.warnings()
    assert warning.code == "contaminated-slices"
    assert "steal 1×" in warning.text
    assert "0 were dropped" in warning.text


def test_an_arm_that_is_always_disturbed_is_refused_in_words() -> None:
    collector = Collector(request())
    collector.boot(0, [Ready("the arm", lambda: outcome(activity=happened(involuntary=99)))])
    assert collector.series(spec()) is None
    assert collector.ratio(Ratio("arm", "arm")) is None
    refused = [warning.text for warning in collector.warnings() if warning.code == "refused"]
    assert len(refused) == 1
    assert refused[0].startswith("the arm: refused")
    assert "preempted" in refused[0]
    missing = collector.unmeasured(spec(), "the arm")
    assert (missing.key, missing.slices, missing.why) == ("arm", 3, ["preempted"])


def test_smoke_keeps_everything_and_says_so() -> None:
    collector = Collector(Request(Placement((0, 1)), SIZES["smoke"]))
    collector.boot(0, [Ready("the arm", lambda: outcome(activity=happened(steal=9)))])
    assert collector.series(spec()) is not None
    assert [warning.code for warning in collector.warnings()] == ["smoke"]


def test_a_machine_that_is_never_quiet_does_not_make_a_run_endless() -> None:
    runs = []
    collector = Collector(request(rounds=40))

    def slice_of() -> Outcome:
        runs.append(1)
        return outcome(activity=happened(steal=1))

    collector.boot(0, [Ready("arm", slice_of)])
    assert len(runs) <= 40 * (1 + collecting.REPEATS_SHARE) + collecting.REPEATS


def test_arms_take_turns_in_an_order_that_the_seed_decides() -> None:
    def order(seed: int) -> list[str]:
        seen: list[str] = []
        collector = Collector(Request(Placement((0, 1)), Size("test", 1, 5, 1.0), seed=seed))

        def arm(name: str) -> Ready:
            return Ready(name, lambda: (seen.append(name), outcome(name))[1])

        collector.boot(0, [arm(name) for name in "abcd"])
        return seen

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert all(set(order(1)[at : at + 4]) == set("abcd") for at in range(0, 20, 4))


def with_floors(collector: Collector, boot: int, floors: dict[tuple[int, int], int]) -> None:
    for pair, floor in floors.items():
        for line in range(3):
            for mode, value in (("single", floor + 5 * (line - 1)), ("back-to-back", floor // 5)):
                collector.keep(boot, outcome(line_key(pair, mode, line), value))  # type: ignore[arg-type]


def test_series_has_the_interval_over_boots_and_the_floor_of_its_mode() -> None:
    collector = Collector(request())
    for boot, value in enumerate((100, 110, 120)):
        collector.keep(boot, outcome(value=value))
        with_floors(collector, boot, {(0, 1): value // 2, (0, 2): value // 4})
    series = collector.series(spec(floor=((0, 1), (0, 2))))
    assert series is not None
    assert (series.median_interval.low, series.median_interval.high, series.boots) == (100, 120, 3)
    assert series.over_floor == pytest.approx(2.0)
    for none in (spec(), spec(floor=((0, 3),))):
        series = collector.series(none)
        assert series is not None
        assert series.over_floor is None


def test_over_the_floor_is_within_a_boot_wherever_the_host_puts_the_cpus() -> None:
    """Most samples near, most floors far: of all together an arm would beat the floor."""
    collector = Collector(request())
    for boot, floor in enumerate((160, 1000, 1000)):
        samples = 300 if floor == 160 else 100
        collector.keep(boot, outcome(value=2 * floor, count=samples))
        with_floors(collector, boot, {(0, 1): floor})
    series = collector.series(spec(floor=((0, 1),)))
    assert series is not None
    assert series.p50 < 1000
    assert series.over_floor == pytest.approx(2.0, rel=0.01)


def test_ratios_are_of_boots_that_have_both_arms() -> None:
    collector = Collector(request())
    for boot, (over, under) in enumerate(((200, 100), (400, 100), (300, 100))):
        collector.keep(boot, outcome("over", over))
        if boot != 1:
            collector.keep(boot, outcome("under", under))
    ratio = collector.ratio(Ratio("over", "under"))
    assert ratio is not None
    assert ratio.name == "over-over-under"
    assert (ratio.interval.low, ratio.interval.high) == pytest.approx((2.0, 3.0), rel=0.02)
    collector.keep(0, outcome("under" + CONTROL, 100))
    control = collector.ratio(Ratio("under" + CONTROL, "under"))
    assert control is not None
    assert control.name == "control-over-under"


# --- Boots in which the host had put the CPUs elsewhere


@pytest.mark.parametrize(
    ("floors", "counting"),
    [
        ([160, 165, 1000, 170, 158], {0, 1, 3, 4}),
        ([1000, 165, 1050, 990], {0, 2, 3}),
        ([72, 160, 70, 1000], {0, 2}),
        ([160, 1000], {0}),
        ([150, 160, 180, 200], {0, 1, 2, 3}),
    ],
)
def test_boots_of_another_state_do_not_count(floors: list[int], counting: set[int]) -> None:
    collector = Collector(request())
    for boot, floor in enumerate(floors):
        collector.keep(boot, outcome(floor_key((0, 1), "back-to-back"), floor))
        for key, factor in (("over", 3), ("under", 1)):
            collector.keep(boot, outcome(key, factor * floor + 1000 * (boot not in counting)))
    boots = settle(collector, [(0, 1)], len(floors))
    assert {boot.number for boot in boots if boot.counts} == counting
    assert [boot.floor for boot in boots] == pytest.approx(floors, rel=0.02)
    assert set(collector.medians("over")) == counting
    ratio, series = collector.ratio(Ratio("over", "under")), collector.series(spec("over"))
    assert ratio is not None
    assert series is not None
    assert ratio.interval.low == pytest.approx(3, rel=0.02)
    assert {one.boot for one in series.by_boot} == counting
    assert sum(one.samples for one in series.by_boot) == series.samples


def test_a_boot_without_a_floor_counts() -> None:
    collector = Collector(request())
    collector.keep(0, outcome(floor_key((0, 1), "back-to-back"), 160))
    assert [boot.counts for boot in settle(collector, [(0, 1)], 2)] == [True, True]


# --- Linux is notified by interrupt, or is not shown
# ------------------------------------------------------------------


LINUX = spec("linux-computing", system="linux", parameters={"told": "interrupt"})


def linux(interrupts: float | None, operations: float = 100) -> Collector:
    collector = Collector(request())
    sums = {"linux-computing.operations": operations}
    if interrupts is not None:
        sums["linux-computing.interrupts"] = interrupts
    collector.keep(0, Outcome(outcome("linux-computing").samples, sums))
    return collector


@pytest.mark.parametrize("interrupts", [95.0, 100.0, 240.0])
def test_linux_is_shown_when_its_interrupts_are_counted(interrupts: float) -> None:
    collector = linux(interrupts)
    assert list(notified.check(collector, [LINUX])) == []
    assert collector.has("linux-computing")
    found = notified.with_count(LINUX, collector)
    assert found.parameters["interrupts_per_operation"] == pytest.approx(interrupts / 100)


@pytest.mark.parametrize(
    ("interrupts", "named"), [(0.0, "0.00"), (89.0, "0.89"), (None, "counts no TLB")]
)
def test_linux_is_refused_when_they_are_not(interrupts: float | None, named: str) -> None:
    collector = linux(interrupts)
    (warning,) = notified.check(collector, [LINUX])
    assert warning.code == "refused"
    assert "linux-computing" in warning.text
    assert named in warning.text
    assert not collector.has("linux-computing")
    assert collector.ratio(Ratio("linux-computing", "linux-computing")) is None


@pytest.mark.parametrize(("interrupts", "stays"), [(0, False), (1000, True)])
def test_lives_and_their_rate_are_refused_together(interrupts: int, stays: bool) -> None:
    """A rate of lives whose shootdowns were not seen is none either."""
    lives = Samples()
    lives.add(100)
    cpus = {cpu: CpuActivity(0, interrupts) for cpu in request().placement.cpus}
    report = Report(activity=Activity(1, cpus, {}))
    report.keep(life=lives)

    class Played:
        def ask(self, *_: object, **__: object) -> Report:
            return report

    arms = {one.name: one for one in LinuxArms(request(), ()).all()}
    arm = arms["life fresh linux computing"]
    collector = Collector(request())
    collector.keep(0, arm.slice(Played()))
    list(notified.check(collector, list(arm.specs)))
    assert {spec.key for spec in arm.specs} == {
        f"{one}-fresh-linux-computing" for one in ("life", "sustained")
    }
    assert [collector.has(spec.key) for spec in arm.specs] == [stays, stays]


def test_signals_that_did_not_come_refuse_the_arm() -> None:
    collector = Collector(request())
    sums = {"two-phase-computing.operations": 100.0, "two-phase-computing.interrupts": 200.0}
    collector.keep(0, Outcome(outcome("two-phase-computing").samples, sums))
    signalled = spec(
        "two-phase-computing", measure="completion", system="multikernel", variant="two-phase",
        parameters={"told": "signal"},
    )  # fmt: skip
    (warning,) = notified.check(collector, [signalled])
    assert warning.code == "refused"
    assert "2.00 interrupts" in warning.text
    assert not collector.has("two-phase-computing")


def test_sleeping_peers_that_were_interrupted_are_told_of() -> None:
    collector = Collector(request())
    sums = {"linux-idle.operations": 100.0, "linux-idle.interrupts": 50.0}
    collector.keep(0, Outcome(outcome("linux-idle").samples, sums))
    (warning,) = notified.check(collector, [spec("linux-idle", parameters={"told": "none"})])
    assert warning.code == "idle-interrupted"
    assert collector.has("linux-idle")


def test_shootdowns_are_counted_on_the_told_cpus() -> None:
    counts = {0: 7, 1: 5, 2: None}
    cpus = {cpu: CpuActivity(0, count) for cpu, count in counts.items()}
    activity = Activity(0, cpus, {})
    assert notified.shootdowns(activity, 0) == 5
    assert notified.shootdowns(activity, None) == 12
    assert notified.shootdowns(Activity(0, {2: cpus[2]}, {}), 0) is None


def test_sizes_keep_batches_whole() -> None:
    for size in SIZES.values():
        for usual, batch in ((2000, 100), (400, 1), (20_000, 100)):
            assert size.count(usual, batch) % batch == 0
            assert size.count(usual, batch) >= batch
