"""Which scenarios there are and how many worlds they have, and running the explorer over one."""

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent

Explore = Callable[..., subprocess.CompletedProcess[str]]

# Scenarios about capabilities: explored under both protocols, whoever asks drives, or the owner
# does.
CAPABILITIES = (
    *(
        "copy",
        "copy-full",
        "move",
        "move-owned",
        "retype",
        "retype-overlap",
        "retype-3",
        "retype-apart",
    ),
    *("revoke", "revoke-2", "revoke-3", "revoke-far", "delete", "delete-last", "delete-cnode"),
    *("revoke-cnode", "lanes-apart"),
    *(
        "owner-derived",
        "owner-moves",
        "owner-returns",
        "owner-inherits",
        "owner-lost",
        "owner-nested",
    ),
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

# Every scenario; those in HEAVY have about a million states, or more, when every core sends to
# every other.
HEAVY = (
    *("unmap-3", "unmap-3-one", "unmap-3-mixed", "retype-3", "revoke-3", "delete"),
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
    *(
        "map",
        "map-fails",
        "map-full",
        "map-again",
        "map-again-one",
        "map-wide",
        "stale",
        "stale-one",
    ),
    *("host-fails", "lanes", "mixed", "mixed-subset"),
    *("tree", "tree-one", "tree-again", "tree-rivals", "tree-all", "tree-nonsense", "crossing"),
    *("free-map", "free-map-own", "free-unmap", "free-unmap-one", "free-unmap-third"),
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

# Two initiators and one region that they both want. With an owner to order them, worlds are
# hundreds of times fewer, and so these are quick.
REGION = ("retype", "retype-overlap", "revoke", "revoke-2")
# Three initiators on three cores.
THREE = (
    *("retype-3", "revoke-3", "delete"),
    *("owner-derived", "owner-returns", "owner-inherits", "owner-nested"),
)

# By one phase, in a few thousand worlds where there is room for one agreement of another core.
ONE_PHASE = (
    *("unmap-one", "unmap-2-one", "unmap-2-mixed", "mixed", "stale-one", "map-again-one"),
    *("tree-one", "subset-one", "pin-one", "host-fails", "free-map-own", "free-unmap-one"),
)

# Too many states with a lazy outbox or four cores in a tree; the last two have several operations a
# core.
LARGE = (*HEAVY, "lanes", "crossing", "lanes-apart", "revoke-far")

# Two kinds of channel.
ANY_ORDER, ONE_FIFO = "--any-order-replies --capacity 2", "--one-fifo"

# Of four cores there are 16 trees; core 0 has the one, the others have the other.
TREES = [(one, other) for one in range(16) for other in range(16)]


def passes(explore: Explore, scenario: str, *arguments: str, asserting: bool = False) -> None:
    """Nothing is found by these arguments, on three cores unless they, or the scenario, have it
    otherwise. What others have asked in the same words is not explored again.
    """
    cores = ("--cores", str(CORES[scenario])) if scenario in CORES else ()
    done = explore("--scenario", scenario, *cores, *arguments, asserting=asserting)
    assert done.returncode == 0, f"{scenario} {' '.join(arguments)}: {done.stdout}{done.stderr}"
    assert "nothing found" in done.stdout


def pass_two_at_a_time(explore: Explore, explorations: Sequence[tuple[str, str]]) -> None:
    """Scenarios and the arguments for them. Each exploration is one thread's work."""
    explore("--list")  # builds
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: passes(explore, one[0], *one[1].split()), explorations))


def pass_in_all(explore: Explore, scenario: str, variants: Sequence[str], *arguments: str) -> None:
    pass_two_at_a_time(
        explore, [(scenario, " ".join((*arguments, variant))) for variant in variants]
    )
