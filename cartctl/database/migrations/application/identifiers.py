"""The names in an application's migration file: what changed beside the cart is a file's work only if it names it. Pure.

String literals are not among them, because they may hold secrets; the labels of enums are.
"""

import re

from cartctl.database.migrations.application.file_statements import read_statements

_LABEL = re.compile(r"ADD\s+VALUE\s+(?:IF\s+NOT\s+EXISTS\s+)?'((?:[^']|'')*)'", re.IGNORECASE)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_QUOTED = re.compile(r'"((?:[^"]|"")+)"')
_WORD = re.compile(r"\w+")


def identifiers(content: bytes) -> frozenset[str]:
    """Names and labels of a file: quoted ones as written, others in lower case. Keywords are among them."""
    names: set[str] = set()
    for statement in read_statements(content).statements:
        names |= {label.replace("''", "'") for label in _LABEL.findall(statement)}
        code = _TEXT.sub(" ", statement)
        names |= {name.replace('""', '"') for name in _QUOTED.findall(code)}
        names |= {word.lower() for word in _WORD.findall(_QUOTED.sub(" ", code))}
    return frozenset(names)
