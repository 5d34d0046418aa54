"""The product's own monitor, in every order in which things can happen: explorer.c visits all
reachable worlds of a few cores and checks every one of them."""

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from s3_agreement.exploring import (
    ANY_ORDER,
    CAPABILITIES,
    HEAVY,
    LARGE,
    ONE_FIFO,
    ONE_PHASE,
    PAGES,
    PAGES_FLAT,
    REGION,
    SCENARIOS,
    TREES,
    Explore,
    pass_in_all,
    passes,
)
from sampling import more

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


MAPPED_AGAIN = (
    *("map", "map-fails", "map-full", "map-again", "map-again-one", "map-wide", "stale"),
    *("stale-one", "alone", "subset-one", "free-map", "free-map-own", "page-again"),
)

# Every kind of operation among them.
ASSERTED = (
    *("mixed", "map-wide", "map-full", "protect-one", "tree-one", "copy", "retype", "revoke-2"),
    *("delete-cnode", "page-map", "page-revoke-one", "page-protect", "pages-pin", "reclaim-move"),
)


def test_all_scenarios_are_run(explore: Explore) -> None:
    done = explore("--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(SCENARIOS)


def ways(scenario: str) -> list[str]:
    """How a scenario is explored here. Every core sends to all; three cores in a line, where votes
    and acknowledgements converge through an inner node, over two kinds of channel; and with the
    least room: channels of one message, a step only when the outbox is empty, and every move from
    outbox to channel a transition of its own. That is enough while a core has one operation under
    way; for two it is not (test_outbox_without_room_for_a_second_operation_deadlocks). With room
    for one agreement of another core: what finds none is refused, and what one phase did takes it
    until all have heard that it is final.
    """
    if scenario in PAGES:
        flat = [] if scenario in PAGES_FLAT else ["--route flat", "--route flat --owner"]
        return [*flat, *(f"--route chain {one}" for one in (ONE_FIFO, f"--owner {ANY_ORDER}"))]
    found = [] if scenario in HEAVY else ["--route flat"]
    found += [f"--route chain {one}" for one in (ANY_ORDER, ONE_FIFO)]
    if scenario not in LARGE:
        found.append("--route chain --lazy --outbox 6")
    if scenario in ONE_PHASE:
        found += ["--route flat --tight", "--route chain --tight"]
    return found


# Not without --full...
LONG = (
    "move-owned", "reclaim", "crossing", "lanes", "owner-moves", "owner-returns", "owner-nested",
    "delete", "page-views", "page-elsewhere", "page-revoke", "page-protect", "page-returns",
    "tree-all",
)  # fmt: skip


# ... or only in one way, the quickest: the others take ten times as long.
BROAD = (
    "map", "map-again", "mixed", "mixed-subset", "host-fails", "stale", "stale-one", "subset",
    "subset-one", "tree", "tree-one", "unmap-3-different", "retype-3", "revoke-3", "revoke-far",
    "owner-derived", "owner-inherits", "owner-lost", "page-map", "page-map-2", "page-revoke-one",
    "page-last", "page-host", "page-again", "page-delete-one", "page-delete-revoke",
    "page-cnode-delete", "reclaim-move", "reclaim-page",
)  # fmt: skip


def long(scenarios: Iterable[str], *more: str) -> list[Any]:
    """As parameters."""
    return [
        pytest.param(one, marks=pytest.mark.full) if one in (*LONG, *more) else one
        for one in scenarios
    ]


@pytest.mark.parametrize("scenario", long(SCENARIOS))
def test_no_order_of_events_breaks_a_property(explore: Explore, scenario: str) -> None:
    """Of pages, for one: a page is reachable only while its home has the Mapping and the Frame; a
    revoke takes all pages, or none.
    """
    one = [f"--route chain {ONE_FIFO}"]
    pass_in_all(explore, scenario, one if scenario in BROAD else ways(scenario))


@pytest.mark.full
@pytest.mark.parametrize("scenario", BROAD)
def test_no_order_of_events_breaks_a_property_in_any_way(explore: Explore, scenario: str) -> None:
    pass_in_all(explore, scenario, ways(scenario))


@pytest.mark.parametrize("scenario", long(CAPABILITIES, "revoke-far"))
def test_owners_drive(explore: Explore, scenario: str) -> None:
    """The same properties, and that nobody but the owner drives what has one."""
    chain = [f"--route chain --owner {one}" for one in (ONE_FIFO, ANY_ORDER, "--lazy --outbox 6")]
    pass_in_all(explore, scenario, ["--route flat --owner", *chain])


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("scenario", MAPPED_AGAIN)
def test_a_frame_is_mapped_where_it_was(explore: Explore, scenario: str) -> None:
    ways = [f"--route {route} --remember" for route in ("flat", f"chain {ANY_ORDER}")]
    pass_in_all(explore, scenario, ways)


@pytest.mark.parametrize("scenario", ["retype", "revoke-2", "page-revoke-one", "pages-pin"])
def test_capabilities_with_room_for_one_agreement(explore: Explore, scenario: str) -> None:
    pass_in_all(explore, scenario, [f"--route chain --tight {one}" for one in ("", "--owner")])


@pytest.mark.parametrize("scenario", ASSERTED)
def test_assertions_hold(explore: Explore, scenario: str) -> None:
    """The product is built without them."""
    passes(explore, scenario, "--route", "chain", "--tight", asserting=True)


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
def test_four_cores_of_which_two_initiate_before_an_owner(explore: Explore, scenario: str) -> None:
    routes = ("flat", "chain", "binary")
    pass_in_all(explore, scenario, [f"--owner --cores 4 --route {one}" for one in routes])


def test_outbox_without_room_for_a_second_operation_deadlocks(explore: Explore) -> None:
    """Why a driver keeps more room than for one output: both cores wait for the other to take what
    they sent.
    """
    crossing = ("--scenario", "crossing", "--cores", "2", "--capacity", "1", "--outbox")
    done = explore(*crossing, "3")
    assert done.returncode == 1
    assert "deadlock" in done.stdout
    assert explore(*crossing, "4").returncode == 0


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


def test_two_initiators_agree_under_some_trees(explore: Explore) -> None:
    some = random.Random(1).sample(TREES, more(8, 24))
    routes = [f"--cores 4 --route {one},{other}" for one, other in some]
    pass_in_all(explore, "unmap-2-mixed", routes)


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("scenario", ["retype", "revoke", "revoke-2"])
def test_two_of_four_cores_want_the_same_memory(explore: Explore, scenario: str) -> None:
    some = random.Random(2).sample(TREES, 4)
    pass_in_all(explore, scenario, [f"--cores 4 --route {one},{other}" for one, other in some])
