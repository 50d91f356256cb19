"""The companies of a rollout: read from the platform's database or a file, and refused when inconsistent."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cartctl.adapters.postgres import Postgres, SqlFailed, milliseconds
from cartctl.config.model.rollout import Companies as Settings
from cartctl.config.values import quoted
from cartctl.errors import ConfigError, Refused
from cartctl.inputs import InvalidInput, read_text

NAMED = 5  # of each problem, in its sentence
COLUMNS = ("id", "beta")
LARGEST = 64 * 1024 * 1024  # bytes of a file
QUERY_TIMEOUT = timedelta(seconds=60)  # maximum time of the query
_YES, _NO = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0", ""}


@dataclass(frozen=True, slots=True)
class Companies:
    """Ids in order, and which of them are beta companies."""

    ids: tuple[str, ...]
    beta: frozenset[str] = frozenset()

    def without(self, internal: Iterable[str]) -> "Companies":
        """The companies that a stage counts: internal ones are always enabled."""
        out = set(internal)
        return replace(self, ids=tuple(one for one in self.ids if one not in out), beta=self.beta - out)

    def pool(self, *, beta: bool) -> tuple[str, ...]:
        """All ids, or the beta ones."""
        return tuple(one for one in self.ids if one in self.beta) if beta else self.ids


def read_companies(settings: Settings | None, database: Postgres) -> Companies:
    """The companies of an environment. Read-only.

    Raises ConfigError naming duplicates, empty ids, ids that are not text and unknown beta companies; Refused without any
    company.
    """
    if settings is None:
        raise ConfigError("The companies are not configured.", hint="Set rollout.companies.sql or .csv.")
    rows = _from_file(settings.csv) if settings.csv else _from_database(str(settings.sql), database)
    companies = checked(rows, settings.beta)
    if not companies.ids:
        place = settings.csv or "The query rollout.companies.sql"
        raise Refused(f"{place} returns no companies; nothing was changed.", hint="Check rollout.companies.")
    return companies


def checked(rows: Iterable[Sequence[Any]], beta: Sequence[str] = ()) -> Companies:
    """Rows of an id and, where there is one, whether it is beta; `beta` replaces the second. Raises ConfigError."""
    ids: list[str] = []
    marked: set[str] = set()
    wrong: dict[str, list[str]] = {
        "is not text": [],
        "is empty": [],
        "has surrounding blanks": [],
        "is beta or not": [],
    }
    one: Any
    for number, row in enumerate(rows, 1):
        one, mark = (row[0] if row else None), (row[1] if len(row) > 1 else False)
        if problem := _problem(one):
            wrong[problem].append(f"row {number}: {one!r}")
        elif not isinstance(mark, bool | None):
            wrong["is beta or not"].append(f"row {number}: {mark!r}")
        else:
            ids.append(one)
            marked |= {one} if mark else set()
    _refuse(wrong)
    _refuse({"is a duplicate": [one for one, count in Counter(ids).items() if count > 1]})
    _refuse({"is in rollout.companies.beta but is not a company": sorted(set(beta) - set(ids))})
    return Companies(tuple(ids), frozenset(beta) if beta else frozenset(marked))


def _problem(one: Any) -> str:
    if not isinstance(one, str):
        return "is empty" if one is None else "is not text"
    if not one.strip():
        return "is empty"
    return "has surrounding blanks" if one != one.strip() else ""


def _refuse(wrong: dict[str, list[str]]) -> None:
    problems = []
    for problem, names in wrong.items():
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            what = (
                "the beta column is neither true nor false"
                if problem == "is beta or not"
                else f"an ID {problem}"
            )
            problems.append(f"{what}: {', '.join(names[:NAMED])}{more}")
    if problems:
        raise ConfigError(
            f"Companies: {'; '.join(problems)}.", hint="Correct rollout.companies; nothing was changed."
        )


def _from_database(query: str, database: Postgres) -> list[tuple[Any, ...]]:
    """The rows of a query, embedded in another one so that it can only be a single SELECT."""
    limits = {"default_transaction_read_only": "on", "statement_timeout": milliseconds(QUERY_TIMEOUT)}
    wrapped = f"SELECT * FROM (\n{query.strip().removesuffix(';')}\n) AS companies"  # noqa: S608 - the user's own
    try:
        with database.session("companies", autocommit=True, **limits) as connection:
            return connection.execute(wrapped.encode()).fetchall()
    except SqlFailed as wrong:
        raise ConfigError(
            f"The query rollout.companies.sql failed: {wrong.message}.",
            hint="Write for example: SELECT id, beta FROM companies",
        ) from wrong


def _from_file(path: Path) -> Iterator[tuple[Any, ...]]:
    """The columns `id` and `beta` of a CSV file, found by its first line. Raises ConfigError."""
    lines = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(filter(None, lines), [])
        _refuse_header(path, lines.line_num, header)
        yield from (_row(header, line) for line in lines if line)
    except csv.Error as broken:
        raise ConfigError(
            f"{path}: not valid CSV, near line {lines.line_num}: {broken}.",
            hint="Quote an ID that contains a comma or a quote.",
        ) from broken


def _refuse_header(path: Path, line: int, header: Sequence[str]) -> None:
    """An ignored column would silently omit companies. Raises ConfigError naming each wrong one."""
    wrong = {
        "unknown": [name for name in dict.fromkeys(header) if name not in COLUMNS],
        "duplicate": [name for name, count in Counter(header).items() if count > 1],
        "missing": [] if "id" in header else ["id"],
    }
    problems = [f"{kind} {', '.join(map(quoted, names[:NAMED]))}" for kind, names in wrong.items() if names]
    if problems:
        raise ConfigError(
            f"{path}, line {max(line, 1)}: wrong column names: {'; '.join(problems)}.",
            hint="The first line must be id or id,beta, without blanks.",
        )


def _row(header: Sequence[str], line: Sequence[str]) -> tuple[Any, ...]:
    if len(line) > len(header):
        raise csv.Error("it has more fields than the first line")
    row = dict(zip(header, line, strict=False))
    return row.get("id"), _mark(row.get("beta"))


def _text(path: Path) -> str:
    try:
        return read_text(path, limit=LARGEST)
    except InvalidInput as wrong:
        raise ConfigError(wrong.message, hint=wrong.hint or "Check rollout.companies.csv.") from wrong


def _mark(text: str | None) -> bool | str:
    normalised = (text or "").strip().lower()
    return True if normalised in _YES else False if normalised in _NO else str(text)
