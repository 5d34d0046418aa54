"""The explorer finds bugs: each that is seeded in the monitor's sources, by the scenario named
here.
"""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from s3_agreement.exploring import Explore, mutant_names

# Which scenario finds which seeded bug (enum mutant in native/monitor/operation.h).
MUTANTS = {
    "COMMIT_ON_REFUSAL": ("unmap-2", "flat"),
    "REPLY_BEFORE_CHILDREN": ("unmap", "chain"),
    "ABORT_WITHOUT_RESTORE": ("pin", "flat"),
    "LOCK_IGNORED": ("unmap-2", "flat"),
    "PIN_IGNORED": ("pin", "chain"),
    "LAST_CHILD_FORGOTTEN": ("unmap", "flat"),
    "NO_SECOND_ROUND": ("unmap", "flat"),
    "UNLOCK_AT_VOTE": ("unmap", "chain"),
    "PREPARE_WITHOUT_REVOKE": ("unmap", "flat"),
    "ONE_PHASE_WITHOUT_RESTORE": ("pin-one", "chain"),
    "ABORT_TO_NOBODY": ("unmap-2", "chain"),
    "GENERATION_IGNORED": ("stale", "chain"),
    "SLOT_LOST_AT_RETRY": ("map-again", "flat"),
    "UNLOCK_AT_FAILED_APPLY": ("host-fails", "flat"),
    "SET_TAKEN_FOR_GRANTED": ("map-wide", "flat"),
    "TREE_OF_THE_MOMENT": ("tree", "chain"),
    "TREE_STAGED_OVER_LIVE": ("tree", "chain"),
    "TREE_UNCHECKED": ("tree-nonsense", "flat"),
    "RANGE_NOT_TAKEN": ("revoke", "flat"),
    "RANGE_BY_ADDRESS": ("retype-overlap", "flat"),
    "RANGE_GIVEN_EARLY": ("revoke", "flat"),
    "GATHER_FORGOTTEN": ("copy", "flat"),
    "COPY_NOT_NOTED": ("copy", "flat"),
    "COPY_ABORT_LEAVES": ("revoke-cnode", "flat"),
    "MOVE_KEEPS_SOURCE": ("move", "flat"),
    "MOVE_OTHERS_NOT_TOLD": ("move-owned", "flat"),
    "RETYPE_UNASKED": ("move", "flat"),
    "RETYPE_VOTE_IGNORED": ("move", "flat"),
    "RETYPE_ABORT_LEAVES": ("move", "flat"),
    "DESCENDANTS_NOT_TOLD": ("retype", "flat"),
    "REVOKE_HERE_ALONE": ("revoke", "flat"),
    "REVOKE_SETTLED_EARLY": ("revoke-far", "flat"),
    "REVOKED_NOT_OWNED": ("revoke-2", "flat"),
    "DELETE_OTHERS_NOT_TOLD": ("delete", "chain"),
    "DELETE_HEIR_FEARLESS": ("delete", "chain"),
    "OWNER_UNASKED": ("retype", "flat"),
    "OWNER_DERIVES_BLINDLY": ("owner-derived", "flat"),
    "OWNER_VOUCHES_BLINDLY": ("owner-derived", "flat"),
    "OWNER_OF_OLD": ("owner-returns", "flat"),
    "OWNER_FORGETS": ("retype", "flat"),
    "OWNER_WITHOUT_LOCK": ("retype", "flat"),
    "OWNER_ANSWERS_EARLY": ("copy", "chain"),
    "OWNER_ASKED_FOR_EVER": ("owner-lost", "flat"),
    "OWNER_MOVES_FEARLESS": ("move-owned", "flat"),
    "ASKED_NOT_AGAIN": ("owner-nested", "flat"),
    "ASKED_UNCHECKED": ("owner-sends", "flat"),
    "ASKED_WITHOUT_LOCK": ("retype-3", "flat"),
    "ASKED_GIVES_EARLY": ("owner-nested", "flat"),
    "ROUTED_BY_INITIATOR": ("retype-3", "chain"),
    "OWNER_TOO_SURE": ("move-owned", "flat"),
    "ASKED_MISSES_MOVE": ("owner-moves", "flat"),
    "ASKED_KEEPS_NOTHING": ("revoke-2", "flat"),
    "PAGE_BEFORE_COMMIT": ("page-fails", "flat"),
    "PAGE_BEHIND_A_VOTE": ("page-map", "flat"),
    "PAGE_MAPPING_OVERLOOKED": ("page-map", "flat"),
    "PAGE_NOT_BLOCKED": ("page-revoke", "chain"),
    "PAGE_KEPT": ("page-revoke", "chain"),
    "PAGE_NOT_RESTORED": ("page-revoke", "chain"),
    "PAGE_PIN_IGNORED": ("page-pin", "chain"),
    "PAGE_RETURNS": ("page-returns", "flat"),
    "PAGE_IN_CNODE_FORGOTTEN": ("page-cnode", "chain"),
    "MAPPING_LEFT": ("page-delete-one", "chain"),
    "MAPPING_GOES_EARLY": ("page-delete", "chain"),
    "HOME_PIN_IGNORED": ("page-delete-pin", "chain"),
    "ASKED_MOVES_MAPPED": ("page-move", "flat"),
    "PIECE_REFUSED_ALONE": ("pages-pin", "flat"),
    "PIECES_UNASKED": ("pages-pin", "flat"),
    "CNODE_LEFT_OPEN": ("cnode-map", "flat"),
    "CNODE_NOT_REOPENED": ("cnode-pin", "flat"),
    "CNODE_NOT_CLOSED": ("cnode-map", "flat"),
    "REVOKED_MAY_BE_MAPPED": ("cnode-revoke-pin", "flat"),
    "RECLAIM_HERE_ALONE": ("reclaim", "flat"),
}


def protocol_of(mutant: str) -> list[str]:
    """Some are bugs of the owner's protocol alone."""
    return ["--owner"] if mutant.split("_")[0] in ("OWNER", "ASKED", "ROUTED") else []


def test_every_mutant_has_its_scenario() -> None:
    assert mutant_names() == list(MUTANTS)
    assert sum(not protocol_of(mutant) for mutant in MUTANTS) >= 10
    assert sum(bool(protocol_of(mutant)) for mutant in MUTANTS) >= 8


@pytest.mark.parametrize("mutant", MUTANTS)
def test_seeded_bug_is_found(explore: Explore, mutant: str) -> None:
    scenario, route = MUTANTS[mutant]
    arguments = ["--scenario", scenario, "--route", route, *protocol_of(mutant)]
    explore("--list")  # builds what both are made of
    number = mutant_names().index(mutant) + 1
    with ThreadPoolExecutor(1) as pool:
        without = pool.submit(explore, *arguments)
        done = explore(*arguments, mutant=number)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^after \d+ transitions: .+", done.stdout, re.MULTILINE)
    assert without.result().returncode == 0
