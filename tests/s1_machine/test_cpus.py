"""CPU lists, and from what the user wrote to a placement."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s1_machine import trees

from multikernel.errors import BadInput
from multikernel.machine.cpu_list import MAX_CPU_ID, format_cpu_list, parse_cpu_list
from multikernel.machine.host.cpus import MAX_CORES, Placement, outside_mask, resolve, spread_order
from multikernel.machine.topology.model import Cpu, Node, Topology

CPUS = st.integers(0, MAX_CPU_ID)


def machine(count: int, allowed: tuple[int, ...] | None = None) -> Topology:
    """`count` CPUs in one package, nothing shared."""
    numbers = tuple(range(count))
    return Topology(
        cpus=tuple(Cpu(id=number, siblings=(number,)) for number in numbers),
        caches=(),
        nodes=(Node(0, numbers),),
        possible=numbers,
        allowed=numbers if allowed is None else allowed,
    )


@settings(deadline=None)
@given(st.lists(CPUS, max_size=50))
def test_what_is_formatted_parses_to_the_same_set(cpus: list[int]) -> None:
    assert parse_cpu_list(format_cpu_list(cpus)) == tuple(sorted(set(cpus)))


@settings(deadline=None)
@given(st.sets(st.integers(0, 40), min_size=1))
def test_formatted_lists_are_as_short_as_they_can_be(cpus: set[int]) -> None:
    runs = sum(1 for cpu in cpus if cpu - 1 not in cpus)
    assert format_cpu_list(cpus).count(",") == runs - 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60000), st.integers(0, 30)), min_size=1, max_size=10))
def test_parsing_keeps_the_order_written(ranges: list[tuple[int, int]]) -> None:
    text = ",".join(f"{low}-{low + more}" if more else str(low) for low, more in ranges)
    assert parse_cpu_list(text) == tuple(
        cpu for low, more in ranges for cpu in range(low, low + more + 1)
    )


# Words a user may write, right and wrong, and any others.
WORDS = st.one_of(st.text(max_size=30), st.text("0123456789,- ", max_size=8))


@settings(deadline=None)
@given(WORDS)
def test_any_text_parses_or_is_refused_with_value_error(text: str) -> None:
    complaint: str | None = None
    cpus: tuple[int, ...] = ()
    try:
        cpus = parse_cpu_list(text)
    except ValueError as error:
        complaint = str(error)
    assert complaint != ""
    assert all(0 <= cpu <= MAX_CPU_ID for cpu in cpus)
    assert bool(cpus) == (complaint is None and bool(text.strip()))


@settings(deadline=None)
@given(WORDS)
def test_any_text_becomes_a_placement_or_bad_input_in_one_line(text: str) -> None:
    topology = machine(4)
    refusal: BadInput | None = None
    cpus: tuple[int, ...] = ()
    try:
        cpus = resolve(text, topology).cpus
    except BadInput as error:
        refusal = error
    if refusal is None:
        assert 1 <= len(cpus) <= MAX_CORES
        assert set(cpus) <= set(topology.allowed)
    else:
        assert "\n" not in str(refusal)
        assert refusal.where == "cores"
        assert refusal.hint


@settings(deadline=None)
@given(st.integers(1, MAX_CORES), st.integers(1, 40))
def test_a_count_is_spread_evenly(count: int, cpus: int) -> None:
    placement = resolve(str(count), machine(cpus))
    loads = [placement.cpus.count(cpu) for cpu in range(cpus)]
    assert sum(loads) == count
    assert max(loads) - min(loads) <= 1
    assert placement.oversubscribed == (count > cpus)
    assert placement == resolve(count, machine(cpus))


def test_physical_cores_come_first_and_threads_last(tmp_path: Path) -> None:
    topology = Topology.read(trees.two_packages(tmp_path))
    assert spread_order(topology) == tuple(range(16))
    assert resolve("9", topology).cpus == (0, 1, 2, 3, 4, 5, 6, 7, 8)


def test_hybrid_spreads_over_every_physical_core_first(tmp_path: Path) -> None:
    assert spread_order(Topology.read(trees.hybrid(tmp_path))) == (0, 2, 4, 5, 6, 7, 1, 3)


def test_a_sibling_stands_in_where_the_first_thread_is_not_allowed(tmp_path: Path) -> None:
    topology = Topology.read(trees.hybrid(tmp_path), allowed=[1, 2, 3])
    assert spread_order(topology) == (1, 2, 3)
    assert resolve(None, topology).cpus == (1, 2, 3)
    assert resolve("5", topology) == Placement((1, 2, 3, 1, 2))


def test_a_number_is_a_count_and_anything_with_comma_or_dash_a_list() -> None:
    topology = machine(6)
    assert resolve("2", topology).cpus == (0, 1)
    assert resolve("2,", topology).cpus == (2,)
    assert resolve("0,2-3", topology).cpus == (0, 2, 3)
    assert resolve("2-3", topology).cpus == (2, 3)
    assert resolve(" 5, 1 ", topology).cpus == (5, 1)
    assert resolve([4, 0], topology).cpus == (4, 0)


def test_the_same_cpu_twice_is_oversubscribed() -> None:
    assert resolve("1,1", machine(2)).oversubscribed
    assert not resolve("1,0", machine(2)).oversubscribed


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0", "number of cores out of range: 0 (cores); give 1 to 1024"),
        ("1025", "number of cores out of range: 1025 (cores)"),
        ("9" * 5000, "number of cores out of range"),
        ("0-1024", "number of cores out of range: 1025 (cores)"),
        ("0,7", "CPU is offline: 7 (cores); this machine has CPUs 0,2-3 online"),
        ("0,9", "CPU does not exist: 9 (cores); this machine has CPUs 0,2-3 online"),
        ("8-9,7", "CPU does not exist: 7-9 (cores)"),
        (
            "2-3",
            "CPU is not allowed for this process: 2 (cores); allowed are 0,3; the control group",
        ),
        ("", "no cores named: '' (cores); give a number of cores such as 4, or a list"),
        (
            "two",
            (
                "cannot read the cores: 'two' is neither a CPU number nor a range like 2-3: 'two'"
                " (cores)"
            ),
        ),
        ("-1", "cannot read the cores"),
        ("1.5", "cannot read the cores"),
        ("0,,1", "cannot read the cores"),
        ("3-2", "cannot read the cores: the range '3-2' runs backwards"),
        ("\u0663,", "cannot read the cores"),
    ],
)
def test_bad_cores_are_refused_in_a_sentence(tmp_path: Path, text: str, what: str) -> None:
    trees.write(trees.offline(tmp_path), {"sys/fs/cgroup/cpuset.cpus.effective": "0,3"})
    trees.write(tmp_path, {"proc/self/cgroup": "0::/"})
    topology = Topology.read(tmp_path, allowed=[0, 3])
    with pytest.raises(BadInput) as caught:
        resolve(text, topology)
    assert str(caught.value).startswith(what)


@pytest.mark.parametrize("cores", [0, -1, 1025, True, [], [True], ["0"], [-1]])
def test_bad_cores_from_python_are_refused_naming_the_argument(cores: object) -> None:
    with pytest.raises(BadInput, match=r"\(cores=\)"):
        resolve(cores, machine(2), where="cores=")  # type: ignore[arg-type]


@pytest.mark.parametrize("cpuset", [None, "0-2"])
def test_a_list_names_what_the_group_grants_and_a_count_takes_the_mask(
    tmp_path: Path, cpuset: str | None
) -> None:
    trees.two_packages(tmp_path)
    if cpuset is not None:
        trees.write(tmp_path, {"sys/fs/cgroup/x/cpuset.cpus": cpuset, "proc/self/cgroup": "0::/x"})
    topology = Topology.read(tmp_path, allowed=[1])
    assert resolve("0,2", topology).cpus == (0, 2)
    assert resolve([2, 1], topology).cpus == (2, 1)
    assert resolve("3", topology).cpus == (1, 1, 1)
    assert resolve(None, topology).cpus == (1,)
    assert outside_mask(topology).startswith(
        "CPUs 0,2-15 are" if cpuset is None else "CPUs 0,2 are"
    )
    if cpuset is not None:
        with pytest.raises(BadInput, match=r"not allowed for this process: 3 .* allowed are 0-2"):
            resolve("2-3", topology)


def test_nothing_is_left_out_by_a_mask_of_all(tmp_path: Path) -> None:
    assert outside_mask(Topology.read(trees.two_packages(tmp_path))) == ""


def test_no_allowed_cpu_says_so() -> None:
    with pytest.raises(BadInput, match="none of the allowed CPUs is online"):
        resolve("1", machine(2, allowed=()))


def test_1024_cores_on_two_cpus() -> None:
    placement = resolve("1024", machine(2))
    assert placement.cpus == (0, 1) * 512
