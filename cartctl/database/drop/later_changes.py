"""What others added to the cart's objects after the run that created them: a later migration of the application, or a person.

Dropping it would leave their tool's record without its objects, so a rollback stops. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping

from cartctl.database.catalogue import Catalogue, Difference
from cartctl.database.contract.definition import SCHEMA, required_tables
from cartctl.database.contract.scale_indexes import SCALE_INDEXES, TABLE
from cartctl.database.migrations.ledger import Ledger
from cartctl.migrations.frozen import NAMES

_KINDS = ("column", "index", "constraint", "trigger", "policy")


def later_changes(
    own: Difference, before: Catalogue, now: Catalogue, tables: Iterable[str], enums: Iterable[str]
) -> Iterator[str]:
    """Columns, types of columns and labels that the run did not make, and other objects on these tables, one by one."""
    known = {**before.objects, **own.added}
    for table in tables:
        for key, facts in now.objects.items():
            kind, _, name = key.replace('"', "").partition(" ")
            if kind not in _KINDS or not _belongs(kind, name, facts, table):
                continue
            if key not in known and not _contracted(kind, name, table):
                yield f"{kind} {name.removeprefix(f'{SCHEMA}.')}"
            elif kind == "column" and known.get(key, facts).get("type") != facts.get("type"):
                yield f"{kind} {name.removeprefix(f'{SCHEMA}.')} is {facts['type']} now"
    for enum in enums:
        key = f'enum {SCHEMA}."{enum}"'
        labels = known.get(key, {}).get("labels", [])
        extra = [each for each in now.objects.get(key, {}).get("labels", []) if each not in labels]
        yield from (f"label {enum}.{each}" for each in extra)


def later_migrations(ledger: Ledger) -> list[str]:
    """Applied migrations of the application that come after the cart's own, by name."""
    last = max(NAMES)
    return sorted({row.name for row in ledger.rows if row.applied and row.name > last})


def _belongs(kind: str, name: str, facts: Mapping[str, object], table: str) -> bool:
    if kind in {"index", "constraint"}:
        return str(facts.get("table", "")).replace('"', "") == f"{SCHEMA}.{table}"
    return name.startswith(f"{SCHEMA}.{table}.")


def _contracted(kind: str, name: str, table: str) -> bool:
    """Indexes and constraints of cartctl's own, which `migrate index` may have built since; the optional ones too."""
    own = next(each for each in required_tables() if each.name == table)
    optional = {each.name for each in SCALE_INDEXES if table == TABLE}
    indexes = {each.name for each in own.indexes} | optional
    names = indexes if kind == "index" else {each.name for each in own.checks}
    return kind in {"index", "constraint"} and name.rpartition(".")[2] in names
