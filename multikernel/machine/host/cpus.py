"""Which CPU each core runs on: from what the user wrote (`--cores`, `boot(cores=…)`) to a list of
CPUs.

Guarantees: the result names only CPUs that exist and may be used, one for each core, between 1 and
1024 cores; two calls on the same machine give the same answer. CPUs that are listed may be any that
the control group grants, whatever mask was inherited (isolcpus=, taskset); a count takes those of
the mask. Bad input is refused in one sentence that says what to try.

The grammar: a bare number counts cores ("4" = four cores); anything with a comma or a dash lists
CPUs ("0,2-3" = three cores on exactly these, in this order; "1," = one core on CPU 1). A count is
laid over the allowed CPUs in numerical order, one physical core after the other first, then their
second hardware threads, and so on; more cores than CPUs begin again at the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import format_cpu_list, parse_cpu_list, shown
from multikernel.machine.topology.model import Topology

MAX_CORES = 1024
"""Most cores in a system."""
Cores = str | int | Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Core i is to run on cpus[i]."""

    cpus: tuple[int, ...]

    @property
    def oversubscribed(self) -> bool:
        """Whether some CPU carries more than one core: then no latency is the hardware's."""
        return len(set(self.cpus)) < len(self.cpus)


def outside_mask(topology: Topology) -> str:
    """What a count passes over and a list may name, in words; "" if nothing."""
    listed = format_cpu_list(set(topology.granted) - set(topology.allowed))
    return listed and f"CPUs {listed} are outside of the inherited mask (isolated, or taskset)"


def left_out(cores: Cores, topology: Topology) -> str:
    """What must be said where cores were not named and there are more CPUs than a system has
    cores; "" elsewhere.
    """
    count = len(topology.allowed)
    if cores is not None or count <= MAX_CORES:
        return ""
    return (
        f"a system has at most {MAX_CORES} cores: these are on the first {MAX_CORES} of {count}"
        " allowed CPUs; --cores names others"
    )


def spread_order(topology: Topology) -> tuple[int, ...]:
    """All allowed CPUs: the first allowed thread of every physical core, then the second ones, and
    so on.
    """
    allowed = set(topology.allowed)
    ranked = [
        (rank, cpu)
        for core in topology.cores
        for rank, cpu in enumerate(sorted(allowed.intersection(core)))
    ]
    return tuple(cpu for _, cpu in sorted(ranked))


def resolve(cores: Cores, topology: Topology, *, where: str = "cores") -> Placement:
    """Turn what the user asked for into a placement.

    cores: text as in the grammar above, a count, a sequence of CPU numbers, or None for one core on
    every allowed CPU (at most 1024). where: the option or argument to name in errors. Raises
    BadInput.
    """
    if isinstance(cores, str):
        cores = _read(cores, where)
    if cores is None or isinstance(cores, int):
        return _counted(cores, topology, where)
    try:
        cpus = tuple(cores)
    except TypeError:
        what, hint = "cores are a number, or a list of CPUs", "for example 4, or [0, 2, 3]"
        raise BadInput(what, value=repr(cores), where=where, hint=hint) from None
    return _listed(cpus, topology, where)


def _read(text: str, where: str) -> int | tuple[int, ...]:
    """A count, or a list of CPUs."""
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit():
        if len(stripped) > 18:
            raise _out_of_range(shown(stripped), where)
        return int(stripped)
    how = "give a number of cores such as 4, or a list of CPUs such as 0,2-3"
    try:
        cpus = parse_cpu_list(stripped.removesuffix(","))
    except ValueError as error:
        what = f"cannot read the cores: {error}"
        raise BadInput(what, value=shown(text), where=where, hint=how) from None
    if not cpus:
        raise BadInput("no cores named", value=shown(text), where=where, hint=how)
    return cpus


def _counted(count: int | None, topology: Topology, where: str) -> Placement:
    if count is not None and (isinstance(count, bool) or not 1 <= count <= MAX_CORES):
        raise _out_of_range(count, where)
    order = spread_order(topology)
    if not order:
        what, online = "none of the allowed CPUs is online", format_cpu_list(topology.online)
        hint = "widen the affinity mask (taskset) or the control group's cpuset"
        raise BadInput(what, value=online, where=where, hint=hint)
    number = min(len(order), MAX_CORES) if count is None else count
    return Placement(tuple(order[i % len(order)] for i in range(number)))


def _listed(cpus: tuple[int, ...], topology: Topology, where: str) -> Placement:
    if any(isinstance(cpu, bool) or not isinstance(cpu, int) for cpu in cpus):
        raise BadInput(
            "CPUs are whole numbers", value=list(cpus), where=where, hint="for example [0, 2, 3]"
        )
    if not 1 <= len(cpus) <= MAX_CORES:
        raise _out_of_range(len(cpus), where)
    absent = sorted({*cpus} - {*topology.online})
    if absent:
        offline = {*absent} <= {*topology.possible}
        raise BadInput(
            "CPU is offline" if offline else "CPU does not exist",
            value=format_cpu_list(absent) if absent[0] >= 0 else absent[0],
            where=where,
            hint=f"this machine has CPUs {format_cpu_list(topology.online)} online",
        )
    barred = {*cpus} - {*topology.granted}
    if barred:
        allowed = format_cpu_list(topology.granted)
        raise BadInput(
            "CPU is not allowed for this process",
            value=format_cpu_list(barred),
            where=where,
            hint=f"allowed are {allowed}; the control group's cpuset keeps it out",
        )
    return Placement(cpus)


def _out_of_range(value: object, where: str) -> BadInput:
    return BadInput(
        "number of cores out of range", value=value, where=where, hint=f"give 1 to {MAX_CORES}"
    )
