"""The sections about the target database: connection and roles, migrations, snapshots."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from cartctl.config.model.section import Section
from cartctl.config.values import Address, Duration, LocalPath, Secret

ACCEPTED = {  # Squawk's rules that the frozen migrations break on purpose
    "require-concurrent-index-creation": "the tables are new; for one with rows, migrate index --concurrently builds it",
    "constraint-missing-not-valid": "the tables are new and empty: there is nothing to validate",
    "prefer-timestamp-tz": "the Node client reads and writes TIMESTAMP(3) in UTC",
    "prefer-bigint-over-int": "counts and quantities; the Node client's Int",
    "require-lock-timeout": "set by cartctl for the session: database.lock_timeout",
    "require-statement-timeout": "set by cartctl for the session: database.statement_timeout",
}


class Migrations(Section):
    """Which migration files are run, and which rules of the linter they may break."""

    source: Literal["cartctl", "prisma"] | None = Field(
        default=None,
        description="Whose files are run: cartctl's own, or the application's Prisma folders. "
        "Default: the application's where the database has Prisma's ledger, else cartctl's.",
        examples=["prisma"],
    )
    prisma_dir: LocalPath | None = Field(
        default=None, description="Directory of Prisma's migrations.", examples=["prisma/migrations"]
    )
    accept: dict[str, str] = Field(
        default=ACCEPTED,
        description="Squawk's rules that the migrations may break, each with the reason.",
        examples=[{"prefer-timestamp-tz": "the Node client reads and writes TIMESTAMP(3) in UTC"}],
    )


class Encrypt(Section):
    """How dumps are encrypted: with `age` or with `gpg`."""

    age: LocalPath | None = Field(
        default=None,
        description="File of age recipients, one public key per line.",
        examples=["ops/recipients"],
    )
    gpg: str | None = Field(default=None, description="Recipient for gpg.", examples=["dba@example.com"])
    identity: LocalPath | None = Field(
        default=None,
        description="File with age's private key; required only to restore and to drill.",
        examples=["~/.config/age/key.txt"],
    )


class Backup(Section):
    """Commands that make a backup with another tool and report its status; each writes one JSON object."""

    create: tuple[str, ...] = Field(
        description="Command that makes a backup.", examples=[["/usr/local/bin/backup", "create"]]
    )
    status: tuple[str, ...] = Field(
        description="Command that reports the latest backup.", examples=[["/usr/local/bin/backup", "status"]]
    )
    timeout: Duration = Field(default=timedelta(hours=6), description="Time limit of one command.")
    environment: dict[str, Secret] = Field(
        default_factory=dict,
        description="Environment variables of the commands; a secret in an argument would show in the process list.",
        examples=[{"BACKUP_TOKEN": {"env": "BACKUP_TOKEN"}}],
    )


class Snapshots(Section):
    """Where snapshots are stored and how many are retained, or which other tool makes backups."""

    url: Address | None = Field(
        default=None,
        description="Storage: a directory, s3://…, gs://… or another fsspec address. Default: the local state directory.",
        examples=["s3://backups/cart"],
    )
    keep: int = Field(default=7, ge=1, description="Number of verified snapshots that pruning keeps.")
    max_age: Duration = Field(
        default=timedelta(hours=24),
        description="Age above which preflight rejects the latest snapshot or backup.",
    )
    encrypt: Encrypt | None = Field(
        default=None,
        description="Encryption of dumps; required in a protected environment.",
        examples=[{"age": "ops/recipients"}],
    )
    pgbackrest_stanza: str | None = Field(
        default=None, description="Stanza of pgBackRest, which then makes the backups.", examples=["main"]
    )
    command: Backup | None = Field(
        default=None, description="Commands of another backup tool, which then makes the backups."
    )

    @property
    def elsewhere(self) -> bool:
        """Whether another tool makes and stores them."""
        return self.pgbackrest_stanza is not None or self.command is not None


class Database(Section):
    """The target database and its roles."""

    dsn: Secret = Field(
        description="Connection string of the target database, as for psql.", examples=[{"env": "CART_DSN"}]
    )
    state: Secret | None = Field(
        default=None,
        description="Connection string of another database for the journal. Default: the target database.",
        examples=[{"env": "CARTCTL_STATE_DSN"}],
    )
    owner_role: str | None = Field(
        default=None, description="Role that owns the tables (SET ROLE).", examples=["payment_owner"]
    )
    app_role: str | None = Field(
        default=None,
        description="The application's role; it is granted what the application needs.",
        examples=["payment_api"],
    )
    lock_timeout: Duration = Field(
        default=timedelta(seconds=2), description="How long a statement waits for a lock."
    )
    statement_timeout: Duration = Field(
        default=timedelta(minutes=5), description="How long a statement may run."
    )
    connection_limit: int | None = Field(
        default=None,
        ge=1,
        description="Size of the application's connection pool, per pod. Default: the server's limit for all.",
        examples=[20],
    )
    migrations: Migrations = Field(default=Migrations(), description="Migration files and linter rules.")
    snapshots: Snapshots = Field(default=Snapshots(), description="Snapshots of the database.")
    strict_constraints: bool | None = Field(
        default=None,
        description="Create the constraints that Prisma's schema lacks. Default: true unless the database has a Prisma ledger.",
        examples=[True],
    )
