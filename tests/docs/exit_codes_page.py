"""docs/exit-codes.md: how a process ends, read from the errors."""

import inspect
import re

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
    kinds = [
        kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CartctlError)
    ]
    return sorted(kinds, key=lambda kind: (kind.exit_code, kind.code))


def _first(kind: type[CartctlError]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]
