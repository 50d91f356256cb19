"""docs/exit-codes.md: how a process ends, read from the errors."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import cartctl
from cartctl import errors
from cartctl.errors import CartctlError
from tests.docs.markdown import code, table, text_of, title

INTRODUCTION = (
    "A command ends with one of these codes. Messages go to stderr: what is wrong, then a hint. With `-o json` the error "
    "is a document on stdout with the kind `error`."
)


def page() -> str:
    """The page's text."""
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", errors.__doc__ or "", re.MULTILINE)
    lines = title("Exit codes", INTRODUCTION)
    lines += table(("exit code", "meaning"), rows)
    lines += ["## Error codes", "", "The field `code` of an error document, with its exit code.", ""]
    lines += table(
        ("code", "exit code", "meaning"),
        ((code(kind.code), str(kind.exit_code), _first(kind)) for kind in _kinds()),
    )
    return text_of(lines)


def _kinds() -> list[type[CartctlError]]:
    """Every error class of the package that has a code of its own."""
    for module in pkgutil.walk_packages(cartctl.__path__, "cartctl."):
        if not module.name.startswith("cartctl.migrations.") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds: dict[str, type[CartctlError]] = {}
    for kind in _subclasses(CartctlError):
        if "code" in vars(kind):
            kinds.setdefault(kind.code, kind)  # the base comes first
    return sorted(kinds.values(), key=lambda kind: (kind.exit_code, kind.code))


def _subclasses(kind: type[CartctlError]) -> Iterator[type[CartctlError]]:
    if kind.__module__.startswith("cartctl."):
        yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)


def _first(kind: type[CartctlError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]
