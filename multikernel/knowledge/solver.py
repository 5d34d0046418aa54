"""One run of clingo: rules and facts in, the atoms of the answer out; what is wrong is one error
with its place.

Guarantees: what clingo says (a syntax error, an unsafe variable, an atom that no rule and no fact
speaks of) becomes BadInput with file and line; nothing is printed. Where nothing satisfies the
rules, the constraint that excludes every answer is named with its line, and with the comment above
it if there is one. Ctrl-C interrupts the caller even while clingo grounds without end, and so does
the end of the time or memory it was given (its thread is left behind then). Runs are deterministic:
one thread, the default seed.

Source: clingo's Python API (Potassco).
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import clingo
import psutil
from clingo import ast

from multikernel.errors import BadInput, Unanswered
from multikernel.knowledge import nesting

MOST_BYTES = 16 << 20
"""Of a file of rules or facts."""
MOST_MEMORY = 2 << 30
"""What an answer may take besides, where its time is limited."""
STRING = "<string>"
"""What clingo calls text that comes from no file."""
_MESSAGE = re.compile(
    r"(?P<file>.*?):(?P<line>\d+):(?P<column>\d+)[-\d:]*: (?P<level>\w+): (?P<text>.*)", re.DOTALL
)


def text_of(path: Path, what: str, hint: str = "") -> str:
    """The text of a file of rules or facts. Raises BadInput; what: what it is to hold."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) <= MOST_BYTES:
            return data.decode()
        reason = f"it is longer than {MOST_BYTES >> 20} MB"
    except UnicodeDecodeError:
        reason = "it is no UTF-8 text"
    except OSError as error:
        reason = error.strerror or str(error)
    raise BadInput(f"cannot read {what}: {reason}", value=path, hint=hint)


class Messages:
    """Collects what clingo says. name: what to call text that comes from no file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.said: list[tuple[clingo.MessageCode, str]] = []

    def __call__(self, code: clingo.MessageCode, message: str) -> None:
        self.said.append((code, message))

    def error(self, what: str, hint: str = "") -> BadInput:
        """The first error said (a warning if there is none), as the user may read it."""
        said = [match for _, message in self.said if (match := _MESSAGE.match(message))]
        if not said:
            text = "; ".join(message for _, message in self.said) or "clingo does not say why"
            return BadInput(what, value=_one_line(text), where=self.name, hint=hint)
        first = next((match for match in said if match["level"] == "error"), said[0])
        file = self.name if first["file"] == STRING else first["file"]
        where = f"{file}:{first['line']}:{first['column']}"
        return BadInput(what, value=_one_line(first["text"]), where=where, hint=hint)


def _one_line(text: str) -> str:
    """Clingo's sentence, what it quotes behind it, and its notes without their places; nothing of
    its innards.
    """
    lines = []
    for line in text.replace("[#inc_base];", "").splitlines():
        match = _MESSAGE.match(line.strip())
        lines.append(match["text"] if match else line.strip())
    return " ".join(line for line in lines if line)


def place_of(statement: ast.AST) -> str:
    """Line and column of a statement, "3:1"."""
    begin = statement.location.begin
    return f"{begin.line}:{begin.column}"


def parse(source: str | Path, name: str) -> list[ast.AST]:
    """The statements of a file (a Path) or of a text. Raises BadInput with the place of what cannot
    be parsed.
    """
    if isinstance(source, Path):
        _check_nesting(text_of(source, "the rules"), str(source), source.parent, set())
    else:
        _check_nesting(source, name, Path(), set())
    messages, statements = Messages(name), list[ast.AST]()
    try:
        if isinstance(source, Path):
            ast.parse_files([str(source)], statements.append, logger=messages)
        else:
            ast.parse_string(source, statements.append, logger=messages)
    except RuntimeError:
        raise messages.error("cannot read the rule") from None
    return statements


def _check_nesting(text: str, name: str, directory: Path, seen: set[Path]) -> None:
    """Of a text, and of the files that it includes: as it names them, or beside it."""
    nesting.check(text, name)
    for file in nesting.included(text):
        path = next((one for one in (Path(file), directory / file) if one.exists()), None)
        if path is None or path.resolve() in seen:
            continue  # clingo says that it is not there
        if not path.is_file():
            raise BadInput("what the rules include is no file", value=path, where=name)
        seen.add(path.resolve())
        _check_nesting(text_of(path, "the rules"), str(path), path.parent, seen)


class _Names(ast.Transformer):
    """Gathers what is named: predicates (and terms that look like one), and @functions with their
    places.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.names: set[str] = set()
        self.called: dict[str, str] = {}

    def visit_Function(self, node: ast.AST) -> ast.AST:
        """Called for every atom, every term with a name, and every call."""
        if node.external:
            self.called.setdefault(node.name, f"{_file_of(node, self.name)}:{place_of(node)}")
        else:
            self.names.add(node.name)
        return node.update(**self.visit_children(node))

    def visit_ShowSignature(self, node: ast.AST) -> ast.AST:
        """#show name/arity."""
        self.names.add(node.name)
        return node


