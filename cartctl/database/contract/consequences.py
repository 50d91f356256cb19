"""What a difference from cartctl's own schema means for the cart, in words. Pure."""

from collections.abc import Iterable, Mapping

from cartctl.database.catalogue import Facts
from cartctl.database.contract.definition import SCHEMA, RequiredIndex, RequiredKey, RequiredTable

LOOKUPS = {
    "carts": "cart lookups by {columns}",
    "cart_items": "cart line lookups by {columns}",
    "wishlists": "wishlist lookups",
    "product_comparisons": "comparison lookups",
    "cross_site_sessions": "session lookups",
    "promotions": "promotion lookups",
    "promotion_usages": "counts of a promotion's uses",
    "tax_rates": "tax lookups",
    "shipping_zones": "shipping zone lookups",
    "shipping_rules": "shipping rule lookups",
}
TWICE = {
    "promotions": "two promotions may have the same code in different spellings; the one with the lowest ID is applied",
    "promotion_usages": "one order may use a promotion twice",
}
ACTIONS = {"c": "CASCADE", "n": "SET NULL", "r": "RESTRICT", "a": "NO ACTION", "d": "SET DEFAULT"}


def action(code: str | None) -> str:
    """A foreign key's action as SQL, by the code of `pg_constraint`."""
    return ACTIONS[code or "a"]


def without_index(table: RequiredTable, index: RequiredIndex, indexes: Iterable[Facts]) -> str:
    """What a missing index costs, or allows; another one with the same first column makes lookups cheaper."""
    first = index.columns[0]
    where = f"{table.name}({', '.join(index.columns)})"
    if index.unique:
        return f"no unique index on {where}: {TWICE.get(table.name, 'two rows may have the same values')}"
    partly = any(
        facts["valid"] and not facts.get("predicate") and facts["columns"][:1] == [first] for facts in indexes
    )
    cost = f"read every row of one {first}" if partly else "scan the table"
    return f"no index on {where}: {_lookups(table, index)} {cost}"


def _lookups(table: RequiredTable, index: RequiredIndex) -> str:
    key = next((each for each in table.keys if (each.column,) == index.columns), None)
    if key is not None and key.references in {
        f"{SCHEMA}.{name}" for name in ("products", "customers", "sites")
    }:
        return f"deletions from {_name(key.references)}"
    return LOOKUPS.get(table.name, "lookups by {columns}").format(columns=", ".join(index.columns))


def without_key(table: RequiredTable, key: RequiredKey) -> str:
    """What happens without a foreign key."""
    return (
        f"no foreign key from {table.name}({key.column}) to {_name(key.references)}: "
        f"a deleted row there leaves its {table.name} rows behind"
    )


def other_actions(table: RequiredTable, key: RequiredKey, facts: Facts) -> str:
    """What a foreign key with other actions does."""
    actual = f"ON DELETE {action(facts.get('on_delete'))}, ON UPDATE {action(facts.get('on_update'))}"
    parent = _name(key.references)
    effects: Mapping[str, str] = {
        "c": f"deleting a row of {parent} also deletes its {table.name} rows",
        "n": f"deleting a row of {parent} empties {table.name}.{key.column}",
        "d": f"deleting a row of {parent} resets {table.name}.{key.column}",
        "r": f"a row of {parent} cannot be deleted while {table.name} refers to it",
        "a": f"a row of {parent} cannot be deleted while {table.name} refers to it",
    }
    deletes = facts.get("on_delete") or "a"
    if deletes != key.on_delete:
        return f"{actual}: {effects[deletes]}"
    return f"{actual}: a changed ID of {parent} is not handled as by cartctl's own key"


def _name(qualified: str) -> str:
    return qualified.replace('"', "").removeprefix(f"{SCHEMA}.")
