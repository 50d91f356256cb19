"""The adapters of one environment, each created on first use; commands and plans pass single adapters to steps."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from cartctl.config.load import environment_directory
from cartctl.config.model.environment import Environment
from cartctl.config.values import revealed
from cartctl.derived_names import LOCAL_FILE, fit_name
from cartctl.errors import ConfigError

if TYPE_CHECKING:
    from cartctl.adapters.cdn import Cdn
    from cartctl.adapters.cluster import Cluster
    from cartctl.adapters.http.client import Access, Http
    from cartctl.adapters.log_lines import Tail
    from cartctl.adapters.metrics.connections import ConnectionShare
    from cartctl.adapters.metrics.source import MetricsSource
    from cartctl.adapters.notifiers.webhook import Notifier
    from cartctl.adapters.postgres import Postgres
    from cartctl.adapters.redis import RedisCache
    from cartctl.checks.flag_responses import FlagsEndpoint
    from cartctl.config.model.monitoring import Metrics
    from cartctl.config.model.notifications import NotifyEvent

T = TypeVar("T")


class Ports:
    """Lazily created adapters; as a context manager it closes the opened ones.

    `force_owned` allows changes to deployments that another tool (Argo CD, Flux, Helm, KEDA) manages.
    """

    def __init__(self, env: Environment, *, force_owned: bool = False) -> None:
        self.env = env
        self.force_owned = force_owned
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def directory(self) -> Path:
        """The local directory of this environment: journals, snapshots."""
        return environment_directory(self.env)

    def run_directory(self, run: str) -> Path:
        """The directory of a run's files: saved rows, downloads."""
        return self.directory / "runs" / fit_name(run, LOCAL_FILE)

    @property
    def api_deployments(self) -> tuple[str, ...]:
        """The deployments that serve shoppers."""
        cluster = self.env.cluster_
        named = self.env.release.api or (cluster.prewarm if cluster else {})
        return tuple(dict.fromkeys(name.partition(".")[0] for name in named))

    @cached_property
    def database(self) -> "Postgres":
        """The target database; a sandbox's own server ignores `PG*` variables."""
        from cartctl.adapters.postgres import OwnPostgres, Postgres

        kind = OwnPostgres if self._in_sandbox else Postgres
        return kind(self.env.database.dsn.reveal())

    @property
    def _in_sandbox(self) -> bool:
        return self.env.cluster_ is not None and self.env.cluster_.kind == "sandbox"

    @cached_property
    def state(self) -> "Postgres":
        """The database with the journal and the lock."""
        from cartctl.adapters.postgres import Postgres

        return Postgres(self.env.database.state.reveal()) if self.env.database.state else self.database

    @cached_property
    def cluster(self) -> "Cluster":
        """The cluster that runs the application."""
        cluster = self.env.cluster
        if cluster.kind == "kubernetes":
            from cartctl.adapters.kubernetes.cluster import Kubernetes

            return self._closing(Kubernetes(cluster.context, cluster.namespace, force_owned=self.force_owned))
        if cluster.control is None or cluster.secret is None:
            raise ConfigError(
                f"cluster.control or cluster.secret is missing in environment {self.env.name}.",
                hint="Set cluster.control and cluster.secret; cartctl sandbox up writes both.",
            )
        from cartctl.adapters.supervisor.cluster import Processes

        return self._closing(Processes(cluster.control, cluster.secret.reveal()))

    @cached_property
    def token(self) -> str | None:
        """The bearer token of an internal company's admin."""
        return self.env.http.token.reveal() if self.env.http.token else None

    @cached_property
    def api(self) -> "Http":
        """The API, with the access token."""
        return self._http(self.env.http.api, self.token)

    @cached_property
    def shopper(self) -> "Http":
        """The API, without a token."""
        return self._http(self.env.http.api, None)

    @cached_property
    def dashboard(self) -> "Http | None":
        """The admin dashboard, with the token; None when not configured."""
        return self._http(self.env.http.dashboard, self.token) if self.env.http.dashboard else None

    @cached_property
    def metrics(self) -> "MetricsSource | None":
        """The metrics source; None if not configured."""
        return self._closing(self.new_metrics()) if self.env.metrics else None

    def new_metrics(self, *, connections: bool = True) -> "MetricsSource":
        """A metrics source with its own connections, for another thread; optionally without those of the database."""
        settings = self.env.metrics
        if settings is None:
            raise ConfigError("No metrics source is configured.", hint="Set metrics.kind and metrics.url.")
        if settings.kind == "scrape":
            from cartctl.adapters.metrics.scrape import ScrapeSource

            return ScrapeSource(
                self.cluster, self.api_deployments, window=self.rate_window, connections=self._connections()
            )
        from cartctl.adapters.metrics.prometheus import PrometheusSource

        return PrometheusSource(
            settings.url.reveal() if settings.url else "",
            access=self._metrics_access(settings),
            queries=settings.queries,
            native=settings.histograms == "native",
            window=self.rate_window,
            connections=self._connections() if connections else None,
        )

    @staticmethod
    def _metrics_access(settings: "Metrics") -> "Access":
        from cartctl.adapters.http.client import Access

        return Access(
            token=settings.token.reveal() if settings.token else None,
            user=settings.user,
            password=settings.password.reveal() if settings.password else None,
            headers=revealed(settings.headers),
            verify=settings.verify_tls,
            ca=settings.ca,
            certificate=settings.certificate,
            key=settings.key,
            key_password=settings.key_password.reveal() if settings.key_password else None,
        )

    def log_tail(self, *, since: float, selector: str | None = None) -> "Tail | None":
        """Follows the application's logs from `since` seconds ago; None if no source is configured.

        A given `selector` takes precedence over the configuration.
        """
        logs = self.env.logs
        if logs.command and not selector:
            from cartctl.adapters.command_logs import CommandTail

            return self._closing(
                CommandTail(logs.command, since=since, environment=revealed(logs.environment))
            )
        chosen = selector or logs.selector or ""
        named = chosen or self._in_sandbox
        return self.cluster.tail(chosen, since=since) if named else None

    @property
    def flags_endpoint(self) -> "FlagsEndpoint":
        """How to query the application for a company's flags."""
        from cartctl.checks.flag_responses import FlagsEndpoint

        return FlagsEndpoint(self.api_deployments, self.env.rollout.ask_path, self.token)

    @cached_property
    def redis(self) -> "RedisCache | None":
        """The cache to invalidate; None when not configured."""
        if self.env.cache.redis is None:
            return None
        from cartctl.adapters.redis import RedisCache

        return RedisCache(self.env.cache.redis.reveal())

    @cached_property
    def cdn(self) -> "Cdn | None":
        """The CDN to purge; None when not configured."""
        settings = self.env.cache.cdn
        if settings is None:
            return None
        from cartctl.adapters.cdn import Cloudflare, HttpCdn, Selection

        selection = Selection(settings.tags, settings.paths)
        if settings.kind == "http":
            return HttpCdn(
                settings.url.reveal() if settings.url else "",
                method=settings.method,
                headers=revealed(settings.headers),
                body=settings.body,
                selection=selection,
            )
        site = (self.env.http_.dashboard if self.env.http_ else None) or ""
        token = settings.token.reveal() if settings.token else ""
        return Cloudflare(settings.zone or "", token, selection=selection, site=site)

    @cached_property
    def notifiers(self) -> "tuple[Notifier, ...]":
        """The notifiers, in the order of the configuration; empty if not configured."""
        if not self.env.notify:
            return ()
        from cartctl.adapters.notifiers.services import new_notifier

        return tuple(new_notifier(recipient.reveal()) for recipient in self.env.notify)

    def notifiers_on(self, event: "NotifyEvent") -> "tuple[Notifier, ...]":
        """The notifiers that receive an event."""
        pairs = zip(self.env.notify, self.notifiers, strict=True)
        return tuple(notifier for recipient, notifier in pairs if recipient.receives(event))

    def _http(self, url: str, token: str | None) -> "Http":
        from cartctl.adapters.http.client import Http

        settings = self.env.http
        return self._closing(
            Http(url, token=token, timeout=settings.timeout.total_seconds(), verify=settings.verify_tls)
        )

    def _connections(self) -> "ConnectionShare":
        from cartctl.adapters.metrics.connections import ConnectionShare

        database = self.env.database
        return ConnectionShare(
            self.database, limit=database.connection_limit, pods=self._pods, role=database.app_role
        )

    def _pods(self) -> int:
        known = self.cluster.deployments()
        return sum(known[name].total for name in self.api_deployments if name in known)

    @property
    def rate_window(self) -> float:
        """The period of rates in seconds: at least four scrapes."""
        metrics = self.env.metrics
        return metrics.rate_window.total_seconds() if metrics else 60.0

    def _closing(self, adapter: T) -> T:
        close: Callable[[], None] | None = getattr(adapter, "close", None)
        if close is not None:
            self._open.callback(close)
        return adapter
