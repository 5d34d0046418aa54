"""The explorations that take minutes: more cores, more initiators, every tree, every kind of channel."""

import pytest
from s3_agreement.exploring import (
    CAPABILITIES,
    HEAVY,
    LARGE,
    PAGES,
    PAGES_FLAT,
    REGION,
    SCENARIOS,
    THREE,
    TREES,
    Explore,
    pass_in_all,
    passes,
)


@pytest.mark.full
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s not in PAGES])
@pytest.mark.parametrize("channels", ["--any-order-replies --capacity 2", "--one-fifo"])
def test_every_core_sends_to_all_over_other_channels(explore: Explore, scenario: str, channels: str) -> None:
    passes(explore, scenario, *channels.split())


@pytest.mark.full
@pytest.mark.parametrize("scenario", PAGES)
@pytest.mark.parametrize("protocol", [[], ["--owner"]])
def test_pages_over_all_channels(explore: Explore, scenario: str, protocol: list[str]) -> None:
    channels = ("", "--one-fifo", "--any-order-replies --capacity 2", "--route chain --lazy --outbox 7")
    pass_in_all(explore, scenario, channels, *protocol)


@pytest.mark.full
@pytest.mark.parametrize("scenario", REGION)
@pytest.mark.parametrize("route", ["flat", "binary"])
def test_four_cores_of_which_two_initiate(explore: Explore, scenario: str, route: str) -> None:
    passes(explore, scenario, "--route", route, cores=4)


@pytest.mark.full
@pytest.mark.parametrize("scenario", THREE)
@pytest.mark.parametrize("protocol", [[], ["--owner", "--capacity", "2", "--any-order-replies"]])
def test_three_cores_that_all_initiate(explore: Explore, scenario: str, protocol: list[str]) -> None:
    passes(explore, scenario, *protocol, cores=3)


@pytest.mark.full
@pytest.mark.parametrize("scenario", [s for s in CAPABILITIES if s != "lanes-apart"])
@pytest.mark.parametrize("route", ["flat", "chain", "binary"])
def test_four_cores_and_an_owner(explore: Explore, scenario: str, route: str) -> None:
    passes(explore, scenario, "--owner", "--route", route, cores=4)


@pytest.mark.full
@pytest.mark.parametrize("scenario", [s for s in HEAVY if s not in THREE])
def test_every_core_sends_to_all_heavy(explore: Explore, scenario: str) -> None:
    passes(explore, scenario)


# Four operations at once, and lanes is explored with two cores alone.
@pytest.mark.full
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s not in ("lanes", "crossing", "lanes-apart")])
def test_four_cores_along_a_chain(explore: Explore, scenario: str) -> None:
    passes(explore, scenario, "--route", "chain", cores=4)


@pytest.mark.full
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s not in (*LARGE, *PAGES_FLAT)])
def test_four_cores_in_a_tree(explore: Explore, scenario: str) -> None:
    passes(explore, scenario, "--route", "binary", cores=4)


@pytest.mark.full
@pytest.mark.parametrize("scenario", ["unmap-2-mixed", "unmap-different", "protect-2", "retype"])
def test_two_initiators_agree_under_every_tree(explore: Explore, scenario: str) -> None:
    for one, other in TREES:
        passes(explore, scenario, "--route", f"{one},{other}", cores=4)
