"""Measuring what software costs on this host: steps of monitors, and the drivers around them.

Guarantees: no line travels between CPUs in what is measured: steps are made in modelled worlds, and
drivers take turns in one process. That process is a child, pinned to one CPU. What is to be
predicted (unmaps, retypes, calls between CPUs) is not looked at: the driver's share of a message
comes from changes of a page's rights.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import msgspec

from multikernel.errors import BootFailed, ProtocolError
from multikernel.machine.host.clock import tsc_rate
from multikernel.machine.host.processor import Host
from multikernel.machine.models.model import Local, Message, Model, Number, Transfer
from multikernel.native._native import (
    CAPABILITY_ANY_SLOT,
    CAPABILITY_RIGHTS,
    CAPABILITY_ROOT,
    CAPABILITY_TYPES,
    VirtualShared,
    cores_word,
    measure_software,
)
from multikernel.runtime import child
from multikernel.runtime.plan import LockScope
from multikernel.virtual.kernel import CNODES, Answer, Kernel, Shared, machine
from multikernel.virtual.work import Samples, Work, merged, shared_parts

HERE = "here"
"""In place of a file: this host, now."""
WORLDS = (2, 8, 32)
STEPS, COLD_STEPS, RUNS, BATCHES, PROTECTS = 3000, 100, 5, 1000, 400
SHARED_WORLDS: tuple[tuple[int, LockScope, bool], ...] = (
    (2, "big", False), (8, "big", False), (2, "region", False), (2, "big", True),
)  # fmt: skip
SHARED_STEPS, SHARED_STAY = 800, 100
READ, WRITE = 1, 3
PAGE = 4096


def free_machine() -> Model:
    """A machine on which nothing but steps takes time."""
    nothing, one = Number(0, "fact", "none"), Number(1, "fact", "none")
    local = {field.name: nothing for field in msgspec.structs.fields(Local)}
    return Model(
        title="nothing costs anything", topology="1x64", chosen_after_seeing="", ghz=one,
        message={"l3": Message(send=nothing, handle=nothing, own=nothing, fetch=nothing)},
        transfer=Transfer(
            coherence="filter", coherence_source="none", gap="receiver", lines_under_way=1,
            hop=nothing, home=nothing, link=nothing, line=nothing,
        ),
        local=Local(**{**local, "work_scale": one}),
    )  # fmt: skip


def this_host() -> str:
    """What a calibration says of where it was made: processor, hypervisor, counter and day."""
    host = Host.read()
    under = f" under {host.hypervisor or 'a hypervisor'}" if host.virtualised else ""
    return (
        f"{host.cpu_model}{under}, TSC {tsc_rate().hz / 1e9:.3f} GHz, {datetime.now(UTC):%Y-%m-%d}"
    )[:200]


def asked(text: str | None, where: str) -> Work | None:
    """By "here" this host's, measured now on the first CPU allowed; else a file's; None: none was
    asked for. where: the option. Raises BadInput, BootFailed.
    """
    if text is None:
        return None
    if text != HERE:
        return Work.from_file(text, where)
    return calibrate(min(os.sched_getaffinity(0)), this_host())


def calibrate(cpu: int, host: str) -> Work:
    """On that CPU. host: what is said of it in the table. Raises BootFailed."""
    ghz = tsc_rate().hz / 1e9
    done = subprocess.run(
        child.command("multikernel.virtual.calibrating", str(cpu), host, str(ghz)),
        stdout=subprocess.PIPE, check=False, text=True,
    )  # fmt: skip
    if done.returncode:
        raise BootFailed("the drivers that were to be measured could not be opened", value=cpu)
    return Work.from_json(done.stdout)


def _operations(kernel: Kernel, rounds: int) -> None:
    """Maps, changes of rights and unmaps in both protocols, of a page of all cores."""
    word, kept = cores_word((1 << kernel.cores) - 1, kernel.cores)
    offset, generation = kernel.request(0, "ALLOCATE", PAGE).reply[2][:2]
    for number in range(rounds):
        page = kernel.request(0, "MAP", offset, PAGE, WRITE, word, generation, kept=kept).reply[2]
        kernel.settle()
        kernel.request(0, "PROTECT", page[0], READ)
        kernel.settle()
        kernel.request(0, "UNMAP", page[0], number % 2)
        kernel.settle()


def _capabilities(kernel: Kernel, rounds: int) -> None:
    """Retypes and deletes of RAM that another core has a copy of."""
    any_slot, all_rights = CAPABILITY_ANY_SLOT, sum(CAPABILITY_RIGHTS.values())
    frames = CAPABILITY_TYPES["Frame"] << 16 | 1 << 32
    ram = _made(kernel.request(0, "CAP_CREATE", 1 << 20, CAPABILITY_ROOT, any_slot))
    where = any_slot | all_rights << 16 | 1 << 32
    copy = _made(kernel.request(0, "CAP_COPY", ram, CAPABILITY_ROOT, where))
    for _ in range(rounds):
        kernel.settle()
        frame = _made(
            kernel.request(0, "CAP_RETYPE", ram, CAPABILITY_ROOT, any_slot | frames, 0, PAGE)
        )
        kernel.settle()
        kernel.request(0, "CAP_DELETE", frame)
    kernel.settle()
    kernel.request(1, "CAP_DELETE", copy)
    kernel.request(0, "CAP_DELETE", ram)


def _made(answer: Answer) -> int:
    verdict, named, words = answer.reply
    if verdict:
        raise ProtocolError("a request of the calibration was refused", value=(verdict, named))
    return words[0]


def _shared_operations(kernel: Kernel, rounds: int, stay: int) -> None:
    """As those of the multikernel, by all cores in turn, so many rounds each."""
    word, kept = cores_word((1 << kernel.cores) - 1, kernel.cores)
    frames = [kernel.request(0, "ALLOCATE", PAGE).reply[2][:2] for _ in range(kernel.cores)]
    for number in range(rounds):
        core = number // stay % kernel.cores
        offset, name = frames[core]
        page = _made(kernel.request(core, "MAP", offset, PAGE, WRITE, word, name, kept=kept))
        kernel.request(core, "PROTECT", page, READ)
        kernel.request(core, "UNMAP", page, 0)
    all_rights, frame = sum(CAPABILITY_RIGHTS.values()) << 16, CAPABILITY_TYPES["Frame"] << 16
    move, ram = 1 << 24, []
    for core in range(kernel.cores):
        made = _made(kernel.request(0, "CAP_CREATE", 16 * PAGE, CAPABILITY_ROOT, 2))
        where = 1 | all_rights | move | core << 32
        ram.append(_made(kernel.request(0, "CAP_COPY", made, CAPABILITY_ROOT, where)))
    for number in range(rounds):
        core = number // stay % kernel.cores
        words = ram[core], CAPABILITY_ROOT, 3 | frame | 1 << 32, 0, PAGE
        kernel.request(core, "CAP_DELETE", _made(kernel.request(core, "CAP_RETYPE", *words)))
    for number in range(rounds):
        core = number // stay % kernel.cores
        where = 3 | all_rights | core << 32
        copy = _made(kernel.request(core, "CAP_COPY", ram[core], CAPABILITY_ROOT, where))
        kernel.request(core, "CAP_DELETE", copy)
    for core in range(kernel.cores):
        kernel.request(core, "CAP_DELETE", ram[core])


def _shared(work: Work) -> Work:
    """With the shared kernel's parts: first what moves where cores take turns, then times."""
    free, nothing = free_machine(), Work.of_steps(work.host, work.ghz)
    runs: list[tuple[float, Samples]] = []
    for lines in (True, False):
        for cores, scope, along in SHARED_WORLDS * (1 if lines else RUNS):
            on = machine(free, cores, "free")
            kernel = Kernel(on, nothing, cnodes=CNODES, shared=Shared(scope, along))
            assert isinstance(kernel.native, VirtualShared)
            _shared_operations(kernel, 40, 1)
            clock = kernel.native.measure(lines)
            _shared_operations(kernel, SHARED_STEPS, 1 if lines else SHARED_STAY)
            runs.append((clock, kernel.native.samples_by_key()))
    parts, ring = shared_parts(runs)
    return msgspec.structs.replace(work, shared=parts, ring=ring)


