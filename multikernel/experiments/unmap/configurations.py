"""The configurations of the unmap experiment, which of them are compared, and whether each was
notified as it claims.

Guarantees: a series whose targets were not notified as it says is refused, with the count that
shows it. Signalled cores count their own interrupts: an operation is a map, a touch and an unmap,
each of which has to interrupt. Linux's shootdowns are the TLB line of /proc/interrupts on the
target CPUs, 1.00 an operation and CPU when they are real; where the peers sleep there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from multikernel.experiments.instrument.arms import CONTROL, Collector, Scalar, Spec
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Target
from multikernel.machine.activity import Activity
from multikernel.machine.host import Host
from multikernel.results.document import Caution, System
from multikernel.results.histogram import Histogram
from multikernel.runtime.plan import HOST_TRANSPORTS, Transport

_LIVING: tuple[tuple[str, System, str], ...] = (
    ("multikernel", "multikernel", "polling"),
    ("shared", "shared", "polling"),
    ("linux-computing", "linux", "computing"),
    ("linux-idle", "linux", "idle"),
)
KERNELS: dict[str, tuple[System, str, Target]] = {
    "one-phase-polling": ("multikernel", "one-phase", "polling"),
    "two-phase-polling": ("multikernel", "two-phase", "polling"),
    "one-phase-computing": ("multikernel", "one-phase", "computing"),
    "two-phase-computing": ("multikernel", "two-phase", "computing"),
    "shared-polling": ("shared", "two-phase", "polling"),
    "shared-computing": ("shared", "two-phase", "computing"),
}
"""By key: the kernel, the protocol (the shared kernel ignores it), and what the targets do."""
BY_THE_HOST: dict[str, tuple[Transport, str]] = {
    f"{protocol}-polling-{transport}": (transport, protocol)
    for transport in HOST_TRANSPORTS
    for protocol in ("one-phase", "two-phase")
}
"""Of the multikernel too, by key: the transport of the monitors' messages, and the protocol. The
targets poll, asking the host for messages; nothing goes by memory."""
CONTROL_OF = "two-phase-polling"
SIDE_ARMS = {"two-phase-polling": "multikernel", "shared-polling": "shared"}
"""Arms whose mapping and first touch are series too, and the system of these."""
LIVES: dict[str, tuple[System, str, str]] = {
    f"life-{form}-{name}": (system, form, target)
    for form in ("fresh", "reused")
    for name, system, target in _LIVING
}
"""A page's whole life, by key: whose, how it is mapped, and what the other cores or threads do."""
PROGRAMS = {
    "two-phase-computing": "program-multikernel-interrupted",
    "shared-computing": "program-shared-interrupted",
}
"""Arms whose computing targets are series too."""

RATIOS = [
    (CONTROL_OF + CONTROL, CONTROL_OF),
    # notified by poll, or not at all
    ("shared-polling", "one-phase-polling"),
    ("shared-polling", "two-phase-polling"),
    ("two-phase-polling", "one-phase-polling"),
    ("one-phase-polling", "local"),
    ("two-phase-polling", "local"),
    ("shared-polling", "local"),
    # notified by signal
    ("shared-computing", "one-phase-computing"),
    ("shared-computing", "two-phase-computing"),
    ("two-phase-computing", "one-phase-computing"),
    # against Linux's interrupt, and against Linux with nobody to notify
    ("linux-computing", "one-phase-polling"),
    ("linux-computing", "two-phase-polling"),
    ("linux-computing", "shared-polling"),
    ("linux-computing", "one-phase-computing"),
    ("linux-computing", "two-phase-computing"),
    ("linux-computing", "shared-computing"),
    ("linux-idle", "one-phase-polling"),
    ("linux-idle", "two-phase-polling"),
    ("linux-idle", "shared-polling"),
    # what else is paid
    ("map-shared", "map-multikernel"),
    ("touch-shared", "touch-multikernel"),
    *(
        (f"life-{form}-{other}", f"life-{form}-multikernel")
        for form in ("fresh", "reused")
        for other in ("shared", "linux-computing", "linux-idle")
    ),
    ("life-fresh-multikernel", "life-reused-multikernel"),
    ("program-multikernel-interrupted", "program-multikernel-alone"),
    ("program-shared-interrupted", "program-shared-alone"),
    ("own-pages-multikernel", "own-pages-shared"),
    ("own-pages-multikernel", "own-pages-linux"),
    ("own-pages-shared", "own-pages-linux"),
    ("own-pages-multikernel", "own-pages-linux-processes"),
    # the transport of the messages
    *((key, f"{protocol}-polling") for key, (_, protocol) in BY_THE_HOST.items()),
    *(("shared-polling", key) for key in BY_THE_HOST),
    *(("linux-computing", key) for key in BY_THE_HOST),
]

ENOUGH = 0.9
"""Fewer interrupts an operation and target CPU: it was not notified by interrupt, or not every
time.
"""
QUIET = 0.1
SIGNALS = 3 * ENOUGH
"""Map, touch, unmap."""


