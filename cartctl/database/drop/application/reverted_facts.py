"""The statements that revert a change of another tool's object, from its recorded facts. Pure."""

from collections.abc import Iterator

from cartctl.adapters.postgres import sql
from cartctl.database.catalogue import Facts, object_path
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.plan_objects import Revert

_ON_TABLE = {"trigger", "policy", "rule"}


def drop_statement(key: str) -> str:
    """The statement that drops an added object; the arguments of a function are as the server wrote them."""
    kind, path = object_path(key)
    if kind == "function":
        return f"DROP ROUTINE {key.partition(' ')[2]}"
    what = sql.SQL(kind.upper())  # one of the catalogue's kinds
    if kind in _ON_TABLE:
        on = sql.Identifier(*path[:-1])
        return sql.SQL("DROP {} {} ON {}").format(what, sql.Identifier(path[-1]), on).as_string()
    return sql.SQL("DROP {} {}").format(what, sql.Identifier(*path)).as_string()


def reverted_column(path: tuple[str, ...], before: Facts, different: set[str]) -> Iterator[Revert]:
    """The statements that give a column its previous default and nullability."""
    table, name = sql.Identifier(*path[:-1]).as_string(), sql.Identifier(path[-1]).as_string()
    what = f"column {'.'.join(path[1:])}"
    alter = f"ALTER TABLE {table} ALTER COLUMN {name}"
    if "default" in different:
        default = before.get("default")
        action = "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"
        detail = "no default again" if default is None else f"default {default} again"
        yield Revert(what, detail, f"{alter} {action}", path[1])
    if "not_null" in different:
        required = bool(before.get("not_null"))
        action = "SET NOT NULL" if required else "DROP NOT NULL"
        detail = "NOT NULL again" if required else "nullable again"
        yield Revert(what, detail, f"{alter} {action}", path[1], scans=required)


def removed_revert(key: str, facts: Facts) -> Revert | None:
    """The statement that creates a removed object again, or None for one that its facts do not define."""
    kind, path = object_path(key)
    if path[0] != SCHEMA or not (kind == "trigger" or "table" in facts):
        return None
    table = object_path(f"table {facts['table']}")[1] if "table" in facts else path[:2]
    what = f"{kind} {'.'.join(path[1:])}"
    if kind == "constraint":
        name, on = sql.Identifier(path[-1]).as_string(), sql.Identifier(*table).as_string()
        statement = f"ALTER TABLE {on} ADD CONSTRAINT {name} {facts['definition']}"
        return Revert(what, "again as before", statement, table[-1], scans=True)
    if kind in {"index", "trigger"}:
        scans = kind == "index"
        return Revert(what, "again as before", str(facts["definition"]), table[-1], scans=scans)
    return None
