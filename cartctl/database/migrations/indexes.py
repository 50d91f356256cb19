"""`migrate index --concurrently`: indexes on tables that already have rows, built without blocking writes.

It runs outside the migration and without its lock: a concurrent build waits for every older transaction, and a Prisma waiting for
that lock would be one.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, milliseconds, sql, translated
from cartctl.adapters.postgres.blockers import (
    SHARE_ROW_EXCLUSIVE,
    endings,
    lock_holders,
    named,
    open_transactions,
)
from cartctl.adapters.postgres.sync_wait import bounded_sync_wait
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import read_catalogue
from cartctl.database.contract.contract_check import CatalogueObjects
from cartctl.database.contract.definition import SCHEMA, RequiredIndex
from cartctl.database.contract.existing_objects import holds_rows, required_index
from cartctl.database.contract.index_check import index_faults
from cartctl.database.contract.scale_indexes import SCALE_INDEXES
from cartctl.database.migrations.guards import refuse_unwritable
from cartctl.database.migrations.status import State, act_as_owner_if_allowed, become_owner, read_state
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from cartctl.migrations.frozen import MIGRATIONS, Statement

LOCK_BUDGET = timedelta(
    minutes=10
)  # a concurrent build waits for older transactions while its own lock blocks nobody
TIDYING = timedelta(seconds=1)
LEFT_OVER = {"INVALID", "not ready"}


@dataclass(frozen=True, slots=True)
class Build:
    """An index to build; `rebuilt` if an interrupted build left an invalid one."""

    name: str
    table: str
    sql: str
    rebuilt: bool


@dataclass(frozen=True, slots=True)
class Built:
    """The indexes that were built, by name. Seconds of wall time."""

    kind: ClassVar[str] = "indexes"

    indexes: tuple[str, ...]
    rebuilt: tuple[str, ...]
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """The indexes that `migrate index --concurrently` would build, in order."""

    kind: ClassVar[str] = "index_plan"

    indexes: tuple[Build, ...]


def plan_indexes(postgres: Postgres, settings: Database, *, scale: bool = False) -> IndexPlan:
    """Which indexes of ours are missing on tables that hold rows, or are left invalid. Read-only.

    With `scale`, also the optional ones for millions of carts.

    Raises Refused for an existing one with a different definition.
    """
    with (
        postgres.session("index plan", search_path=SCHEMA) as connection,
        act_as_owner_if_allowed(connection, settings),
    ):
        return IndexPlan(tuple(_missing(connection, settings, scale=scale)))


def build_indexes(
    postgres: Postgres,
    settings: Database,
    pulse: Pulse,
    *,
    budget: timedelta = LOCK_BUDGET,
    scale: bool = False,
) -> Built:
    """Build them one at a time, each in a transaction of the server's own.

    Raises StepFailed naming who held it up past `budget`; an unfinished index is then dropped, or stays invalid.
    """
    began = time.monotonic()
    plan = plan_indexes(postgres, settings, scale=scale).indexes
    warnings: list[str] = []
    with postgres.session(
        "migrate", search_path=SCHEMA, lock_timeout=milliseconds(budget), statement_timeout="0"
    ) as connection:
        become_owner(connection, settings)
        refuse_unwritable(connection)
        for done, build in enumerate(plan):
            pulse.progress(done, len(plan), "indexes")
            with bounded_sync_wait(partial(postgres.session, "sync wait"), connection) as wait:
                _build(connection, build, pulse)
            warnings += [f"index {build.name}: {each}" for each in wait.warnings]
    return Built(
        tuple(each.name for each in plan),
        tuple(each.name for each in plan if each.rebuilt),
        round(time.monotonic() - began, 3),
        tuple(warnings),
    )


def _missing(connection: Connection, settings: Database, *, scale: bool) -> Iterator[Build]:
    state, objects = read_state(connection), CatalogueObjects(read_catalogue(connection))
    for statement, index in _required(state, settings, scale=scale):
        table = f"{SCHEMA}.{statement.table}"
        if table not in objects.tables:
            continue  # the migration creates it together with its table
        there = objects.indexes_of(table)
        if any(not index_faults(index, facts) for facts in there.values()):
            continue
        facts = there.get(statement.makes)
        faults = set() if facts is None else set(index_faults(index, facts))
        if faults - LEFT_OVER:
            raise Refused(
                f"Index {statement.makes} exists with a different definition: {', '.join(sorted(faults))}.",
                hint="Find out who created it; rename or drop it, then build again.",
            )
        if facts is not None or holds_rows(connection, str(statement.table)):
            concurrently = statement.sql.replace("INDEX", "INDEX CONCURRENTLY", 1)
            yield Build(statement.makes, str(statement.table), concurrently, rebuilt=facts is not None)


def _required(state: State, settings: Database, *, scale: bool) -> Iterator[tuple[Statement, RequiredIndex]]:
    """The indexes of every migration, of one that is applied, as it was applied; with `scale` the optional ones."""
    for migration in MIGRATIONS:
        applied = migration in state.applied
        strict = state.strict if applied else settings.strict_constraints is True  # tables of another tool
        statements = [each for each in migration.statements(strict=strict) if each.kind == "index"]
        pairs = [(each, required_index(each)) for each in statements]
        if not (applied and state.records.get(migration.revision)):
            yield from pairs
        else:  # of another tool's tables only what is required
            yield from (pair for pair in pairs if pair[1].required)
    if scale:
        yield from ((each.statement, each.required) for each in SCALE_INDEXES)


def _build(connection: Connection, build: Build, pulse: Pulse) -> None:
    try:
        with translated(), pulse.cancelling(connection.cancel_safe):
            if build.rebuilt:
                _drop(connection, build)
            with effect(f"postgres.index.{build.name}"):
                connection.execute(build.sql.encode())
    except BaseException as failed:
        holders = lock_holders(connection, [build.table], SHARE_ROW_EXCLUSIVE)
        blocking = [*holders, *open_transactions(connection, idle=False)]
        left = _try_to_drop(connection, build)
        if isinstance(failed, SqlFailed):
            raise StepFailed(
                f"The index {build.name} could not be built: {failed.message}. {left} "
                f"Blocked by: {named(blocking)}.",
                hint=endings(blocking, "Then: cartctl migrate index --concurrently"),
            ) from failed
        raise


def _drop(connection: Connection, build: Build) -> None:
    name = sql.Identifier(SCHEMA, build.name)
    connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name))


def _try_to_drop(connection: Connection, build: Build) -> str:
    """Drop the invalid index, unless the same blocker prevents that; no query uses an invalid index."""
    try:
        with translated():
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (milliseconds(TIDYING),))
            _drop(connection, build)
    except SqlFailed:
        return "The incomplete index is invalid and will be rebuilt next time."
    return "The incomplete index was dropped."
