"""The platform's customers, as pages name them."""

from collections.abc import Iterable, Mapping
from typing import Any

from cartctl.sandbox.service.data import Data

_NAMED = """
SELECT id, email, "firstName" || ' ' || "lastName" AS name FROM customers
WHERE "companyId" = %(company)s AND id = ANY (%(ids)s)
"""
_BY_EMAIL = 'SELECT id FROM customers WHERE "companyId" = %(company)s AND email = %(email)s'


def customers_of(
    data: Data, company: str, carts: Iterable[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Id, e-mail and name of the customers of some carts, by id; guests have none."""
    ids = sorted({cart["customerId"] for cart in carts if cart["customerId"] is not None})
    if not ids:
        return {}
    return {row["id"]: row for row in data.rows(_NAMED, {"company": company, "ids": ids})}


def customer_named(data: Data, company: str, email: str) -> str | None:
    """The id of the company's customer with an e-mail address, or None."""
    rows = data.rows(_BY_EMAIL, {"company": company, "email": email})
    return str(rows[0]["id"]) if rows else None
