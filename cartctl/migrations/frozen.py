"""The frozen SQL files, found inside the installed package and never rendered."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

NAMES = (
    "20260101140542_add_ecommerce_modules",
    "20260101140600_add_cart_and_session_partial_indexes",
    "20260101163110_add_cart_promotion_tax_shipping_system",
)

_MAKES = (
    (re.compile(r'CREATE TYPE "(\w+)"'), "type"),
    (re.compile(r'CREATE TABLE "(\w+)"'), "table"),
    (re.compile(r'CREATE (?:UNIQUE )?INDEX "(\w+)"'), "index"),
    (re.compile(r'ALTER TABLE "\w+" ADD CONSTRAINT "(\w+)"'), "constraint"),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a migration and the one object it creates, by its unqualified name."""

    sql: str
    kind: str  # type | table | index | constraint
    makes: str
    table: str | None  # that an index or constraint belongs to


@dataclass(frozen=True)
class Frozen:
    """One migration's files. `name` is its folder, its first 14 digits the revision."""

    name: str

    @property
    def revision(self) -> str:
        """The revision id: the 14 digits the name begins with."""
        return self.name[:14]

    @cached_property
    def up(self) -> bytes:
        """`migration.sql`, verbatim."""
        return self._read("migration.sql")

    @cached_property
    def strict(self) -> bytes:
        """`strict.sql`, the constraints for databases that only cartctl migrates; empty when there are none."""
        return self._read("strict.sql", missing=b"")

    @cached_property
    def down(self) -> bytes:
        """`down.sql`: reverts `migration.sql`, and nothing else."""
        return self._read("down.sql")

    @cached_property
    def checksum(self) -> str:
        """Lower-case hex SHA-256 of `migration.sql`, as Prisma's ledger stores it."""
        return hashlib.sha256(self.up).hexdigest()

    def script(self, *, strict: bool) -> bytes:
        """What the upgrade executes, verbatim."""
        return self.up + b"\n" + self.strict if strict else self.up

    def statements(self, *, strict: bool) -> list[Statement]:
        """The same script, statement by statement."""
        return list(_statements(self.script(strict=strict)))

    def _read(self, file: str, missing: bytes | None = None) -> bytes:
        path = files("cartctl.migrations") / "sql" / self.name / file
        return missing if missing is not None and not path.is_file() else path.read_bytes()


def checksums(content: bytes) -> tuple[str, str]:
    """The checksums of a file with Unix and with Windows line endings: Prisma treats both as the same file. Pure."""
    here = content.replace(b"\r\n", b"\n")
    return hashlib.sha256(here).hexdigest(), hashlib.sha256(here.replace(b"\n", b"\r\n")).hexdigest()


MIGRATIONS = tuple(Frozen(name) for name in NAMES)


def frozen(revision: str) -> Frozen:
    """A migration by its revision id. Raises KeyError for an unknown one."""
    return {migration.revision: migration for migration in MIGRATIONS}[revision]


@cache
def _statements(script: bytes) -> tuple[Statement, ...]:
    return tuple(_split(script.decode()))


def _split(text: str) -> Iterator[Statement]:
    """Statements end with `;` at a line's end: the frozen files contain no function bodies."""
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    for part in re.split(r";[ \t]*\n", code + "\n"):
        if sql := part.strip():
            kind, makes = next((kind, match[1]) for pattern, kind in _MAKES if (match := pattern.match(sql)))
            table = re.match(r'(?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX "\w+" ON) "(\w+)"', sql)
            yield Statement(sql + ";", kind, makes, table[1] if table else None)
