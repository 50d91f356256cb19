"""The sections about the application: its cluster, images, addresses, caches."""

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cartctl.config.model.section import Section
from cartctl.config.values import Address, Duration, LocalPath, Secret


class MaintenanceKey(Section):
    """Where the application reads its maintenance mode."""

    configmap: str = Field(default="cart-runtime", description="Name of the ConfigMap.")
    key: str = Field(default="MAINTENANCE", description="Key in the ConfigMap.")
    limit: Duration = Field(
        default=timedelta(minutes=30),
        description="Time after which the application ignores the mode, so that an interrupted deployment leaves no permanent 503.",
    )


class Workers(Section):
    """The background processors."""

    deployments: tuple[str, ...] = Field(
        default=(),
        description="Deployments that are scaled to 0 during the migration.",
        examples=[["job-worker"]],
    )
    cronjobs: tuple[str, ...] = Field(
        default=(),
        description="CronJobs that are suspended during the migration.",
        examples=[["cart-expiry"]],
    )
    drain: Duration = Field(
        default=timedelta(seconds=60), description="How long workers may take to finish their jobs."
    )


class Cluster(Section):
    """Where the application runs."""

    kind: Literal["kubernetes", "sandbox"] = Field(
        description="Kubernetes, or the embedded sandbox.", examples=["kubernetes"]
    )
    context: str | None = Field(
        default=None,
        description="Context of the kubeconfig. Default: the pod's service account in a cluster, else the current context.",
        examples=["production"],
    )
    namespace: str = Field(default="default", description="Namespace of the application.")
    control: str | None = Field(
        default=None,
        description="Address of the sandbox's supervisor; written by cartctl sandbox up.",
        examples=["http://127.0.0.1:43121"],
    )
    secret: Secret | None = Field(
        default=None,
        description="Password of the sandbox's supervisor; written by cartctl sandbox up.",
        examples=[{"file": "supervisor.secret"}],
    )
    maintenance: MaintenanceKey = Field(
        default=MaintenanceKey(), description="Where the application reads its maintenance mode."
    )
    prewarm: dict[str, int] = Field(
        default_factory=dict,
        description="Additional replicas during a deployment, by Deployment.",
        examples=[{"payment-api": 2}],
    )
    workers: Workers = Field(default=Workers(), description="The background processors.")


class Release(Section):
    """Images by container, `deployment.container`, in three groups that are released one after the other."""

    api: dict[str, str] = Field(
        default_factory=dict,
        description="Images of the API; deploy --image overrides them.",
        examples=[{"payment-api.api": "registry.example.com/api:2.0.0"}],
    )
    workers: dict[str, str] = Field(
        default_factory=dict,
        description="Images of the workers.",
        examples=[{"job-worker.worker": "registry.example.com/api:2.0.0"}],
    )
    frontend: dict[str, str] = Field(
        default_factory=dict,
        description="Images of the frontend.",
        examples=[{"admin-dashboard.web": "registry.example.com/web:2.0.0"}],
    )
    timeout: Duration = Field(
        default=timedelta(minutes=10), description="How long the release of one group may take."
    )
    after_migrate: tuple[str, ...] = Field(
        default=(),
        description="Command that runs after the migration, before the release.",
        examples=[["./warm-cache", "--all"]],
    )
    environment: dict[str, Secret] = Field(
        default_factory=dict,
        description="Environment variables of after_migrate.",
        examples=[{"CACHE_TOKEN": {"env": "CACHE_TOKEN"}}],
    )


class Http(Section):
    """The application's addresses, and the access token of an admin of an internal company."""

    api: str = Field(description="Address of the API.", examples=["https://api.example.com"])
    dashboard: str | None = Field(
        default=None, description="Address of the admin dashboard.", examples=["https://app.example.com"]
    )
    token: Secret | None = Field(
        default=None, description="Access token of an admin.", examples=[{"file": "secrets/token"}]
    )
    suites: tuple[LocalPath, ...] = Field(
        default=(), description="TOML files with your own smoke tests.", examples=[["smoke/checkout.toml"]]
    )
    built_in: bool = Field(
        default=True, description="Also run the built-in cart suite; false if the API serves no carts."
    )
    timeout: Duration = Field(default=timedelta(seconds=10), description="Time limit of one request.")
    smoke_deadline: Duration = Field(
        default=timedelta(minutes=5), description="Time limit of a whole run of the smoke tests."
    )
    shopper_path: str = Field(
        default="/api/products",
        description="Path that returns 503 with Retry-After during maintenance.",
    )
    admin_path: str = Field(
        default="/api/auth/session", description="Path that accepts the token even during maintenance."
    )
    verify_tls: bool = Field(default=True, description="Verify the server's certificate.")


class Cdn(Section):
    """Whose static assets are purged after a release."""

    kind: Literal["cloudflare", "http"] = Field(
        description="Provider: Cloudflare, or any other with the request that `url` describes.",
        examples=["cloudflare"],
    )
    zone: str | None = Field(
        default=None, description="Cloudflare's zone ID.", examples=["023e105f4ecef8ad9ca31a8372d0c353"]
    )
    token: Secret | None = Field(
        default=None, description="Cloudflare's API token.", examples=[{"env": "CLOUDFLARE_TOKEN"}]
    )
    tags: tuple[str, ...] = Field(
        default=(),
        description="Cache tags to purge. Without tags and paths: everything.",
        examples=[["dashboard"]],
    )
    paths: tuple[str, ...] = Field(
        default=(),
        description="Paths or URLs to purge; paths are below `http.dashboard`.",
        examples=[["/assets/app.js"]],
    )
    url: Address | None = Field(
        default=None,
        description="Address of the purge request. `{tag}` and `{path}`, here or in the body, send one request each.",
        examples=["https://api.fastly.com/service/SERVICE/purge/{tag}"],
    )
    method: str = Field(default="POST", description="Method of the purge request.", examples=["PURGE"])
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of the purge request.",
        examples=[{"Fastly-Key": {"env": "FASTLY_KEY"}}],
    )
    body: dict[str, Any] | None = Field(
        default=None,
        description="JSON body of the purge request; `{tags}` and `{paths}` as a value stand for the whole list.",
        examples=[{"surrogate_keys": "{tags}"}],
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        required = (
            {"zone": self.zone, "token": self.token} if self.kind == "cloudflare" else {"url": self.url}
        )
        if missing := [name for name, value in required.items() if value is None]:
            raise ValueError(f"of kind {self.kind} requires {' and '.join(missing)}")
        if self.url is None or self.url.literal is None:
            return self  # the address is known only where it is used
        text = f"{self.url.literal} {self.body}"
        for name, values in (("tag", self.tags), ("path", self.paths)):
            used = f"{{{name}}}" in text or f"{{{name}s}}" in text
            if self.kind == "http" and used != bool(values):
                raise ValueError(
                    f"must have {name}s exactly where url or body contains {{{name}}} or {{{name}s}}"
                )
        return self


class Cache(Section):
    """What is invalidated after a release."""

    redis: Secret | None = Field(
        default=None, description="Address of the Redis server.", examples=[{"env": "REDIS_URL"}]
    )
    keys: tuple[str, ...] = Field(default=("cart:*",), description="Patterns of the keys to delete.")
    cdn: Cdn | None = Field(
        default=None,
        description="CDN to purge.",
        examples=[{"kind": "cloudflare", "zone": "023e105f", "token": {"env": "CLOUDFLARE_TOKEN"}}],
    )
