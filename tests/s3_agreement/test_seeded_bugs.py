"""The explorer finds bugs: each that is seeded in the protocol, by the scenario named beside it.
By default half of every fourteenth is tried.
"""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from s3_agreement.bugs import BUGS
from s3_agreement.exploring import Explore
from seeded import every

LONG = ("PIN_BEHIND_A_VOTE",)
"""Of these, takes many seconds."""


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=pytest.mark.full) if one in LONG else one for one in every(14, BUGS)],
)
def test_seeded_bug_is_found(explore: Explore, name: str) -> None:
    scenario, route, *options = BUGS[name].seen_by
    arguments = ["--scenario", scenario, "--route", route, *(f"--{one}" for one in options)]
    explore("--list")  # builds what both are made of
    with ThreadPoolExecutor(1) as pool:
        without = pool.submit(explore, *arguments)
        done = explore(*arguments, bug=BUGS[name])
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^after \d+ transitions: .+", done.stdout, re.MULTILINE)
    assert without.result().returncode == 0
