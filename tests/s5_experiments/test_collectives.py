"""What cores do together: the loops on random trees and members, and what the experiment's document
claims.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s5_experiments.smoke import document_of, placement
from sampling import more

import multikernel
from multikernel import System
from multikernel.errors import CoreDied
from multikernel.experiments import collectives as experiment
from multikernel.experiments import registry
from multikernel.experiments.collectives import (
    BARRIERS,
    COLLECTIVES,
    Collectives,
)
from multikernel.experiments.instrument import loops, mpi_process
from multikernel.experiments.instrument.loops import Report
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.experiments.instrument.shapes import CHOSEN, TREES, counts_of, shapes_of
from multikernel.knowledge.costs import Costs
from multikernel.knowledge.site import Site
from multikernel.machine.host.cpus import Placement
from multikernel.machine.topology.synthetic import from_string
from multikernel.native._native import Histogram
from multikernel.report.figures import registry as figures
from multikernel.results.document import Document
from multikernel.results.encoding import decode, encode
from multikernel.user.group import Group
from multikernel.user.here import here

PLAN = (("back-to-back", 20, 10), ("single", 6, 1))
CORES = 4
Calls = Callable[[int, int], tuple[Callable[..., Report], tuple[Any, ...]]]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with multikernel.boot(cores=CORES) as booted:
        yield booted


_uses = [1]


def together(system: System, members: list[int], calls: Calls) -> dict[int, dict[str, int]]:
    """On all members; how many samples by name, of those that have any."""
    use = _uses[0]
    _uses[0] += loops.span(PLAN)
    tasks = {core: (system.cores[core], *calls(core, use)) for core in members}
    started = {
        core: handle.start(loop, *arguments) for core, (handle, loop, arguments) in tasks.items()
    }
    reports = {core: task.result() for core, task in started.items()}
    return {
        core: {name: packed[0] for name, packed in report.samples.items()}
        for core, report in reports.items()
        if report.samples
    }


EXPECTED = {"back-to-back": 2, "single": 6}


@settings(max_examples=more(4, 10), deadline=None)
@given(seed=st.integers(0, 10**6), operation=st.sampled_from(sorted(COLLECTIVES)))
def test_all_members_of_any_group_do_the_same(system: System, seed: int, operation: str) -> None:
    chosen = random.Random(seed)
    members = sorted(chosen.sample(range(CORES), chosen.randint(2, CORES)))
    root = chosen.choice(members)
    inside, edges = [root], []
    for core in chosen.sample([core for core in range(CORES) if core != root], CORES - 1):
        edges.append((chosen.choice(inside), core))
        inside.append(core)
    system.install(root, edges)
    group = system.group(members, root=root)
    others = [core for core in members if core != root]
    timer = root if operation == "broadcast" else chosen.choice(others)
    try:
        found = together(
            system, members,
            lambda _, use: (
                experiment.collective,
                (operation, group.cores, group.number, root, timer, use, PLAN, None),
            ),
        )  # fmt: skip
    finally:
        system.close_group(group)
    assert found == {timer: EXPECTED}


@settings(max_examples=8, deadline=None)
@given(
    members=st.lists(st.integers(0, CORES - 1), min_size=2, max_size=CORES, unique=True),
    form=st.sampled_from(sorted(BARRIERS)),
    data=st.data(),
)
def test_nobody_leaves_a_shared_memory_barrier_before_all_have_come(
    system: System, members: list[int], form: str, data: st.DataObject
) -> None:
    """The loop itself says so: a departure before the last arrival is an error."""
    timer = data.draw(st.sampled_from(members))
    found = together(
        system, members,
        lambda _, use: (experiment.shared_barrier, (form, tuple(members), timer, use, PLAN,
        None)),
    )  # fmt: skip
    assert found == {timer: EXPECTED}


def _counting_from(group: Group, use: int) -> int:
    return here().driver.probe(
        "collective", form="all-reduce", each=[0, 1], group=group.number, core=0, timer=0,
        base=use, count=20, batch=10, times=Histogram(),
    )  # fmt: skip


def test_a_core_that_counts_otherwise_makes_every_outcome_wrong(system: System) -> None:
    group = system.group([0, 1])
    try:
        tasks = [system.cores[core].start(_counting_from, group, 1 + core) for core in group.cores]
        assert [task.result() for task in tasks] == [20, 20]
    finally:
        system.close_group(group)


def _refused(what: str, members: list[int], timer: int) -> None:
    if what in BARRIERS:
        experiment.shared_barrier(what, tuple(members), timer, 1, (), None)
    else:
        experiment.collective(what, tuple(members), 0, 0, timer, 1, (), None)


@pytest.mark.parametrize(
    ("what", "members", "timer"),
    [
        ("central", [1, 2], 1),
        ("barrier", [0, 1], 3),
        ("barrier", [0, CORES], 0),
        ("rumour", [0, 1], 0),
    ],
)
def test_what_cannot_be_is_refused(
    system: System, what: str, members: list[int], timer: int
) -> None:
    with pytest.raises(ValueError, match=r"no form rumour|are members"):
        system.cores[0].run(_refused, what, members, timer)


# --- The experiment
# -----------------------------------------------------------------------------------------------


def test_numbers_of_cores_are_powers_of_two_and_all() -> None:
    assert counts_of(2) == [2]
    assert counts_of(3) == [2, 3]
    assert counts_of(32) == [2, 4, 8, 16, 32]
    assert counts_of(48) == [2, 4, 8, 16, 32, 48]


@pytest.mark.parametrize("machine", ["8x4", "1x2", "2x8x2"])
def test_a_shapes_edges_are_a_tree_of_the_whole_system_too(machine: str) -> None:
    topology = from_string(machine)
    cpus = tuple(cpu.id for cpu in topology.cpus)
    for count in counts_of(len(cpus)):
        site = Site(topology, cpus[:count])
        several = shapes_of(site, Costs.from_topology(site))
        names = [name for shape in several for name in shape.names]
        assert sorted(names) == sorted((*TREES, CHOSEN))
        assert len({shape.tree.edges for shape in several}) == len(several)
        for shape in several:
            reached = [0]
            for parent, child in shape.whole(len(cpus)):
                assert parent in reached
                assert child not in reached
                reached.append(child)
            assert sorted(reached) == list(range(len(cpus)))
            assert shape.tree.children(shape.last) == ()


def completions(document: Document) -> dict[tuple[str, int, str, str], float]:
    return {
        (one.variant, one.cores, str(one.parameters.get("tree", "")), one.mode): one.p50
        for one in document.series
        if not one.control
    }


def test_the_document_holds_every_operation_and_what_stands_beside_it() -> None:
    document = document_of("collectives")
    assert decode(encode(document)) == document
    assert registry.get("collectives").entry.figure == "§5.1"
    bare = ("central-barrier", "dissemination-barrier", "bare-messages")
    modes = ("back-to-back", "single")
    # Of two cores there is one tree, whatever it is called.
    assert completions(document).keys() == {
        *((name, 2, "sequential", mode) for name in COLLECTIVES for mode in modes),
        *((name, 2, "", mode) for name in bare for mode in modes),
        *(
            (name, 2, "", experiment.MPI_MODE)
            for name in experiment.MPI.values()
            if mpi_process.missing() is None
        ),
    }
    for one in document.series:
        assert one.system == (
            "raw" if one.variant in (*bare, *experiment.MPI.values()) else "multikernel"
        )
        assert one.measure == "completion"
        assert one.over_floor is not None
        if one.system == "multikernel":
            assert str(one.parameters["same"]).split(",") == [
                "binary",
                "cluster",
                "numa-aware",
                "chosen",
            ]
    by_name = {ratio.name: ratio for ratio in document.ratios}
    keys = {one.key for one in document.series} | {f"floor-0-1-{mode}" for mode in modes}
    assert all({ratio.over, ratio.under} <= keys for ratio in document.ratios)
    ratios = by_name.keys()
    for mode in modes:
        assert f"control-over-barrier-{mode}" in ratios
        assert {f"{name}-{mode}-over-floor-0-1-{mode}" for name in COLLECTIVES} <= ratios
        assert f"central-barrier-{mode}-over-barrier-{mode}" in ratios
        assert f"broadcast-{mode}-over-bare-messages-{mode}" in ratios
    assert "same-tree" in {warning.code for warning in document.warnings}


@pytest.mark.full
def test_more_cores_than_cpus_run_every_tree_and_claim_nothing() -> None:
    cpus = placement().cpus
    request = Request(Placement((*cpus, *cpus)), SIZES["smoke"])
    asked = Collectives(request)
    document = asked.run()
    assert not document.series
    assert not document.ratios
    assert "oversubscribed" in {warning.code for warning in document.warnings}
    ran = {
        (one.cores, one.parameters["tree"])
        for one in document.unmeasured
        if one.variant == "agreement" and one.slices
    }
    assert ran == {
        (count, shape.name) for count, several in asked.by_cores.items() for shape in several
    }
    assert len(figures.draw(document)) == 1  # the table of what ran


needs_mpi = pytest.mark.skipif(
    mpi_process.missing() is not None, reason=f"MPI: {mpi_process.missing()}"
)


@needs_mpi
def test_mpi_s_ranks_meet_on_the_cores_cpus_and_are_gone_afterwards() -> None:
    cpus = placement().cpus[:2]
    if len(set(cpus)) < 2:
        pytest.skip("ranks poll: two CPUs are needed")
    with mpi_process.MpiProcess(cpus) as ranks:
        assert [os.sched_getaffinity(pid) for pid in ranks.pids] == [{cpu} for cpu in cpus]
        for operation, batch in product(experiment.MPI, (1, 10)):
            cycles = ranks.run(operation, 40, batch)
            assert len(cycles) == 40 // batch
            assert min(cycles) > 0
        every = [ranks.process.pid, *ranks.pids]
        directory = ranks._directory.name
    assert not [pid for pid in every if psutil.pid_exists(pid)]
    assert not os.path.exists(directory)


@needs_mpi
def test_a_rank_that_dies_is_an_error_and_not_a_hang() -> None:
    cpus = placement().cpus[:2]
    if len(set(cpus)) < 2:
        pytest.skip("ranks poll: two CPUs are needed")
    with mpi_process.MpiProcess(cpus) as ranks:
        os.kill(ranks.pids[1], signal.SIGKILL)
        with pytest.raises(CoreDied, match="MPI ranks"):
            ranks.run("barrier", 100, 10)
    assert not [pid for pid in ranks.pids if psutil.pid_exists(pid)]


@pytest.mark.parametrize(
    "ends", [pytest.param("no mpiexec", marks=pytest.mark.full), "it ends at once"]
)
def test_without_mpi_its_barrier_is_named_and_left_out(
    ends: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if ends == "no mpiexec":
        monkeypatch.setattr(mpi_process, "_launcher", lambda: None)
        monkeypatch.setattr(experiment, "missing", lambda: ends)
    else:
        program = tmp_path / "mpiexec"
        program.write_text("#!/bin/sh\necho it ends at once; exit 3\n")
        program.chmod(0o755)
        monkeypatch.setattr(mpi_process, "_launcher", lambda: program)
        monkeypatch.setattr(experiment, "missing", lambda: None)
    cpus = placement().cpus[:2]
    if len(set(cpus)) < 2:
        pytest.skip("two CPUs are needed")
    document = Collectives(Request(Placement(cpus), SIZES["smoke"])).run()
    said = {warning.code: warning.text for warning in document.warnings}
    assert ends in said["no-mpi"]
    assert not [one for one in document.series if one.variant == experiment.MPI]
