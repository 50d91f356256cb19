"""docs/library.md: the public names of cartctl.cart, with the signatures and docstrings of their source."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from cartctl import cart
from tests.docs.markdown import anchor, block, code, table, text_of, title

INTRODUCTION = """\
`cartctl.cart` is the cart as a library: pricing, life cycle, statistics and storage on PostgreSQL. It is typed (`py.typed`)
and imports nothing else of the package. Import its names from `cartctl.cart`; modules below it may move.

Amounts are `decimal.Decimal`, never floats. Times are aware `datetime` values. Rules are pure functions; only the functions
that take a session or a connection access the database."""

EXAMPLE = """\
from pathlib import Path

from cartctl.cart import InputError, quote, read_quote

try:
    priced = quote(read_quote(Path("cart.json").read_bytes()))
except InputError as error:
    raise SystemExit(str(error)) from error
print(priced["grandTotal"], priced["currency"])"""


def page() -> str:
    """The page's text."""
    names = sorted(cart.__all__, key=str.lower)
    lines = title("Library", INTRODUCTION)
    lines += block("python", EXAMPLE.splitlines())
    lines += table(
        ("name", "purpose"),
        ((f"[{code(name)}]({anchor(_heading(name))})", _summary(_named(name))) for name in names),
    )
    for name in names:
        lines += [f"## {_heading(name)}", "", *_described(name, _named(name))]
    return text_of(lines)


def _named(name: str) -> Any:
    return getattr(cart, name)


def _heading(name: str) -> str:
    """A class and a function may differ by case alone, which a link would not see."""
    return f"{code(name)}, a class" if isinstance(_named(name), type) else code(name)


def _summary(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def _described(name: str, thing: Any) -> list[str]:
    node = _source(thing)
    if isinstance(node, ast.ClassDef):
        return [*block("python", _class(node)), *_doc(thing), *_methods(node)]
    return [*block("python", [_signature(node, name)]), *_doc(thing)]


def _source(thing: Any) -> ast.ClassDef | ast.FunctionDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    assert isinstance(node, ast.ClassDef | ast.FunctionDef), thing
    return node


def _doc(thing: Any) -> list[str]:
    return [*(inspect.getdoc(thing) or "").splitlines(), ""]


def _signature(node: ast.FunctionDef, name: str) -> str:
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {name}({ast.unparse(node.args)}){result}"


def _class(node: ast.ClassDef) -> list[str]:
    bases = f"({', '.join(ast.unparse(base) for base in node.bases)})" if node.bases else ""
    inside = [f"    {ast.unparse(one)}" for one in node.body if _is_public_field(one)]
    return [f"class {node.name}{bases}{':' if inside else ''}", *inside]


def _is_public_field(node: ast.stmt) -> bool:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return not node.target.id.startswith("_") and "ClassVar" not in ast.unparse(node.annotation)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return not node.targets[0].id.startswith("_")
    return False


def _methods(node: ast.ClassDef) -> list[str]:
    rows = ((code(shown), _first(one)) for one, shown in _public(node))
    return table(("method or property", "meaning"), rows)


def _public(node: ast.ClassDef) -> Iterator[tuple[ast.FunctionDef, str]]:
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            is_property = any("property" in ast.unparse(mark) for mark in one.decorator_list)
            result = f" -> {ast.unparse(one.returns)}" if one.returns else ""
            yield one, f"{one.name}{'' if is_property else f'({_arguments(one)})'}{result}"


def _arguments(node: ast.FunctionDef) -> str:
    return ast.unparse(node.args).removeprefix("self").removeprefix("cls").removeprefix(", ")


def _first(node: ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n\n")[0]
