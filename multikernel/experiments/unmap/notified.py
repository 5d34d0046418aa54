"""Whether the targets of an unmap were notified as each series claims: one whose were not is
refused, with the count that shows it.

Signalled cores count their own interrupts: an operation is a map, a touch and an unmap, each of
which has to interrupt. Linux's shootdowns are the TLB line of /proc/interrupts on the target CPUs,
around the timed call alone: 1.00 an operation and CPU, and none where the peers sleep.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from multikernel.experiments.declaring import *
from multikernel.machine.host.activity import Activity
from multikernel.machine.host.processor import Host

ENOUGH = 0.9
"""Fewer interrupts an operation and target CPU: it was not notified by interrupt."""
QUIET = 0.1
SIGNALS = 3 * ENOUGH
"""Map, touch, unmap."""


def with_count(spec: Spec, collector: Collector) -> Spec:
    each = interrupts_of(spec.key, collector)
    if each is None or collector.request.model is not None:  # a model interrupts, and counts none
        return spec
    # Threads that wait for one another's lock sleep, and are then not interrupted: fewer than one
    # interrupt is no fault there.
    told = spec.key == "own-pages-linux" and each > QUIET
    counted = {"interrupts_per_operation": round(each, 3)}
    parameters = {**spec.parameters, **({"told": "interrupt"} if told else {}), **counted}
    return replace(spec, parameters=parameters)


def shootdowns(activity: Activity | None, initiator: int | None) -> int | None:
    """TLB interrupts on all CPUs but the initiator's; None where they are not counted."""
    cpus = activity.cpus if activity else {}
    counts = [one.tlb_shootdowns for cpu, one in cpus.items() if cpu != initiator]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def interrupts_of(key: str, collector: Collector) -> float | None:
    """Interrupts an operation and target CPU (core); None where none were counted."""
    operations = collector.sums.get(f"{key}.operations", 0)
    interrupts = collector.sums.get(f"{key}.interrupts")
    return None if interrupts is None or not operations else interrupts / operations


def check(collector: Collector, specs: Iterable[Spec]) -> Iterator[Caution]:
    """Takes out what was not notified as it claims, and says so."""
    for spec in specs:
        told, key = spec.parameters.get("told"), spec.key
        each = interrupts_of(key, collector)
        signalled = told == "signal" and spec.measure == "completion"
        if key == "linux-idle" and (each or 0) > QUIET:
            text = (
                f"linux, idle: {each:.2f} TLB interrupts an operation were counted where sleeping"
                " peers should take none: they were not all asleep, or something else runs in this"
                " process' place."
            )
            yield caution("idle-interrupted", text)
        if (told != "interrupt" and not signalled) or not collector.has(key):
            continue
        if each is not None and each >= (SIGNALS if signalled else ENOUGH):
            continue
        collector.discard(key)
        if signalled and spec.variant != "one-phase":  # its slices bring the program's too
            collector.discard(f"program-{spec.system}-interrupted")
        because = (
            f"the computing cores took {each or 0:.2f} interrupts an operation (map, touch and"
            f" unmap), and {SIGNALS:.1f} are needed to show that they were notified by signal every"
            " time."
            if signalled
            else _interrupts(each)
        )
        yield caution("refused", f"{key}: refused, since {because}")


def _interrupts(each: float | None) -> str:
    counted = (
        "this machine counts no TLB interrupts"
        if each is None
        else f"{each:.2f} TLB interrupts were counted"
    )
    host, reason = Host.read(), ""
    if "invlpgb" in host.flags or host.architecture == "aarch64":
        how = "INVLPGB" if "invlpgb" in host.flags else "TLBI"
        reason = f" This processor flushes other CPUs' translations without an interrupt ({how})."
    return (
        f"{counted} for each operation and target CPU, and {ENOUGH} are needed to show that the"
        f" others were notified by interrupt.{reason}"
    )
