"""The hand-written stub of the native module names exactly what the module has, with the same parameters."""

import ast
import inspect
import re
from pathlib import Path

from multikernel.native import _native

SOURCE = Path(__file__).resolve().parents[2] / "multikernel" / "native" / "_native.pyi"
STUB = ast.parse(SOURCE.read_text(encoding="utf-8"))
SPECIAL = {"__init__", "__buffer__"}


def named(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def public(thing: object) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def parameters_of(function: object) -> list[str]:
    """Out of the signature that the compiler puts into the first line of the docstring."""
    line = (inspect.getdoc(function) or "").splitlines()[0]
    signature = re.fullmatch(r"[\w.]+\((.*)\)(?: -> .*)?", line)
    assert signature is not None, line
    last_words = [re.search(r"(\w+)$", part.split("=")[0].strip()) for part in signature[1].split(",")]
    return [match[1] for match in last_words if match is not None and match[1] != "self"]


def own_parameters(node: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in node.args.args if argument.arg != "self"]


def test_module_and_stub_name_the_same() -> None:
    modules = {name for name, value in vars(_native).items() if inspect.ismodule(value)}
    stubbed = {name for name in named(STUB.body) if not name.startswith("_")}
    assert public(_native) - modules == stubbed


def test_classes_and_stub_name_the_same() -> None:
    for name, node in named(STUB.body).items():
        if isinstance(node, ast.ClassDef):
            stubbed = set(named(node.body)) - SPECIAL
            assert public(getattr(_native, name)) == stubbed, name


def test_functions_and_stub_have_the_same_parameters() -> None:
    compared = 0
    for name, node in named(STUB.body).items():
        if isinstance(node, ast.FunctionDef):
            assert parameters_of(getattr(_native, name)) == own_parameters(node), name
            compared += 1
        elif isinstance(node, ast.ClassDef):
            for method, inner in named(node.body).items():
                if not isinstance(inner, ast.FunctionDef) or method in SPECIAL or inner.decorator_list:
                    continue
                function = getattr(getattr(_native, name), method)
                assert parameters_of(function) == own_parameters(inner), f"{name}.{method}"
                compared += 1
    assert compared > 30
