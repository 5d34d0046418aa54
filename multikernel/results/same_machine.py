"""Whether two runs are of one machine, and what else differs between them.

Guarantees: hardware makes a machine; software, CPUs and settings are conditions, which may change
on it.
"""

from __future__ import annotations

from typing import Any

from multikernel.results.document import Environment

RATE_DIFFERS = 0.01
"""Counters whose rates differ by more are not one machine's."""


def machine_of(environment: Environment) -> dict[str, object]:
    """What makes it this machine and no other: hardware, as far as it is known."""
    topology: dict[str, Any] = environment.topology
    known = ("packages", "dies", "cores", "cpus", "threads_per_core", "l2", "l3", "nodes", "kinds")
    return {
        "cpu_model": environment.cpu_model,
        "architecture": environment.architecture,
        "cpu_flags": frozenset(environment.cpu_flags),
        "virtualised": environment.virtualised,
        "hypervisor": environment.hypervisor,
        **{f"topology.{name}": topology[name] for name in known if name in topology},
    }


def conditions_of(environment: Environment) -> dict[str, object]:
    """What may change on one machine, and with it the numbers."""
    return {
        "cpus": ", ".join(map(str, environment.cpus)),
        "kernel": environment.kernel,
        "governor": environment.governor,
        "clocksource": environment.clocksource,
        "cpu_quota": environment.cpu_quota,
        "python": environment.python,
        "packages": ", ".join(
            f"{name} {version}" for name, version in sorted(environment.packages.items())
        ),
        "compiler": environment.compiler,
        "compiler_flags": environment.compiler_flags,
        "build": ", ".join(f"{name} {value}" for name, value in sorted(environment.build.items())),
        "revision": environment.revision,
    }


def machine_differences(old: Environment, new: Environment) -> list[str]:
    """What shows them to be different machines, a phrase each; empty if nothing does."""
    found = _differences(machine_of(old), machine_of(new))
    a, b = old.tsc_hz, new.tsc_hz
    if a is not None and b is not None and abs(a / b - 1) > RATE_DIFFERS:
        found.append(f"tsc_hz: {a / 1e6:.0f} MHz against {b / 1e6:.0f} MHz")
    return found


def condition_differences(old: Environment, new: Environment) -> list[str]:
    """What else differs, a phrase each."""
    return _differences(conditions_of(old), conditions_of(new))


def _differences(old: dict[str, object], new: dict[str, object]) -> list[str]:
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return [_difference(name, old.get(name), new.get(name)) for name in names]


def _difference(name: str, old: object, new: object) -> str:
    if isinstance(old, frozenset) and isinstance(new, frozenset):
        old, new = (
            ", ".join(map(str, sorted(one))) or "none of these" for one in (old - new, new - old)
        )
    return f"{name}: {_said(old)} against {_said(new)}"


def _said(value: object) -> str:
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 120 else text[:119] + "…"
