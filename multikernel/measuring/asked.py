"""What a measurement is asked, in words, and what an experiment is asked of it.

Guarantees: everything that can be wrong with it is found here, before anything is booted or
measured. Both ways in come through here: the command line, and `multikernel.measure`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from multikernel.errors import BadInput
from multikernel.experiments import registry
from multikernel.experiments.instrument.experiment import names_of
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.hints import one_of
from multikernel.machine.cpu_list import format_cpu_list
from multikernel.machine.host.cpus import Placement, left_out, outside_mask, resolve
from multikernel.machine.models.model import Model
from multikernel.machine.models.reading import read
from multikernel.machine.models.tables import MOST_CORES, tables, topology_of
from multikernel.machine.topology.model import Topology
from multikernel.timeline.trace import Trace
from multikernel.virtual.calibrating import HERE, asked
from multikernel.virtual.work import Work

Say = Callable[[str], None]
"""Takes a few words on what is going on."""


def silent(_: str) -> None:
    """Says nothing."""


def placement_of(cores: str | None, *, oversubscribe: bool, note: Say = silent) -> Placement:
    """Where the cores run. Raises BadInput for more cores than CPUs, unless that is wanted.
    note: takes what CPUs are left out, and why.
    """
    topology = Topology.read()
    placement = resolve(cores, topology)
    note(left_out(cores, topology))
    if placement.oversubscribed and not oversubscribe:
        outside = outside_mask(topology)
        raise BadInput(
            "more cores than CPUs, where nothing can be measured",
            value=f"{len(placement.cpus)} cores on CPUs {format_cpu_list(placement.cpus)}",
            where="cores",
            hint="add --oversubscribe to run it all for correctness, without latencies"
            + (f"; {outside}: name them" if outside else ""),
        )
    return placement


def request_of(
    cores: str | None,
    *,
    quick: bool,
    oversubscribe: bool,
    size: str | None,
    boots: int | None,
    only: str | None = None,
    time: str | None = None,
    machine: str | None = None,
    trace: Trace | None = None,
    calibration: str | None = None,
    seed: int = 1,
    say: Say = silent,
    note: Say = silent,
) -> Request:
    """What the experiments are asked. say: takes what goes on meanwhile. Raises BadInput."""
    if trace is not None:
        size = "smoke"
    elif machine is not None:
        size = size or "modelled"
    if machine is None and calibration is not None:
        raise BadInput(
            "a calibration is of a modelled machine's work", value=calibration,
            where="calibration", hint="add --machine",
        )  # fmt: skip
    chosen = SIZES[size or ("quick" if quick else "full")]
    model, work = (None, None) if machine is None else model_of(machine, say)
    if calibration is not None:
        work = asked(calibration, "--calibration")
    return Request(
        placement_of(cores, oversubscribe=oversubscribe, note=note)
        if model is None
        else modelled_placement(model, machine, cores),
        chosen if boots is None else replace(chosen, boots=boots),
        only=tuple(name.strip() for name in (only or "").split(",") if name.strip()),
        seconds=seconds_of(time),
        seed=seed,
        progress=say,
        model=model,
        machine=machine,
        trace=trace,
        calibration=work,
        bands=not quick,
    )


def model_of(machine: str, say: Say) -> tuple[Model, Work | None]:
    """A machine, and where it is this host, measured now, what local work takes on it. Raises
    BadInput, MeasurementRefused.
    """
    if machine != HERE:
        return read(machine), None
    from multikernel.experiments.this_host import this_machine

    return this_machine(say)


def modelled_placement(model: Model, machine: str | None, cores: str | None) -> Placement:
    """So many cores of a modelled machine, by default all. Raises BadInput."""
    most = min(len(topology_of(model, "machine").cpus) * model.servers, MOST_CORES)
    if cores is not None and not re.fullmatch(r"\d{1,5}", cores):
        raise BadInput("of a modelled machine so many cores", value=cores, where="cores")
    count = most if cores is None else int(cores)
    if not 1 <= count <= most:
        raise BadInput(
            f"this machine has {most} cores that can be modelled", value=count, where="cores",
            hint="ask for fewer, or for a larger machine",
        )  # fmt: skip
    tables(model, count, f"machine, {machine}")
    return Placement(tuple(range(count)))


def seconds_of(text: str | None) -> float | None:
    """A time such as 90s, 10m or 1h. Raises BadInput."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh])", text)
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if not seconds:
        raise BadInput("no time", value=text, where="time", hint="such as 90s, 10m or 1h")
    return seconds


def those_with(names: Iterable[str], request: Request) -> list[str]:
    """The experiments that have some of request.only. Raises BadInput for what none has."""
    known = {
        name: {one for arm in registry.get(name)(request).arms() for one in names_of(arm)}
        for name in names
    }
    every = set().union(*known.values())
    for one in request.only:
        if one not in every:
            raise BadInput(
                "no system, variant or key of that name is measured", value=one, where="only",
                hint=one_of(one, sorted(every)),
            )  # fmt: skip
    return [name for name, all_of_it in known.items() if all_of_it & set(request.only)]
