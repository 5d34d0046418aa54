"""`multikernel inspect`: what a running system looks like: its cores' replicas, who owns which
memory, and what came of what.

Guarantees: changes nothing in the system; one clear sentence where there is none, or it is another
user's.
"""

import json
from typing import Any

import click

from multikernel.cli.printing import json_option, print_table

CORES = (
    "core", "CPU", "pid", "state", "caps", "lock", "digest", "pages", "lock", "digest", "checks",
)  # fmt: skip
"""As wide as a terminal of 80 columns: what a core has, what operations under way have locked, and
what it hashes to, of capabilities and then of pages.
"""
DIGITS = 8
"""Of a digest; JSON has all sixteen."""
CORES_RIGHT = (0, 1, 2, 4, 5, 7, 8)
OBJECTS = ("object", "address", "bytes", "owner", "core:slot rights", "elsewhere")
OBJECTS_RIGHT = (1, 2, 3)
SHORT = {"read": "r", "write": "w", "grant": "g"}
LOCKED = {"big": "under one lock", "region": "under a lock for each region"}
SHOWN = 8
"""Copies of an object that a row names; the rest is counted."""


@click.command("inspect")
@click.argument("pid", required=False, type=int, metavar="[PID]")
@json_option("everything")
def command(pid: int | None, as_json: bool) -> None:
    """Show a running system: replicas, owners, relations, digests.

    PID is that of the process that booted it, or of its supervisor; it may be left out where only
    one system of yours runs. Cores are looked at one after another while they go on.
    """
    from multikernel.runtime import inspection_socket

    seen = inspection_socket.fetch(inspection_socket.choose(pid))
    if as_json:
        click.echo(json.dumps(seen, indent=2))
    else:
        click.echo(_title(seen) + "\n")
        print_table(CORES, _cores(seen), CORES_RIGHT)
        click.echo()
        print_table(OBJECTS, _objects(seen), OBJECTS_RIGHT)
        if _verdict(seen):
            click.echo("\n" + _verdict(seen))


def _title(seen: dict[str, Any]) -> str:
    how = LOCKED.get(seen["lock_scope"], seen["lock_scope"])
    if seen["capabilities"]:
        how = f"by the {seen['capabilities']} protocol"
    count = len(seen["cores"])
    return (
        f"{seen['kernel']} system {seen['system']} of process {seen['launcher']}: "
        f"{count} core{'s' * (count > 1)}, {seen['memory'] >> 20} MiB, capabilities {how}"
    )


def _verdict(seen: dict[str, Any]) -> str:
    differing, compared = seen["replicas"]["differing"], seen["replicas"]["compared"]
    if differing:
        pairs = ", ".join(f"{a}-{b}" for a, b in differing)
        return (
            f"Replicas of the mappings differ between cores {pairs}: an operation is under way, or"
            " they are wrong."
        )
    agree = f"Replicas of the mappings agree on what both cores hold, in all {compared} pairs."
    return agree if compared else ""


def _cores(seen: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            str(core["core"]), str(core["cpu"]), str(core["pid"]), core["mode"],
            str(core["capabilities"]), str(core["ranges_locked"]),
            core["capabilities_digest"][:DIGITS],
            str(core["mapped"]), str(core["mappings_locked"]), core["mappings_digest"][:DIGITS],
            "hold" if core["invariants_hold"] else "BROKEN",
        )
        for core in seen["cores"]
    ]  # fmt: skip


def _objects(seen: dict[str, Any]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for one in seen["objects"]:
        copies = one["copies"]
        named = ", ".join(
            f"{copy['core']}:{copy['slot']}"
            f" {''.join(SHORT[right] for right in copy['rights']) or '-'}"
            for copy in copies[:SHOWN]
        )
        more = f" and {len(copies) - SHOWN} more" if len(copies) > SHOWN else ""
        relations = sorted(
            {relation.removeprefix("remote-") for copy in copies for relation in copy["relations"]}
        )
        about = f" at {one['about']:#x}" if one["type"] == "Mapping" else ""
        name = "  " * one["depth"] + ("root " if one["root"] else "") + one["type"] + about
        address = "–" if one["root"] else f"{one['address']:#x}"  # a root CNode is nobody's RAM
        size, owner = str(one["size"]), str(one["owner"])
        found.append((name, address, size, owner, named + more, ", ".join(relations)))
    return found
