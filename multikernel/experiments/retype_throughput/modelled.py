"""Retypes on all cores at once, in virtual time."""

from multikernel.experiments.instrument.capability_loops import RIGHTS, ROOT
from multikernel.experiments.instrument.loops import PAGE, Report
from multikernel.experiments.instrument.modelled import Arguments, ModelledBench, NotModelled
from multikernel.native._native import CAPABILITY_TYPES, Histogram

WINDOW, LEAST = 500_000_000, 300_000
"""Cycles that are counted, of each core: for each second that is asked for, a quarter of it, and at
least; longer where it has got nothing done by then."""
FRAME = CAPABILITY_TYPES["Frame"] << 16 | 1 << 32


def copy(bench: ModelledBench, owner: int, ram: int, slot: int, to: int, move: bool) -> None:
    """To a slot of that core's root CNode."""
    bench.ask(owner, "CAP_COPY", ram, ROOT, slot | RIGHTS << 16 | move << 24 | to << 32)


def furnish(bench: ModelledBench, pages: int, slots: dict[str, int], others: int) -> None:
    """Memory that is a core's alone, that all have copies of, and one of all; `others`: from which
    slot on a core has the copies of others.
    """
    for kind in ("alone", "copied"):
        for core in range(bench.cores):
            at = others if core else slots[kind]
            made = bench.ask(0, "CAP_CREATE", pages * PAGE, ROOT, at)[0]
            if core:
                copy(bench, 0, made, slots[kind], core, move=True)
    for owner in range(bench.cores):
        own = bench.ask(owner, "CAP_LOOK", slots["copied"])[0]
        for core in range(bench.cores):
            if core != owner:
                copy(bench, owner, own, others + owner, core, move=False)
    common = bench.ask(0, "CAP_CREATE", bench.cores * pages * PAGE, ROOT, slots["common"])[0]
    for core in range(1, bench.cores):
        copy(bench, 0, common, slots["common"], core, move=False)


def at_once(
    bench: ModelledBench, calls: Arguments, pages: int, slots: dict[str, int], first: int
) -> dict[int, Report]:
    """Every core keeps so many retypes in flight, each followed by its deletion. first: the slot
    that their Frames begin at. Reports by core.
    """
    work = next(iter(calls.values()))[0]
    kernel, begun = bench.virtual, bench.virtual.now
    ends = begun + max(LEAST, round(WINDOW * work.seconds))
    lanes: dict[int, tuple[int, int, int]] = {}
    done = {core: [0, begun] for core in range(work.cores)}
    sources = {
        core: bench.ask(core, "CAP_LOOK", slots[work.memory])[0] for core in range(work.cores)
    }

    def retype(core: int, lane: int, at: int) -> None:
        page = lane + (core * pages if work.memory == "common" else 0)
        words = sources[core], ROOT, first + lane | FRAME, page * PAGE, PAGE
        lanes[kernel.ask(core, "CAP_RETYPE", *words, at=at)] = core, lane, 0

    for core in range(work.cores):
        for lane in range(work.in_flight):
            retype(core, lane, begun + bench.draw.randrange(500))
    while lanes:
        ticket, answer = kernel.wait_any(lanes)
        core, lane, made = lanes.pop(ticket)
        if answer.reply[0]:
            raise NotModelled("a retype or a deletion that is refused")
        if not made:
            ask = kernel.ask(core, "CAP_DELETE", answer.reply[2][0], at=answer.time)
            lanes[ask] = core, lane, 1
            continue
        if answer.time <= ends or not done[core][0]:
            done[core] = [done[core][0] + 1, answer.time]
            retype(core, lane, answer.time)
    kernel.settle()
    return {core: _report(done.get(core, [0, ends]), begun) for core in calls}


def _report(done: list[int], begun: int) -> Report:
    operations, until = done
    report = Report(partial=True)
    cycles = max(until - begun, 1)
    report.counts.update(operations=operations, began=begun, cycles=cycles, cpu_ns=1, wall_ns=1)
    if operations:
        times = Histogram()
        times.add(round(cycles / operations))
        report.keep(times=times)
    return report
