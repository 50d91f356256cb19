"""What every call of the service works with: a transaction, a company, a time, and the shop's terms."""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Text, bindparam, column, select, table

from cartctl.cart.errors import CartError, InputError, NotFound, OutOfRange, SchemaUnsupported, TryAgain
from cartctl.cart.store.driver_errors import refuse_unstorable, sqlstate
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.round_trips import Call, Rows, Statement, run
from cartctl.cart.store.sql_engine import naive

ATTEMPTS = 3  # of a transaction that others were in the way of
_RETRIED = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock timeout
_MISSING = {"42703", "42P01", "42704"}  # column, table, type
_LONGEST_JSON = 100_000  # characters
_UNSTORABLE = re.compile(r"[\ud800-\udfff]|(?<!\\)(?:\\\\)*\\u0000")  # half a character; an escaped NUL

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scope:
    """One call: `now` is UTC without a zone."""

    connection: Connection
    company_id: str
    now: datetime
    terms: PricingTerms
    lifetime: timedelta
    payment_timeout: timedelta

    def refuse_foreign(self, name: str, thing_id: str | None) -> None:
        """Raises NotFound for a customer, product or site that is not this company's; `name` is its table's, plural."""
        if thing_id is not None:
            refuse_missing(name, thing_id, run(self.connection, self.own(name, thing_id))[0])

    def own(self, name: str, thing_id: str) -> Call:
        """The statement that reads a row of the platform's, of this company; its rows are for `refuse_missing`."""
        refuse_unstorable(**{f"{name.removesuffix('s')}Id": thing_id})
        return _own(name)(id=thing_id, company=self.company_id)


@dataclass(frozen=True, slots=True)
class Transactions:
    """Runs calls of a company, each in a transaction of its own, repeated where others were in the way."""

    engine: Engine
    company_id: str
    terms: Callable[[], PricingTerms]
    lifetime: timedelta
    payment_timeout: timedelta
    clock: Callable[[], datetime]

    def run(self, call: Callable[[Scope], T]) -> T:
        """What the call gives; committed unless it raises."""
        with named_errors():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    with self.engine.begin() as connection:
                        return call(self._scope(connection))
                except Exception as error:
                    if attempt == ATTEMPTS or not is_retried(error):
                        raise
        raise AssertionError  # the last attempt returns or raises

    def _scope(self, connection: Connection) -> Scope:
        now = naive(self.clock())
        return Scope(
            connection=connection,
            company_id=self.company_id,
            now=now.replace(microsecond=now.microsecond // 1000 * 1000),
            terms=self.terms(),
            lifetime=self.lifetime,
            payment_timeout=self.payment_timeout,
        )


def refuse_missing(name: str, thing_id: str, rows: Rows) -> None:
    """Raises NotFound where a statement of `Scope.own` gave no row."""
    if not rows:
        raise NotFound(f"{name.removesuffix('s').capitalize()} {thing_id} not found.")


@lru_cache(maxsize=8)
def _own(name: str) -> Statement:
    platform = table(name, column("id", Text), column("companyId", Text))
    own = platform.c.id == bindparam("id"), platform.c.companyId == bindparam("company")
    return Statement(select(platform.c.id).where(*own))


def utc_now() -> datetime:
    """The time of a call."""
    return datetime.now(UTC)


def new_id() -> str:
    """An id for a new row."""
    return uuid.uuid4().hex


def storable_json(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object as it can be stored. Raises InputError for what is not JSON, too long or has half a character or a NUL."""
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InputError(name, f"is not JSON: {error}") from error
    if len(written) > _LONGEST_JSON:
        raise InputError(name, f"must not have more than {_LONGEST_JSON} characters")
    if _UNSTORABLE.search(written):
        raise InputError(name, "contains a character that cannot be stored")
    return dict(value)


def is_retried(error: Exception) -> bool:
    """Whether a transaction failed only because of others that ran at the same time."""
    return sqlstate(error) in _RETRIED


@contextmanager
def named_errors() -> Iterator[None]:
    """Raises the driver's errors that a rule explains as errors of the library; any other passes."""
    try:
        yield
    except CartError:
        raise
    except Exception as error:
        state = sqlstate(error)
        if state == "22003":
            raise OutOfRange("", "A number is too large for its column.") from error
        if state == "23503":
            raise NotFound("The cart refers to something that no longer exists.") from error
        if state in _RETRIED:
            raise TryAgain("The call conflicted with other transactions.", hint="Try again.") from error
        if state in _MISSING:
            no_table = state == "42P01"
            raise SchemaUnsupported(
                f"The cart's tables are incomplete: {str(error).splitlines()[0]}.",
                hint="Create the tables with: cartctl migrate deploy."
                if no_table
                else "Check which calls work on these tables: missing_features(engine).",
            ) from error
        raise
