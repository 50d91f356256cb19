"""Fills the sandbox's cart tables by COPY, part by part, each committed: an interrupted seeding continues where it stopped.

Indexes are dropped first and rebuilt after the rows, which costs a fraction of maintaining them row by row; foreign keys are not
checked for each row, because the rows refer to rows just written.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, sql
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, UsageError
from cartctl.sandbox.data.cart_rows import (
    CART_COLUMNS,
    ITEM_COLUMNS,
    PART,
    PROMOTION_COLUMNS,
    USAGE_COLUMNS,
    Part,
)
from cartctl.sandbox.data.population import Population
from cartctl.sandbox.data.preparation import clear_and_prepare, read_tenants
from cartctl.sandbox.data.seeding_state import (
    SeedingState,
    SeedRequest,
    forget,
    read_state,
    refuse_another,
    write_new,
)
from cartctl.sandbox.data.sessions_and_offers import (
    SESSIONS_PER_BATCH,
    count_uses,
    fill_offers,
    fill_sessions,
    sessions_of,
)
from cartctl.sandbox.data.workers import parts
from cartctl.sandbox.layout import Layout, checked_directory
from cartctl.sandbox.names import DATABASE

YEARS = range(2001, 2500)  # whose milliseconds fit into ids
SETTINGS: Any = {"maintenance_work_mem": "512MB", "max_parallel_maintenance_workers": "2", "work_mem": "64MB"}
VACUUM = "VACUUM (ANALYZE) carts, cart_items, cart_promotions, promotion_usages, cross_site_sessions, customers, products"


@dataclass(frozen=True, slots=True)
class Seeded:
    """The result of seeding; `copy_seconds` is the time for the rows of carts and lines, `seconds` includes indexes and all else.

    `resumed` is how many of the carts an interrupted seeding had written before.
    """

    kind: ClassVar[str] = "seeded"

    carts: int
    companies: int
    items: int
    seed: int
    until: datetime
    copy_seconds: float
    seconds: float
    resumed: int = 0
    shown: ClassVar[tuple[str, ...]] = ("carts_per_second",)

    @property
    def carts_per_second(self) -> int:
        """Carts written per second, with their lines."""
        return round((self.carts - self.resumed) / self.copy_seconds) if self.copy_seconds else 0


def superuser(name: str) -> Postgres:
    """The database of the sandbox `name`, as its superuser. Raises StepFailed when it does not run."""
    layout = Layout(checked_directory(name))
    return EmbeddedPostgres(layout.postgres).database("postgres", DATABASE)


def fill(
    postgres: Postgres,
    *,
    carts: int,
    count: int,
    seed: int,
    until: datetime | None,
    replace: bool,
    pulse: Pulse,
) -> Seeded:
    """Write `carts` carts of `count` companies as of `until` (UTC; None: the present hour); `postgres` is a superuser's.

    An unfinished seeding with the same values continues. Raises Refused without the cart's tables, and where there are
    carts already or other values are unfinished, unless they are to be replaced; UsageError for an end out of range.
    """
    began = time.monotonic()
    with postgres.session("seed", autocommit=False, **SETTINGS) as connection:
        with pulse.cancelling(connection.cancel_safe):
            refuse_another(connection)
            state = _start_or_resume(
                connection, carts, count, seed, _checked(until), replace=replace, pulse=pulse
            )
            connection.commit()
            resumed, request = state.parts, state.request
            tenants = read_tenants(connection, request.carts, request.companies)
            chosen = Population(request.carts, request.seed, request.until, tenants)
            state, seconds = _copy_parts(connection, state, chosen, pulse)
            state = _write_sessions(connection, state, chosen, pulse)
            _make_indexes(connection, state, pulse)
            count_uses(connection)
            forget(connection)
        with effect("postgres.seed"):
            connection.commit()
    with postgres.session("seed", **SETTINGS) as connection, pulse.cancelling(connection.cancel_safe):
        connection.execute(VACUUM.encode())
    return Seeded(
        carts=request.carts,
        companies=request.companies,
        items=state.items,
        seed=request.seed,
        until=request.until.replace(tzinfo=UTC),
        copy_seconds=round(seconds, 3),
        seconds=round(time.monotonic() - began, 3),
        resumed=min(resumed * PART, request.carts),
    )


def _checked(until: datetime | None) -> datetime | None:
    """The end in UTC, without a zone."""
    if until is not None and until.year not in YEARS:
        raise UsageError(f"--until must not be in {until.year}.", hint="Use a time from 2001 to 2499.")
    return until and until.astimezone(UTC).replace(tzinfo=None)


def _start_or_resume(
    connection: Connection,
    carts: int,
    count: int,
    seed: int,
    until: datetime | None,
    *,
    replace: bool,
    pulse: Pulse,
) -> SeedingState:
    """The unfinished seeding, or a new one with everything in place but carts and sessions."""
    _refuse_without_tables(connection)
    state = read_state(connection)
    if state is not None and not replace:
        return _same(state, carts, count, seed, until)
    [filled] = connection.execute("SELECT EXISTS (SELECT FROM carts)").fetchone() or [False]
    if filled and not replace:
        raise Refused("The database already has carts.", hint="--replace removes them first.")
    pulse.progress(0, 0, "companies and customers")
    clear_and_prepare(connection, carts, count)
    end = until or datetime.now(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    fill_offers(connection, Population(carts, seed, end, read_tenants(connection, carts, count)))
    indexes = _without_indexes(connection) or (state.indexes if state else ())
    return write_new(connection, SeedRequest(carts, count, seed, end), indexes)


def _same(state: SeedingState, carts: int, count: int, seed: int, until: datetime | None) -> SeedingState:
    there = state.request
    if SeedRequest(carts, count, seed, until or there.until) == there:
        return state
    raise Refused(
        f"A seeding of {there.carts} carts is unfinished: {min(state.parts * PART, there.carts)} are written.",
        hint=f"Continue it with: cartctl sandbox seed --carts {there.carts} --companies {there.companies} "
        f"--seed {there.seed}; or start over with --replace.",
    )


def _refuse_without_tables(connection: Connection) -> None:
    [there] = connection.execute("SELECT to_regclass('public.carts')").fetchone() or [None]
    if there is None:
        raise Refused(
            "The cart tables do not exist.", hint="Create them: cartctl migrate deploy --env sandbox"
        )


def _without_indexes(connection: Connection) -> tuple[str, ...]:
    """Drop the carts' and lines' indexes that back no key; return the statements that recreate them."""
    rows = connection.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
           WHERE indrelid IN ('carts'::regclass, 'cart_items'::regclass) AND NOT indisprimary ORDER BY 1"""
    ).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}".encode())
    return tuple(definition for _, definition in rows)


