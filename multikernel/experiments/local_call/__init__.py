"""Local call: what it takes to ask somebody on the same CPU, beside a message to another.

Guarantees: every series names the boundary that is crossed. *A system call*: a program asks its own
core's driver, which works in disabled mode and answers; no address space is left. *Two processes on
one CPU*: two cores are booted on the same CPU, and the host switches from the one's process to the
other's and back, once because each yields and once because each sleeps until it is woken. Neither
is what the paper measured, and the document says so. A message to a core with a CPU of its own
stands beside them. Answers: the paper's table 1 (LRPC on one core).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from multikernel import system as system_
from multikernel.experiments.floor import BATCHES, MODES, floor_arms, floors_of
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
from multikernel.experiments.instrument.loops import POLLING_CROWDED, Policy, Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, samples_of
from multikernel.machine.activity import Activity
from multikernel.results.document import Caution, Document, Mode

NAME = "local-call"
FIGURE = "table 1"
SUMMARY = (
    "A request that stays on its CPU: to the own driver, and to another process; and a message,"
    " beside them."
)

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
CONTROL_OF = OWN

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


@dataclass(frozen=True, slots=True)
class _Boot:
    """What one boot measures on. apart: cores with CPUs of their own; together: two on one CPU."""

    apart: Bench
    together: Bench


def _key(name: str, mode: Mode, *, control: bool = False) -> str:
    return f"{name}-{mode}" + (CONTROL if control else "")


def _arms(request: Request, boot: _Boot) -> list[Arm]:
    def slice_of(name: str, control: bool) -> Outcome:
        plan = tuple(
            (mode, request.size.count(USUAL[name][mode], BATCHES[mode]), BATCHES[mode])
            for mode in MODES
        )
        report = _measured(name, boot, plan)
        samples = samples_of(report)
        found = {_key(name, mode, control=control): samples[mode] for mode in MODES}
        activity = report.activity
        return Outcome(
            found, activity=but_switches(activity) if name in SWITCHING and activity else activity
        )

    def arm(name: str, control: bool = False) -> Arm:
        return Arm(labelled(name, control), lambda: slice_of(name, control))

    return [
        *(arm(name) for name in BOUNDARIES),
        arm(CONTROL_OF, control=True),
        *floor_arms(boot.apart, request, [PAIR]),
    ]


def _measured(name: str, boot: _Boot, plan: tuple[tuple[str, int, int], ...]) -> Report:
    if name == OWN:
        return boot.apart.one(name, paper_loops.own_driver, plan, boot.apart.watch)
    if name == MESSAGE:
        return boot.apart.ping(PAIR, 0, plan)
    bench = boot.together
    return bench.one(name, paper_loops.neighbour, 1, SWITCHING[name], plan, bench.watch)


def but_switches(activity: Activity) -> Activity:
    """Being switched is what these arms measure: it does not disturb them."""
    tasks = {
        task: one if one.involuntary is None else replace(one, involuntary=0)
        for task, one in activity.tasks.items()
    }
    return replace(activity, tasks=tasks)


def _specs(request: Request) -> list[Spec]:
    cpus = request.placement.cpus
    found = []
    for name, boundary in BOUNDARIES.items():
        parameters: dict[str, Scalar] = {"boundary": boundary}
        if name == OWN:
            parameters |= {"told": "none"}
        elif name == SLEEP:
            parameters |= {"pair": f"{cpus[0]}-{cpus[0]}", "target": "idle", "woken_by": "futex"}
        else:
            to = cpus[1] if name == MESSAGE else cpus[0]
            parameters |= {"pair": f"{cpus[0]}-{to}", "target": "polling", "told": "poll"}
        for mode in MODES:
            spec = Spec(
                _key(name, mode), "multikernel", name, 1 if name == OWN else 2, "round-trip", mode,
                BATCHES[mode],
                parameters=parameters, floor=(PAIR,) if name == MESSAGE else (),
            )  # fmt: skip
            found.append(spec)
            if name == CONTROL_OF:
                found.append(replace(spec, key=_key(name, mode, control=True), control=True))
    return found


def _ratios() -> list[tuple[str, str]]:
    return [
        pair
        for mode in MODES
        for pair in (
            (_key(CONTROL_OF, mode, control=True), _key(CONTROL_OF, mode)),
            (_key(MESSAGE, mode), _key(OWN, mode)),
            (_key(YIELD, mode), _key(MESSAGE, mode)),
            (_key(SLEEP, mode), _key(MESSAGE, mode)),
            (_key(SLEEP, mode), _key(YIELD, mode)),
        )
    ]


def run(request: Request) -> Document:
    """Measures; see the page."""
    request = request.fitted()
    cpus = request.placement.cpus
    collector = Collector(request)
    record = document.begin(request)
    for boot in range(request.size.boots):
        request.progress(f"{NAME}: boot {boot + 1} of {request.size.boots}")
        with ExitStack() as stack:
            apart = Bench(stack.enter_context(system_.boot(list(cpus))))
            together = Bench(stack.enter_context(system_.boot([cpus[0], cpus[0]])))
            collector.boot(boot, _arms(request, _Boot(apart, together)))
    floors = floors_of(collector, [PAIR], cpus)
    return document.finish(
        NAME, record, collector, floors, _specs(request), _ratios(), [NOT_LRPC, SHARED_CPU]
    )
