"""The sections about monitoring: how long and how often, thresholds, and where metrics and logs come from."""

import re
from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from cartctl.config.model.section import Section
from cartctl.config.values import Address, Duration, Header, LocalPath, Pattern, Secret
from cartctl.redaction import register

SECONDS = timedelta(seconds=1)
MINUTES = timedelta(minutes=1)
CREDENTIAL = re.compile(r"(?i)auth|cookie|token|secret|passw|key")  # in the name of a header
QUERY_PARTS = ("requests", "timestamp", "buckets")  # of a metric: further queries, NAME.PART


class Monitor(Section):
    """How a deployment is monitored."""

    for_: Duration = Field(
        default=30 * MINUTES, alias="for", description="How long to monitor after a deployment."
    )
    every: Duration = Field(default=15 * SECONDS, description="Interval between two samples.")
    minimum_requests: int = Field(
        default=50,
        ge=0,
        description="Requests within metrics.window below which error rate and latency are not evaluated; cartctl sends the missing ones.",
    )
    blind_limit: Duration = Field(
        default=5 * MINUTES, description="Time without usable metrics after which the result is inconclusive."
    )
    critical_failures: int = Field(
        default=3, ge=1, description="Consecutive failures of a critical endpoint that fire its trigger."
    )
    max_gap: Duration | None = Field(
        default=None,
        description="Longest time between two samples of one breach. Default: two intervals, at least 60 s.",
        examples=["2m"],
    )
    cooldown: Duration = Field(
        default=10 * MINUTES,
        description="Time after a trigger has fired during which it does not fire again.",
    )

    def longest_gap(self, scrape_interval: timedelta) -> timedelta:
        """Time between two samples above which they belong to different breaches: `max_gap`, or its default."""
        return self.max_gap or max(2 * scrape_interval, 2 * self.every, MINUTES)


class Threshold(Section):
    """A metric above `warning` warns; above `critical` it is critical. Equal is not above."""

    warning: float = Field(description="Value above which the metric warns.", examples=[0.01])
    critical: float = Field(description="Value above which the metric is critical.", examples=[0.05])


class LatencyThreshold(Section):
    """As a threshold, in units of time."""

    warning: Duration = Field(description="Latency above which the metric warns.", examples=["100ms"])
    critical: Duration = Field(description="Latency above which the metric is critical.", examples=["500ms"])


class ErrorRateThreshold(Threshold):
    """The error rate also rolls a deployment back."""

    rollback_after: Duration = Field(
        default=5 * MINUTES, description="Time that the rate must stay critical before its trigger fires."
    )


class Thresholds(Section):
    """The limits of the deployment plan for the first 24 hours."""

    db_connections: Threshold = Field(
        default=Threshold(warning=0.80, critical=0.95),
        description="Used database connections, as a share of the limit (0 to 1).",
    )
    db_latency_p95: LatencyThreshold = Field(
        default=LatencyThreshold(warning=timedelta(milliseconds=100), critical=timedelta(milliseconds=500)),
        description="95th percentile of the duration of database queries.",
    )
    api_latency_p95: LatencyThreshold = Field(
        default=LatencyThreshold(warning=timedelta(milliseconds=500), critical=2 * SECONDS),
        description="95th percentile of the duration of API requests.",
    )
    error_rate: ErrorRateThreshold = Field(
        default=ErrorRateThreshold(warning=0.01, critical=0.05),
        description="Share of API requests answered with a 5xx status (0 to 1).",
    )