def names_in(statements: Iterable[ast.AST]) -> set[str]:
    """Names of predicates that the statements may speak of."""
    visitor = _Names()
    for statement in statements:
        visitor.visit(statement)
    return visitor.names


def functions_in(statements: Iterable[ast.AST], name: str) -> dict[str, str]:
    """Names of the @functions that the statements call, each with the place of its first call."""
    visitor = _Names(name)
    for statement in statements:
        visitor.visit(statement)
    return visitor.called


def heads_of(statements: Iterable[ast.AST]) -> set[tuple[str, int]]:
    """Predicates (name, number of arguments) that the statements derive."""
    found: set[tuple[str, int]] = set()

    def atom(literal: ast.AST) -> None:
        if (
            literal.ast_type == ast.ASTType.Literal
            and literal.atom.ast_type == ast.ASTType.SymbolicAtom
        ):
            symbol = literal.atom.symbol
            for one in symbol.arguments if symbol.ast_type == ast.ASTType.Pool else [symbol]:
                if one.ast_type == ast.ASTType.Function:
                    found.add((one.name, len(one.arguments)))

    for statement in statements:
        if statement.ast_type != ast.ASTType.Rule:
            continue
        head = statement.head
        if head.ast_type in (ast.ASTType.Aggregate, ast.ASTType.Disjunction):
            for element in head.elements:
                atom(element.literal)
        else:
            atom(head)
    return found


def solve(
    statements: Sequence[ast.AST],
    facts: str,
    *,
    name: str,
    known: Callable[[str], bool],
    constants: Sequence[str] = (),
    context: object = None,
    seconds: float | None = None,
) -> list[clingo.Symbol]:
    """The shown atoms of an answer (of the best, if the rules minimize). Raises BadInput,
    Unanswered.

    name: what to call rules that come from no file. known: whether there may be facts of a
    predicate of that name, even if this machine has none. constants: "name=value". context: an
    object whose methods are @functions. seconds: how long it may take; None: any time, and memory.
    """
    return _interruptible(
        lambda: _solve(statements, facts, name, known, constants, context), name, seconds
    )


def _solve(
    statements: Sequence[ast.AST],
    facts: str,
    name: str,
    known: Callable[[str], bool],
    constants: Sequence[str],
    context: object,
) -> list[clingo.Symbol]:
    found = _run(statements, facts, name, known, constants, context)
    if found is not None:
        return found
    for statement in statements:
        if _is_constraint(statement):
            others = [other for other in statements if other is not statement]
            if _run(others, facts, name, known, constants, context) is not None:
                raise _unsatisfiable(statement, name)
    last = next((one for one in reversed(statements) if _is_constraint(one)), None)
    if last is not None:
        raise _unsatisfiable(last, name, "no single constraint is to blame; this is the last")
    rule = next((one for one in statements if one.ast_type == ast.ASTType.Rule), None)
    where = name if rule is None else f"{_file_of(rule, name)}:{place_of(rule)}"
    raise BadInput("no answer satisfies the rules", where=where)


