"""The library's own monitor, in every order in which things can happen: explorer.c visits all reachable worlds of a few
cores and checks every one of them; each seeded bug must be found, by the scenario named here."""

import functools
import os
import random
import re
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent.parent / "multikernel" / "native"
PROTOCOL = (
    *(
        "monitor.c",
        "agreement.c",
        "agreement_round.c",
        "rows.c",
        "mapping_rows.c",
        "tree_row.c",
        "capability_rows.c",
        "capability_copy_row.c",
        "capability_retype_row.c",
        "capability_revoke_row.c",
        "capability_delete_row.c",
        "capability_map_rows.c",
        "capability_unmap_row.c",
        "capability_pages.c",
        "capability_reclaim_row.c",
        "capability_task.c",
    ),
    *("capability.c", "cspace.c", "cspace_derive.c", "cspace_delete.c", "cspace_close.c"),
    "cspace_remote.c",
    "mapping_database.c",
)
# One page a piece, so that two are agreed about in several; one capability a call, so that what is half done is seen.
SMALL = ("-DMK_PIECE_SLOTS=1", "-DMK_CAPABILITY_WORK=1")
FLAGS = ("-std=gnu11", "-O2", *SMALL, "-g", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror")

Explore = Callable[..., subprocess.CompletedProcess[str]]

# Scenarios about capabilities: explored under both protocols, whoever asks drives, or the owner does.
CAPABILITIES = (
    *("copy", "copy-full", "move", "move-owned", "retype", "retype-overlap", "retype-3", "retype-apart"),
    *("revoke", "revoke-2", "revoke-3", "revoke-far", "delete", "delete-last", "delete-cnode"),
    *("revoke-cnode", "lanes-apart"),
    *("owner-derived", "owner-moves", "owner-returns", "owner-inherits", "owner-lost", "owner-nested"),
    "owner-sends",
    *("cost-own", "cost-retype", "cost-derived", "cost-send", "cost-send-on", "cost-send-back"),
    *("cost-revoke", "cost-delete"),
)

# ... and about pages of Frames that are mapped through them.
PAGES = (
    *("page-map", "page-fails", "page-revoke", "page-revoke-one", "page-pin", "page-returns"),
    *("page-revoke-2", "page-delete", "page-delete-one", "page-last", "page-move"),
    *("page-elsewhere", "page-protect", "page-cnode", "page-delete-pin", "page-delete-revoke"),
    *("page-again", "page-map-2", "page-views", "page-cnode-delete", "page-host"),
    *("pages-pin", "pages-map", "cnode-pin", "cnode-map", "cnode-copy", "cnode-revoke"),
    "cnode-revoke-pin",
    *("reclaim", "reclaim-move", "reclaim-page"),
    *("cost-reclaim", "cost-unmap"),
)
# Those with more than 50 000 states when every core sends to every other.
PAGES_FLAT = ("page-returns", "page-delete", "reclaim-page")

# Messages on n cores, replies and notices among them: asked by two-phase commit, and by the owner's protocol.
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
# Every scenario; those in HEAVY have about a million states, or more, when every core sends to every other.
HEAVY = (
    *("unmap-3-one", "unmap-3-mixed", "retype-3", "revoke-3", "delete"),
    *("owner-moves", "owner-returns", "owner-inherits", "owner-nested"),
)
SCENARIOS = (
    *(
        "unmap",
        "unmap-one",
        "unmap-2",
        "unmap-2-one",
        "unmap-2-mixed",
        "unmap-3",
        "unmap-3-one",
        "unmap-3-mixed",
        "unmap-read",
    ),
    *("unmap-different", "unmap-3-different", "pin", "pin-one", "pin-2", "pin-two"),
    *(
        "protect",
        "protect-one",
        "protect-2",
        "protect-pin",
        "subset",
        "subset-one",
        "subset-protect",
        "alone",
    ),
    *("map", "map-fails", "map-full", "map-again", "map-again-one", "map-wide", "stale", "stale-one"),
    *("host-fails", "lanes", "mixed", "mixed-subset"),
    *("tree", "tree-one", "tree-pieces", "tree-rivals", "tree-all", "tree-nonsense", "crossing"),
    *CAPABILITIES,
    *PAGES,
)
CORES = {
    "lanes": 2,
    "tree-all": 2,
    "lanes-apart": 2,
    "page-map-2": 2,
    **dict.fromkeys(
        ("pages-map", "cnode-pin", "cnode-map", "cnode-copy", "cnode-revoke", "cnode-revoke-pin"), 2
    ),
}  # five slots a core are as many as the model holds; four operations at once

# Which scenario finds which seeded bug (enum mutant in monitor.h).
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


def mutant_names() -> list[str]:
    """In the order of their numbers, from 1."""
    return re.findall(r"^ {4}MUTANT_(\w+)", (NATIVE / "monitor.h").read_text(), re.MULTILINE)


def with_bug(sources: list[Path], mutant: int) -> list[Path]:
    """Those in which that bug is; the others need no build of their own."""
    if not mutant:
        return []
    name = f"MUTANT({mutant_names()[mutant - 1]})"
    if any(name in header.read_text() for header in NATIVE.glob("*.h")):
        return sources
    return [source for source in sources if name in source.read_text()]


def compiled(sources: list[Path], into: Path, *flags: str) -> list[Path]:
    into.mkdir()
    cc = os.environ.get("CC", "cc").split()
    includes = [f"-I{NATIVE}", f"-I{HERE}"]
    if not sources:
        return []
    subprocess.run([*cc, *FLAGS, *flags, *includes, "-c", *map(str, sources)], cwd=into, check=True)
    return sorted(into.glob("*.o"))


@pytest.fixture(scope="session")
def explore(tmp_path_factory: pytest.TempPathFactory) -> Explore:
    """explore(*arguments, mutant=0) runs an explorer, built on first use."""
    root = tmp_path_factory.mktemp("explorer")
    model = compiled(sorted(HERE.glob("*.c")), root / "model")
    built: dict[int, Path] = {}

    @functools.cache
    def protocol() -> list[Path]:
        return compiled([NATIVE / name for name in PROTOCOL], root / "protocol", "-DMK_MUTANT=0")

    @functools.cache  # the same arguments visit the same worlds
    def run(*arguments: str, mutant: int = 0) -> subprocess.CompletedProcess[str]:
        if mutant not in built:
            sources = [NATIVE / name for name in PROTOCOL]
            bugged = compiled(with_bug(sources, mutant), root / f"{mutant}", f"-DMK_MUTANT={mutant}")
            other = {one.name for one in bugged}
            objects = bugged + [one for one in protocol() if one.name not in other]
            program = root / f"explorer-{mutant}"
            cc = os.environ.get("CC", "cc").split()
            subprocess.run([*cc, *map(str, model + objects), "-o", str(program)], check=True)
            built[mutant] = program
        return subprocess.run([built[mutant], *arguments], capture_output=True, text=True, check=False)

    return run


def passes(explore: Explore, scenario: str, *arguments: str, cores: int = 3) -> None:
    cores = CORES.get(scenario, cores)
    done = explore("--scenario", scenario, "--cores", str(cores), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing found" in done.stdout


def pass_in_all(explore: Explore, scenario: str, variants: Sequence[str], *arguments: str) -> None:
    """Two explorations at a time: each is one thread's work."""
    explore("--list")  # builds
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda variant: passes(explore, scenario, *arguments, *variant.split()), variants))


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
    """A page is reachable only while its home has the Mapping and the Frame; a revoke takes all pages, or none."""
    pass_in_all(explore, scenario, ("", "--owner"))


