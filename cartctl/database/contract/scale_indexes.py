"""Optional indexes for millions of carts, beside the migrations: `migrate index --scale` builds them (docs/scale.md).

They are not part of the contract: nothing fails without them, and every write costs more with them.
"""

from dataclasses import dataclass

from cartctl.database.contract.definition import RequiredIndex
from cartctl.migrations.frozen import Statement

TABLE = "carts"


@dataclass(frozen=True, slots=True)
class ScaleIndex:
    """An optional index on carts: its expression, and the query that it serves. It is partial, so that few writes cost more."""

    name: str
    columns: tuple[str, ...]
    predicate: str
    serves: str

    @property
    def statement(self) -> Statement:
        """The CREATE INDEX statement, as a migration would have it."""
        columns = ", ".join(f'"{column}"' for column in self.columns)
        sql = f'CREATE INDEX "{self.name}" ON "{TABLE}" ({columns}) WHERE {self.predicate};'
        return Statement(sql, "index", self.name, TABLE)

    @property
    def required(self) -> RequiredIndex:
        """What an existing index is compared with."""
        return RequiredIndex(
            self.name, self.columns, unique=False, predicate=self.predicate, own=True, strict=False
        )


SCALE_INDEXES = (
    ScaleIndex(
        "carts_cancelled",
        ("companyId", "convertedAt"),
        "status = 'CONVERTED' AND metadata ->> 'cancelledAt' IS NOT NULL",
        "cancelled orders in stats and overview",
    ),
    ScaleIndex(
        "carts_unsent_abandonedAt",
        ("abandonedAt",),
        "status = 'ABANDONED' AND \"recoveryEmailSent\" = false",
        "recovery candidates of all companies, longest abandoned first",
    ),
)
