"""The platform's tables as far as the cart refers to them; they belong to the platform and are never made or changed here."""

from sqlalchemy import Column, Table, Text

from cartctl.cart.store.tables.base import PLATFORM, Base

COMPANIES, SITES, CUSTOMERS, PRODUCTS = (
    Table(name, Base.metadata, Column("id", Text, primary_key=True), info=PLATFORM)
    for name in ("companies", "sites", "customers", "products")
)