class Metrics(Section):
    """Where metrics come from."""

    kind: Literal["prometheus", "scrape"] = Field(
        description="Source: a Prometheus server, or the metrics of the API's pods, read directly.",
        examples=["prometheus"],
    )
    url: Address | None = Field(
        default=None,
        description='Address of the Prometheus server; required with kind = "prometheus".',
        examples=["https://prometheus.example.com"],
    )
    token: Secret | None = Field(
        default=None, description="Bearer token for the source.", examples=[{"env": "PROMETHEUS_TOKEN"}]
    )
    user: str | None = Field(
        default=None,
        description="User for the source, if it requires HTTP basic authentication instead of a token.",
        examples=["cartctl"],
    )
    password: Secret | None = Field(
        default=None, description="Password of that user.", examples=[{"env": "PROMETHEUS_PASSWORD"}]
    )
    headers: dict[str, Header] = Field(
        default_factory=dict,
        description="Further headers of every request, such as the tenant of Mimir or Thanos.",
        examples=[{"X-Scope-OrgID": "shop"}],
    )
    ca: LocalPath | None = Field(
        default=None,
        description="PEM file of the certificate authorities to verify the source's certificate with, instead of the system's.",
        examples=["tls/ca.pem"],
    )
    certificate: LocalPath | None = Field(
        default=None,
        description="PEM file of the certificate that cartctl presents to the source (mTLS).",
        examples=["tls/cartctl.pem"],
    )
    key: LocalPath | None = Field(
        default=None,
        description="PEM file of that certificate's key, unless the certificate's file contains it.",
        examples=["tls/cartctl.key"],
    )
    key_password: Secret | None = Field(
        default=None,
        description="Password of an encrypted key.",
        examples=[{"env": "PROMETHEUS_KEY_PASSWORD"}],
    )
    verify_tls: bool = Field(default=True, description="Verify the source's certificate.")
    histograms: Literal["classic", "native"] = Field(
        default="classic",
        description="Kind of the latency histograms that the built-in queries read: `_bucket` series, or native histograms.",
    )
    queries: dict[str, str] = Field(
        default_factory=dict,
        description="PromQL that replaces a built-in query, by metric: error_rate, api_latency_p95, …, with .requests, .timestamp or .buckets.",
        examples=[{"db_connections": "max(pg_stat_activity_count) / 100"}],
    )
    scrape_interval: Duration = Field(
        default=15 * SECONDS, description="How often the source takes a sample."
    )
    window: Duration | None = Field(
        default=None,
        description="Window over which rates are calculated. Default: four scrape intervals, at least 60 s.",
        examples=["2m"],
    )
    critical_paths: str | None = Field(
        default=None,
        description="PromQL of the critical endpoints for exported alerts: one series for each, 1 while it works, else 0. Default: probe_success of the exported scrape job.",
        examples=['probe_success{job="critical"}'],
    )

    @property
    def rate_window(self) -> timedelta:
        """The window of rates: `window`, or its default."""
        return self.window or max(4 * self.scrape_interval, MINUTES)

    @field_validator("headers")
    @classmethod
    def _register_credentials(cls, headers: dict[str, Header]) -> dict[str, Header]:
        for name, value in headers.items():
            if value.literal and CREDENTIAL.search(name):
                register(value.literal)
        return headers


class Logs(Section):
    """Where the application's logs are, and how many errors are worth a warning."""

    errors_per_minute: int = Field(
        default=10, description="Matching lines per minute above which monitoring warns."
    )
    level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="error", description="Minimum level of the lines that `patterns` apply to."
    )
    patterns: dict[str, Pattern] = Field(
        default={"cart": "(?i)cart|ecommerce"},
        description="Regular expressions, by name, of lines that count if they have that level.",
    )
    always: dict[str, Pattern] = Field(
        default={"prisma": r"PrismaClient|\bP200[23]\b"},
        description="Regular expressions, by name, of lines that count at any level.",
    )
    selector: str | None = Field(
        default=None,
        description="Label selector of the pods whose logs are read.",
        examples=["app=payment-api"],
    )
    command: tuple[str, ...] = Field(
        default=(),
        description="Command that writes the log to stdout, instead of a selector.",
        examples=[["docker", "logs", "--follow", "--timestamps", "--since", "10m", "payment-api"]],
    )
    environment: dict[str, Secret] = Field(
        default_factory=dict,
        description="Environment variables of the command, such as its token.",
        examples=[{"LOKI_TOKEN": {"env": "LOKI_TOKEN"}}],
    )
