"""`multikernel help`: the guide, a page for each room.

Guarantees: a page is the room's README, which lies beside the code it is about and is installed
with it: on a terminal in its width, elsewhere as it is written. An unknown topic lists the topics.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

import multikernel
from multikernel.errors import BadInput

ROOT = Path(multikernel.__file__).parent
TOPICS = {
    "system": "Boot a kernel: the front door of the Python API.",
    "user": "Programs on cores: memory, capabilities, groups, channels, shared objects.",
    "demo": "An hour's lab in five programs.",
    "measuring": "Experiments from Python.",
    "experiments": "The paper's figures, each by its command; an experiment of your own.",
    "sharing-or-messages": "Lock, owner or replicas: what wins where, and an object that chooses.",
    "results": "How to read a result; the document, and the judge of differences.",
    "report": "Figures, sentences and pages, drawn from documents.",
    "machine": "What this host is, what spoils measurements; modelled machines.",
    "knowledge": "The knowledge base: facts, rules, trees.",
    "routing": "By which trees a running system sends.",
    "virtual": "Virtual time: machines that nobody here has.",
    "timeline": "Traces: what every core did.",
    "runtime": "How cores are launched, and what is protected from whom.",
    "native": "The native core, room by room; a message and an unmap through all of it.",
    "catalogue": "What each experiment asks, and the paper's values.",
    "cli": "The command line: completion, exit codes, troubleshooting by symptom.",
    "house": "How all of it is built, and where to start reading.",
}
"""By the folder below the package, but for two."""
ELSEWHERE = {"sharing-or-messages": "experiments/sharing_or_messages", "house": "."}


def page_of(topic: str) -> Path:
    """The file. Raises BadInput."""
    if topic not in TOPICS:
        close = difflib.get_close_matches(topic, TOPICS, 1, 0.5)
        near = f"did you mean {close[0]}? " if close else ""
        raise BadInput(
            "there is no such topic", value=topic, where="help",
            hint=f"{near}there are {', '.join(TOPICS)}",
        )  # fmt: skip
    return ROOT / ELSEWHERE.get(topic, topic) / "README.md"


def _complete(_context: click.Context, _argument: click.Parameter, begun: str) -> list[str]:
    return [topic for topic in TOPICS if topic.startswith(begun)]


@click.command("help")
@click.argument("topic", required=False, shell_complete=_complete)
def command(topic: str | None) -> None:
    """The guide, in pages: without a topic, which there are.

    What a command does and which options it has is said by the command itself, with --help.
    """
    if topic is None:
        click.echo("multikernel help TOPIC prints a page:\n")
        for name, about in TOPICS.items():
            click.echo(f"  {name:<20} {about}")
        click.echo("\nmultikernel COMMAND --help says what a command does.")
        return
    text = page_of(topic).read_text()
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
