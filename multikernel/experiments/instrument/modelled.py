"""Arms on modelled machines: what `rig.Bench` offers, in virtual time.

Guarantees: an arm is the same one as on this host; each of the programs that it sends to cores has
a counterpart here, that does the same with a modelled kernel. What has none, an arm cannot do: it
has no series, and the document says so. A boot is a seed: think times are drawn from it, and what
each step of a monitor costs, within the spread of the calibration. Times are cycles of the modelled
machine; the host's load changes nothing in them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec

from multikernel.experiments.instrument import capability_loops, loops
from multikernel.experiments.instrument.arms import Outcome
from multikernel.experiments.instrument.loops import Plan, Report
from multikernel.experiments.instrument.request import Request
from multikernel.experiments.instrument.rig import Bench, Call
from multikernel.machine.models.model import Model
from multikernel.machine.models.tables import tables
from multikernel.native._native import (
    CAPABILITY_TYPES,
    Histogram,
    cores_word,
)
from multikernel.results.document import Calibration, Caution, Environment
from multikernel.runtime.plan import Kernel
from multikernel.user.trees import Edges, install
from multikernel.virtual.kernel import COMPUTES, POLLS, packed
from multikernel.virtual.system import VirtualSystem
from multikernel.virtual.trees import build
from multikernel.virtual.work import Work

MOST = 200
"""Operations of a slice: nothing of them is by chance but the think times."""
THINK = 20_000
"""Cycles between two operations, at most."""
MEMORY = 16 << 20


class NotModelled(Exception):
    """An arm needs what has no counterpart in virtual time."""


def attempt(slice_of: Callable[[], Outcome]) -> Outcome:
    """A slice, or the reason why there is none."""
    try:
        return slice_of()
    except NotModelled:
        return Outcome(reason="not-modelled")


def calibration_of(work: Work) -> Calibration:
    """What a document says of it."""
    return Calibration(
        host=work.host, ghz=work.ghz, spread=round(work.spread, 3),
        reference=work == Work.reference(),
    )  # fmt: skip


def cautions(model: Model, work: Work) -> list[Caution]:
    """What holds of everything that a simulated document says."""
    assumed = sum(number.mark == "assumed" for _, number in model.numbers())
    text = (
        f"Simulated: no hardware was measured. The kernels' own code ran on a model of"
        f" {model.title}, {assumed} of whose numbers are assumed (multikernel machine show); its"
        f" local work is what it took on {work.host}, times {model.local.work_scale.value:g}, and"
        " where its state is out of the caches as many nanoseconds more as there (assumed). Not"
        " modelled: full channels, caches but for the lines of messages, contention for memory, and"
        " the host's kernel. The interval is of seeds, which draw think times and the calibration's"
        f" spread ({work.spread:.0%}): what is assumed may lie farther off."
    )
    found = [Caution(code="simulated", text=text)]
    if not calibration_of(work).reference:
        text = (
            f"Local work is not the reference calibration's but that of {work.host}: a document"
            " that rests on another one differs by that too."
        )
        found.append(Caution(code="other-calibration", text=text))
    if model.chosen_after_seeing:
        found.append(Caution(code="chosen-after-seeing", text=model.chosen_after_seeing))
    return found


def environment_of(record: Environment, request: Request, model: Model) -> Environment:
    """The host's, with the modelled machine in its place as far as it is one."""
    return msgspec.structs.replace(
        record, cpu_model=f"{model.title} (simulated)", topology=request.topology.summary(),
        cpus=list(request.placement.cpus), tsc_hz=model.ghz.value * 1e9, tsc_error=0.0,
        tsc_step=None,
    )  # fmt: skip


class Unmodelled:
    """A machine of which nothing is modelled."""

    def __getattr__(self, name: str) -> Any:
        raise NotModelled(name)


