"""A database's structure as a value: every object with its facts, a stable text, a hash, and the difference of two.

Separate from the requirements (`contract`): this only measures. It is read from the server's own catalogue, so it sees
what model comparisons do not: enum labels in their order, index predicates and validity, checks, owners and grants.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from cartctl.adapters.postgres import Connection, as_text, translated

Facts = Mapping[str, Any]
_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')
_TWO_WORDS = "materialized view "


@dataclass(frozen=True, slots=True)
class Difference:
    """The objects added, removed or changed between two catalogues; keys are `kind qualified-name`, values the objects' facts."""

    added: Mapping[str, Facts]
    removed: Mapping[str, Facts]
    changed: Mapping[str, tuple[Facts, Facts]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def lines(self) -> list[str]:
        """One line per object, for people: `+` added, `-` removed, `~` changed with each fact that differs."""
        return [
            *(f"+ {key}" for key in sorted(self.added)),
            *(f"- {key}" for key in sorted(self.removed)),
            *(f"~ {key}: {_describe(*pair)}" for key, pair in sorted(self.changed.items())),
        ]

    def within(self, keys: frozenset[str] | set[str]) -> "Difference":
        """Only the objects named by `keys`."""
        return Difference(
            {key: facts for key, facts in self.added.items() if key in keys},
            {key: facts for key, facts in self.removed.items() if key in keys},
            {key: pair for key, pair in self.changed.items() if key in keys},
        )

    @property
    def keys(self) -> frozenset[str]:
        """Every object that differs."""
        return frozenset(self.added) | frozenset(self.removed) | frozenset(self.changed)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Objects by `kind qualified-name`, for example `table public.carts` or `column public.carts."companyId"`."""

    objects: Mapping[str, Facts]

    @property
    def text(self) -> str:
        """One line per object, sorted: equal text means equal structure."""
        return "".join(f"{key} {_json(facts)}\n" for key, facts in sorted(self.objects.items()))

    @property
    def hash(self) -> str:
        """SHA-256 of the text, in lower-case hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def of(self, kind: str) -> dict[str, Facts]:
        """The objects of one kind, by their qualified name."""
        start = f"{kind} "
        return {key[len(start) :]: facts for key, facts in self.objects.items() if key.startswith(start)}


def read_catalogue(connection: Connection) -> Catalogue:
    """The structure of every schema but PostgreSQL's and the journal's, in one statement. Read-only.

    Objects of an extension are omitted; the extension itself is included.
    """
    with translated(), _qualified(connection):
        cursor = connection.cursor()
        as_text(cursor, "jsonb")
        rows = cursor.execute(_query(), prepare=True).fetchall()  # the server plans the statement only once
    objects = json.loads(f"[{','.join(facts for _, _, facts in rows)}]")  # one document, not hundreds
    return Catalogue(
        {f"{kind} {name}": _known(facts) for (kind, name, _), facts in zip(rows, objects, strict=True)}
    )


@contextmanager
def reading(connection: Connection) -> Iterator[Future[Catalogue]]:
    """The structure, read by another thread during the block, which must not use this connection. Read-only.

    The block ends when the reading has ended.
    """
    with ThreadPoolExecutor(1, "catalogue") as reader:
        yield reader.submit(read_catalogue, connection)


def fingerprint_hash(connection: Connection) -> str:
    """The hash of a database's structure, for callers that only compare. Read-only."""
    return read_catalogue(connection).hash


def difference(before: Catalogue, after: Catalogue) -> Difference:
    """What changed between two readings. Pure."""
    both = before.objects.keys() & after.objects.keys()
    return Difference(
        added={key: facts for key, facts in after.objects.items() if key not in both},
        removed={key: facts for key, facts in before.objects.items() if key not in both},
        changed={
            key: (before.objects[key], after.objects[key])
            for key in both
            if before.objects[key] != after.objects[key]
        },
    )


def object_path(key: str) -> tuple[str, tuple[str, ...]]:
    """Kind and unquoted names of a key: `column public.sites."cartTheme"` → column, (public, sites, cartTheme). Pure.

    The arguments of a function are not part of its name.
    """
    space = len(_TWO_WORDS) - 1 if key.startswith(_TWO_WORDS) else key.index(" ")
    kind, name = key[:space], key[space + 1 :]
    if kind == "function":
        name = name.partition("(")[0]
    return kind, tuple(quoted.replace('""', '"') if quoted else bare for quoted, bare in _PART.findall(name))


@cache
def _query() -> bytes:
    return files("cartctl.database").joinpath("catalogue.sql").read_bytes()


@contextmanager
def _qualified(connection: Connection) -> Iterator[None]:
    """Without a search path the server qualifies every name; JIT compilation would only add time."""
    before = connection.execute(
        """SELECT path, jit, set_config('search_path', 'pg_catalog', false), set_config('jit', 'off', false)
           FROM (SELECT current_setting('search_path') AS path, current_setting('jit') AS jit OFFSET 0) AS before"""
    ).fetchone() or ("public", "off")
    yield
    connection.execute(
        "SELECT set_config('search_path', %s, false), set_config('jit', %s, false)", before[:2]
    )


def _known(facts: Facts) -> Facts:
    """The facts without the empty ones, so that the text lists only what is set."""
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _describe(before: Facts, after: Facts) -> str:
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return ", ".join(f"{name} {_json(before.get(name))} → {_json(after.get(name))}" for name in names)