def specs(request: Request, floor: tuple[tuple[int, int], ...], collector: Collector) -> list[Spec]:
    """All series that this experiment may have."""
    n = request.cores
    found = []
    for key, (system, protocol, target) in KERNELS.items():
        parameters: dict[str, Scalar] = {
            "operation": "unmap",
            "target": target,
            "told": _notified_by(target),
        }
        variant = "mcs" if system == "shared" else protocol
        spec = Spec(
            key, system, variant, n, "completion", "single", parameters=parameters, floor=floor
        )
        spec = with_count(spec, collector)
        found.append(spec)
        if key == CONTROL_OF:
            found.append(replace(spec, key=key + CONTROL, control=True))
    for key, (transport, variant) in BY_THE_HOST.items():
        parameters = {
            "operation": "unmap",
            "target": "polling",
            "told": "poll",
            "transport": transport,
        }
        spec = Spec(
            key,
            "multikernel",
            variant,
            n,
            "completion",
            "single",
            parameters=parameters,
            floor=floor,
        )
        found.append(spec)
    for key, notified, target_name in (
        ("linux-computing", "interrupt", "computing"),
        ("linux-idle", "none", "idle"),
    ):
        parameters = {"operation": "unmap", "target": target_name, "told": notified}
        spec = Spec(
            key, "linux", "mprotect", n, "completion", "single", parameters=parameters, floor=floor
        )
        found.append(with_count(spec, collector))
    found.append(
        Spec(
            "local",
            "raw",
            "local",
            1,
            "completion",
            "single",
            parameters={"operation": "unmap", "told": "none"},
        )
    )
    for name in ("multikernel", "shared"):
        for operation, what in (("map", "map-on-all-cores"), ("touch", "first-touch-on-all-cores")):
            parameters = {"operation": what, "target": "polling", "told": "poll"}
            found.append(
                Spec(
                    f"{operation}-{name}",
                    _system(name),
                    operation,
                    n,
                    "completion",
                    "single",
                    parameters=parameters,
                )
            )
    for key, (system, form, target_name) in LIVES.items():
        parameters = {
            "operation": "map-touch-unmap",
            "target": target_name,
            "told": {"polling": "poll", "computing": "interrupt", "idle": "none"}[target_name],
        }
        spec = Spec(
            key, system, f"life-{form}", n, "completion", "back-to-back", parameters=parameters
        )
        found.append(with_count(spec, collector))
    own = (("multikernel",) * 2, ("shared",) * 2, ("linux",) * 2, ("linux-processes", "linux"))
    found += [_throughput(name, system, n, collector) for name, system in own]
    for name in ("multikernel", "shared"):
        for how in ("alone", "interrupted"):
            parameters = {
                "target": "computing",
                "told": "signal" if how == "interrupted" else "none",
            }
            found.append(
                Spec(
                    f"program-{name}-{how}", _system(name), "computing-program", n, "throughput",
                    "single",
                    unit="operations/s", parameters=parameters,
                )
            )  # fmt: skip
    return found


def _throughput(name: str, system: str, cores: int, collector: Collector) -> Spec:
    # Threads that wait for one another's lock sleep, and are then not interrupted: fewer than one
    # interrupt is no fault here.
    interrupted = name == "linux" and (interrupts_of("own-pages-linux", collector) or 0) > QUIET
    parameters: dict[str, Scalar] = {
        "operation": "unmap",
        "told": "interrupt" if interrupted else "none",
    }
    spec = Spec(
        f"own-pages-{name}", _system(system), "own-pages" + "-processes" * (name != system), cores,
        "throughput", "single",
        unit="operations/s",
        parameters=parameters,
    )  # fmt: skip
    return with_count(spec, collector)


def _system(name: str) -> System:
    found: dict[str, System] = {"multikernel": "multikernel", "shared": "shared", "linux": "linux"}
    return found[name]


def _notified_by(target: Target) -> str:
    return "poll" if target == "polling" else "signal"


def with_count(spec: Spec, collector: Collector) -> Spec:
    """With the interrupts an operation took, where they were counted."""
    each = interrupts_of(spec.key, collector)
    if each is None:
        return spec
    return replace(spec, parameters={**spec.parameters, "interrupts_per_operation": round(each, 3)})


# --- Whether they were notified so
# -----------------------------------------------------------------------------------------


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


def check(collector: Collector, request: Request, linux: Sequence[str] = ()) -> list[Caution]:
    """Takes out what was not notified as it claims, and says so. Where cores share CPUs nothing is
    claimed. linux: further arms of it whose peers compute.
    """
    if request.crowded:
        return []
    found = [_check_linux(key, collector) for key in ("linux-computing", *linux)]
    found += [
        _check_signals(key, collector)
        for key, (_, _, target) in KERNELS.items()
        if target == "computing"
    ]
    idle = interrupts_of("linux-idle", collector)
    if idle is not None and idle > QUIET:
        found.append(
            Caution(
                code="idle-interrupted",
                text=(
                    f"linux, idle: {idle:.2f} TLB interrupts an operation were counted where"
                    " sleeping peers should take none: they were not all asleep, or something else"
                    " runs in this process' place."
                ),
            )
        )
    return [one for one in found if one is not None]


def _check_linux(key: str, collector: Collector) -> Caution | None:
    if not collector.has(key):
        return None
    each = interrupts_of(key, collector)
    if each is not None and each >= ENOUGH:
        return None
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
    return Caution(
        code="refused",
        text=(
            f"{key}: refused, since {count} for each operation and target CPU, and {ENOUGH}"
            f" are needed to show that the others were notified by interrupt.{reason}"
        ),
    )


def _check_signals(key: str, collector: Collector) -> Caution | None:
    if not collector.has(key):
        return None
    each = interrupts_of(key, collector)
    if each is not None and each >= SIGNALS:
        return None
    collector.discard(key)
    if key in PROGRAMS:
        collector.discard(PROGRAMS[key])
    return Caution(
        code="refused",
        text=(
            f"{key}: refused, since the computing cores took {each or 0:.2f} interrupts an"
            f" operation (map, touch and unmap), and {SIGNALS:.1f} are needed to show that they"
            " were notified by signal every time."
        ),
    )


def histogram_of(answer: dict[str, Any]) -> Histogram:
    """The samples of the Linux process's answer."""
    samples = answer["samples"]
    sparse = {"sub_bits": 7, "counts": samples["counts"]}
    mean = samples["sum"] / samples["n"]
    return Histogram.from_sparse(sparse, samples["min"], samples["max"], mean)
