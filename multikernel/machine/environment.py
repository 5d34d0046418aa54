"""The environment record of a result document: what ran, on what, and what the machine did
meanwhile.

Guarantees: the record is plain data with a fixed set of keys, each present in every record (None
where unknown); it holds no host name, user name or path but the command line as it was given. Taken
in two steps, because steal and load mean something only as before and after.

How it is used:

    environment = Environment(placement, seed=1)
    …measure…
    record = environment.finish()
    caveats = environment.caveats()
"""

import os
import sys
from datetime import UTC, datetime
from typing import Any

from multikernel.machine import control_groups
from multikernel.machine.doctor import caveats as caveats_
from multikernel.machine.doctor.checks_memory import HUGE_PAGES
from multikernel.machine.doctor.evidence import Evidence
from multikernel.machine.doctor.findings import doctor
from multikernel.machine.host import provenance
from multikernel.machine.host.activity import Activity
from multikernel.machine.host.clock import TscRate, tsc_rate, tsc_step
from multikernel.machine.host.cpus import Placement
from multikernel.machine.host.processor import Host, load_average
from multikernel.machine.topology.model import Topology

OF_THE_HOST = (
    "cpu_model", "architecture", "kernel", "virtualised", "governor", "clocksource", "cpu_quota",
)  # fmt: skip


class Environment:
    """An environment being recorded, from what holds before a run on."""

    def __init__(
        self, placement: Placement, *, seed: int | None = None, root: str | os.PathLike[str] = "/"
    ) -> None:
        """placement: where the cores run. The doctor looks once, here (about 10 ms). Calibrates the
        counter (about 25 ms) the first time in a process; without the native module its rate is
        unknown.
        """
        self.placement, self.seed, self.root = placement, seed, root
        try:
            self.rate: TscRate | None = tsc_rate()
        except ImportError:
            self.rate = None
        cpus = sorted(set(placement.cpus))
        self.host = Host.read(root, cpus)
        self.findings = doctor(root)
        self.topology = Topology.read(root)
        self.command = provenance.command_line(sys.argv)
        self.time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.before = Activity.take(cpus, root=root)
        self.during: Activity | None = None
        """What happened until `finish`."""

    def finish(self) -> dict[str, Any]:
        """The whole record, with what holds after the run."""
        after = Activity.take(self.before.cpus, root=self.root)
        self.during = after - self.before
        build = provenance.build_info()
        return {
            **conditions(self.root),
            **{name: getattr(self.host, name) for name in OF_THE_HOST},
            "cpu_flags": list(self.host.flags),
            "topology": self.topology.summary(),
            "cpus": list(self.placement.cpus),
            **{f"tsc_{what}": getattr(self.rate, what, None) for what in ("hz", "error", "source")},
            "before": _moment(self.before, self.host.load),
            "after": _moment(after, load_average(self.root)),
            "python": provenance.python_version(),
            "packages": provenance.package_versions(),
            "compiler": build.pop("compiler", None),
            "compiler_flags": build.pop("flags", None),
            "build": build,
            "revision": provenance.revision(),
            "command": self.command,
            "seed": self.seed,
            "time": self.time,
        }

    def caveats(self) -> list[caveats_.Caveat]:
        """What a reader must know; before `finish` without what can only be known after."""
        return caveats_.find(
            self.host,
            self.topology,
            self.placement,
            rate=self.rate,
            during=self.during,
            findings=self.findings,
        )


def _moment(activity: Activity, load: tuple[float, ...] | None) -> dict[str, Any]:
    """Steal of every CPU in ticks of 1/100 s since the machine started, and the load averages."""
    return {
        "steal_ticks": {str(cpu): counters.steal_ticks for cpu, counters in activity.cpus.items()},
        "load": None if load is None else list(load),
    }


def conditions(root: str | os.PathLike[str] = "/") -> dict[str, Any]:
    """What of the host's settings a reader of numbers wants to know, with the names that an
    environment has for it: None, or an empty record, where the host does not say.
    """
    look = Evidence(root)
    return {
        "hypervisor": look.hypervisor or None,
        "mitigations": look.vulnerabilities,
        "huge_pages": {
            what: look.chosen(f"{HUGE_PAGES}/{what}") for what in ("enabled", "shmem_enabled")
        },
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "limits": {of: _tightest(look, of) for of in ("cpu", "memory", "pids")},
        "cores": "as seen by the guest" if look.virtual else "as seen by the host",
        "tsc_step": tsc_step() if look.live else None,
    }


def _tightest(look: Evidence, controller: str) -> str | None:
    """The innermost limit that a group has; None for none."""
    for group in control_groups.directories(look.text, controller) or [control_groups.MOUNT]:
        text = look.text(f"{group}/{controller}.max")
        if text and text.split()[0] != "max":
            return text
    return None
