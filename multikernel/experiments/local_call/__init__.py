"""Local call: what it takes to ask somebody on the same CPU, beside a message to another.

Guarantees: every series names the boundary that is crossed. *A system call*: a program asks its own
core's driver, which works in disabled mode and answers; no address space is left. *Two processes on
one CPU*: two cores are booted on the same CPU, and the host switches from the one's process to the
other's and back, once because each yields and once because each sleeps until it is woken. Neither
is what the paper measured, and the document says so. A message to a core with a CPU of its own
stands beside them. Answers: the paper's table 1 (LRPC on one core).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from multikernel.catalogue import entry
from multikernel.experiments.instrument.arms import Arm, Outcome, Pair, Ratio, Spec
from multikernel.experiments.instrument.collector import Collector
from multikernel.experiments.instrument.experiment import Experiment
from multikernel.experiments.instrument.floors import BATCHES, MODES, plan_of
from multikernel.experiments.instrument.loops import POLLING_CROWDED, Policy, Report
from multikernel.experiments.instrument.machines import MULTIKERNEL, Booted
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.experiments.local_call import loops
from multikernel.machine.host.activity import Activity
from multikernel.results.document import Caution, Mode, Scalar

PAIR = (0, 1)
OWN, YIELD, SLEEP, MESSAGE = (
    "system-call",
    "process-switch-yield",
    "process-switch-sleep",
    "message",
)
BOUNDARIES = {
    OWN: "program and driver of one core, in one process: disabled mode, no address space is left",
    YIELD: "two processes on one CPU: the host switches between them because each yields",
    SLEEP: (
        "two processes on one CPU: the host switches between them because each sleeps until it is"
        " woken"
    ),
    MESSAGE: "two cores with a CPU each: a cache line, no switch",
}
"""By arm: what is crossed."""
SWITCHING: dict[str, Policy] = {YIELD: POLLING_CROWDED, SLEEP: (0, 0, 10_000)}
"""How both processes give up their CPU."""
USUAL: dict[str, dict[Mode, int]] = {
    OWN: {"back-to-back": 50_000, "single": 5_000},
    YIELD: {"back-to-back": 400, "single": 200},
    SLEEP: {"back-to-back": 400, "single": 200},
    MESSAGE: {"back-to-back": 20_000, "single": 5_000},
}

NOT_LRPC = Caution(
    code="not-the-papers-lrpc",
    text=(
        "Table 1 of the paper is an upcall between two address spaces that one kernel, its CPU"
        " driver, switches between. Neither is measured here. The system call crosses from a"
        " program into its core's driver and back, inside one process: no privilege level and no"
        " page table changes, so less is done than in an LRPC. Between two processes on one CPU the"
        " address space does change, but the host's scheduler decides when, by its own system calls"
        " and run queue: that is the host's process switch, there and back, and more than an LRPC."
    ),
)
SHARED_CPU = Caution(
    code="cpu-shared-on-purpose",
    text=(
        f"{YIELD} and {SLEEP}: both processes are on one CPU, and what else wants that CPU runs"
        " between them. These latencies are the host's scheduler's; they are no property of the"
        " machine's caches, and have no floor."
    ),
)


def but_switches(activity: Activity) -> Activity:
    """Being switched is what these arms measure: it does not disturb them."""
    tasks = {
        task: one if one.involuntary is None else replace(one, involuntary=0)
        for task, one in activity.tasks.items()
    }
    return replace(activity, tasks=tasks)


def _key(name: str, mode: Mode) -> str:
    return f"{name}-{mode}"


class LocalCall(Experiment):
    """By the boundary that is crossed."""

    entry = entry("local-call")

    def pairs(self) -> list[Pair]:
        """Of the message."""
        return [PAIR]

    def arms(self) -> Iterator[Arm]:
        """One for each boundary."""
        for name in BOUNDARIES:
            on = Booted(one_cpu=True) if name in SWITCHING else MULTIKERNEL
            yield Arm(name, self._specs(name), on, self._slice(name), repeated=name == OWN)

    def _slice(self, name: str) -> Callable[[Bench], Outcome]:
        plan = plan_of(self.request, USUAL[name])

        def slice_of(bench: Bench) -> Outcome:
            report = _measured(name, bench, plan)
            samples, activity = samples_of(report), report.activity
            if name in SWITCHING and activity:
                activity = but_switches(activity)
            return Outcome({_key(name, mode): samples[mode] for mode in MODES}, activity=activity)

        return slice_of

    def _specs(self, name: str) -> tuple[Spec, ...]:
        cpus = self.request.placement.cpus
        parameters: dict[str, Scalar] = {"boundary": BOUNDARIES[name]}
        if name == OWN:
            parameters |= {"told": "none"}
        elif name == SLEEP:
            parameters |= {"pair": f"{cpus[0]}-{cpus[0]}", "target": "idle", "woken_by": "futex"}
        else:
            to = cpus[1] if name == MESSAGE else cpus[0]
            parameters |= {"pair": f"{cpus[0]}-{to}", "target": "polling", "told": "poll"}
        return tuple(
            Spec(
                _key(name, mode), "multikernel", name, 1 if name == OWN else 2, "round-trip", mode,
                BATCHES[mode], parameters=parameters, floor=(PAIR,) if name == MESSAGE else (),
            )
            for mode in MODES
        )  # fmt: skip

    def ratios(self) -> Iterator[Ratio]:
        """Each boundary against the next."""
        for mode in MODES:
            for over, under in ((MESSAGE, OWN), (YIELD, MESSAGE), (SLEEP, MESSAGE), (SLEEP, YIELD)):
                yield Ratio(_key(over, mode), _key(under, mode), "cost")

    def cautions(self, collector: Collector) -> Sequence[Caution]:
        """What this is not."""
        del collector
        return NOT_LRPC, SHARED_CPU


def _measured(name: str, bench: Bench, plan: tuple[tuple[str, int, int], ...]) -> Report:
    if name == OWN:
        return bench.one(name, loops.own_driver, plan, bench.watch)
    if name == MESSAGE:
        return bench.ping(PAIR, 0, plan)
    return bench.one(name, loops.neighbour, 1, SWITCHING[name], plan, bench.watch)


EXPERIMENT = LocalCall
