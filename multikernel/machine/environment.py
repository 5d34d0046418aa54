"""The environment record of a result document: what ran, on what, and what the machine did
meanwhile.

Guarantees: the record is plain data with a fixed set of keys, each present in every record (None
where unknown); it holds no host name, user name or path but the command line as it was given. Taken
in two steps, because steal and load mean something only as before and after.

How it is used:

    environment = Environment.begin(placement, seed=1)
    …measure…
    record = environment.finish()
    caveats = environment.caveats()
"""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from multikernel.machine.doctor import caveats as caveats_
from multikernel.machine.doctor.conditions import conditions
from multikernel.machine.doctor.findings import Finding, doctor
from multikernel.machine.host import provenance
from multikernel.machine.host.activity import Activity
from multikernel.machine.host.clock import TscRate, tsc_rate
from multikernel.machine.host.cpus import Placement
from multikernel.machine.host.processor import Host, load_average
from multikernel.machine.topology.model import Topology


@dataclass(slots=True)
class Environment:
    """An environment being recorded; make one with `begin`."""

    host: Host
    findings: tuple[Finding, ...]
    topology: Topology
    placement: Placement
    rate: TscRate | None
    seed: int | None
    command: tuple[str, ...]
    time: str
    root: str | os.PathLike[str]
    before: Activity
    load_before: tuple[float, float, float] | None
    after: Activity | None = field(default=None, init=False)
    load_after: tuple[float, float, float] | None = field(default=None, init=False)

    @classmethod
    def begin(
        cls,
        placement: Placement,
        *,
        topology: Topology | None = None,
        seed: int | None = None,
        command: Sequence[str] | None = None,
        tasks: Iterable[int] = (),
        root: str | os.PathLike[str] = "/",
    ) -> "Environment":
        """Record what holds before a run.

        placement: where the cores run. topology: read from `root` if not given. command: the
        command line, by default this process's. tasks: processes or threads whose switches and
        migrations to follow. The doctor looks once, here (about 10 ms). Calibrates the counter
        (about 25 ms) the first time in a process; without the native module its rate is unknown.
        """
        try:
            rate = tsc_rate()
        except ImportError:
            rate = None
        cpus = sorted(set(placement.cpus))
        host = Host.read(root, cpus)
        return cls(
            host=host,
            findings=doctor(root),
            topology=Topology.read(root) if topology is None else topology,
            placement=placement,
            rate=rate,
            seed=seed,
            command=tuple(provenance.command_line(sys.argv if command is None else command)),
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            root=root,
            load_before=host.load,
            before=Activity.take(cpus, tasks, root),
        )

    def finish(self) -> dict[str, Any]:
        """Record what holds after the run; the whole record. Called again, it takes the later
        moment.
        """
        self.after = Activity.take(self.before.cpus, self.before.tasks, self.root)
        self.load_after = load_average(self.root)
        build = provenance.build_info()
        return {
            **conditions(self.root),
            "cpu_model": self.host.cpu_model,
            "architecture": self.host.architecture,
            "cpu_flags": list(self.host.flags),
            "topology": self.topology.summary(),
            "cpus": list(self.placement.cpus),
            "kernel": self.host.kernel,
            "virtualised": self.host.virtualised,
            "governor": self.host.governor,
            "clocksource": self.host.clocksource,
            "cpu_quota": self.host.cpu_quota,
            "tsc_hz": None if self.rate is None else self.rate.hz,
            "tsc_error": None if self.rate is None else self.rate.error,
            "tsc_source": None if self.rate is None else self.rate.source,
            "before": _moment(self.before, self.load_before),
            "after": _moment(self.after, self.load_after),
            "python": provenance.python_version(),
            "packages": provenance.package_versions(),
            "compiler": build.pop("compiler", None),
            "compiler_flags": build.pop("flags", None),
            "build": build,
            "revision": provenance.revision(),
            "command": list(self.command),
            "seed": self.seed,
            "time": self.time,
        }

    def during(self) -> Activity | None:
        """What happened between `begin` and `finish`; None before `finish`."""
        return None if self.after is None else self.after - self.before

    def caveats(self) -> list[caveats_.Caveat]:
        """What a reader must know; before `finish` without what can only be known after."""
        return caveats_.find(
            self.host,
            self.topology,
            self.placement,
            rate=self.rate,
            during=self.during(),
            findings=self.findings,
        )


def _moment(activity: Activity, load: tuple[float, float, float] | None) -> dict[str, Any]:
    """Steal of every CPU in ticks of 1/100 s since the machine started, and the load averages."""
    return {
        "steal_ticks": {str(cpu): counters.steal_ticks for cpu, counters in activity.cpus.items()},
        "load": None if load is None else list(load),
    }