def _run(
    statements: Sequence[ast.AST],
    facts: str,
    name: str,
    known: Callable[[str], bool],
    constants: Sequence[str],
    context: object,
) -> list[clingo.Symbol] | None:
    """None if nothing satisfies the rules."""
    messages = Messages(name)
    arguments = [word for constant in constants for word in ("-c", constant)]
    try:
        control = clingo.Control(arguments, logger=messages, message_limit=1000)
        control.add("base", [], facts)
        with ast.ProgramBuilder(control) as builder:
            for statement in statements:
                builder.add(statement)
        control.ground([("base", [])], context=context)
    except RuntimeError:
        raise messages.error("cannot use the rule") from None
    _refuse_warnings(messages, known)
    with control.solve(yield_=True) as handle:
        answer = None
        for model in handle:  # each better than the one before, if the rules minimize
            answer = list(model.symbols(shown=True))
        return answer


def _refuse_warnings(messages: Messages, known: Callable[[str], bool]) -> None:
    """An atom that nobody speaks of is a typing error, unless it is a fact that this machine
    happens not to have.
    """
    serious: list[tuple[clingo.MessageCode, str]] = []
    for code, message in messages.said:
        if code == clingo.MessageCode.AtomUndefined:
            atom = re.match(r"\s*-?([a-z_]\w*)", message.splitlines()[-1])
            if atom and known(atom[1]):
                continue
        if code != clingo.MessageCode.FileIncluded:
            serious.append((code, message))
    if serious:
        messages.said = serious
        raise messages.error("the rule cannot mean what it says")


def _is_constraint(statement: ast.AST) -> bool:
    if statement.ast_type != ast.ASTType.Rule or statement.head.ast_type != ast.ASTType.Literal:
        return False
    return bool(statement.head.atom.ast_type == ast.ASTType.BooleanConstant)


def _unsatisfiable(constraint: ast.AST, name: str, hint: str = "") -> BadInput:
    file = _file_of(constraint, name)
    return BadInput(
        _comment_above(constraint) or "no answer satisfies the rules",
        value=str(constraint),
        where=f"{file}:{place_of(constraint)}",
        hint=hint,
    )


def _file_of(statement: ast.AST, name: str) -> str:
    file: str = statement.location.begin.filename
    return name if file == STRING else file


def _comment_above(statement: ast.AST) -> str:
    """The comment in the line before a statement of a file, which says what the constraint is
    for.
    """
    begin = statement.location.begin
    try:
        lines = text_of(Path(begin.filename), "the rules").splitlines()
        line = lines[begin.line - 2].strip() if begin.line >= 2 else ""
    except (BadInput, IndexError):
        return ""
    return line.lstrip("% ").rstrip(". ") if line.startswith("%") else ""


def _interruptible(
    work: Callable[[], list[clingo.Symbol]], name: str, seconds: float | None
) -> list[clingo.Symbol]:
    """Run it in a thread that may be left behind: signals reach Python only between calls into C,
    and grounding is one call that cannot be stopped.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["found"] = work()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=run, name="mk-skb", daemon=True)
    began, before = time.monotonic(), psutil.Process().memory_info().rss
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        if seconds is None:
            continue
        if time.monotonic() - began > seconds:
            raise _unanswered(f"{seconds:g} s", name)
        if psutil.Process().memory_info().rss - before > MOST_MEMORY:
            raise _unanswered(f"{MOST_MEMORY >> 30} GB of memory", name)
    if "error" in outcome:
        raise outcome["error"]
    found: list[clingo.Symbol] = outcome["found"]
    return found


def _unanswered(limit: str, name: str) -> Unanswered:
    return Unanswered(
        "there was no answer within",
        value=limit,
        where=name,
        hint="does a rule derive ever more of the same? Else give it more time: --time",
    )
