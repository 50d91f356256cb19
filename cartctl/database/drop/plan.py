"""Plan the drop of the cart's tables: order, contents and conflicts. Read-only."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, ClassVar

from cartctl.adapters.postgres import Connection, Postgres, sql
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import Catalogue, Difference, read_catalogue
from cartctl.database.contract.contract_check import CatalogueObjects
from cartctl.database.contract.definition import SCHEMA, wanted_enums, wanted_tables
from cartctl.database.contract.existing_objects import some_of
from cartctl.database.drop.dependents import Dependent, find_dependents, find_mentions
from cartctl.database.drop.differences import HOME, before, is_ours, on_ours, own_difference
from cartctl.database.drop.later_changes import later_changes, later_migrations
from cartctl.database.migrations.ledger import LedgerRow, read_ledger
from cartctl.database.migrations.status import act_as_owner_if_allowed
from cartctl.errors import Refused
from cartctl.migrations.frozen import MIGRATIONS


@dataclass(frozen=True, slots=True)
class DropTable:
    """A table to drop, with its rows (exact) and bytes (with indexes)."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DropPart:
    """An index or constraint to drop from a table that stays."""

    kind: str  # index | constraint
    name: str
    table: str


@dataclass(frozen=True, slots=True)
class DropPlan:
    """What a database rollback drops, and what prevents it. Names are those of the schema public."""

    kind: ClassVar[str] = "drop_plan"
    shown: ClassVar[tuple[str, ...]] = ("rows",)

    database_name: str
    migrations: tuple[str, ...]  # of ours, whose objects the run made: no longer applied
    parts: tuple[DropPart, ...]  # indexes and constraints that the run added to tables which stay
    tables: tuple[DropTable, ...]  # in the order in which they go: referring ones first
    enums: tuple[str, ...]  # after the tables
    kept_enums: tuple[str, ...]  # still used elsewhere, and allowed to stay
    home: bool  # the schema `cartctl` goes too: the run made it
    ledger: tuple[LedgerRow, ...]  # exactly our rows of Prisma's ledger
    dependents: tuple[str, ...]  # of others: they stop it
    irreversible: tuple[str, ...]  # of this run's difference: nothing here can undo them; they stop it
    warnings: tuple[str, ...]
    older: tuple[str, ...] = ()  # tables that were there before the run: they stay
    later: tuple[str, ...] = ()  # what others added to the tables and enums since: they stop it
    later_migrations: tuple[str, ...] = ()  # of the application, applied after the cart's own

    @property
    def rows(self) -> int:
        """Rows in all tables together."""
        return sum(table.rows for table in self.tables)

    @property
    def empty(self) -> bool:
        """Whether nothing is left to drop."""
        return not (self.tables or self.enums or self.parts or self.home or self.ledger)


def plan_drop(
    postgres: Postgres, settings: Database, results: Mapping[str, Any], *, keep_dependents: bool = False
) -> DropPlan:
    """The plan for the run whose Actions gave `results` (its journal's). Raises Refused without a recorded catalogue."""
    with postgres.session("drop plan") as connection, act_as_owner_if_allowed(connection, settings):
        return plan_with(connection, results, keep_dependents=keep_dependents)


def plan_with(connection: Connection, results: Mapping[str, Any], *, keep_dependents: bool) -> DropPlan:
    """As `plan_drop`, on an open connection."""
    now = read_catalogue(connection)
    own = own_difference(results, now)
    tables = _made(own, now, "table", [table.name for table in wanted_tables()])
    enums = _made(own, now, "enum", wanted_enums())
    dependents = find_dependents(connection, tables, enums)
    retained = _kept_enums(dependents) if keep_dependents else frozenset()
    migrations = _migrations(own)
    mentions = find_mentions(connection, [*tables, *enums]) if tables or enums else []
    return DropPlan(
        database_name=_name(connection),
        migrations=migrations,
        parts=tuple(_parts(own, now, tables)),
        tables=tuple(_measure(connection, name) for name in drop_order(now, tables)),
        enums=tuple(name for name in enums if name not in retained),
        kept_enums=tuple(name for name in enums if name in retained),
        home=f"schema {HOME}" in own.added and f"schema {HOME}" in now.objects,
        ledger=tuple(_ledger_rows(connection, own, migrations)),
        dependents=tuple(
            str(each) for each in dependents if not (each.kind == "enum" and each.name in retained)
        ),
        irreversible=tuple(_irreversible(own, now)),
        warnings=tuple(f"{name} mentions a table or enum that goes" for name in mentions),
        older=tuple(_older(own, now)),
        later=tuple(later_changes(own, before(results), now, tables, enums)),
        later_migrations=tuple(later_migrations(read_ledger(connection))),
    )


def require(plan: DropPlan, *, allow_data_loss: bool) -> None:
    """Raise Refused, naming every conflict, unless the plan can be executed."""
    if plan.later:
        by = f" (migrations since: {', '.join(plan.later_migrations)})" if plan.later_migrations else ""
        raise Refused(
            f"The cart's tables were changed after this deployment{by}: {some_of(plan.later)}. Nothing was changed.",
            hint="Roll back the code alone (without --database); or first revert those changes with the tool that made them.",
        )
    if plan.irreversible:
        raise Refused(
            f"The migration also changed what cannot be undone here: {some_of(plan.irreversible)}.",
            hint="Take the code back alone (without --database); or, with what was written since lost, "
            "the snapshot taken before: cartctl snapshot restore ID --plan shows the rows and minutes.",
        )
    if plan.dependents:
        raise Refused(
            f"Others depend on what would go: {'; '.join(plan.dependents)}.",
            hint="Remove those first; --keep-dependents keeps an enum that is still used elsewhere.",
        )
    if plan.rows and not allow_data_loss:
        counts = ", ".join(f"{table.name} {table.rows}" for table in plan.tables if table.rows)
        raise Refused(
            f"The tables hold rows: {counts}.",
            hint="They would be saved first; say --allow-data-loss to go on.",
        )