def varied(work: Work, seed: int) -> Work:
    """The calibration, each cost somewhere within its spread. The host's state of the moment made
    all steps dearer or cheaper together: a factor that all share, of the median step's spread;
    around it each errs by itself. Of their own errors alone a sum of many steps would hardly
    differ from seed to seed, and its interval be too narrow.
    """
    draw, replace = random.Random(f"work {seed}"), msgspec.structs.replace

    def factor(spread: float) -> float:
        return 1 + draw.uniform(-0.5, 0.5) * min(spread, 0.5)

    common = factor(work.spread)
    entries = []
    for one in work.entries:
        times = common * factor(one.spread)
        cold = None if one.cold is None else one.cold * times
        entries.append(replace(one, cycles=one.cycles * times, cold=cold))
    shared = tuple(
        replace(one, cycles=one.cycles * common * factor(one.spread)) for one in work.shared
    )
    message, driver = work.message * common, work.driver * common
    return replace(
        work, entries=tuple(entries), shared=shared, message=message, driver=driver,
        lock=work.lock * common, ring=work.ring * common,
    )  # fmt: skip


class ModelledBench(Bench):
    """A modelled system under measurement."""

    def __init__(
        self, model: Model, cores: int, kernel: Kernel, options: Mapping[str, Any], seed: int,
        work: Work, assumed: Mapping[str, float | str] | None = None,
    ) -> None:  # fmt: skip
        """work: what steps take; assumed: numbers that the machine has in place of the model's,
        for which its trees are made. Raises BadInput.
        """
        self.kernel, self.crowded, self.cpus = kernel, False, tuple(range(cores))
        self.model, self.draw = model.varied(assumed or {}), random.Random(seed)
        self.work, self.seed = work, seed
        self.watch: Any = None
        self._floor_base = self._meetings = 0
        self._along: dict[int, Any] = {}
        self._uses = 1
        self.local = self.prepared = None
        trees = options.get("trees", "chosen")
        along = (
            cores > 2 and trees != "sequential" if kernel == "multikernel" else "trees" in options
        )
        planted = {0: build(str(trees), 0, model, cores, "trees")} if along else {}
        self.modelled = VirtualSystem(
            self.model, cores, memory_bytes=options.get("memory", MEMORY), slots=64, trees=planted,
            capabilities=options.get("capabilities", "two-phase"),
            work=work, kernel=kernel, lock_scope=options.get("lock_scope", "big"),
        )  # fmt: skip
        self.virtual = self.modelled.virtual
        self.tables = tables(self.model, cores, "machine")
        self.furniture: dict[str, Any] = {}
        self.system: Any = _System(self)
        offset, name, *_ = self.ask(0, "ALLOCATE", loops.PAGE)
        self._frame = offset, name

    @property
    def hz(self) -> float:
        """Of the modelled machine."""
        return self.model.ghz.value * 1e9

    def run(self, name: str, calls: Mapping[int, Call]) -> dict[int, Report]:
        """The counterpart of what the cores would run. Raises NotModelled."""
        function = next(iter(calls.values()))[0]
        counterpart = COUNTERPARTS.get(function)
        if counterpart is None:
            raise NotModelled(name)
        report = Report(partial=True)
        found = counterpart(
            self, report, {core: arguments for core, (_, arguments) in calls.items()}
        )
        return dict.fromkeys(calls, report) if found is None else found

    def ask(self, core: int, kind: str, *words: int, kept: bytes = b"") -> tuple[int, ...]:
        """A request of that core's program; its words. Raises NotModelled if it is refused."""
        verdict, _, reply = self.virtual.request(core, kind, *words, kept=kept).reply
        if verdict:
            raise NotModelled(f"{kind}: {verdict}")
        return reply

    def think(self) -> None:
        """Nothing is under way, and some time goes by."""
        self.virtual.settle()
        self.virtual.now += self.draw.randrange(THINK)

    def along(self, root: int, edges: Edges) -> None:
        """From now on core `root` reaches the others along these edges."""
        if self._along.get(root) != edges:
            install(self.modelled._access, root, edges)
            self._along[root] = edges

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Every core but 0 computes within the block."""
        for core in range(1, self.cores):
            self.virtual.native.idle(core, COMPUTES)
        try:
            yield
        finally:
            for core in range(1, self.cores):
                self.virtual.native.idle(core, POLLS)

    def _interrupts(self) -> int:
        return 0

    def line(self, a: int, b: int) -> float:
        """One line there and back between two cores, nobody in the way."""
        places = len(self.tables.home)
        hop = self.model.transfer.hop.value
        total = 0.0
        for one, other in ((a, b), (b, a)):
            i = self.tables.place[one] * places + self.tables.place[other]
            cost = self.tables.costs[self.tables.distance[i]]
            total += cost.own + cost.fetch + 4 * hop * self.tables.hops[i]
        return total


class _Core:
    def __init__(self, bench: ModelledBench, index: int) -> None:
        self._bench, self.index = bench, index

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._bench.run(function.__name__, {self.index: (function, arguments)})[self.index]


class _System:
    """What arms ask of a booted system."""

    def __init__(self, bench: ModelledBench) -> None:
        self.cores = [_Core(bench, core) for core in range(bench.cores)]
        modelled = bench.modelled
        self.plan, self.group, self.close_group = (
            modelled.plan, modelled.group, modelled.close_group
        )  # fmt: skip
        self.allocate, self.map = modelled.allocate, modelled.map
        self.launched = SimpleNamespace(closed=False, pids=[])

    def __getattr__(self, name: str) -> Any:
        raise NotModelled(name)


# --- Counterparts: of the function that cores run, with each core's arguments

Arguments = Mapping[int, tuple[Any, ...]]


def same(report: Report, plan: Plan, cycles: Callable[[], float], suffix: str = "") -> None:
    """All of a plan, which comes to the same each time."""
    for name, count, _ in plan:
        times = Histogram()
        for _ in range(min(count, MOST)):
            times.add(max(1, round(cycles())))
        report.keep(**{name + suffix: times})


def _floor(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    (owner, _, lines, _, plan, _), (a, b) = next(iter(calls.values())), sorted(calls)
    del owner
    for line in range(lines):
        same(report, plan, lambda: bench.line(a, b), f".{line}")


def _raw(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    a, b = sorted(calls)
    same(report, calls[a][3], lambda: bench.modelled.native.echo(a, b))


def _ping(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    ((core, (peer, _, plan, _)),) = calls.items()

    def one() -> float:
        return bench.virtual.wait(bench.virtual.ask(core, "PING", of=peer)).took

    same(report, plan, one)


def _unmap(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    ((core, (frame, _, holding, protocol, count, _, _)),) = calls.items()
    word, kept = cores_word((1 << holding) - 1, bench.cores)
    times = {name: Histogram() for name in ("map", "unmap")}
    for _ in range(min(count, MOST)):
        mapped = bench.virtual.request(
            core, "MAP", frame[0], loops.PAGE, 3, word, frame[1], kept=kept
        )  # fmt: skip
        bench.think()
        done = bench.virtual.request(core, "UNMAP", mapped.reply[2][0], protocol)
        if mapped.reply[0] or done.reply[0]:
            raise NotModelled("an unmap that is refused")
        times["map"].add(mapped.took)
        times["unmap"].add(done.took)
        bench.think()
    report.keep(**times)


def _local_call(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    del calls
    times, local = Histogram(), bench.model.local
    times.add(round(local.change.value + local.invalidate.value))
    report.keep(local=times)


def _messages(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    """The tree is what the places in it say; a line lies with whoever has it."""
    places = {core: arguments[0] for core, arguments in calls.items()}
    by_line = {place.up: core for core, place in places.items() if place.up is not None}
    parents = {
        by_line[line]: core for core, place in places.items() for line in place.children
    }  # fmt: skip
    edges, near, todo = [], True, [0]
    while todo:
        core = todo.pop(0)
        for line in places[core].children:
            edges.append((core, by_line[line]))
            todo.append(by_line[line])
            near &= line[0] == by_line[line]
    assert len(parents) == len(edges)
    plan = calls[0][2]
    if places[0].shared is not None:
        same(report, plan, lambda: bench.modelled.native.broadcast(0, len(places)))
        return
    tree = packed(edges)
    same(report, plan, lambda: bench.modelled.native.tree(0, len(places), tree, not near))


# --- Capabilities


def _furnish(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    """As capability_loops.furnish, by requests."""
    del report, calls
    loop, root, page = capability_loops, capability_loops.ROOT, loops.PAGE

    def retype(core: int, ram: int, kind: str, slot: int, at: int, size: int) -> int:
        word = slot | CAPABILITY_TYPES[kind] << 16 | 1 << 32
        return bench.ask(core, "CAP_RETYPE", ram, root, word, at, size)[0]

    def copy(source: int, ram: int, slot: int, to: int, *, move: bool = False) -> int:
        word = slot | loop.RIGHTS << 16 | move << 24 | to << 32
        return bench.ask(source, "CAP_COPY", ram, root, word)[0]

    sources = {
        name: bench.ask(0, "CAP_CREATE", loop.PAGES * page, root, 1 + n)[0]
        for n, name in enumerate(loop.SOURCES)
    }
    room = bench.ask(0, "CAP_CREATE", loop.CNODE_BYTES, root, 9)[0]
    cnode = retype(0, room, "CNode", 16, 0, loop.CNODE_BYTES)
    for core in range(1, bench.cores):
        copy(0, sources["copied"], 1, core)
    theirs = copy(0, sources["foreign"], 9, 1, move=True)
    copy(1, theirs, 7, 0)
    sources["foreign"] = bench.ask(0, "CAP_LOOK", 7)[0]
    bench.furniture = {"sources": sources, "cnode": cnode}


def _operate(bench: ModelledBench, report: Report, calls: Arguments) -> None:
    ((core, (task, _)),) = calls.items()
    if task.operation != "retype" or not bench.furniture:
        raise NotModelled(task.operation)
    ram, cnode = bench.furniture["sources"][task.source], bench.furniture["cnode"]
    times = Histogram()
    for _ in range(max(2, min(task.count, MOST) // task.batch)):
        bench.think()
        began, slots = bench.virtual.now, list(range(task.batch))
        waiting: list[int] = []
        made: list[int] = []
        while slots or waiting:
            while slots and len(waiting) < task.in_flight:
                slot = slots.pop(0)
                word = slot | CAPABILITY_TYPES["Frame"] << 16 | 1 << 32
                at = slot * loops.PAGE
                waiting.append(
                    bench.virtual.ask(core, "CAP_RETYPE", ram, cnode, word, at, loops.PAGE)
                )
            ticket, answer = bench.virtual.wait_any(waiting)
            waiting.remove(ticket)
            if answer.reply[0]:
                raise NotModelled("a retype that is refused")
            made.append(answer.reply[2][0])
        times.add(round((bench.virtual.now - began) / task.batch))
        for capability in made:
            bench.ask(core, "CAP_DELETE", capability)
    report.keep(times=times)


Counterpart = Callable[[ModelledBench, Report, Arguments], dict[int, Report] | None]
"""Fills the report, which is every core's; or returns one for each."""
COUNTERPARTS: dict[Callable[..., Any], Counterpart] = {
    loops.floor: _floor,
    loops.raw: _raw,
    loops.ping: _ping,
    loops.unmap: _unmap,
    loops.local_call: _local_call,
    loops.be_quiet: lambda bench, report, calls: None,
    loops.messages: _messages,
    capability_loops.furnish: _furnish,
    capability_loops.operate: _operate,
}