def _steps(host: str, ghz: float) -> Work:
    free, nothing = free_machine(), Work.of_steps(host, ghz)
    runs: dict[bool, list[tuple[float, Samples]]] = {False: [], True: []}
    for cores in WORLDS * RUNS:
        for cold, found in runs.items():
            kernel = Kernel(machine(free, cores, "free"), nothing, cnodes=CNODES)
            for operations in (_operations, _capabilities):
                operations(kernel, 20)
                clock = kernel.native.measure(cold)
                operations(kernel, (COLD_STEPS if cold else STEPS) // cores)
                found.append((clock, kernel.native.samples_by_key()))
    return merged(runs[False], runs[True], host, ghz)


def _main(cpu: int, host: str, ghz: float) -> Work:
    os.sched_setaffinity(0, {cpu})
    work = _shared(_steps(host, ghz))
    kernel = Kernel(machine(free_machine(), 2, "free"), work)
    word, kept = cores_word(3, 2)
    offset, generation = kernel.request(0, "ALLOCATE", PAGE).reply[2][:2]
    page = kernel.request(0, "MAP", offset, PAGE, WRITE, word, generation, kept=kept).reply[2]
    kernel.settle()
    before = kernel.native.counts()
    for number in range(PROTECTS):
        kernel.request(0, "PROTECT", page[0], WRITE if number % 2 else READ)
        kernel.settle()
    after = kernel.native.counts()
    messages, charged = after[1] - before[1], after[4] - before[4]
    software = measure_software(BATCHES)
    drivers = (software["protect"] - software["system_call"]) * PROTECTS - charged
    return work.with_software(max(0.0, drivers / messages - software["call"] / 2), software)


if __name__ == "__main__":
    print(_main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])).to_json())