def refuse_nothing(plan: DropPlan) -> None:
    """Raise Refused when the cart's tables exist and the plan drops none: the operator expects a drop."""
    if plan.older and not (plan.tables or plan.enums or plan.parts):
        raise Refused(
            f"The cart's tables were there before this run ({', '.join(plan.older)}): they are not cartctl's to drop.",
            hint="Roll back only the code: omit --database. Drop the tables with the tool that created them.",
        )


def drop_order(catalogue: Catalogue, tables: Iterable[str]) -> list[str]:
    """Referring tables before those they refer to, by the live foreign keys among them. Pure."""
    chosen = sorted(tables)
    references = CatalogueObjects(catalogue)
    graph: dict[str, list[str]] = {name: [] for name in chosen}  # lists: the same order every time
    for name in chosen:
        for facts in references.constraints_of(f"{SCHEMA}.{name}").values():
            target = str(facts.get("references", "")).replace('"', "").removeprefix(f"{SCHEMA}.")
            if target in graph and target != name:
                graph[target].append(name)
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        raise Refused(
            f"The tables refer to each other in a circle: {' → '.join(cycle.args[1])}.",
            hint="Drop one of those foreign keys first.",
        ) from cycle


def _name(connection: Connection) -> str:
    row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def _made(own: Difference, now: Catalogue, kind: str, names: Iterable[str]) -> list[str]:
    added, there = ({key.replace('"', "") for key in keys} for keys in (own.added, now.objects))
    return [name for name in names if f"{kind} {SCHEMA}.{name}" in added & there]


def _older(own: Difference, now: Catalogue) -> list[str]:
    added, there = ({key.replace('"', "") for key in keys} for keys in (own.added, now.objects))
    return [table.name for table in wanted_tables() if f"table {SCHEMA}.{table.name}" in there - added]


def _migrations(own: Difference) -> tuple[str, ...]:
    """A migration is the run's when any of its objects was not there before."""
    added = _added(own)
    return tuple(
        each.name
        for each in MIGRATIONS
        if any(statement.makes in added for statement in each.statements(strict=True))
    )


def _added(own: Difference) -> set[str]:
    return {key.replace('"', "").rpartition(".")[2] for key in own.added}


def _ledger_rows(connection: Connection, own: Difference, migrations: tuple[str, ...]) -> Iterator[LedgerRow]:
    """Prisma's rows of what goes whole; where another tool had begun, only a row that we added with our own record."""
    there = connection.execute("SELECT to_regclass('cartctl.applied') IS NOT NULL").fetchone() == (True,)
    rows = connection.execute("SELECT revision, at FROM cartctl.applied").fetchall() if there else []
    added, recorded = _added(own), {str(revision): at for revision, at in rows}
    for migration in (each for each in MIGRATIONS if each.name in migrations):
        whole = all(statement.makes in added for statement in migration.statements(strict=False))
        for row in read_ledger(connection).ours():
            if row.name == migration.name and (
                whole or row.finished_at == recorded.get(migration.revision, False)
            ):
                yield row


def _parts(own: Difference, now: Catalogue, tables: list[str]) -> Iterator[DropPart]:
    constraints = {key.replace('"', "") for key in own.added if key.startswith("constraint ")}
    for key in sorted(own.added.keys() & now.objects.keys()):
        kind, _, name = key.replace('"', "").partition(" ")
        table = str(own.added[key].get("table", "")).replace('"', "").removeprefix(f"{SCHEMA}.")
        if kind not in {"index", "constraint"} or not is_ours(f"table {SCHEMA}.{table}") or table in tables:
            continue
        part = DropPart(kind, name.rpartition(".")[2], table)
        if kind == "constraint" or f"constraint {SCHEMA}.{table}.{part.name}" not in constraints:
            yield part  # an index behind a constraint goes with it


def _kept_enums(dependents: list[Dependent]) -> frozenset[str]:
    return frozenset(each.name for each in dependents if each.kind == "enum")


def _irreversible(own: Difference, now: Catalogue) -> list[str]:
    """What the migration did outside the cart's own objects, and is still so."""
    added = {key: facts for key, facts in own.added.items() if not is_ours(key) and not on_ours(facts)}
    return [
        line
        for line in Difference(added, own.removed, own.changed).lines()
        if line[0] != "+" or line[2:] in now.objects
    ]


def _measure(connection: Connection, name: str) -> DropTable:
    table = sql.Identifier(SCHEMA, name)
    row = connection.execute(
        sql.SQL("SELECT count(*), pg_total_relation_size({}::regclass) FROM {}").format(
            sql.Literal(table.as_string()), table
        )
    ).fetchone()
    rows, size = row if row is not None else (0, 0)
    return DropTable(name, rows, size)
