"""Whether the targets of an unmap were notified as each series claims.

Guarantees: a series whose targets were not notified as it says is refused, with the count that
shows it. Signalled cores count their own interrupts: an operation is a map, a touch and an unmap,
each of which has to interrupt. Linux's shootdowns are the TLB line of /proc/interrupts on the
target CPUs, counted around the timed call alone, 1.00 an operation and CPU when they are real;
where the peers sleep there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from multikernel.experiments.instrument.arms import Spec
from multikernel.experiments.instrument.collector import Collector
from multikernel.machine.host.activity import Activity
from multikernel.machine.host.processor import Host
from multikernel.results.document import Caution

ENOUGH = 0.9
"""Fewer interrupts an operation and target CPU: it was not notified by interrupt, or not every
time.
"""
QUIET = 0.1
SIGNALS = 3 * ENOUGH
"""Map, touch, unmap."""


def with_count(spec: Spec, collector: Collector) -> Spec:
    """With the interrupts an operation took, where they were counted."""
    each = interrupts_of(spec.key, collector)
    if each is None:
        return spec
    # Threads that wait for one another's lock sleep, and are then not interrupted: fewer than one
    # interrupt is no fault there.
    if spec.key == "own-pages-linux" and each > QUIET:
        spec = replace(spec, parameters={**spec.parameters, "told": "interrupt"})
    return replace(spec, parameters={**spec.parameters, "interrupts_per_operation": round(each, 3)})


def shootdowns(activity: Activity, initiator: int | None) -> int | None:
    """TLB interrupts on all CPUs but the initiator's; None where the machine does not count
    them.
    """
    counts = [one.tlb_shootdowns for cpu, one in activity.cpus.items() if cpu != initiator]
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
        told = spec.parameters.get("told")
        if told == "interrupt":
            yield from _check_linux(spec.key, collector)
        elif told == "signal" and spec.measure == "completion":
            yield from _check_signals(spec, collector)
        elif spec.key == "linux-idle" and (interrupts_of(spec.key, collector) or 0) > QUIET:
            yield Caution(
                code="idle-interrupted",
                text=(
                    f"linux, idle: {interrupts_of(spec.key, collector):.2f} TLB interrupts an"
                    " operation were counted where sleeping peers should take none: they were not"
                    " all asleep, or something else runs in this process' place."
                ),
            )


def _check_linux(key: str, collector: Collector) -> Iterator[Caution]:
    if not collector.has(key):
        return
    each = interrupts_of(key, collector)
    if each is not None and each >= ENOUGH:
        return
    collector.discard(key)
    count = (
        "this machine counts no TLB interrupts"
        if each is None
        else f"{each:.2f} TLB interrupts were counted"
    )
    host = Host.read()
    reason = ""
    if "invlpgb" in host.flags or host.architecture == "aarch64":
        how = "INVLPGB" if "invlpgb" in host.flags else "TLBI"
        reason = f" This processor flushes other CPUs' translations without an interrupt ({how})."
    yield Caution(
        code="refused",
        text=(
            f"{key}: refused, since {count} for each operation and target CPU, and {ENOUGH}"
            f" are needed to show that the others were notified by interrupt.{reason}"
        ),
    )


def _check_signals(spec: Spec, collector: Collector) -> Iterator[Caution]:
    key = spec.key
    if not collector.has(key):
        return
    each = interrupts_of(key, collector)
    if each is not None and each >= SIGNALS:
        return
    collector.discard(key)
    if spec.variant != "one-phase":  # its slices bring the program's too
        collector.discard(f"program-{spec.system}-interrupted")
    yield Caution(
        code="refused",
        text=(
            f"{key}: refused, since the computing cores took {each or 0:.2f} interrupts an"
            f" operation (map, touch and unmap), and {SIGNALS:.1f} are needed to show that they"
            " were notified by signal every time."
        ),
    )
