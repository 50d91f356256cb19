"""What all models share: types by annotation, names by convention, and marks that say who needs a thing.

A column, index or constraint marked OWN is ours alone: the Node client does without it, so a database that another tool
migrated may lack it. STRICT marks the constraints that exist only with `strict_constraints`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from sqlalchemy import ForeignKey, Index, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB, NUMERIC, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.elements import TextClause

from cartctl.cart.enums import (
    CartStatus,
    CrossSiteSessionStatus,
    PromotionScope,
    PromotionType,
    ShippingRuleType,
    SiteType,
    TaxType,
)

OWN: Final = {"own": True}
STRICT: Final = {"own": True, "strict": True}
PLATFORM: Final = {"platform": True}

ENUMS: Final = (
    CartStatus,
    SiteType,
    CrossSiteSessionStatus,
    PromotionType,
    PromotionScope,
    TaxType,
    ShippingRuleType,
)


def _suffix(index: Index, _table: Table) -> str:
    return "key" if index.unique else "idx"


class Base(DeclarativeBase):
    """The cart's tables. Time is UTC without a zone, to the millisecond; money has two decimals."""

    metadata = MetaData(
        naming_convention={
            "suffix": _suffix,
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "ix": "%(table_name)s_%(column_0_N_name)s_%(suffix)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        Decimal: NUMERIC(12, 2),
        datetime: TIMESTAMP(precision=3),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(Text),
        **{labels: ENUM(labels, name=labels.__name__) for labels in ENUMS},
    }


def unique(*columns: str | TextClause, name: str | None = None, **options: Any) -> Index:
    """A unique index, which is what the Node client's tool makes for a unique field."""
    return Index(name, *columns, unique=True, **options)


def cascade(target: str) -> ForeignKey:
    """A reference that goes when its target goes."""
    return ForeignKey(target, ondelete="CASCADE", onupdate="CASCADE")


def set_null(target: str) -> ForeignKey:
    """A reference that is emptied when its target goes."""
    return ForeignKey(target, ondelete="SET NULL", onupdate="CASCADE")


def restrict(target: str) -> ForeignKey:
    """A reference that keeps its target from going."""
    return ForeignKey(target, ondelete="RESTRICT", onupdate="CASCADE")
