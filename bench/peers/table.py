"""The table of a run, for people: plain text, or Markdown as a README shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HEAD = ("what", "round trip, ns", "× floor", "one way, million/s")
NOTHING = "–"


def _number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(spread: dict[str, Any] | None, *, range_too: bool = True) -> str:
    if spread is None:
        return NOTHING
    middle = _number(spread["median"])
    if not range_too or len(spread["rounds"]) < 2:
        return middle
    return f"{middle} ({_number(spread['min'])}–{_number(spread['max'])})"


def _lines(document: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            row["name"] + (f" ({row['version']})" if row["version"] else ""),
            _cell(row["round_trip_ns"]),
            _cell(row["over_floor"], range_too=False),
            _cell(row["million_messages_a_second"]),
        )
        for row in document["rows"]
    ]


def caption(document: dict[str, Any]) -> str:
    """What was measured, on what, and how busy that was."""
    machine, load = document["machine"], document["load"]
    return (
        f"Two processes pinned to CPUs {document['cpus'][0]} and {document['cpus'][1]} of"
        f" {machine['cpus']} ({machine['model']}), Linux {machine['kernel']}, Python"
        f" {machine['python']}; messages of one 64-byte line (ours carry"
        f" {document['message_bytes']['ours']} bytes of it); median of {document['rounds']}"
        " interleaved rounds (least–most), each over a floor taken right before; load average"
        f" {load['before'][0]:.1f} before, {load['after'][0]:.1f} after."
    )


def skipped(document: dict[str, Any]) -> list[str]:
    """A sentence for each that has no figure, or not one of each round."""
    return [
        f"{one['name']} ({one['key']}): "
        + (
            f"stopped after {one['rounds_measured']} rounds"
            if one["rounds_measured"]
            else "skipped"
        )
        + f", {one['reason']}"
        for one in document["skipped"]
    ]


def markdown(document: dict[str, Any]) -> str:
    """A table as a README has it."""
    rows = [HEAD, ("---", "---:", "---:", "---:"), *_lines(document)]
    parts = ["\n".join("| " + " | ".join(row) + " |" for row in rows), caption(document)]
    parts += (
        ["\n".join(f"- {sentence}" for sentence in skipped(document))]
        if document["skipped"]
        else []
    )
    return "\n\n".join(parts)


def text(document: dict[str, Any]) -> str:
    """The same for a terminal."""
    lines = [HEAD, *_lines(document)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    pads: list[Callable[[str, int], str]] = [str.ljust, str.rjust, str.rjust, str.rjust]
    rows = [
        "  ".join(pad(cell, width) for pad, cell, width in zip(pads, line, widths, strict=True))
        for line in lines
    ]
    return "\n".join([*rows, "", caption(document), *skipped(document)])
