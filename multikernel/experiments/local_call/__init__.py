"""Local call: what it takes to ask somebody on the same CPU, beside a message to another.

Guarantees: every series names the boundary that is crossed. *A system call*: a program asks its own
core's driver; no address space is left. *Two processes on one CPU*: the host switches from the one
to the other and back, because each yields, or because each sleeps until it is woken. Neither is
what the paper measured, and the document says so. Answers: the paper's table 1 (LRPC on one core).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from multikernel.experiments.declaring import *
from multikernel.experiments.instrument import loops
from multikernel.experiments.instrument.loops import Loop, Plan, Policy, Watch

PAIR = (0, 1)
OWN, MESSAGE = "system-call", "message"
YIELD, SLEEP = "process-switch-yield", "process-switch-sleep"
SWITCHED = "two processes on one CPU: the host switches between them because each "
BOUNDARIES = {
    OWN: "program and driver of one core, in one process: disabled mode, no address space is left",
    YIELD: SWITCHED + "yields",
    SLEEP: SWITCHED + "sleeps until it is woken",
    MESSAGE: "two cores with a CPU each: a cache line, no switch",
}
"""By arm: what is crossed."""
SWITCHING: dict[str, Policy] = {YIELD: loops.POLLING_CROWDED, SLEEP: (0, 0, 10_000)}
"""How both processes give up their CPU."""
FAST: dict[Mode, int] = {"back-to-back": 50_000, "single": 5_000}
SLOW: dict[Mode, int] = {"back-to-back": 400, "single": 200}
USUAL = {OWN: FAST, YIELD: SLOW, SLEEP: SLOW, MESSAGE: FAST | {"back-to-back": 20_000}}

NOT_LRPC = caution(
    "not-the-papers-lrpc",
    "Table 1 of the paper is an upcall between two address spaces that one kernel, its CPU"
    " driver, switches between. Neither is measured here. The system call crosses from a"
    " program into its core's driver and back, inside one process: no privilege level and no"
    " page table changes, so less is done than in an LRPC. Between two processes on one CPU the"
    " address space does change, but the host's scheduler decides when, by its own system calls"
    " and run queue: that is the host's process switch, there and back, and more than an LRPC.",
)


def shared_cpu(which: str) -> Caution:
    """What a latency between two processes on one CPU is of."""
    text = (
        f"{which}: both processes are on one CPU, and what else wants that CPU runs between them."
        " These latencies are the host's scheduler's; they are no property of the machine's caches,"
        " and have no floor."
    )
    return caution("cpu-shared-on-purpose", text)


def but_switches(arm: Arm) -> Arm:
    """The same where processes share a CPU: being switched, which is measured, does not disturb."""

    def slice_of(bench: Bench) -> Outcome:
        outcome = arm.slice(bench)
        if (activity := outcome.activity) is not None:
            tasks = activity.tasks.items()
            calm = {task: replace(one, involuntary=one.involuntary and 0) for task, one in tasks}
            outcome.activity = replace(activity, tasks=calm)
        return outcome

    return replace(arm, slice=slice_of)


class LocalCall(Experiment):
    entry = entry("local-call")

    def pairs(self) -> list[Pair]:
        return [PAIR]

    def arms(self) -> Iterator[Arm]:
        for name in BOUNDARIES:
            arm = self._arm(name, Booted(one_cpu=name in SWITCHING))
            yield but_switches(arm) if name in SWITCHING else arm

    def _arm(self, name: str, on: Booted) -> Arm:
        plan, (a, b) = self.request.plan(USUAL[name]), self.request.placement.cpus[:2]
        parameters: dict[str, Scalar] = {"boundary": BOUNDARIES[name]}
        if name == OWN:
            parameters |= {"told": "none"}
        elif name == SLEEP:
            parameters |= {"pair": f"{a}-{a}", "target": "idle", "woken_by": "futex"}
        else:
            to = b if name == MESSAGE else a
            parameters |= {"pair": f"{a}-{to}", **POLLED}
        specs = both_modes(
            name, "multikernel", name, 1 if name == OWN else 2, "round-trip", parameters,
            (PAIR,) if name == MESSAGE else (),
        )  # fmt: skip

        def measure(bench: Bench) -> Report:
            if name == MESSAGE:
                return bench.ping(PAIR, 0, plan)
            peer = 0 if name == OWN else 1
            return bench.one(name, calls, peer, SWITCHING.get(name), plan)

        return sampled(name, specs, on, measure, repeated=name == OWN)

    def ratios(self) -> Iterator[Ratio]:
        for mode in MODES:
            for over, under in ((MESSAGE, OWN), (YIELD, MESSAGE), (SLEEP, MESSAGE), (SLEEP, YIELD)):
                yield Ratio(f"{over}-{mode}", f"{under}-{mode}", "cost")

    def cautions(self, collector: Collector) -> Sequence[Caution]:
        return NOT_LRPC, shared_cpu(f"{YIELD} and {SLEEP}")


def calls(peer: int, policy: Policy | None, plan: Plan, watch: Watch | None) -> Report:
    """Requests to the driver of `peer`. policy: by which both give up their CPU."""
    loop = Loop(watch)
    with loop.polling(*(loop.me, peer) if policy else ()):
        if policy:
            loop.set_policy((loop.me, peer), policy)
        with loop.watched():
            loop.pings(peer, loops.CALL_LINE, plan)
    return loop.done()
