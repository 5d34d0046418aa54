"""The hand-written stub of the native module says what is there: the same names, the same
parameters.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from multikernel.native import _native

STUB = ast.parse((Path(__file__).parents[2] / "multikernel/native/_native.pyi").read_text())


def public(names: list[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def declared(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def parameters(function: ast.FunctionDef) -> list[str]:
    return [
        argument.arg
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if argument.arg != "self"
    ]


def test_the_module_has_the_stubs_names() -> None:
    there = {name for name in public(dir(_native)) if not inspect.ismodule(getattr(_native, name))}
    assert public(list(declared(STUB.body))) == there


CLASSES = [
    node for node in STUB.body if isinstance(node, ast.ClassDef) and hasattr(_native, node.name)
]


@pytest.mark.parametrize("node", CLASSES, ids=[node.name for node in CLASSES])
def test_a_class_has_the_stubs_members(node: ast.ClassDef) -> None:
    assert public(list(declared(node.body))) == public(list(vars(getattr(_native, node.name))))


def is_property(node: ast.FunctionDef) -> bool:
    names = {ast.unparse(decorator) for decorator in node.decorator_list}
    return bool(names & {"property", f"{node.name}.setter"})


FUNCTIONS = [
    (f"{owner}.{node.name}" if owner else node.name, node)
    for owner, body in [("", STUB.body), *((node.name, node.body) for node in CLASSES)]
    for node in body
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not is_property(node)
]


@pytest.mark.parametrize(("name", "node"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_a_function_has_the_stubs_parameters(name: str, node: ast.FunctionDef) -> None:
    there: object = _native
    for part in name.split("."):
        there = getattr(there, part)
    # Cython writes the signature into the first line of the docstring.
    text = (there.__doc__ or "").split("\n")[0]
    inside = text[text.index("(") + 1 : text.rindex(")")]
    inside = inside.replace("[::1]", "")  # a memory view's shape
    names = [
        part.split("=")[0].split(":")[0].split()[-1] for part in inside.split(",") if part.strip()
    ]
    names = [one for one in names if one not in ("self", "*", "/")]
    assert names == parameters(node), text
