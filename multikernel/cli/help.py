"""`multikernel help`: the guide, a page for each room.

Guarantees: a page is the room's README, which lies beside the code it is about and is installed
with it: on a terminal in its width, elsewhere as it is written. A topic may also be words of a
chapter's heading. An unknown topic lists the topics.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import multikernel
from multikernel import columns
from multikernel.errors import BadInput
from multikernel.hints import one_of

ROOT = Path(multikernel.__file__).parent
TOPICS = {
    "system": "Boot a kernel: the front door of the Python API.",
    "user": "Programs on cores: memory, capabilities, groups, tasks, shared objects.",
    "channels": "Messages between any two processes, from Python and from C.",
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
"""By the folder below the package, but for three."""
ELSEWHERE = {
    "channels": "user/channels",
    "sharing-or-messages": "experiments/sharing_or_messages",
    "house": ".",
}


def page_of(topic: str) -> Path:
    """The file of a topic that is a page."""
    return ROOT / ELSEWHERE.get(topic, topic) / "README.md"


def chapters(page: str) -> Iterator[tuple[str, str]]:
    """Heading and text of each chapter of a page."""
    begun: list[str] = []
    code = False
    for line in page.splitlines(keepends=True):
        code ^= line.startswith("```")
        if line.startswith("## ") and not code:
            if begun:
                yield begun[0][3:].strip(), "".join(begun)
            begun = [line]
        elif begun:
            begun.append(line)
    if begun:
        yield begun[0][3:].strip(), "".join(begun)


def _words(heading: str) -> list[str]:
    """By which a chapter is found: those of four letters and more."""
    return [word for word in re.findall(r"[a-z]+", heading.lower()) if len(word) > 3]


def text_of(topic: str) -> str:
    """The page, or the chapters whose headings have these words. Raises BadInput."""
    if topic in TOPICS:
        return page_of(topic).read_text()
    asked = set(re.split(r"[^a-z]+", topic.lower()))
    known = list(TOPICS)
    found = []
    for name in TOPICS:
        for heading, text in chapters(page_of(name).read_text()):
            words = _words(heading)
            known += words
            if asked <= set(words):
                found.append(text)
    if found:
        return "\n".join(found)
    raise BadInput(
        "there is no such topic", value=topic, where="help",
        hint=f"{one_of(topic, TOPICS, among=known)}, and words of a chapter's heading",
    )  # fmt: skip


def _complete(_context: click.Context, _argument: click.Parameter, begun: str) -> list[str]:
    return [topic for topic in TOPICS if topic.startswith(begun)]


@click.command("help")
@click.argument("topic", required=False, shell_complete=_complete)
def command(topic: str | None) -> None:
    """The guide, in pages: without a topic, which there are.

    A topic is a page (channels), or words of a chapter's heading (troubleshooting, exit-codes).
    What a command does and which options it has is said by the command itself, with --help.
    """
    if topic is None:
        click.echo("multikernel help TOPIC prints a page:\n")
        click.echo("\n".join(f"  {line}" for line in columns.aligned(list(TOPICS.items()))))
        click.echo(
            "\nA word of a chapter's heading prints the chapter: multikernel help troubleshooting"
        )
        click.echo("multikernel COMMAND --help says what a command does.")
        return
    text = text_of(topic)
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
