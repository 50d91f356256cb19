"""The environment a command works on, section by section as `cartctl.toml` writes it.

Defaults are the deployment plan's own values. Field names are the file's keys; unknown keys are refused. Each field's
description and example are part of the JSON Schema and of docs/configuration.md.
"""

from datetime import date, time, timedelta
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ConfigDict, Field

from cartctl.config.model.application import Cache, Cluster, Http, Release
from cartctl.config.model.database import ACCEPTED, Backup, Database, Encrypt, Migrations, Snapshots
from cartctl.config.model.monitoring import ErrorRateThreshold, Logs, Metrics, Monitor, Thresholds
from cartctl.config.model.notifications import Recipient
from cartctl.config.model.required_sections import MissingSection
from cartctl.config.model.rollout import Rollout
from cartctl.config.model.section import Section
from cartctl.config.model.signoff import Signoff
from cartctl.config.values import Duration, LocalPath, LocalPathName, Secret

__all__ = [
    "ACCEPTED",
    "Backup",
    "Carts",
    "Database",
    "Encrypt",
    "Environment",
    "ErrorRateThreshold",
    "Expect",
    "Migrations",
    "Monitor",
    "Preflight",
    "Signoff",
    "Snapshots",
    "Thresholds",
    "Window",
]

T = TypeVar("T")
REQUIRED = ("database", "cluster", "http")  # sections that a command may require


class Expect(Section):
    """How long a deployment is expected to take."""

    total: Duration = Field(
        default=timedelta(minutes=30),
        description="Expected duration of a deployment, without monitoring. Not compared yet.",
    )
    downtime: Duration = Field(
        default=timedelta(minutes=2),
        description="Expected time in which shoppers see maintenance. Not compared yet.",
    )


class Window(Section):
    """When deployments into a protected environment are allowed."""

    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        default="tue", description="Day of the week."
    )
    from_: time = Field(default=time(2), alias="from", description="Local time at which the window opens.")
    to: time = Field(default=time(4), description="Local time at which the window closes.")
    zone: str = Field(default="UTC", description="Time zone of these times, by its IANA name.")
    freeze: tuple[date, ...] = Field(
        default=(), description="Dates without deployments.", examples=[["2026-12-24", "2026-12-25"]]
    )


class Preflight(Section):
    """What must be proved about the code before a deployment."""

    junit: dict[LocalPathName, int] = Field(
        default_factory=dict,
        description="JUnit reports that must have no failures, each with its minimum number of tests.",
        examples=[{"reports/junit.xml": 900}],
    )
    commands: tuple[tuple[str, ...], ...] = Field(
        default=(), description="Commands that must exit with 0.", examples=[[["npm", "run", "typecheck"]]]
    )
    environment: dict[str, Secret] = Field(
        default_factory=dict,
        description="Environment variables of the commands.",
        examples=[{"NPM_TOKEN": {"env": "NPM_TOKEN"}}],
    )


class Carts(Section):
    """How the cart's jobs work."""

    unsubscribed_sql: str | None = Field(
        default=None,
        description="Query of the customers who get no recovery mail: their IDs in the first and only column.",
        examples=['SELECT "customerId" FROM unsubscribes'],
    )


UNVERIFIED = "the server's certificate is not verified: anybody on the network path can impersonate it"


