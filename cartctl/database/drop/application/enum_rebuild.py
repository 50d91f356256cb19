"""Recreate an enum without some labels, in the drop's transaction.

Its columns are rewritten and keep their defaults, indexes and checks.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import groupby

from cartctl.adapters.postgres import Connection, SqlFailed, milliseconds, sql, translated
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.application.enum_labels import (
    LOCK_BUDGET,
    EnumColumn,
    EnumUser,
    enum_columns,
    enum_users,
    users_of_labels,
)
from cartctl.database.drop.plan_objects import RebuiltEnum
from cartctl.derived_names import derive_name
from cartctl.errors import StepFailed

CANCELLED = "57014"
KEEP = "Roll back with --keep-labels, which leaves them in place."

_FACTS = """
SELECT pg_get_userbyid(typowner), obj_description(oid, 'pg_type'),
       (SELECT array_agg(ARRAY[CASE grantee WHEN 0 THEN '' ELSE grantee::regrole::text END, is_grantable::text])
        FROM aclexplode(coalesce(typacl, acldefault('T', typowner))) WHERE grantee <> typowner)
FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname = %s
"""


def rebuild_enum(connection: Connection, rebuilt: RebuiltEnum) -> None:
    """Remove the labels of `wanted`. The connection is in a transaction, which the caller commits.

    Raises StepFailed when a row uses one of them meanwhile, or when the rewrite takes longer than readers can wait.
    """
    columns = enum_columns(connection, rebuilt.enum)
    users = [each for each in enum_users(connection, rebuilt.enum) if each.kind != "other"]
    if columns:
        tables = {(each.schema, each.table) for each in columns}
        names = sql.SQL(", ").join(sql.Identifier(*each) for each in sorted(tables))
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
    if used := list(users_of_labels(connection, rebuilt, columns)):
        raise StepFailed(f"Meanwhile {'; '.join(used)}. Nothing was dropped.", hint=KEEP)
    began = time.monotonic()
    try:
        with translated():
            previous = _limited(connection, milliseconds(LOCK_BUDGET))
            for statement in _statements(connection, rebuilt, columns, users):
                connection.execute(statement)
            _limited(connection, previous)
    except SqlFailed as failed:
        if failed.sqlstate == CANCELLED and time.monotonic() - began >= LOCK_BUDGET.total_seconds():
            raise StepFailed(
                f"Rebuilding the enum {rebuilt.enum} without {', '.join(rebuilt.labels)} took longer than "
                f"{LOCK_BUDGET.total_seconds():g} s for one statement. Nothing was dropped.",
                hint=KEEP,
            ) from failed
        raise


def _limited(connection: Connection, value: str) -> str:
    """Limit the time of each statement of this transaction; return the previous limit."""
    row = connection.execute(
        "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)", (value,)
    ).fetchone()
    return str(row[0]) if row else "0"


def _statements(
    connection: Connection, rebuilt: RebuiltEnum, columns: list[EnumColumn], users: list[EnumUser]
) -> Iterator[sql.Composed]:
    """Without the indexes and checks that compare with the type's constants, which a change of the type would not find."""
    new = sql.Identifier(SCHEMA, rebuilt.enum)
    owner, comment, grants = connection.execute(_FACTS, (rebuilt.enum,)).fetchone() or (None, None, None)
    for user in users:
        yield _without(user)
    previous = derive_name(rebuilt.enum, "previous", in_use=lambda name: _is_used(connection, name))
    yield sql.SQL("ALTER TYPE {} RENAME TO {}").format(new, sql.Identifier(previous))
    labels = sql.SQL(", ").join(map(sql.Literal, rebuilt.remaining))
    yield sql.SQL("CREATE TYPE {} AS ENUM ({})").format(new, labels)
    yield from _rewritten(new, columns)
    yield sql.SQL("DROP TYPE {}").format(sql.Identifier(SCHEMA, previous))
    for user in users:
        yield _again(user)
    yield from _privileges(new, grants or ())
    if comment is not None:
        yield sql.SQL("COMMENT ON TYPE {} IS {}").format(new, sql.Literal(comment))
    yield sql.SQL("ALTER TYPE {} OWNER TO {}").format(new, sql.Identifier(owner))


def _is_used(connection: Connection, name: str) -> bool:
    query = "SELECT to_regtype('public.' || quote_ident(%s)) IS NOT NULL"
    return connection.execute(query, (name,)).fetchone() == (True,)


def _rewritten(new: sql.Identifier, columns: Iterable[EnumColumn]) -> Iterator[sql.Composed]:
    """One rewrite for all columns of a table; their defaults are of the previous type, so they come afterwards."""
    for table, group in groupby(columns, key=lambda each: (each.schema, each.table)):
        chosen = list(group)
        alter = sql.SQL("ALTER TABLE {} ").format(sql.Identifier(*table))
        column = sql.SQL("ALTER COLUMN {} ")
        without = [
            column.format(sql.Identifier(each.name)) + sql.SQL("DROP DEFAULT")
            for each in chosen
            if each.default is not None
        ]
        if without:
            yield alter + sql.SQL(", ").join(without)
        types = (
            sql.SQL("ALTER COLUMN {0} TYPE {1}{2} USING {0}::text{2}::{1}{2}").format(
                sql.Identifier(each.name), new, sql.SQL("[]" if each.array else "")
            )
            for each in chosen
        )
        yield alter + sql.SQL(", ").join(types)
        for each in chosen:
            if each.default is not None:
                default = sql.SQL(each.default)  # as the server wrote it
                yield alter + column.format(sql.Identifier(each.name)) + sql.SQL("SET DEFAULT ") + default


def _without(user: EnumUser) -> sql.Composed:
    if user.kind == "index":
        return sql.SQL("DROP INDEX {}").format(sql.Identifier(user.schema, user.name))
    table = sql.Identifier(user.schema, user.table)
    return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, sql.Identifier(user.name))


def _again(user: EnumUser) -> sql.Composed:
    definition = sql.SQL(user.definition)  # as the server wrote it
    if user.kind == "index":
        return sql.Composed([definition])
    table = sql.Identifier(user.schema, user.table)
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(table, sql.Identifier(user.name), definition)


def _privileges(new: sql.Identifier, grants: Iterable[tuple[str, str]]) -> Iterator[sql.Composed]:
    """The privileges of the previous type; a role's name is as the server quotes it, nobody's is PUBLIC."""
    yield sql.SQL("REVOKE ALL ON TYPE {} FROM PUBLIC").format(new)
    for role, grantable in grants:
        grantee = sql.SQL(role or "PUBLIC")
        option = sql.SQL(" WITH GRANT OPTION" if grantable == "true" else "")
        yield sql.SQL("GRANT USAGE ON TYPE {} TO {}{}").format(new, grantee, option)
