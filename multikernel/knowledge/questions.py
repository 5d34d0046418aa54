"""Questions: rule files, each opened by a comment that says what it answers.

Guarantees: a file that can be asked says its question, its parameters and the shape of its answer,
in a form that is read here and by people alike; one that does not is an error with file and line. A
directory of the user's is looked through before the rules that come along, so a file there may
replace one of ours.

The comment, from the file's first line on (NAME is the file's name):

    % NAME(root): what is asked, in a sentence?
    %
    % parameter root: core
    % parameter how: spread|close = spread
    % answer: edge(_rank, parent, child)

A parameter is a `core`, a `cpu`, a `node`, a `number` ≥ 0, or one of some words; with a default it
may be left out. In the rules its name stands for its value. The answer names the predicate and what
its arguments are called. Answers are sorted by these arguments, from the first on; those whose
names begin with `_` sort and are not shown. Behind the answer may stand `a tree from root`: then
its parent and child must be a tree over all cores.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from multikernel.errors import BadInput, printable
from multikernel.hints import one_of
from multikernel.knowledge.solver import text_of

RULES = Path(__file__).parent / "rules"
KINDS = ("core", "cpu", "node", "number")

_TITLE = re.compile(r"([a-z]\w*)(?:\((.*)\))?: (.+)")
_PARAMETER = re.compile(r"parameter ([a-z]\w*): ([a-z_0-9]+(?:\|[a-z_0-9]+)*)(?: = (\w+))?")
_ANSWER = re.compile(r"answer: ([a-z]\w*)\(([\w, ]+)\)(?: a tree from ([a-z]\w*))?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """kind: one of `KINDS`, or the words to choose from, "spread|close". default: None if it must
    be given.
    """

    name: str
    kind: str
    default: str | None
    where: str


@dataclass(frozen=True, slots=True)
class Question:
    """One rule file. answer: predicate; fields: names of its arguments; tree_from: the parameter
    that is the root.
    """

    name: str
    sentence: str
    path: Path
    parameters: tuple[Parameter, ...]
    answer: str
    fields: tuple[str, ...]
    tree_from: str | None
    where: str

    @property
    def usage(self) -> str:
        """As the user types it: "placement k=NUMBER [how=spread|close]"."""
        words = [self.name]
        for one in self.parameters:
            word = f"{one.name}={one.kind.upper() if one.kind in KINDS else one.kind}"
            words.append(word if one.default is None else f"[{word}]")
        return " ".join(words)


def find(name: str, directories: Iterable[Path] = ()) -> Question:
    """The question of that name. Raises BadInput if there is none, or its file does not say what it
    answers.
    """
    places = [*directories, RULES]
    for directory in places:
        if re.fullmatch(r"\w+", name) and (directory / f"{name}.lp").is_file():
            return read(directory / f"{name}.lp")
    known = sorted({path.stem for directory in places for path in directory.glob("*.lp")})
    raise BadInput("unknown question", value=name, hint=one_of(name, known))


def every(directories: Iterable[Path] = ()) -> list[Question]:
    """All questions that can be asked, by name."""
    found: dict[str, Question] = {}
    for directory in [*directories, RULES]:
        for path in sorted(directory.glob("*.lp")):
            if path.stem not in found and path.is_file():
                found[path.stem] = read(path)
    return [found[name] for name in sorted(found)]


def directory(path: str | os.PathLike[str], where: str = "--rules") -> Path:
    """A directory of the user's questions. Raises BadInput if there is none."""
    found = Path(path)
    if not found.is_dir():
        raise BadInput("no directory of rules here", value=path, where=where)
    return found


def read(path: Path) -> Question:
    """The question of a file. Raises BadInput."""
    lines = text_of(path, "the rules").splitlines()
    comment: list[str] = []
    for line in lines:
        if not line.startswith("%"):
            break
        comment.append(line.lstrip("%").strip())
    title = _TITLE.fullmatch(comment[0]) if comment else None
    if title is None or title[1] != path.stem:
        raise _unsaid(path, 1, f"% {path.stem}(…): what is asked?")
    parameters: list[Parameter] = []
    answer: re.Match[str] | None = None
    where = ""
    for number, line in enumerate(comment, 1):
        if line.startswith("parameter "):
            match = _PARAMETER.fullmatch(line)
            if match is None or ("|" not in match[2] and match[2] not in KINDS):
                raise _unsaid(path, number, "% parameter root: core")
            parameters.append(Parameter(match[1], match[2], match[3], f"{path}:{number}"))
        elif line.startswith("answer:"):
            answer, where = _ANSWER.fullmatch(line), f"{path}:{number}"
            if answer is None:
                raise _unsaid(path, number, "% answer: edge(_rank, parent, child)")
    if answer is None:
        raise _unsaid(path, len(comment), "% answer: edge(_rank, parent, child)")
    if title[2] is not None and [word.strip() for word in title[2].split(",")] != [
        one.name for one in parameters
    ]:
        raise _unsaid(path, 1, "a parameter line for each parameter, in their order")
    fields = tuple(word.strip() for word in answer[2].split(","))
    if answer[3] and not (
        {"parent", "child"} <= set(fields) and answer[3] in [one.name for one in parameters]
    ):
        raise _unsaid(
            path,
            int(where.rpartition(":")[2]),
            "arguments parent and child, and a parameter as root",
        )
    return Question(
        path.stem, printable(title[3]), path, tuple(parameters), answer[1], fields, answer[3], where
    )


def _unsaid(path: Path, line: int, example: str) -> BadInput:
    return BadInput(
        "a rule file opens with a comment that says its question, its parameters and the shape of"
        " its answer",
        where=f"{path}:{line}",
        hint=f"write {example}",
    )
