"""Whether two runs are of one machine, and what else differs between them.

Guarantees: hardware makes a machine; software, CPUs and settings are conditions, which may change
on it.
"""

from __future__ import annotations

from multikernel.results.document import Environment

RATE_DIFFERS = 0.01
"""Counters whose rates differ by more are not one machine's."""
HARDWARE = ("cpu_model", "architecture", "cpu_flags", "virtualised", "hypervisor")
TOPOLOGY = ("packages", "dies", "cores", "cpus", "threads_per_core", "l2", "l3", "nodes", "kinds")
CONDITIONS = (
    "cpus", "kernel", "governor", "clocksource", "cpu_quota", "python", "packages", "compiler",
    "compiler_flags", "build", "revision",
)  # fmt: skip


def machine_differences(old: Environment, new: Environment) -> list[str]:
    """What shows them to be different machines, a phrase each; empty if nothing does."""
    found = _differences(_machine_of(old), _machine_of(new))
    a, b = old.tsc_hz, new.tsc_hz
    if a is not None and b is not None and abs(a / b - 1) > RATE_DIFFERS:
        found.append(f"tsc_hz: {a / 1e6:.0f} MHz against {b / 1e6:.0f} MHz")
    return found


def condition_differences(old: Environment, new: Environment) -> list[str]:
    """What else differs, a phrase each: what may change on one machine, and with it the numbers."""
    return _differences(*({name: getattr(one, name) for name in CONDITIONS} for one in (old, new)))


def _machine_of(environment: Environment) -> dict[str, object]:
    """What makes it this machine and no other, as far as it is known."""
    return {
        **{name: getattr(environment, name) for name in HARDWARE},
        "cpu_flags": set(environment.cpu_flags),
        **{f"topology.{name}": environment.topology.get(name) for name in TOPOLOGY},
    }


def _differences(old: dict[str, object], new: dict[str, object]) -> list[str]:
    return [_difference(name, old[name], new[name]) for name in old if old[name] != new[name]]


def _difference(name: str, old: object, new: object) -> str:
    if isinstance(old, set) and isinstance(new, set):
        old, new = (sorted(one) or "none of these" for one in (old - new, new - old))
    return f"{name}: {_said(old)} against {_said(new)}"


def _said(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{name} {one}" for name, one in sorted(value.items())]
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 120 else text[:119] + "…"
