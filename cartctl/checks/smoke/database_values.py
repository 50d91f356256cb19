"""Values of a response against the suite's own SQL, read before the request and after the response.

Under traffic a value may change between two readings; only readings that are equal decide.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from cartctl.adapters.postgres import DatabaseUnreachable, SqlFailed
from cartctl.adapters.postgres.read_only import InvalidQuery, ReadOnlyQueries
from cartctl.checks.smoke.expectation_model import DatabaseValue
from cartctl.checks.smoke.json_values import shown
from cartctl.checks.smoke.suite_file import error_at
from cartctl.checks.smoke.suite_model import Suite
from cartctl.checks.smoke.templates import fill


def check_queries(suite: Suite, path: Path, queries: ReadOnlyQueries) -> None:
    """Have the server plan every query first. Raises ConfigError with file, line and key for an invalid one."""
    for number, request in enumerate(suite.request):
        for position, value in enumerate(request.database):
            try:
                queries.check(value.query, value.parameters)
            except InvalidQuery as error:
                key = ("request", str(number), "database", str(position), "query")
                raise error_at(path, key, f"is not a valid query: {error.message}") from error
            except (SqlFailed, DatabaseUnreachable):  # each test that needs it reports that
                return


def read_values(
    expected: Sequence[DatabaseValue], queries: ReadOnlyQueries, values: Mapping[str, Any]
) -> list[Any]:
    """What each query returns now. Read-only. Raises SqlFailed, DatabaseUnreachable."""
    return [_value(queries.rows(one.query, fill(one.parameters, values))) for one in expected]


def _value(rows: list[tuple[Any, ...]]) -> Any:
    if rows and len(rows[0]) != 1:
        raise SqlFailed(f"The query returns {len(rows[0])} columns.", hint="Select one column.")
    return rows[0][0] if len(rows) == 1 else [row[0] for row in rows]


def database_differences(
    expected: Sequence[DatabaseValue], readings: Sequence[Any], body: Any
) -> Iterator[str]:
    """Where the body differs from the database."""
    from cartctl.adapters.documents.json_path import find_values

    for one, reading in zip(expected, readings, strict=True):
        matches = find_values(one.jsonpath, body)
        if not matches and not isinstance(reading, list):
            yield f"{one.jsonpath} matches nothing; the database has {shown(_plain(reading))}"
            continue
        actual = matches if isinstance(reading, list) else matches[0] if len(matches) == 1 else matches
        if len(matches) == 1 and isinstance(matches[0], list) and isinstance(reading, list):
            actual = matches[0]
        if not _equal(actual, reading):
            yield f"{one.jsonpath} is {shown(actual)}, the database has {shown(_plain(reading))}"


def _equal(actual: Any, reading: Any) -> bool:
    """Equal as JSON would carry it: exact numbers may be text, times and ids are text."""
    if isinstance(reading, list):
        return isinstance(actual, list) and len(actual) == len(reading) and all(map(_equal, actual, reading))
    if reading is None or isinstance(reading, bool) or isinstance(actual, bool):
        return actual is reading
    if isinstance(reading, int | float | Decimal):
        try:
            return Decimal(str(actual)) == Decimal(str(reading))
        except InvalidOperation:
            return False
    return bool(actual == reading) or actual == _plain(reading)


def _plain(reading: Any) -> Any:
    """A reading as JSON would carry it."""
    if isinstance(reading, list):
        return [_plain(one) for one in reading]
    if reading is None or isinstance(reading, bool | int | float | str | dict):
        return reading
    return reading.isoformat() if hasattr(reading, "isoformat") else str(reading)
