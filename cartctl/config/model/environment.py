"""The environment a command works on, section by section as `cartctl.toml` writes it.

Defaults are the deployment plan's own values. Field names are the file's keys; unknown keys are refused.
"""

from datetime import date, time, timedelta
from typing import Literal

from pydantic import Field

from cartctl.config.model.rollout import Rollout
from cartctl.config.model.section import Section
from cartctl.config.values import Address, Duration, LocalPath, LocalPathName, Secret

SECONDS = timedelta(seconds=1)
MINUTES = timedelta(minutes=1)


class Expect(Section):
    """How long a deployment may take, without its monitoring, and how long shoppers may wait."""

    total: Duration = 30 * MINUTES
    downtime: Duration = 2 * MINUTES


class Monitor(Section):
    """How the deployment is watched."""

    for_: Duration = Field(default=30 * MINUTES, alias="for")
    every: Duration = 15 * SECONDS
    minimum_requests: int = Field(default=50, ge=0)
    blind_limit: Duration = 5 * MINUTES
    critical_failures: int = Field(default=3, ge=1)
    max_gap: Duration | None = None  # left out: two intervals, at least 60 s
    cooldown: Duration = 10 * MINUTES


class Threshold(Section):
    """Above `warning` warns, above `critical` is critical; both strict."""

    warning: float
    critical: float


class LatencyThreshold(Section):
    """As Threshold, for durations."""

    warning: Duration
    critical: Duration


class ErrorRateThreshold(Threshold):
    """The error rate also rolls back when it stays critical for longer than `rollback_after`."""

    rollback_after: Duration = 5 * MINUTES


class Thresholds(Section):
    """The plan's table for the first 24 hours."""

    db_connections: Threshold = Threshold(warning=0.80, critical=0.95)
    db_latency_p95: LatencyThreshold = LatencyThreshold(
        warning=timedelta(milliseconds=100), critical=timedelta(milliseconds=500)
    )
    api_latency_p95: LatencyThreshold = LatencyThreshold(
        warning=timedelta(milliseconds=500), critical=2 * SECONDS
    )
    error_rate: ErrorRateThreshold = ErrorRateThreshold(warning=0.01, critical=0.05)


class Window(Section):
    """When deployments into a protected environment are allowed."""

    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "tue"
    from_: time = Field(default=time(2), alias="from")
    to: time = time(4)
    zone: str = "UTC"
    freeze: tuple[date, ...] = ()


class Signoff(Section):
    """Who must approve."""

    roles: tuple[str, ...] = ()
    allowed_signers: LocalPath | None = None


ACCEPTED = {  # Squawk's rules that the frozen migrations break on purpose
    "require-concurrent-index-creation": "the tables are new; where one holds rows, migrate index --concurrently builds",
    "constraint-missing-not-valid": "the tables are new and empty: there is nothing to validate",
    "prefer-timestamp-tz": "the Node client reads and writes TIMESTAMP(3) in UTC",
    "prefer-bigint-over-int": "counts and quantities; the Node client's Int",
    "require-lock-timeout": "set by cartctl for the session: database.lock_timeout",
    "require-statement-timeout": "set by cartctl for the session: database.statement_timeout",
}


class Migrations(Section):
    """Whose migration files are run, and which of the linter's rules they may break, with the reason."""

    source: Literal["cartctl", "prisma"] = "cartctl"
    prisma_dir: LocalPath | None = None
    accept: dict[str, str] = ACCEPTED


class Encrypt(Section):
    """How dumps are encrypted: one of `age` (a file of recipients) and `gpg` (a recipient)."""

    age: LocalPath | None = None
    gpg: str | None = None
    identity: LocalPath | None = None  # opens what age encrypted; only restoring and drilling need it


class Backup(Section):
    """Commands that make a backup with another tool and tell of it; each writes one JSON object."""

    create: tuple[str, ...]
    status: tuple[str, ...]
    timeout: Duration = timedelta(hours=6)
    environment: dict[str, Secret] = Field(default_factory=dict)  # an argument would show in the process list


