"""Poll or block: how long a core that waits should poll before it sleeps.

Guarantees: requests come at random intervals that do not depend on how the last ones were answered
(open loop), and latency counts from when each should have been sent; the same schedules for every
budget P. CPU lost is the target's CPU time for each message, by the host's account. Their sum is
the loss; all three are series over P, at several mean intervals, because the best P depends on the
load. The cost C of blocking is measured (median latency with P = 0, less that with the largest P,
where messages are rare enough not to queue). The document says which P loses least at each load,
which P stays nearest to the best at all of them, what the rule P = C says, and where the default
stands. A C that was measured and does not drown in noise is kept for this machine, and every boot
here polls for it from then on (knowledge.block_cost); the document says whether. Answers: the
paper's section 4.6. Idea: with a budget of C nobody loses more than twice what a prophet would (the
ski-rental bound).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from multikernel import system as system_
from multikernel.errors import BadInput
from multikernel.experiments.floor import floor_arms, floors_of
from multikernel.experiments.instrument import document, paper_loops
from multikernel.experiments.instrument.arms import (
    CONTROL,
    Arm,
    Collector,
    Outcome,
    Scalar,
    Spec,
    labelled,
)
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.knowledge import block_cost
from multikernel.machine.clock import tsc_rate
from multikernel.machine.host import Host
from multikernel.machine.topology import Topology
from multikernel.results.document import Caution, Document
from multikernel.results.histogram import Histogram

NAME = "poll-or-block"
FIGURE = "§4.6"
SUMMARY = (
    "Latency and CPU time lost by how long a core polls before it sleeps; what blocking costs."
)

PAIR = (0, 1)
TARGET = 1
BUDGETS_US = (0, 5, 10, 20, 50, 100, 200, 500)
PRODUCT_US = round(block_cost.DEFAULT_US)
"""What the kernels boot with where no C is kept; among the budgets."""
INTERVALS_US = (30, 100, 300)
"""Mean time between messages: about what blocking costs on small and large machines, virtual ones
among them.
"""
SLICE_US = 10_000
COUNT = 150
"""Messages in a slice."""
NOISE_MOST = 1.25
"""Beyond it, nothing is said of budgets."""
BLOCK = "block"
DECIDED, USED = "poll-budget", "poll-budget-used"
"""Codes of what the document says of budgets: which is best, and which the product uses."""
LATENCY, CPU, LOSS = "latency", "cpu-lost", "loss"
CONTROL_OF = (PRODUCT_US, 100)


def _key(what: str, budget: int, interval: int) -> str:
    return f"{what}-p{budget}-every{interval}"


class _Arms:
    """All arms of one boot."""

    def __init__(self, request: Request, bench: Bench) -> None:
        self.request = request
        self.bench = bench
        self.hz = tsc_rate().hz
        self.turns: dict[str, int] = {}

    def all(self) -> list[Arm]:
        """Every budget at every interval, a control, and the floor."""
        return [
            *(self._arm(budget, interval) for interval in INTERVALS_US for budget in BUDGETS_US),
            self._arm(*CONTROL_OF, control=True),
            *floor_arms(self.bench, self.request, [PAIR]),
        ]

    def _arm(self, budget: int, interval: int, *, control: bool = False) -> Arm:
        name = labelled(f"budget {budget} µs, a message every {interval} µs", control)
        return Arm(name, lambda: self._slice(name, budget, interval, CONTROL if control else ""))

    def _slice(self, name: str, budget: int, interval: int, suffix: str) -> Outcome:
        # The n-th slice of every budget has the same schedule.
        turn = self.turns[name] = self.turns.get(name, 0) + 1
        count, mean = self.request.size.count(COUNT), round(interval * self.hz / 1e6)
        policy = budget, 0, SLICE_US
        report = self.bench.one(
            f"open loop {interval}", paper_loops.open_loop,
            TARGET, self.bench.system.cores[TARGET].pid, policy, count, mean,
            self.request.seed * 1000 + turn,
            self.bench.watch,
        )  # fmt: skip
        latency = samples_of(report)["latency"]
        cpu = report.counts["cpu_ns"] / count * self.hz / 1e9
        samples = {LATENCY: latency, CPU: _one(cpu), LOSS: _one(latency.mean + cpu)}
        found = {_key(what, budget, interval) + suffix: one for what, one in samples.items()}
        return Outcome(found, activity=report.activity)


def _one(value: float) -> Histogram:
    return Histogram.from_values([max(1, round(value))])


def _keep_block_cost(collector: Collector, boot: int) -> None:
    """What blocking cost in that boot, if it shows."""
    rare = INTERVALS_US[-1]
    blocked = collector.medians(_key(LATENCY, BUDGETS_US[0], rare)).get(boot)
    polled = collector.medians(_key(LATENCY, BUDGETS_US[-1], rare)).get(boot)
    if blocked is not None and polled is not None and blocked > polled:
        collector.keep(boot, Outcome({BLOCK: _one(blocked - polled)}))


def cost_of(collector: Collector, boots: int) -> float | None:
    """C in cycles. None, and no series of it, unless most boots show one: of noise half would."""
    found = collector.medians(BLOCK)
    if 2 * len(found) > boots:
        return _median(found)
    collector.discard(BLOCK)
    return None


def _noise(collector: Collector) -> float:
    key = _key(LOSS, *CONTROL_OF)
    ratio = collector.ratio(key + CONTROL, key)
    return 1.0 if ratio is None else max(ratio.interval.high, 1 / ratio.interval.low)


# --- What the budget ought to be
# ----------------------------------------------------------------------------------


def losses_of(collector: Collector) -> dict[int, dict[int, float]]:
    """Loss in cycles by interval, then by budget: the median over boots; intervals with every
    budget only.
    """
    found = {}
    for interval in INTERVALS_US:
        by_budget = {
            budget: _median(collector.medians(_key(LOSS, budget, interval)))
            for budget in BUDGETS_US
        }
        known = {budget: loss for budget, loss in by_budget.items() if loss is not None}
        if len(known) == len(by_budget):
            found[interval] = known
    return found


def _median(by_boot: Mapping[int, float]) -> float | None:
    values = sorted(by_boot.values())
    return values[len(values) // 2] if values else None


def best_at(losses: Mapping[int, float]) -> int:
    """The budget that loses least."""
    return min(losses, key=lambda budget: losses[budget])


def regret_of(budget: int, losses: Mapping[int, Mapping[int, float]]) -> float:
    """How many times the least possible a budget loses, at the load where that is worst."""
    return max(at[budget] / min(at.values()) for at in losses.values())


def nearest(us: float) -> int:
    """The measured budget that is nearest, in proportion."""
    return min((one for one in BUDGETS_US if one), key=lambda one: max(one / us, us / one))


def judged(
    losses: Mapping[int, Mapping[int, float]], cost_us: float | None, noise: float = 1.0
) -> Caution | None:
    """What follows for the budget, in words; None where nothing was measured. noise: how many times
    an arm measured twice may be itself.
    """
    if not losses:
        return None
    if noise > NOISE_MOST:
        return Caution(
            code="budget-undecided",
            text=(
                f"A configuration measured twice loses up to {noise:.2f} × what it loses the other"
                " time: which budget loses least is unknown. Repeat on a quieter machine."
            ),
        )
    if cost_us is None:
        return Caution(
            code="no-block-cost",
            text=(
                "Messages to a core that sleeps came no later than to one that polls: what blocking"
                " costs does not show above the noise, and nothing is said of the budget."
            ),
        )
    least = "; ".join(
        f"{best_at(at)} µs with a message every {interval} µs" for interval, at in losses.items()
    )
    overall = min(BUDGETS_US, key=lambda budget: regret_of(budget, losses))
    rule = nearest(cost_us)
    return Caution(
        code=DECIDED,
        text=(
            f"Latency and CPU lost together are least with a budget of {least}. Blocking costs C ="
            f" {cost_us:.1f} µs, so the rule P = C says {cost_us:.1f} µs; {rule} µs, the nearest"
            f" measured, loses at most {regret_of(rule, losses):.2f} × the least at these loads."
            f" Nearest to the least at all of them is {overall} µs"
            f" ({regret_of(overall, losses):.2f} ×); by default cores poll for {PRODUCT_US} µs"
            f" ({regret_of(PRODUCT_US, losses):.2f} ×, {PRODUCT_US / cost_us:.1f} × C)."
        ),
    )


def keep(cost_us: float) -> None:
    """C for the boots to come. One that cannot be kept costs nothing but the use of it: what is
    used is said.
    """
    with suppress(BadInput):
        block_cost.save(cost_us, Topology.read(), Host.read())


# --- The document
# -------------------------------------------------------------------------------------------------


def _specs(
    request: Request,
    hz: float,
    cost: float | None,
    losses: Mapping[int, Mapping[int, float]],
    used_us: float,
) -> list[Spec]:
    cpus, found = request.placement.cpus, []
    cycles_per_us = max(1, round(hz / 1e6))
    count = request.size.count(COUNT)
    for interval in INTERVALS_US:
        for budget in BUDGETS_US:
            parameters: dict[str, Scalar] = {
                "budget": budget * cycles_per_us, "budget_us": float(budget), "every_us": interval,
                "pair": f"{cpus[0]}-{cpus[1]}",
            }  # fmt: skip
            latency = Spec(
                _key(LATENCY, budget, interval), "multikernel", LATENCY, 2, "round-trip", "single",
                parameters=parameters,
            )  # fmt: skip
            each = replace(
                latency, key=_key(CPU, budget, interval), variant=CPU, measure="interval",
                mode="back-to-back",
                batch=count,
            )  # fmt: skip
            several = [latency, each, replace(each, key=_key(LOSS, budget, interval), variant=LOSS)]
            found += several
            if (budget, interval) == CONTROL_OF:
                found += [replace(one, key=one.key + CONTROL, control=True) for one in several]
    parameters = {
        "product_us": used_us,
        "default_us": float(PRODUCT_US),
        "every_us": INTERVALS_US[-1],
        "pair": f"{cpus[0]}-{cpus[1]}",
    }
    if cost is not None:
        parameters["rule_us"] = cost / hz * 1e6
    for interval, at in losses.items():
        parameters[f"best_us_every{interval}"] = float(best_at(at))
    return [
        *found,
        Spec(BLOCK, "multikernel", BLOCK, 2, "interval", "single", parameters=parameters),
    ]


def _ratios() -> list[tuple[str, str]]:
    control = _key(LATENCY, *CONTROL_OF), _key(LOSS, *CONTROL_OF)
    return [
        *((key + CONTROL, key) for key in control),
        *(
            (_key(LOSS, budget, interval), _key(LOSS, PRODUCT_US, interval))
            for interval in INTERVALS_US
            for budget in BUDGETS_US
            if budget != PRODUCT_US
        ),
    ]


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    cpus = request.placement.cpus
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with system_.boot(list(cpus)) as booted:
            collector.boot(boot, _Arms(request, Bench(booted)).all())
        _keep_block_cost(collector, boot)
    hz = tsc_rate().hz
    cost = cost_of(collector, request.size.boots)
    losses = losses_of(collector) if request.size.measures and not request.crowded else {}
    cost_us, noise = None if cost is None else cost / hz * 1e6, _noise(collector)
    caution = judged(losses, cost_us, noise)
    cautions = [] if caution is None else [caution]
    if caution is not None and caution.code == DECIDED and cost_us is not None:
        keep(cost_us)
    budget = block_cost.budget(Topology.read())
    cautions.append(
        Caution(
            code=USED,
            text=(
                f"Cores booted here from now on, on CPUs of their own, poll for {budget} before"
                " they sleep."
            ),
        )
    )
    specs = _specs(request, hz, cost, losses, budget.us)
    floors = floors_of(collector, [PAIR], cpus)
    return document.finish(NAME, record, collector, floors, specs, _ratios(), cautions)
