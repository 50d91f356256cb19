"""Plan the drop of the cart's tables: order, contents and conflicts. Read-only."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from cartctl.adapters.postgres import Connection, Postgres, sql
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import Catalogue, Difference, read_catalogue
from cartctl.database.contract.contract_check import CatalogueObjects
from cartctl.database.contract.definition import SCHEMA, required_enums, required_tables
from cartctl.database.drop.application.changes import ApplicationChanges, application_changes
from cartctl.database.drop.application.enum_labels import LARGEST, Going, plan_rebuild
from cartctl.database.drop.attribution import recorded_identifiers
from cartctl.database.drop.consent import NOTHING_ALLOWED, Allowed
from cartctl.database.drop.dependents import Dependent, GoingAlong, find_dependents, find_mentions
from cartctl.database.drop.differences import HOME, before, is_ours, own_difference
from cartctl.database.drop.later_changes import later_changes, later_migrations
from cartctl.database.drop.plan_objects import DropPart, DropPlan, DropTable, EnumLabels, RebuiltEnum, Revert
from cartctl.database.drop.records import executed_migrations, ledger_rows, made_migrations
from cartctl.database.drop.saved_values import count_values
from cartctl.database.migrations.ledger import read_ledger
from cartctl.database.migrations.status import act_as_owner_if_allowed
from cartctl.errors import Refused

RETAINED_LABEL = "a plain ADD VALUE in the application's file will fail at the next prisma migrate deploy; cartctl recognises it"
_SIZE = """
SELECT coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(c.oid)), pg_total_relation_size(c.oid))::bigint
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = %s
"""


def plan_drop(
    postgres: Postgres, settings: Database, results: Mapping[str, Any], allowed: Allowed = NOTHING_ALLOWED
) -> DropPlan:
    """The plan for the run whose Actions gave `results` (its journal's). Raises Refused without a recorded catalogue."""
    with postgres.session("drop plan") as connection, act_as_owner_if_allowed(connection, settings):
        return plan_with(connection, results, allowed)


def plan_with(connection: Connection, results: Mapping[str, Any], allowed: Allowed) -> DropPlan:
    """As `plan_drop`, on an open connection."""
    now = read_catalogue(connection)
    own = own_difference(results, now)
    changes = application_changes(own, now, recorded_identifiers(results))
    tables = [*_made(own, now, "table", [table.name for table in required_tables()]), *changes.tables]
    enums = [*_made(own, now, "enum", required_enums()), *changes.enums]
    parts = (*_parts(own, now, tables), *changes.parts)
    dependents = find_dependents(connection, tables, enums, _along(changes, parts))
    retained = _retained_enums(dependents) if allowed.keep_dependents else frozenset()
    executed = executed_migrations(connection, results)
    migrations = made_migrations(own, executed)
    mentions = find_mentions(connection, [*tables, *enums]) if tables or enums else []
    labels, retained_labels = _labels(connection, changes, tables, parts, allowed)
    return DropPlan(
        database_name=_name(connection),
        migrations=migrations,
        parts=parts,
        tables=tuple(_measure(connection, name) for name in drop_order(now, tables)),
        enums=tuple(name for name in enums if name not in retained),
        kept_enums=tuple(name for name in enums if name in retained),
        home=f"schema {HOME}" in own.added and f"schema {HOME}" in now.objects,
        ledger=tuple(ledger_rows(connection, own, migrations, executed)),
        dependents=tuple(
            str(each) for each in dependents if not (each.kind == "enum" and each.name in retained)
        ),
        irreversible=(*changes.irreversible, *_too_large(connection, changes.reverts)),
        warnings=(
            *(f"{name} mentions a table or enum that will be dropped" for name in mentions),
            *(f"{each} stays: {RETAINED_LABEL}" for each in retained_labels),
        ),
        older=tuple(_older(own, now)),
        later=(*later_changes(own, before(results), now, tables, enums), *changes.later),
        later_migrations=tuple(later_migrations(read_ledger(connection))),
        columns=tuple(replace(each, values=count_values(connection, each)) for each in changes.columns),
        early=tuple(changes.early),
        reverts=tuple(changes.reverts),
        labels=labels,
        kept_labels=retained_labels,
    )


def _labels(
    connection: Connection,
    changes: ApplicationChanges,
    tables: Iterable[str],
    parts: Iterable[DropPart],
    allowed: Allowed,
) -> tuple[tuple[RebuiltEnum, ...], tuple[EnumLabels, ...]]:
    """The enums to rebuild without labels, and the labels that may stay."""
    if allowed.keep_labels:
        return (), tuple(EnumLabels(each.enum, each.labels) for each in changes.labels)
    going = Going(
        frozenset(tables),
        frozenset((each.table, each.name) for each in changes.columns),
        frozenset((each.table, each.name) for each in parts),
    )
    return tuple(plan_rebuild(connection, each, going) for each in changes.labels), ()


def _along(changes: ApplicationChanges, parts: Iterable[DropPart]) -> GoingAlong:
    """What is dropped besides the tables, enums and columns."""
    early = [each.what for each in changes.early]
    triggers = (what.removeprefix("trigger ") for what in early if what.startswith("trigger "))
    views = (what.rpartition(" ")[2] for what in early if "view " in what)
    on_tables = (*(f"{each.table}.{each.name}" for each in parts), *triggers)
    return GoingAlong(tuple(changes.columns), on_tables, tuple(views))


def drop_order(catalogue: Catalogue, tables: Iterable[str]) -> list[str]:
    """Referring tables before those they refer to, by the live foreign keys among them. Pure."""
    chosen = sorted(tables)
    references = CatalogueObjects(catalogue)
    graph: dict[str, list[str]] = {name: [] for name in chosen}  # sorted, for the same order every time
    for name in chosen:
        for facts in references.constraints_of(f"{SCHEMA}.{name}").values():
            target = str(facts.get("references", "")).replace('"', "").removeprefix(f"{SCHEMA}.")
            if target in graph and target != name:
                graph[target].append(name)
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        raise Refused(
            f"The tables have circular foreign keys: {' → '.join(cycle.args[1])}.",
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
    return [table.name for table in required_tables() if f"table {SCHEMA}.{table.name}" in there - added]


def _parts(own: Difference, now: Catalogue, tables: list[str]) -> Iterator[DropPart]:
    constraints = {key.replace('"', "") for key in own.added if key.startswith("constraint ")}
    for key in sorted(own.added.keys() & now.objects.keys()):
        kind, _, name = key.replace('"', "").partition(" ")
        table = str(own.added[key].get("table", "")).replace('"', "").removeprefix(f"{SCHEMA}.")
        if kind not in {"index", "constraint"} or not is_ours(f"table {SCHEMA}.{table}") or table in tables:
            continue
        part = DropPart(kind, name.rpartition(".")[2], table)
        if kind == "constraint" or f"constraint {SCHEMA}.{table}.{part.name}" not in constraints:
            yield part  # an index behind a constraint is dropped with it


def _retained_enums(dependents: list[Dependent]) -> frozenset[str]:
    return frozenset(each.name for each in dependents if each.kind == "enum")


def _too_large(connection: Connection, reverts: Iterable[Revert]) -> Iterator[str]:
    """Reverts that read or index every row of a table that is too large for that under a lock."""
    for each in reverts:
        if not each.scans:
            continue
        row = connection.execute(_SIZE, (each.table,)).fetchone()
        if row and row[0] > LARGEST:
            size = f"{each.table} has {row[0] / 1e6:,.0f} MB; the limit for a rewrite under a lock is {LARGEST / 1e6:,.0f} MB"
            yield f"{each.what}, {each.detail}: {size}"


def _measure(connection: Connection, name: str) -> DropTable:
    table = sql.Identifier(SCHEMA, name)
    row = connection.execute(
        sql.SQL("SELECT count(*), pg_total_relation_size({}::regclass) FROM {}").format(
            sql.Literal(table.as_string()), table
        )
    ).fetchone()
    rows, size = row if row is not None else (0, 0)
    return DropTable(name, rows, size)
