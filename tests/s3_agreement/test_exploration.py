"""The library's own monitor, in every order in which things can happen: explorer.c visits all
reachable worlds of a few cores and checks every one of them."""

import random
from collections.abc import Callable

import pytest
from s3_agreement.exploring import (
    CAPABILITIES,
    HEAVY,
    LARGE,
    PAGES,
    PAGES_FLAT,
    REGION,
    SCENARIOS,
    TREES,
    Explore,
    pass_in_all,
    passes,
)

# Messages on n cores, replies and notices among them: asked by two-phase commit, and by the owner's
# protocol.
COSTS: dict[str, tuple[Callable[[int], int], Callable[[int], int]]] = {
    "cost-own": (lambda n: 4 * (n - 1), lambda _: 0),
    "cost-retype": (lambda n: 4 * (n - 1), lambda _: 6),
    "cost-derived": (lambda n: 4 * (n - 1), lambda n: 4 * (n - 1) + 2),
    "cost-send": (lambda _: 4, lambda _: 4),
    "cost-send-on": (lambda _: 4, lambda _: 10),
    "cost-send-back": (lambda _: 4, lambda _: 6),
    "cost-revoke": (lambda n: 4 * (n - 1), lambda n: 4 * (n - 1) + 2),
    "cost-delete": (lambda n: 4 * (n - 1), lambda n: 4 * (n - 1)),
    "cost-reclaim": (lambda n: 4 * (n - 1), lambda n: 4 * (n - 1)),
    "cost-unmap": (lambda n: 6 * (n - 1), lambda n: 6 * (n - 1)),  # in two pieces
}


def test_all_scenarios_are_run(explore: Explore) -> None:
    done = explore("--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(SCENARIOS)


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s not in (*HEAVY, *PAGES)])
def test_every_core_sends_to_all(explore: Explore, scenario: str) -> None:
    passes(explore, scenario)


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s not in PAGES])
def test_along_a_chain(explore: Explore, scenario: str) -> None:
    """Three cores in a line: votes and acknowledgements converge through an inner node."""
    channels = ("--any-order-replies --capacity 2", "--one-fifo")
    pass_in_all(explore, scenario, channels, "--route", "chain")


@pytest.mark.parametrize("scenario", CAPABILITIES)
def test_owners_drive(explore: Explore, scenario: str) -> None:
    """The same properties, and that nobody but the owner drives what has one."""
    channels = (
        "--route flat",
        "--route chain --one-fifo",
        "--route chain --any-order-replies --capacity 2",
        "--route chain --lazy --outbox 7",
    )
    pass_in_all(explore, scenario, channels, "--owner")


@pytest.mark.parametrize("scenario", [s for s in PAGES if s not in PAGES_FLAT])
def test_pages_go_with_their_capabilities(explore: Explore, scenario: str) -> None:
    """A page is reachable only while its home has the Mapping and the Frame; a revoke takes all
    pages, or none.
    """
    pass_in_all(explore, scenario, ("", "--owner"))


@pytest.mark.parametrize("scenario", PAGES)
def test_pages_go_with_their_capabilities_along_a_chain(explore: Explore, scenario: str) -> None:
    channels = ("--one-fifo", "--owner --any-order-replies --capacity 2")
    pass_in_all(explore, scenario, channels, "--route", "chain")


@pytest.mark.parametrize("scenario", COSTS)
@pytest.mark.parametrize("cores", [3, 4])
@pytest.mark.parametrize("route", ["flat", "chain"])
def test_what_an_operation_costs(explore: Explore, scenario: str, cores: int, route: str) -> None:
    """In messages, where nothing comes in between: what native/monitor/capability/ranges.c says of
    the protocols.
    """
    for cost, protocol in zip(COSTS[scenario], ([], ["--owner"]), strict=True):
        arguments = (
            "--scenario",
            scenario,
            "--cores",
            str(cores),
            "--route",
            route,
            "--messages",
            *protocol,
        )
        assert explore(*arguments).stdout == f"scenario {scenario}: {cost(cores)} messages\n"


@pytest.mark.parametrize("scenario", ["retype-3", "revoke-2", "owner-derived", "owner-sends"])
def test_an_owner_makes_them_wait_where_initiators_collide(explore: Explore, scenario: str) -> None:
    """No abort, where the owner stays and reaches all directly. (Through a tree a PREPARE may
    overtake an ANSWER.)
    """
    passes(explore, scenario, "--owner", "--peaceful")
    collision = explore("--scenario", scenario, "--peaceful")
    assert collision.returncode == 1
    assert "aborts an operation for another" in collision.stdout


@pytest.mark.parametrize("scenario", REGION)
@pytest.mark.parametrize("route", ["flat", "chain", "binary"])
def test_four_cores_of_which_two_initiate_before_an_owner(
    explore: Explore, scenario: str, route: str
) -> None:
    passes(explore, scenario, "--owner", "--route", route, cores=4)


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s not in (*LARGE, *PAGES)])
def test_with_the_least_room(explore: Explore, scenario: str) -> None:
    """Channels of one message, a step only when the outbox is empty, and every move from outbox to
    channel a transition of its own. Enough while a core has one operation under way; for two it is
    not (the next test)."""
    entries = 13 if scenario == "map-wide" else 7
    passes(explore, scenario, "--lazy", "--outbox", str(entries), "--route", "chain")


def test_outbox_without_room_for_a_second_operation_deadlocks(explore: Explore) -> None:
    """Why a driver keeps more room than for one output: both cores wait for the other to take what
    they sent.
    """
    crossing = ("--scenario", "crossing", "--cores", "2", "--capacity", "1", "--outbox")
    done = explore(*crossing, "6")
    assert done.returncode == 1
    assert "deadlock" in done.stdout
    assert explore(*crossing, "7").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scenario", "no-such"],
        ["--scenario", "unmap", "--cores", "5"],
        ["--scenario", "unmap", "--capacity", "0"],
        ["--scenario", "unmap", "--route", "star"],
        ["--scenario", "unmap", "--limit", "10"],
        ["--scenario", "lanes", "--cores", "3"],
        ["--wrong"],
    ],
)
def test_bad_arguments(explore: Explore, arguments: list[str]) -> None:
    done = explore(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("trees", random.Random(1).sample(TREES, 24))
def test_two_initiators_agree_under_some_trees(explore: Explore, trees: tuple[int, int]) -> None:
    passes(explore, "unmap-2-mixed", "--route", "{},{}".format(*trees), cores=4)


@pytest.mark.parametrize("trees", random.Random(2).sample(TREES, 4))
@pytest.mark.parametrize("scenario", ["retype", "revoke", "revoke-2"])
def test_two_of_four_cores_want_the_same_memory(
    explore: Explore, scenario: str, trees: tuple[int, int]
) -> None:
    passes(explore, scenario, "--route", "{},{}".format(*trees), cores=4)
