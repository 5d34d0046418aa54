"""`multikernel skb`: what is known about a machine, and questions about it.

Guarantees: nothing is measured or booted. Every fact is printed with where it comes from, as clingo
would read it again. With `--json -` stdout holds JSON and nothing else. Whatever is wrong with a
question, a rule or an asserted fact is one line that names file and line.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from multikernel import columns
from multikernel.cli import FAILED, fail, interrupted
from multikernel.cli.options import cores_option, note, together
from multikernel.cli.printing import json_option, print_table
from multikernel.cli.verbosity import asked
from multikernel.errors import BadInput, Unanswered, printable
from multikernel.hints import one_of
from multikernel.knowledge import cost_store, questions
from multikernel.knowledge.costs import MEASURED
from multikernel.knowledge.facts import Fact
from multikernel.knowledge.site import Site
from multikernel.knowledge.skb import Skb
from multikernel.machine.host.cpus import left_out
from multikernel.machine.topology.named import machine_of

_rules_option = click.option(
    "--rules",
    multiple=True,
    metavar="DIR",
    help="A directory with further questions, looked through first.",
)
_knowing_options = together(
    click.option(
        "--machine",
        metavar="M",
        help="Instead of this host: an invented machine, such as 8x4 or 8x4-amd, or a capture.",
    ),
    cores_option,
    click.option(
        "--assert",
        "asserted",
        multiple=True,
        metavar="FACTS",
        help="Facts to hold as well: a file (.lp), or text such as 'round_trip(0,1,900).'",
    ),
    _rules_option,
    click.option(
        "--time",
        "seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=60,
        show_default=True,
        metavar="SECONDS",
        help="How long an answer may take.",
    ),
    json_option("the answer"),
)
"""What every subcommand takes that needs to know a machine."""


@click.group("skb")
def command() -> None:
    """Ask the system knowledge base: facts about a machine, and rules that answer questions.

    \b
    For example:
      multikernel skb list                                      what can be asked
      multikernel skb query multicast_tree root=0 --machine 8x4
      multikernel skb ask 'far(A,B) :- round_trip(A,B,R), R > 2000.'
      multikernel skb facts distance --machine 8x4-amd
    """


@command.command("list")
@_rules_option
def list_(rules: tuple[str, ...]) -> None:
    """All questions: how each is asked, and what it answers."""
    found = questions.every([questions.directory(path) for path in rules])
    print_table(("question", "answer"), [(one.usage, one.sentence) for one in found])


@command.command("facts")
@click.argument("predicates", nargs=-1, metavar="[PREDICATE…]")
@_knowing_options
def facts(predicates: tuple[str, ...], as_json: bool, **known: Any) -> None:
    """What is known, each fact with where it comes from; of some predicates only, if they are
    named.
    """
    skb, whence = _skb(**known)
    held = skb.facts()
    names = dict.fromkeys(fact.predicate for fact in held)
    for predicate in predicates:
        if predicate not in names:
            hint = one_of(predicate, names)
            raise BadInput("no facts of this name", value=predicate, hint=hint)
    chosen = [fact for fact in held if not predicates or fact.predicate in predicates]
    lines = [printable(f"{fact}.") for fact in chosen]
    width = min(max(map(len, lines), default=0), 40)
    said = [
        f"{line:<{width}}  % {fact.origin}: {printable(fact.where)}"
        for fact, line in zip(chosen, lines, strict=True)
    ]
    _print(whence, [msgspec.to_builtins(fact) for fact in chosen] if as_json else "\n".join(said))


@command.command("query")
@click.argument("name")
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE…]")
@_knowing_options
def query(name: str, parameters: tuple[str, ...], as_json: bool, **known: Any) -> None:
    """Ask a question by name, such as: query multicast_tree root=0."""
    given = dict(_parameter(text) for text in parameters)
    questions.find(name, [questions.directory(path) for path in known["rules"]])
    skb, whence = _skb(**known)
    with _left_at_once():
        answers = skb.query(name, **given)
    _print(whence, answers if as_json else _columns(answers))


@command.command("ask")
@click.argument("rule")
@_knowing_options
def ask(rule: str, as_json: bool, **known: Any) -> None:
    """What follows from a rule of yours, in clingo's language."""
    skb, whence = _skb(**known)
    with _left_at_once():
        answers = skb.ask(rule)
    facts = [Fact(one["predicate"], tuple(one["arguments"]), "") for one in answers]
    said = "\n".join(printable(f"{fact}.") for fact in facts) or "nothing follows"
    _print(whence, answers if as_json else said)


def _skb(
    machine: str | None,
    cores: str | None,
    asserted: tuple[str, ...],
    rules: tuple[str, ...],
    seconds: float,
) -> tuple[Skb, str]:
    """The knowledge base, and whence its costs. Says what it takes for granted of the machine."""
    from multikernel.report.say.topology_text import assumed_nodes

    topology = machine_of(machine)
    site = Site.of(topology, cores)
    for sentence in (left_out(cores, topology), *assumed_nodes(topology, site.cpus)):
        note(sentence)
    costs, why = cost_store.known(site)
    whence = why if costs.origin == MEASURED else f"{costs.origin} ({why})"
    return Skb(site, costs, asserted=asserted, rules=rules, seconds=seconds), whence


@contextlib.contextmanager
def _left_at_once() -> Iterator[None]:
    """Ctrl-C, SIGTERM or the end of the time ends the process here, with the usual exit code.

    Clingo may still be grounding in its thread, which nothing can stop; an interpreter that is
    taken down around it crashes.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        os._exit(interrupted(error))
    except Unanswered as error:
        os._exit(fail(str(error), FAILED))


def _parameter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise BadInput("a parameter is KEY=VALUE", value=text, hint="write for example root=0")
    return key.strip(), value


def _columns(answers: Sequence[dict[str, Any]]) -> str:
    if not answers:
        return "no answer: nothing on this machine is like that"
    cells = [[printable(str(value)) for value in answer.values()] for answer in answers]
    return columns.table(list(answers[0]), cells, right=range(len(answers[0]))).rstrip("\n")


def _print(whence: str, what: str | list[Any]) -> None:
    """Text, with whence its costs, or JSON: one entry a line, as a long answer stays readable so,
    and can be cut by line.
    """
    if isinstance(what, str):
        click.echo(what, nl=bool(what))
        if not asked.less:
            click.echo(f"costs of messages: {whence}", err=True)
        return
    lines = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in what)
    click.echo(f"[\n{lines}\n]" if lines else "[]")
