"""The statements of an application's migration file, as far as they must be known before it is executed. Pure.

The file is executed whole, as PostgreSQL reads it; its statements are only split to find out what they create, and which
of them PostgreSQL refuses inside a transaction.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"""(?P<line>--[^\n]*)|(?P<block>/\*)|(?P<dollar>(?<![\w$])\$(?P<tag>[A-Za-z_]\w*)?\$)"""
    r"""|(?P<text>(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*")|(?P<end>;)""",
    re.DOTALL,
)
_NAME = r'(?:(?:"public"|public)\.)?("(?:[^"]|"")+"|\w+)'
_EXISTS = r"(?P<optional>IF\s+NOT\s+EXISTS\s+)?"
_CREATES = (
    (re.compile(rf"CREATE\s+TYPE\s+{_NAME}", re.IGNORECASE), "type"),
    (re.compile(rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+{_EXISTS}{_NAME}", re.IGNORECASE), "table"),
    (
        re.compile(
            rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:CONCURRENTLY\s+)?{_EXISTS}{_NAME}\s+ON", re.IGNORECASE
        ),
        "index",
    ),
)
_ALTERS = re.compile(
    rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}\s+(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_ADDS = re.compile(
    rf"ADD\s+(?:(?P<constraint>CONSTRAINT)\s+|COLUMN\s+|(?!CONSTRAINT\b|PRIMARY\b|UNIQUE\b|FOREIGN\b|CHECK\b|EXCLUDE\b)){_EXISTS}{_NAME}",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"ALTER\s+TYPE\s+{_NAME}\s+ADD\s+VALUE\s+{_EXISTS}'(?P<label>(?:[^']|'')*)'", re.IGNORECASE
)
_OUTSIDE = re.compile(
    r"(?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b.*?|REFRESH\s+MATERIALIZED\s+VIEW|ALTER\s+TABLE\s+.+\s+DETACH\s+PARTITION\s+\S+)\s+CONCURRENTLY\b"
    r"|VACUUM\b|CREATE\s+DATABASE\b|DROP\s+DATABASE\b|ALTER\s+SYSTEM\b|CREATE\s+TABLESPACE\b|DROP\s+TABLESPACE\b"
    r"|REINDEX\s+(?:DATABASE|SYSTEM)\b",
    re.IGNORECASE | re.DOTALL,
)
_CONTROL = re.compile(
    r"(?:BEGIN|COMMIT|ROLLBACK|END|ABORT|START\s+TRANSACTION|PREPARE\s+TRANSACTION)\b(?!\s+TO\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Created:
    """An object that a statement creates: its kind, its name in schema public, and the table or type it belongs to."""

    kind: str  # type | table | index | column | constraint | label
    name: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.of}.{self.name}" if self.of else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class FileStatements:
    """What is known of a file before it runs; `created` are the objects that must not exist before."""

    statements: tuple[str, ...]
    created: tuple[Created, ...]

    @property
    def outside(self) -> str | None:
        """The first statement that PostgreSQL refuses inside a transaction block."""
        return next((each for each in self.statements if _OUTSIDE.match(each)), None)

    @property
    def controls(self) -> str | None:
        """The first statement that begins or ends a transaction."""
        return next((each for each in self.statements if _CONTROL.match(each)), None)


@lru_cache(maxsize=32)
def read_statements(content: bytes) -> FileStatements:
    """The statements of a file without comments, and the objects they create.

    An object that the file itself drops or renames first is not among those that must not exist.
    """
    statements = tuple(_split(content.decode("utf-8-sig", errors="replace")))
    dropped = " ".join(
        each
        for each in statements
        if re.match(r"DROP\b|ALTER\b.*\b(?:DROP|RENAME)\b", each, re.IGNORECASE | re.DOTALL)
    )
    created = (one for each in statements for one in _created(each))
    new = tuple(one for one in created if not re.search(rf"\b{re.escape(one.name)}\b", dropped))
    return FileStatements(statements, new)


def with_optional_labels(content: bytes, labels: Iterable[Created]) -> bytes:
    """The file with IF NOT EXISTS for these labels, which exist already: everything else is as it was."""
    known = {(each.of, each.name) for each in labels}

    def optional(match: re.Match[str]) -> str:
        label = match["label"].replace("''", "'")
        if match["optional"] or (_plain(match[1]), label) not in known:
            return match[0]
        text = f"'{match['label']}'"
        return f"{match[0].removesuffix(text)}IF NOT EXISTS {text}"

    return _LABEL.sub(optional, content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _split(text: str) -> Iterator[str]:
    """Statements without comments; the content of strings, names and function bodies is kept."""
    part, position = [], 0
    while match := _TOKEN.search(text, position):
        part.append(text[position : match.start()])
        position = match.end()
        if match["end"]:
            yield from _whole(part)
            part = []
        elif match["line"]:
            part.append(" ")
        elif match["block"]:
            position = _after_comment(text, position)
            part.append(" ")
        elif match["dollar"]:
            closed = text.find(match["dollar"], position)
            position = len(text) if closed < 0 else closed + len(match["dollar"])
            part.append(text[match.start() : position])
        else:
            part.append(match[0])
    yield from _whole([*part, text[position:]])


def _whole(part: list[str]) -> Iterator[str]:
    if statement := "".join(part).strip():
        yield statement


def _after_comment(text: str, position: int) -> int:
    """The end of a block comment, which may contain others."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, position):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _created(statement: str) -> Iterator[Created]:
    for pattern, kind in _CREATES:
        if match := pattern.match(statement):
            if "optional" not in match.groupdict() or not match["optional"]:
                yield Created(kind, _plain(match[match.re.groups]))
            return
    if (match := _LABEL.match(statement)) and not match["optional"]:
        yield Created("label", match["label"].replace("''", "'"), _plain(match[1]))
    elif match := _ALTERS.match(statement):
        for added in _ADDS.finditer(match["rest"]):
            if not added["optional"]:
                kind = "constraint" if added["constraint"] else "column"
                yield Created(kind, _plain(added[added.re.groups]), _plain(match[1]))


def _plain(name: str) -> str:
    """A name as the catalogue has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
