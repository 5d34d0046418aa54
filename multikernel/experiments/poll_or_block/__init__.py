"""Poll or block: how long a core that waits should poll before it sleeps.

Guarantees: requests come at random intervals that do not depend on the answers, by the same
schedules for every budget P; latency counts from when each should have been sent. CPU lost is the
target's CPU time for each message, read while it sleeps. Their sum is the loss. The cost C of
blocking is measured (median latency with P = 0, less that with the largest P, where messages are
rare); one that does not drown in noise is kept for this machine, and every boot here polls for it
from then on (knowledge.block_cost). Answers: the paper's section 4.6. Idea: with a budget of C
nobody loses more than twice what a prophet would (the ski-rental bound).
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from statistics import median_high

from multikernel.errors import BadInput
from multikernel.experiments.declaring import *
from multikernel.experiments.instrument.loops import Loop, Policy, Watch
from multikernel.knowledge import block_cost
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology

PAIR = (0, 1)
"""Who asks, and who waits."""
BUDGETS_US = (0, 5, 10, 20, 50, 100, 200, 500)
PRODUCT_US = round(block_cost.DEFAULT_US)
"""What the kernels boot with where no C is kept; among the budgets."""
INTERVALS_US = (30, 100, 300)
"""Mean time between messages: about what blocking costs on small and large machines."""
RARE = INTERVALS_US[-1]
LONGEST_PARK_US = 10_000
ASLEEP: Policy = (0, 0, 1_000_000)
"""Parks at once."""
SETTLE_SECONDS = 0.001
"""After so long a core that was asked to sleep does."""
COUNT = 150
"""Messages in a slice."""
NOISE_MOST = 1.25
"""Beyond it, nothing is said of budgets."""
BLOCK = "block"
DECIDED, USED = "poll-budget", "poll-budget-used"
"""Codes of what the document says of budgets: which is best, and which the product uses."""
LATENCY, CPU, LOSS = "latency", "cpu-lost", "loss"
CONTROL_OF = (PRODUCT_US, 100)

Losses = Mapping[int, float]
"""In cycles, by budget."""


def _key(what: str, budget: int, interval: int) -> str:
    return f"{what}-p{budget}-every{interval}"


class PollOrBlock(Experiment):
    entry = entry("poll-or-block")
    floors_on = Booted(prepare=lambda _: Counter())
    """Counts how many slices every budget has had at every interval."""

    def pairs(self) -> list[Pair]:
        return [PAIR]

    def arms(self) -> Iterator[Arm]:
        """Budgets at intervals. The last, which never sleeps, is what blocking is held against."""
        for interval in INTERVALS_US:
            for budget in BUDGETS_US:
                name = f"budget {budget} µs, a message every {interval} µs"
                specs, run = self._specs(budget, interval), partial(self._slice, budget, interval)
                again = (budget, interval) == CONTROL_OF
                yield Arm(name, tuple(specs), self.floors_on, run, again)

    def _slice(self, budget: int, interval: int, bench: Bench) -> Outcome:
        # The n-th slice of every budget has the same schedule.
        bench.prepared[budget, interval] += 1
        seed = self.request.seed * 1000 + bench.prepared[budget, interval]
        hz, count = tsc_rate().hz, self.request.size.count(COUNT)
        report = bench.one(
            f"open loop {interval}", open_loop, PAIR[1], bench.system.cores[PAIR[1]].pid,
            (budget, 0, LONGEST_PARK_US), count, round(interval * hz / 1e6), seed,
        )  # fmt: skip
        latency = samples_of(report)["latency"]
        cpu = report.counts["cpu_ns"] / count * hz / 1e9
        samples = {LATENCY: latency, CPU: one_number(cpu), LOSS: one_number(latency.mean + cpu)}
        found = {_key(what, budget, interval): one for what, one in samples.items()}
        return Outcome(found, activity=report.activity)

    def _specs(self, budget: int, interval: int) -> Iterator[Spec]:
        shared: dict[str, Scalar] = {"every_us": interval, "pair": self.request.cpus_of(PAIR)}
        cycles = budget * max(1, round(tsc_rate().hz / 1e6))
        latency = Spec(
            _key(LATENCY, budget, interval), "multikernel", LATENCY, 2, "round-trip", "single",
            parameters={"budget": cycles, "budget_us": float(budget), **shared},
        )  # fmt: skip
        yield latency
        for what in (CPU, LOSS):
            yield replace(
                latency, key=_key(what, budget, interval), variant=what, measure="interval",
                mode="back-to-back", batch=self.request.size.count(COUNT),
            )  # fmt: skip
        if (budget, interval) == (BUDGETS_US[-1], RARE):
            yield replace(
                latency, key=BLOCK, variant=BLOCK, measure="interval",
                parameters={"default_us": float(PRODUCT_US), **shared},
            )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        for interval in INTERVALS_US:
            for budget in BUDGETS_US:
                if budget != PRODUCT_US:
                    over, under = (_key(LOSS, one, interval) for one in (budget, PRODUCT_US))
                    yield Ratio(over, under, "notification")

    def cautions(self, collector: Collector) -> Iterator[Caution]:
        """Which budget is best, and which is used from now on: C, if it is known now."""
        blocked, polled = (
            collector.medians(_key(LATENCY, budget, RARE)) for budget in (0, BUDGETS_US[-1])
        )
        for boot, value in blocked.items():
            if boot in polled and value > polled[boot]:
                collector.keep(boot, Outcome({BLOCK: one_number(value - polled[boot])}))
        cost = cost_of(collector)
        cost_us = None if cost is None else cost / tsc_rate().hz * 1e6
        said = judged(self._losses(collector), cost_us, _noise(collector))
        if said is not None:
            yield said
            if said.code == DECIDED and cost_us is not None:
                # One that cannot be kept costs nothing but the use of it: what is used is said.
                with suppress(BadInput):
                    block_cost.save(cost_us, Topology.read(), Host.read())
        budget = block_cost.budget(Topology.read())
        text = (
            f"Cores booted here from now on, on CPUs of their own, poll for {budget} before they"
            " sleep."
        )
        yield caution(USED, text)

    def revised(self, spec: Spec, collector: Collector) -> Spec:
        if spec.key != BLOCK:
            return spec
        used = block_cost.budget(Topology.read())
        parameters = {"product_us": used.us, **spec.parameters}
        if (cost := cost_of(collector)) is not None:
            parameters["rule_us"] = cost / tsc_rate().hz * 1e6
        for interval, at in self._losses(collector).items():
            parameters[f"best_us_every{interval}"] = float(best_at(at))
        return replace(spec, parameters=parameters)

    def _losses(self, collector: Collector) -> dict[int, Losses]:
        return losses_of(collector) if self.request.trusted else {}


def cost_of(collector: Collector) -> float | None:
    """C in cycles. None, and no series of it, unless most boots show one: of noise half would."""
    found = collector.medians(BLOCK)
    if 2 * len(found) > collector.request.size.boots:
        return median_high(found.values())
    collector.discard(BLOCK)
    return None


def _noise(collector: Collector) -> float:
    key = _key(LOSS, *CONTROL_OF)
    ratio = collector.ratio(Ratio(key + CONTROL, key))
    return 1.0 if ratio is None else max(ratio.interval.high, 1 / ratio.interval.low)


# --- What the budget ought to be


def losses_of(collector: Collector) -> dict[int, Losses]:
    """By interval: the median over boots; intervals with every budget only."""
    found: dict[int, Losses] = {}
    for interval in INTERVALS_US:
        boots = {one: collector.medians(_key(LOSS, one, interval)) for one in BUDGETS_US}
        if all(boots.values()):
            found[interval] = {one: median_high(losses.values()) for one, losses in boots.items()}
    return found


def best_at(losses: Losses) -> int:
    return min(losses, key=losses.__getitem__)


def regret_of(budget: int, losses: Mapping[int, Losses]) -> float:
    """How many times the least possible a budget loses, at the load where that is worst."""
    return max(at[budget] / min(at.values()) for at in losses.values())


def nearest(us: float) -> int:
    """The measured budget that is nearest, in proportion."""
    return min((one for one in BUDGETS_US if one), key=lambda one: max(one / us, us / one))


def judged(
    losses: Mapping[int, Losses], cost_us: float | None, noise: float = 1.0
) -> Caution | None:
    """What follows for the budget. noise: how many times an arm measured twice may be itself."""
    if not losses:
        return None
    if noise > NOISE_MOST:
        text = (
            f"A configuration measured twice loses up to {noise:.2f} × what it loses the other"
            " time: which budget loses least is unknown. Repeat on a quieter machine."
        )
        return caution("budget-undecided", text)
    if cost_us is None:
        text = (
            "Messages to a core that sleeps came no later than to one that polls: what blocking"
            " costs does not show above the noise, and nothing is said of the budget."
        )
        return caution("no-block-cost", text)
    least = "; ".join(
        f"{best_at(at)} µs with a message every {interval} µs" for interval, at in losses.items()
    )
    overall = min(BUDGETS_US, key=lambda budget: regret_of(budget, losses))
    rule = nearest(cost_us)
    text = (
        f"Latency and CPU lost together are least with a budget of {least}. Blocking costs C ="
        f" {cost_us:.1f} µs, so the rule P = C says {cost_us:.1f} µs; {rule} µs, the nearest"
        f" measured, loses at most {regret_of(rule, losses):.2f} × the least at these loads."
        f" Nearest to the least at all of them is {overall} µs"
        f" ({regret_of(overall, losses):.2f} ×); by default cores poll for {PRODUCT_US} µs"
        f" ({regret_of(PRODUCT_US, losses):.2f} ×, {PRODUCT_US / cost_us:.1f} × C)."
    )
    return caution(DECIDED, text)


# --- On core 0


def open_loop(
    peer: int, pid: int, policy: Policy, count: int, mean_cycles: int, seed: int,
    watch: Watch | None,
) -> Report:  # fmt: skip
    """Requests at intervals to a core that waits by this policy. Samples: latency, from the
    intended time. Counts: cpu_ns, the CPU time of the peer, whose process is `pid`, for all of
    them.
    """
    loop = Loop(watch)

    def cpu_ns() -> int:
        # clock_getcpuclockid(3): a process's clock is named by its id, the low bits saying which of
        # its clocks.
        time.sleep(SETTLE_SECONDS)
        return time.clock_gettime_ns(~pid << 3 | 2)

    with loop.polling(loop.me, peer):
        loop.set_policy([peer], ASLEEP)
        before = cpu_ns()
        with loop.watched():
            loop.set_policy([peer], policy)
            loop.driver.probe(
                "open-loop", core=peer, cycles=mean_cycles, seed=seed, count=count,
                times=loop.samples("latency"),
            )  # fmt: skip
            loop.set_policy([peer], ASLEEP)
        loop.counts["cpu_ns"] = cpu_ns() - before
    return loop.done()
