"""JSONPath (RFC 9535): values of a JSON document by a query."""

from functools import lru_cache
from typing import Any

import jsonpath_rfc9535
from jsonpath_rfc9535 import JSONPathError, JSONPathQuery

from cartctl.errors import StepFailed

MOST = 100_000  # matches of one query that are read


class TooManyMatches(StepFailed):
    """A query matches more values than are read."""

    code = "too_many_matches"


def check_json_path(query: str) -> None:
    """Raise ValueError with the reason if a query is invalid."""
    _compiled(query)


def find_values(query: str, document: Any) -> list[Any]:
    """The values that a query matches, in order. Raises ValueError for an invalid query, TooManyMatches."""
    values: list[Any] = []
    try:
        for node in _compiled(query).finditer(document):
            values.append(node.value)
            if len(values) > MOST:
                raise TooManyMatches(f"{query} matches more than {MOST} values.")
    except (JSONPathError, RecursionError) as error:
        raise ValueError(f"cannot evaluate {query!r}: {error}") from error
    return values


@lru_cache(maxsize=1024)
def _compiled(query: str) -> JSONPathQuery:
    try:
        return jsonpath_rfc9535.compile(query)
    except (JSONPathError, RecursionError, ValueError) as error:
        raise ValueError(f"is not a valid JSONPath: {error}") from error
