"""What a reader must know before trusting numbers from this machine: a list of (code, sentence).

Guarantees: every sentence names the cause and, where there is one, the remedy; codes are stable, so
that programs and tests can ask for them. Only what is true here is listed, each thing once; nothing
is measured.

What the host's settings spoil is the doctor's to say, and its findings come in its words, under its
codes, the urgent first. What only a run has (which CPUs, what was stolen meanwhile) is said here:
single-node, few-cpus, smt-shared, mixed-cores, tsc-rate-uncertain, steal, oversubscribed.

Idea: hyperfine's warnings: the cause and the remedy in the place where the number is read.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.doctor.findings import Finding, ordered
from multikernel.machine.host.activity import Activity
from multikernel.machine.host.clock import GOOD_ENOUGH, TscRate
from multikernel.machine.host.cpus import Placement
from multikernel.machine.host.processor import Host
from multikernel.machine.topology.model import Topology

SCALING_CPUS = 4
"""Below this many CPUs nothing is said about scaling."""


class Caveat(NamedTuple):
    """code: stable, lower-case, with dashes. text: one or two sentences."""

    code: str
    text: str


OF_A_RUN = {"cpuset": "few-cpus", "smt": "smt-shared"}
"""Findings of which a run says more where it has something to say: theirs, and under which code."""
NOT_OF_NUMBERS = ("counters", "shm", "map-count", "system-calls", "limits")
"""Findings that decide what can be run, not what a number that was measured is worth."""


def find(
    host: Host,
    topology: Topology,
    placement: Placement,
    *,
    rate: TscRate | None = None,
    during: Activity | None = None,
    findings: Iterable[Finding] = (),
) -> list[Caveat]:
    """All caveats for a run of `placement` here.

    host: read before the run began. rate: None if the counter was not calibrated. during: what
    happened on the placement's CPUs while it ran, None before it did. findings: of the doctor,
    before the run.
    """
    found = [*_of_placement(topology, placement), *_of_run(rate, during)]
    said = {caveat.code for caveat in found}
    left_out = {theirs for theirs, ours in OF_A_RUN.items() if ours in said} | {*NOT_OF_NUMBERS}
    if during is not None:
        left_out.add("steal")  # how much it was, or that it was none, is known now
    if not set(placement.cpus) <= set(topology.allowed):
        left_out |= {"cpuset", "isolation"}  # they were named, whatever mask was inherited
    if host.cpu_quota is not None and host.cpu_quota >= len(set(placement.cpus)):
        left_out.add("cpu-quota")  # these cores cannot use it up
    return found + [
        Caveat(one.code, one.sentence)
        for one in ordered(findings)
        if one.verdict in ("bad", "matters") and one.code not in left_out
    ]


def _of_placement(topology: Topology, placement: Placement) -> Iterator[Caveat]:
    used = set(placement.cpus)
    if len([node for node in topology.nodes if node.cpus]) < 2:
        yield Caveat(
            "single-node", "There is one memory node: nothing here shows what distance costs."
        )
    number = len({*topology.allowed, *used})
    if number < SCALING_CPUS:
        yield Caveat(
            "few-cpus",
            f"{number} CPU{'s are' if number > 1 else ' is'} allowed here: nothing is said"
            f" about how costs grow with cores below {SCALING_CPUS}.",
        )
    if placement.oversubscribed:
        yield Caveat(
            "oversubscribed",
            f"{len(placement.cpus)} cores share {len(used)} CPU{'s' if len(used) > 1 else ''}:"
            " this shows that it works, its latencies are the scheduler's. Use as many cores"
            " as CPUs to measure.",
        )
    shared = [used.intersection(core) for core in topology.cores]
    if siblings := {cpu for together in shared if len(together) > 1 for cpu in together}:
        yield Caveat(
            "smt-shared",
            f"CPUs {format_cpu_list(siblings)} are hardware threads that share physical cores:"
            " they slow each other down and their lines meet in the first-level cache. Name"
            " one CPU a core with --cores.",
        )
    if len({(cpu.kind, cpu.capacity) for cpu in topology.cpus if cpu.id in used}) > 1:
        yield Caveat(
            "mixed-cores",
            f"CPUs {format_cpu_list(used)} are of different kinds and speeds: pairs differ for"
            " that reason alone. Name CPUs of one kind with --cores.",
        )


def _of_run(rate: TscRate | None, during: Activity | None) -> Iterator[Caveat]:
    if rate is not None and rate.error > GOOD_ENOUGH:
        yield Caveat(
            "tsc-rate-uncertain",
            f"The counter's rate is known to ±{100 * rate.error:.2g} % only: read cycles, not "
            "nanoseconds.",
        )
    if during is not None and during.steal_ticks:
        seconds = during.steal_ticks / 100
        share = 100e9 * seconds / (during.time_ns * len(during.cpus))
        yield Caveat(
            "steal",
            f"The hypervisor ran something else for {seconds:.2f} s ({share:.1f} %) on these"
            " CPUs: tails are its, not the kernel's. Repeat on a quieter host.",
        )
