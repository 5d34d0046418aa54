"""The explorations that take minutes: more cores, more initiators, every tree, every kind of
channel. Two at a time.
"""

from collections.abc import Iterable

import pytest
from s3_agreement.exploring import (
    ANY_ORDER,
    CAPABILITIES,
    CORES,
    LARGE,
    ONE_FIFO,
    PAGES,
    PAGES_FLAT,
    REGION,
    SCENARIOS,
    THREE,
    TREES,
    Explore,
    pass_in_all,
    pass_two_at_a_time,
)

pytestmark = pytest.mark.full

CHAIN, TREE, OWNER = (
    "--cores 4 --route chain",
    "--cores 4 --route binary",
    "--cores 4 --owner --route flat",
)

# What has several hundred thousand worlds, or millions, of those below: from five seconds to
# minutes each.
MILLIONS: dict[str, tuple[str, ...]] = {
    "unmap-3": ("", ANY_ORDER, ONE_FIFO),
    "unmap-3-one": ("", ANY_ORDER, ONE_FIFO, CHAIN),
    "unmap-3-mixed": ("", ANY_ORDER, ONE_FIFO, CHAIN),
    "lanes": (ANY_ORDER, ONE_FIFO),
    "crossing": (ANY_ORDER, ONE_FIFO),
    "retype-3": (ANY_ORDER, ONE_FIFO),
    "revoke-3": (ANY_ORDER, ONE_FIFO, CHAIN),
    "delete": (ANY_ORDER, ONE_FIFO, CHAIN, OWNER),
    "move-owned": (TREE,),
    "owner-derived": (TREE,),
    "owner-moves": ("", ANY_ORDER, OWNER),
    "owner-inherits": (ANY_ORDER, ONE_FIFO),
    "owner-nested": (ANY_ORDER, ONE_FIFO, CHAIN),
    "page-revoke": (TREE,),
    "page-revoke-one": (TREE,),
    "page-returns": (CHAIN,),
    "page-delete-revoke": (TREE,),
    "page-protect": (TREE,),
    "page-host": (CHAIN, TREE),
}


def others(scenarios: Iterable[str], *variants: str) -> dict[str, list[str]]:
    """Of every scenario those variants that are not in MILLIONS."""
    left = {
        name: [one for one in variants if one not in MILLIONS.get(name, ())] for name in scenarios
    }
    return {name: some for name, some in left.items() if some}


OVER_OTHER_CHANNELS = others((s for s in SCENARIOS if s not in PAGES), ANY_ORDER, ONE_FIFO)
# Four operations at once, and what is explored with two cores alone, stay out.
FOUR_CORES = [s for s in SCENARIOS if s not in (*CORES, "crossing")]
IN_A_TREE = [s for s in FOUR_CORES if s not in (*LARGE, *PAGES_FLAT)]
ALONG_TREES = others(FOUR_CORES, CHAIN) | others(IN_A_TREE, CHAIN, TREE)
BEFORE_AN_OWNER = others(
    (s for s in CAPABILITIES if s not in CORES), OWNER, f"{CHAIN} --owner", f"{TREE} --owner"
)


@pytest.mark.parametrize("scenario", OVER_OTHER_CHANNELS)
def test_over_other_channels(explore: Explore, scenario: str) -> None:
    pass_in_all(explore, scenario, OVER_OTHER_CHANNELS[scenario])


@pytest.mark.parametrize("scenario", PAGES)
@pytest.mark.parametrize("protocol", [[], ["--owner"]])
def test_pages_over_all_channels(explore: Explore, scenario: str, protocol: list[str]) -> None:
    channels = ("", ONE_FIFO, ANY_ORDER, "--route chain --lazy --outbox 6")
    pass_in_all(explore, scenario, channels, *protocol)


@pytest.mark.parametrize("scenario", ALONG_TREES)
def test_four_cores(explore: Explore, scenario: str) -> None:
    """In a line, and in a tree: a core between two others, and one with two below it."""
    pass_in_all(explore, scenario, ALONG_TREES[scenario])


@pytest.mark.parametrize("scenario", BEFORE_AN_OWNER)
def test_four_cores_and_an_owner(explore: Explore, scenario: str) -> None:
    pass_in_all(explore, scenario, BEFORE_AN_OWNER[scenario])


@pytest.mark.parametrize("route", ["flat", "binary"])
def test_four_cores_of_which_two_initiate(explore: Explore, route: str) -> None:
    pass_two_at_a_time(explore, [(scenario, f"--cores 4 --route {route}") for scenario in REGION])


@pytest.mark.parametrize("protocol", ["", f"--owner {ANY_ORDER}"])
def test_three_cores_that_all_initiate(explore: Explore, protocol: str) -> None:
    pass_two_at_a_time(explore, [(scenario, protocol) for scenario in THREE])


@pytest.mark.parametrize("scenario", ["unmap-2-mixed", "unmap-different", "protect-2", "retype"])
def test_two_initiators_agree_under_every_tree(explore: Explore, scenario: str) -> None:
    pass_in_all(explore, scenario, [f"--cores 4 --route {one},{other}" for one, other in TREES])


@pytest.mark.full(one_in=2)
@pytest.mark.parametrize("scenario", MILLIONS)
def test_millions_of_worlds(explore: Explore, scenario: str) -> None:
    pass_in_all(explore, scenario, MILLIONS[scenario])