@pytest.mark.parametrize("scenario", PAGES)
def test_pages_go_with_their_capabilities_along_a_chain(explore: Explore, scenario: str) -> None:
    channels = ("--one-fifo", "--owner --any-order-replies --capacity 2")
    pass_in_all(explore, scenario, channels, "--route", "chain")


@pytest.mark.parametrize("scenario", COSTS)
@pytest.mark.parametrize("cores", [3, 4])
@pytest.mark.parametrize("route", ["flat", "chain"])
def test_what_an_operation_costs(explore: Explore, scenario: str, cores: int, route: str) -> None:
    """In messages, where nothing comes in between: what capability_rows.c says of the protocols."""
    for cost, protocol in zip(COSTS[scenario], ([], ["--owner"]), strict=True):
        arguments = ("--scenario", scenario, "--cores", str(cores), "--route", route, "--messages", *protocol)
        assert explore(*arguments).stdout == f"scenario {scenario}: {cost(cores)} messages\n"


@pytest.mark.parametrize("scenario", ["retype-3", "revoke-2", "owner-derived", "owner-sends"])
def test_an_owner_makes_them_wait_where_initiators_collide(explore: Explore, scenario: str) -> None:
    """No abort, where the owner stays and reaches all directly. (Through a tree a PREPARE may overtake an ANSWER.)"""
    passes(explore, scenario, "--owner", "--peaceful")
    collision = explore("--scenario", scenario, "--peaceful")
    assert collision.returncode == 1
    assert "aborts an operation for another" in collision.stdout