class Snapshots(Section):
    """Where snapshots go and how many stay, or which other tool makes them."""

    url: Address | None = None  # left out: the local state directory
    keep: int = Field(default=7, ge=1)
    max_age: Duration = timedelta(hours=24)
    encrypt: Encrypt | None = None
    pgbackrest_stanza: str | None = None
    command: Backup | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether another tool makes and keeps them."""
        return self.pgbackrest_stanza is not None or self.command is not None


class Database(Section):
    """The target database and the roles that work in it."""

    dsn: Secret
    state: Secret | None = None  # left out: the journal is kept in the target itself
    owner_role: str | None = None
    app_role: str | None = None
    lock_timeout: Duration = 2 * SECONDS
    statement_timeout: Duration = 5 * MINUTES
    connection_limit: int | None = Field(
        default=None, ge=1
    )  # of the application's pool, times its pods; left out: the server's
    migrations: Migrations = Migrations()
    snapshots: Snapshots = Snapshots()
    strict_constraints: bool | None = None  # left out: on unless the database has a Prisma ledger


class MaintenanceKey(Section):
    """Where the application reads its maintenance mode."""

    configmap: str = "cart-runtime"
    key: str = "MAINTENANCE"
    limit: Duration = (
        30 * MINUTES
    )  # after it the application ignores the mode: a killed laptop leaves no 503 for ever


class Workers(Section):
    """The background processors."""

    deployments: tuple[str, ...] = ()
    cronjobs: tuple[str, ...] = ()
    drain: Duration = timedelta(seconds=60)


class Cluster(Section):
    """Where the application runs."""

    kind: Literal["kubernetes", "sandbox"]
    context: str | None = None
    namespace: str = "default"
    control: str | None = None  # the sandbox supervisor's address
    secret: Secret | None = None  # and its password
    maintenance: MaintenanceKey = MaintenanceKey()
    prewarm: dict[str, int] = Field(default_factory=dict)
    workers: Workers = Workers()


class Release(Section):
    """`deployment.container` → image, in three groups that are released one after the other."""

    api: dict[str, str] = Field(default_factory=dict)
    workers: dict[str, str] = Field(default_factory=dict)
    frontend: dict[str, str] = Field(default_factory=dict)
    timeout: Duration = 10 * MINUTES
    after_migrate: tuple[str, ...] = ()
    environment: dict[str, Secret] = Field(default_factory=dict)  # of after_migrate


class Http(Section):
    """The application's addresses and the token of an internal company's admin."""

    api: str
    dashboard: str | None = None
    token: Secret | None = None
    suites: tuple[LocalPath, ...] = ()
    timeout: Duration = 10 * SECONDS
    shopper_path: str = "/api/products"  # answers 503 with Retry-After in maintenance
    admin_path: str = "/api/auth/session"  # answers the token's bearer also then
    verify_tls: bool = True


class Metrics(Section):
    """Where figures come from."""

    kind: Literal["prometheus", "scrape"]
    url: Address | None = None  # prometheus only; scrape reads the API's pods
    token: Secret | None = None
    queries: dict[str, str] = Field(default_factory=dict)
    scrape_interval: Duration = 15 * SECONDS
    window: Duration | None = None  # rates are taken over it; left out: four scrapes, at least 60 s


class Cdn(Section):
    """Whose static assets are purged."""

    kind: Literal["cloudflare"]
    zone: str
    token: Secret


class Cache(Section):
    """What is invalidated after a release."""

    redis: Secret | None = None
    keys: tuple[str, ...] = ("cart:*",)
    cdn: Cdn | None = None


class Logs(Section):
    """Where the application's logs are and how many errors are worth a warning."""

    errors_per_minute: int = 10
    selector: str | None = None
    command: tuple[str, ...] = ()
    environment: dict[str, Secret] = Field(default_factory=dict)  # of the command


class Preflight(Section):
    """What the code side must show."""

    junit: dict[LocalPathName, int] = Field(default_factory=dict)
    commands: tuple[tuple[str, ...], ...] = ()
    environment: dict[str, Secret] = Field(default_factory=dict)  # of the commands


class Environment(Section):
    """One environment, `[defaults]` merged in."""

    name: str
    protected: bool = False
    proved_on: str | None = None
    window: Window | None = None
    signoff: Signoff = Signoff()
    notify: tuple[Secret, ...] = ()
    maintenance: Literal["migration", "plan", "none"] = "migration"
    resume_max_age: Duration = timedelta(hours=1)
    expect: Expect = Expect()
    monitor: Monitor = Monitor()
    thresholds: Thresholds = Thresholds()
    logs: Logs = Logs()
    database: Database
    cluster: Cluster
    release: Release = Release()
    http: Http
    metrics: Metrics | None = None
    cache: Cache = Cache()
    preflight: Preflight = Preflight()
    rollout: Rollout = Rollout()