class Environment(Section):
    """One environment, with `[defaults]` merged in."""

    model_config = ConfigDict(populate_by_name=False)

    name: str = Field(description="Name of the environment: that of its table.", examples=["production"])
    source_file: Path | None = Field(
        default=None, description="The file that it was read from.", examples=["cartctl.toml"]
    )
    protected: bool = Field(
        default=False, description="Enforce the window, and refuse literal secrets and unencrypted dumps."
    )
    proved_on: str | None = Field(
        default=None,
        description="Environment on which a deployment of the same images and migrations must have succeeded.",
        examples=["staging"],
    )
    proved_run: LocalPath | None = Field(
        default=None,
        description="Journal of that deployment as a file (`cartctl report --journal`), for when the environment's database cannot be reached from here.",
        examples=["ops/staging-run.ndjson"],
    )
    window: Window | None = Field(
        default=None,
        description="When deployments are allowed.",
        examples=[{"day": "tue", "from": "02:00", "to": "04:00", "zone": "UTC"}],
    )
    signoff: Signoff = Field(default=Signoff(), description="Who must approve a deployment.")
    notify: tuple[Recipient, ...] = Field(
        default=(),
        description=(
            'Notifiers: webhooks (https://) that receive {"text": …}, or addresses of apprise such as slack://, msteams://, '
            "mailto:// and pagerduty://; `on` selects the events."
        ),
        examples=[[{"env": "SLACK_WEBHOOK"}, {"env": "PAGERDUTY_URL", "on": ["rolled_back", "trigger"]}]],
    )
    maintenance: Literal["migration", "plan", "none"] = Field(
        default="migration",
        description="How long shoppers see maintenance: during the migration, during the whole plan, or never.",
    )
    resume_max_age: Duration = Field(
        default=timedelta(hours=1), description="Age above which a resumed run takes its snapshot again."
    )
    expect: Expect = Field(default=Expect(), description="Expected durations.")
    monitor: Monitor = Field(default=Monitor(), description="How a deployment is monitored.")
    thresholds: Thresholds = Field(default=Thresholds(), description="Limits of the metrics.")
    logs: Logs = Field(default=Logs(), description="Where the application's logs are.")
    database_: Database | None = Field(
        default=None,
        alias="database",
        description="The target database; required by all but smoke and health.",
    )
    cluster_: Cluster | None = Field(
        default=None,
        alias="cluster",
        description="Where the application runs; required to deploy, and to roll back its images.",
    )
    release: Release = Field(default=Release(), description="Images by container.")
    http_: Http | None = Field(
        default=None,
        alias="http",
        description="The application's addresses; required to deploy, monitor and test it.",
    )
    metrics: Metrics | None = Field(default=None, description="Where metrics come from.")
    cache: Cache = Field(default=Cache(), description="What is invalidated after a release.")
    preflight: Preflight = Field(default=Preflight(), description="What must be proved about the code.")
    rollout: Rollout = Field(default=Rollout(), description="The staged rollout by company.")
    carts: Carts = Field(default=Carts(), description="The cart's jobs.")

    @property
    def database(self) -> Database:
        """The target database. Raises MissingSection, as `cluster` and `http` do."""
        return self._required("database", self.database_)

    @property
    def cluster(self) -> Cluster:
        """Where the application runs."""
        return self._required("cluster", self.cluster_)

    @property
    def http(self) -> Http:
        """The application's addresses."""
        return self._required("http", self.http_)

    @property
    def sections(self) -> tuple[str, ...]:
        """The configured ones of the sections that a command may require."""
        return tuple(name for name in REQUIRED if getattr(self, f"{name}_") is not None)

    @property
    def unverified(self) -> tuple[str, ...]:
        """The keys that make connections use TLS without a verified certificate (safety.md section 8)."""
        http, metrics = self.http_, self.metrics
        addresses = (http.api, http.dashboard or "") if http is not None and not http.verify_tls else ()
        keys = ["http.verify_tls"] if any(url.startswith("https:") for url in addresses) else []
        return (*keys, "metrics.verify_tls") if metrics is not None and not metrics.verify_tls else (*keys,)

    def require(self, *sections: str, file: str = "the configuration file") -> None:
        """Raise MissingSection, with the lines to add to `file`, unless all these sections are configured."""
        missing = [name for name in sections if name not in self.sections]
        if missing:
            raise MissingSection(self.name, missing, file)

    def _required(self, name: str, section: T | None) -> T:
        if section is None:
            raise MissingSection(self.name, (name,))
        return section