# Two initiators and one region that they both want. With an owner to order them, worlds are hundreds of times
# fewer, and so these are quick.
REGION = ("retype", "retype-overlap", "revoke", "revoke-2")
# Three initiators on three cores.
THREE = ("retype-3", "revoke-3", "delete", "owner-derived", "owner-inherits", "owner-nested")


@pytest.mark.parametrize("scenario", REGION)
@pytest.mark.parametrize("route", ["flat", "chain", "binary"])
def test_four_cores_of_which_two_initiate_before_an_owner(
    explore: Explore, scenario: str, route: str
) -> None:
    passes(explore, scenario, "--owner", "--route", route, cores=4)


# Too many states with a lazy outbox or four cores in a tree; the last two have several operations a core.
LARGE = ("unmap-3", *HEAVY, "lanes", "crossing", "lanes-apart", "revoke-far")


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s not in (*LARGE, *PAGES)])
def test_with_the_least_room(explore: Explore, scenario: str) -> None:
    """Channels of one message, a step only when the outbox is empty, and every move from outbox to channel a
    transition of its own. Enough while a core has one operation under way; for two it is not (the next test)."""
    entries = 13 if scenario == "map-wide" else 7
    passes(explore, scenario, "--lazy", "--outbox", str(entries), "--route", "chain")


def test_outbox_without_room_for_a_second_operation_deadlocks(explore: Explore) -> None:
    """Why a driver keeps more room than for one output: both cores wait for the other to take what they sent."""
    crossing = ("--scenario", "crossing", "--cores", "2", "--capacity", "1", "--outbox")
    done = explore(*crossing, "6")
    assert done.returncode == 1
    assert "deadlock" in done.stdout
    assert explore(*crossing, "7").returncode == 0


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


# Of four cores there are 16 trees; core 0 has the one, the others have the other.
TREES = [(one, other) for one in range(16) for other in range(16)]


@pytest.mark.parametrize("trees", random.Random(1).sample(TREES, 24))
def test_two_initiators_agree_under_some_trees(explore: Explore, trees: tuple[int, int]) -> None:
    passes(explore, "unmap-2-mixed", "--route", "{},{}".format(*trees), cores=4)


@pytest.mark.parametrize("trees", random.Random(2).sample(TREES, 4))
@pytest.mark.parametrize("scenario", ["retype", "revoke", "revoke-2"])
def test_two_of_four_cores_want_the_same_memory(
    explore: Explore, scenario: str, trees: tuple[int, int]
) -> None:
    passes(explore, scenario, "--route", "{},{}".format(*trees), cores=4)


# --- Minutes ---------------------------------------------------------------------------------------------------------


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
