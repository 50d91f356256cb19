"""The platform's tables as far as the cart refers to them; they belong to the platform and are never made or changed here."""

from sqlalchemy import Column, Table, Text

from cartctl.cart.store.tables.base import PLATFORM, Base


def _platform_table(name: str, *columns: str) -> Table:
    others = (Column(column, Text) for column in columns)
    return Table(name, Base.metadata, Column("id", Text, primary_key=True), *others, info=PLATFORM)


COMPANIES, SITES, PRODUCTS = map(_platform_table, ("companies", "sites", "products"))
CUSTOMERS = _platform_table("customers", "companyId", "email")
