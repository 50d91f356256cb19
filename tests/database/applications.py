"""Applications whose Prisma migrations have our names and another shape, as tests and the real tool apply them."""

import hashlib
import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from cartctl.adapters.postgres import Postgres
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.database.test_migrate import LEDGER, run_sql

NOTIFICATIONS = "CREATE TYPE \"NotificationType\" AS ENUM ('ORDER_SHIPPED', 'REVIEW_REQUEST');\n"
LATER = "20260302090000_add_cart_channel"
OWN_COLUMNS = (
    r'    "(?:shippingState|shippingCity|siteType|version|giftPromotionId|stackable|priority_)" .*\n'
)
BEYOND = (
    'ALTER TABLE "sites" ADD COLUMN "cartTheme" TEXT, ADD COLUMN "checkoutMode" VARCHAR(20) NOT NULL DEFAULT \'STANDARD\';\n'
    'CREATE INDEX "sites_checkoutMode_idx" ON "sites"("checkoutMode");\n'
    "ALTER TYPE \"NotificationType\" ADD VALUE 'CART_ABANDONED';\n"
)
LATER_SQL = (
    'ALTER TABLE "carts" ADD COLUMN "channel" TEXT, ADD COLUMN "cartScore" INTEGER NOT NULL DEFAULT 0;\n'
)

Change = Callable[[str], str]


def narrow(text: str) -> str:
    """Narrower numbers, lengths, other foreign-key actions, other index names, fewer indexes; no columns of cartctl's own."""
    for pattern, replacement in (
        (r"NUMERIC\(12,2\)", "DECIMAL(10,2)"),
        (r"NUMERIC\(9,6\)", "DECIMAL(6,4)"),
        (r"NUMERIC\(10,3\)", "DECIMAL(8,2)"),
        (r'"currency" TEXT', '"currency" VARCHAR(3)'),
        (r"ON DELETE RESTRICT", "ON DELETE CASCADE"),
        (r'CREATE INDEX "(\w+)_idx"', r'CREATE INDEX "ix_\1"'),
        (r'CREATE (?:UNIQUE )?INDEX "ix_(?:carts_siteId|tax_rates\w+|cart_items_productId)".*\n', ""),
        (r'CREATE UNIQUE INDEX "promotions_companyId_canonical_code_key".*\n', ""),
        (r'CREATE UNIQUE INDEX "promotion_usages_promotionId_orderId_key".*\n', ""),
        (
            r'CREATE INDEX "ix_carts_companyId_(?:createdAt|convertedAt|lastActivityAt_id|status_last\w+)".*\n',
            "",
        ),
        (r'ALTER TABLE "cart_promotions" ADD CONSTRAINT .*\n', ""),
        (OWN_COLUMNS, ""),
    ):
        text = re.sub(pattern, replacement, text)
    return text


def other_names(text: str) -> str:
    """Every index and constraint under another name, defaults in another spelling, wide integers."""
    text = re.sub(r'"(\w+)_(idx|key|fkey)"', r'"\1_\2_v2"', text)
    text = re.sub(r'INDEX "idx_(\w+)"', r'INDEX "\1_partial"', text)
    return text.replace("DEFAULT 0,", "DEFAULT 0.00,").replace(
        '"itemCount" INTEGER NOT NULL DEFAULT 0.00', '"itemCount" BIGINT NOT NULL DEFAULT 0'
    )


def same(text: str) -> str:
    """Ours."""
    return text


def write_application(directory: Path, change: Change = narrow, *, later: bool = False) -> Path:
    """An application's migrations directory whose files do more than ours; gives the directory."""
    for migration in MIGRATIONS:
        text = change(re.sub(r"^--.*\n", "", migration.up.decode(), flags=re.MULTILINE))
        write_file(directory, migration.name, text + (BEYOND if migration.name == NAMES[0] else ""))
    if later:
        write_file(directory, LATER, LATER_SQL)
    return directory


def write_file(directory: Path, name: str, text: str) -> None:
    """One migration's file."""
    (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / name / "migration.sql").write_text(text)


def applied_by_prisma(database: Postgres, directory: Path, names: Sequence[str]) -> None:
    """Apply files as Prisma does: the file, and its row in the ledger."""
    run_sql(database, NOTIFICATIONS, LEDGER)
    for name in names:
        content = (directory / name / "migration.sql").read_bytes()
        run_sql(
            database,
            content.decode(),
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) "
            f"VALUES ('{uuid.uuid4()}', '{hashlib.sha256(content).hexdigest()}', '{name}', now(), now(), 1)",
        )
