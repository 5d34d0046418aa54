"""The hand-written stub of the native module says what is there: the same names, the same
parameters.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from pathlib import Path

from multikernel.native import _native

STUB = ast.parse((Path(__file__).parents[2] / "multikernel/native/_native.pyi").read_text())
CLASSES = [node for node in STUB.body if isinstance(node, ast.ClassDef)]


def public(names: Sequence[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def declared(body: Sequence[ast.stmt]) -> list[str]:
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return names


def is_property(node: ast.FunctionDef) -> bool:
    names = {ast.unparse(decorator) for decorator in node.decorator_list}
    return bool(names & {"property", f"{node.name}.setter"})


def parameters(function: ast.FunctionDef) -> list[str]:
    every = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    if function.args.kwarg:
        every = (*every, function.args.kwarg)
    return [argument.arg for argument in every if argument.arg != "self"]


def parameters_there(owner: object, name: str) -> list[str]:
    """Cython writes the signature into the first line of the docstring."""
    text = (getattr(owner, name).__doc__ or "").split("\n")[0]
    inside = text[text.index("(") + 1 : text.rindex(")")]
    inside = inside.replace("[::1]", "")  # a memory view's shape
    names = [
        part.split("=")[0].split(":")[0].split()[-1].removeprefix("**")
        for part in inside.split(",")
        if part.strip()
    ]
    return [one for one in names if one not in ("self", "*", "/")]


def test_names_are_those_of_the_module_and_its_classes() -> None:
    there = {name for name in dir(_native) if not inspect.ismodule(getattr(_native, name))}
    assert public(declared(STUB.body)) == public([*there])
    for node in CLASSES:
        members = public([*vars(getattr(_native, node.name))])
        assert public(declared(node.body)) == members, f"of the class {node.name}"


def test_parameters_are_those_of_the_functions() -> None:
    bodies = [(_native, STUB.body), *((getattr(_native, node.name), node.body) for node in CLASSES)]
    functions = [
        (owner, node)
        for owner, body in bodies
        for node in body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and not is_property(node)
        and hasattr(owner, node.name)  # what only the stub has, the test of names finds
    ]
    wrong = {
        f"{owner.__name__}.{node.name}": (there, parameters(node))
        for owner, node in functions
        if (there := parameters_there(owner, node.name)) != parameters(node)
    }
    assert len(functions) > 40
    assert wrong == {}, "function: (parameters in the module, in the stub)"
