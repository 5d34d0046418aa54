"""Facts that the user asserts, from a file or a line of text, in clingo's language: `in_node(3,1).`

Guarantees: every fact remembers its file and line. Only facts are taken: a rule, a variable, a
choice, or something that cannot be parsed is one error with its file and line.
"""

import os
from pathlib import Path

import clingo
from clingo import ast

from multikernel.errors import BadInput
from multikernel.knowledge import nesting
from multikernel.knowledge.facts import ASSERTED, Fact, Value
from multikernel.knowledge.solver import Messages, place_of, text_of

HINT = "write facts such as in_node(3,1). or round_trip(0,1,900)."


def read(source: str | os.PathLike[str]) -> list[Fact]:
    """The facts in a file, if `source` is a path or the name of one that is there, else in the text
    itself.

    Raises BadInput.
    """
    if not isinstance(source, str) or source.strip().endswith(".lp") or os.path.isfile(source):
        return of_text(text_of(Path(source), "the asserted facts", HINT), str(source))
    return of_text(source if source.rstrip().endswith(".") else source + ".", "--assert")


def of_text(text: str, name: str) -> list[Fact]:
    """The facts in a text; name: what to call it in errors and as their origin. Raises BadInput."""
    nesting.check(text, name)
    messages = Messages(name)
    statements: list[ast.AST] = []
    try:
        ast.parse_string(text, statements.append, logger=messages)
    except RuntimeError:
        raise messages.error("cannot read the asserted facts", HINT) from None
    return [
        _fact(statement, f"{name}:{place_of(statement)}")
        for statement in statements
        if not (statement.ast_type == ast.ASTType.Program and statement.name == "base")
        and statement.ast_type != ast.ASTType.Comment
    ]


def _fact(statement: ast.AST, where: str) -> Fact:
    refused = BadInput("only facts can be asserted", value=str(statement), where=where, hint=HINT)
    if statement.ast_type != ast.ASTType.Rule or statement.body:
        raise refused
    try:
        symbol = clingo.parse_term(str(statement.head), logger=lambda _code, _message: None)
    except RuntimeError:
        raise refused from None
    if symbol.type != clingo.SymbolType.Function or not symbol.name or not symbol.positive:
        raise refused
    arguments: list[Value] = []
    for argument in symbol.arguments:
        if argument.type == clingo.SymbolType.Number:
            arguments.append(argument.number)
        elif (
            argument.type == clingo.SymbolType.Function and argument.name and not argument.arguments
        ):
            arguments.append(str(argument))
        else:
            raise refused
    return Fact(symbol.name, tuple(arguments), ASSERTED, where)
