"""What a reader must know before trusting numbers from this machine: a list of (code, sentence).

Guarantees: every sentence names the cause and, where there is one, the remedy; codes are stable, so that
programs and tests can ask for them. Only what is true here is listed; nothing is measured.

Codes: virtual-machine, single-node, few-cpus, smt-shared, mixed-cores, tsc-not-invariant, tsc-rate-uncertain,
steal, governor, load-high, cpu-quota, oversubscribed, broadcast-tlb.

Called by: environment, experiments (the warnings of a result document), cli.
Idea: hyperfine's warnings: the cause and the remedy in the place where the number is read.
"""

from dataclasses import dataclass

from multikernel.machine.activity import Activity
from multikernel.machine.clock import GOOD_ENOUGH, TscRate
from multikernel.machine.cpus import Placement
from multikernel.machine.host import Host
from multikernel.machine.topology import Topology, format_cpu_list

SCALING_CPUS = 4
"""Below this many CPUs nothing is said about scaling."""


@dataclass(frozen=True, slots=True)
class Caveat:
    """code: stable, lower-case, with dashes. text: one or two sentences."""

    code: str
    text: str


def find(
    host: Host,
    topology: Topology,
    placement: Placement,
    *,
    rate: TscRate | None = None,
    during: Activity | None = None,
) -> list[Caveat]:
    """All caveats for a run of `placement` here.

    host: read before the run began (its load is the load before). rate: None if the counter was not
    calibrated. during: what happened on the placement's CPUs while it ran, None before it did.
    """
    found = _of_machine(host, topology) + _of_placement(topology, placement) + _of_clock(host, rate)
    cpus = set(placement.cpus)
    if host.load is not None and host.load[0] > max(0.5, 0.25 * len(topology.allowed)):
        found.append(
            Caveat("load-high", f"The load was {host.load[0]:.2f} before the run: stop other programs.")
        )
    if host.cpu_quota is not None and host.cpu_quota < len(cpus):
        found.append(
            Caveat(
                "cpu-quota",
                f"The control group grants {host.cpu_quota:g} CPUs' worth of time and {len(cpus)} are "
                "used: cores will be stopped for milliseconds. Lift the limit (cpu.max).",
            )
        )
    if during is not None and during.steal_ticks:
        seconds = during.steal_ticks / 100
        share = 100e9 * seconds / (during.time_ns * max(len(during.cpus), 1)) if during.time_ns > 0 else 0.0
        found.append(
            Caveat(
                "steal",
                f"The hypervisor ran something else for {seconds:.2f} s ({share:.1f} %) on these CPUs: "
                "tails are its, not the kernel's. Repeat on a quieter host.",
            )
        )
    return found


def _of_machine(host: Host, topology: Topology) -> list[Caveat]:
    found = []
    if host.virtualised:
        name = f" ({host.hypervisor})" if host.hypervisor else ""
        found.append(
            Caveat(
                "virtual-machine",
                f"This is a virtual machine{name}: an interrupt or a wake-up leaves it and costs many "
                "times what bare metal pays. Compare arms that are told in the same way.",
            )
        )
    if len([node for node in topology.nodes if node.cpus]) < 2:
        found.append(
            Caveat("single-node", "There is one memory node: nothing here shows what distance costs.")
        )
    if len(topology.allowed) < SCALING_CPUS:
        number = len(topology.allowed)
        found.append(
            Caveat(
                "few-cpus",
                f"{number} CPU{'s are' if number > 1 else ' is'} allowed here: nothing is said about how "
                f"costs grow with cores below {SCALING_CPUS}.",
            )
        )
    if host.governor is not None and host.governor != "performance":
        found.append(
            Caveat(
                "governor",
                f"The frequency governor is '{host.governor}': the first samples run at a lower clock. As "
                "root: cpupower frequency-set -g performance.",
            )
        )
    if "invlpgb" in host.flags:
        found.append(
            Caveat(
                "broadcast-tlb",
                "This processor has INVLPGB: Linux can flush other CPUs' translations without an "
                "interrupt, so its arms may count none.",
            )
        )
    elif host.architecture == "aarch64":
        found.append(
            Caveat(
                "broadcast-tlb",
                "aarch64 broadcasts TLBI in hardware: Linux flushes other CPUs' translations without an "
                "interrupt and counts none.",
            )
        )
    return found


def _of_placement(topology: Topology, placement: Placement) -> list[Caveat]:
    found = []
    used = set(placement.cpus)
    if placement.oversubscribed:
        found.append(
            Caveat(
                "oversubscribed",
                f"{len(placement.cpus)} cores share {len(used)} CPU{'s' if len(used) > 1 else ''}: this "
                "shows that it works, its latencies are the scheduler's. Use as many cores as CPUs to "
                "measure.",
            )
        )
    shared = sorted(
        cpu for core in topology.cores if len(used.intersection(core)) > 1 for cpu in used.intersection(core)
    )
    if shared:
        found.append(
            Caveat(
                "smt-shared",
                f"CPUs {format_cpu_list(shared)} are hardware threads that share physical cores: they slow "
                "each other down and their lines meet in the first-level cache. Name one CPU a core with "
                "--cores.",
            )
        )
    speeds = {(cpu.kind, cpu.capacity) for cpu in topology.cpus if cpu.id in used}
    if len(speeds) > 1:
        found.append(
            Caveat(
                "mixed-cores",
                f"CPUs {format_cpu_list(used)} are of different kinds and speeds: pairs differ for that "
                "reason alone. Name CPUs of one kind with --cores.",
            )
        )
    return found


def _of_clock(host: Host, rate: TscRate | None) -> list[Caveat]:
    found = []
    missing = [flag for flag in ("constant_tsc", "nonstop_tsc") if flag not in host.flags]
    if host.architecture == "x86_64" and missing:
        found.append(
            Caveat(
                "tsc-not-invariant",
                f"The processor does not promise an invariant time-stamp counter ({', '.join(missing)} "
                "missing): cycles may change length. Fix the clock frequency, or expose the flag to the "
                "virtual machine.",
            )
        )
    if rate is not None and rate.error > GOOD_ENOUGH:
        found.append(
            Caveat(
                "tsc-rate-uncertain",
                f"The counter's rate is known to ±{100 * rate.error:.2g} % only: read cycles, not "
                "nanoseconds.",
            )
        )
    return found