def _copy_parts(
    connection: Connection, state: SeedingState, chosen: Population, pulse: Pulse
) -> tuple[SeedingState, float]:
    """Write every missing part while the next ones are being made; return the seconds it took."""
    began = time.monotonic()
    for part in parts(chosen, state.parts):
        pulse.check()
        connection.execute("SET LOCAL session_replication_role = replica")
        _copy_part(connection, part)
        state = state.after(connection, parts=state.parts + 1, items=state.items + part.lines)
        connection.commit()
        pulse.progress(min(state.parts * PART, chosen.carts), chosen.carts, "carts")
    return state, time.monotonic() - began


def _copy_part(connection: Connection, part: Part) -> None:
    _copy(connection, "carts", CART_COLUMNS, part.carts)
    _copy(connection, "cart_items", ITEM_COLUMNS, part.items)
    _copy(connection, "cart_promotions", PROMOTION_COLUMNS, part.promotions)
    _copy(connection, "promotion_usages", USAGE_COLUMNS, part.usages)


def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: bytes) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(rows)


def _write_sessions(
    connection: Connection, state: SeedingState, chosen: Population, pulse: Pulse
) -> SeedingState:
    count = sessions_of(chosen)
    while state.sessions < count:
        pulse.check()
        last = min(state.sessions + SESSIONS_PER_BATCH, count)
        connection.execute("SET LOCAL session_replication_role = replica")
        fill_sessions(connection, chosen, state.sessions + 1, last)
        state = state.after(connection, sessions=last)
        connection.commit()
        pulse.progress(last, count, "sessions")
    return state


def _make_indexes(connection: Connection, state: SeedingState, pulse: Pulse) -> None:
    """Create the missing indexes, one transaction each."""
    for done, statement in enumerate(state.indexes):
        pulse.check()
        pulse.progress(done, len(state.indexes), "indexes")
        connection.execute(_unless_there(statement).encode())
        connection.commit()


def _unless_there(statement: str) -> str:
    """A statement of `pg_get_indexdef`, which names the index right behind INDEX."""
    return statement.replace(" INDEX ", " INDEX IF NOT EXISTS ", 1)
