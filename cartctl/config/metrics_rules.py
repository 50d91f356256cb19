"""Rules of `[env.NAME.metrics]` that types cannot express: credentials, headers and queries."""

import re
from collections.abc import Iterator

from cartctl.config.keys import nearest
from cartctl.config.model.environment import Environment, Thresholds
from cartctl.config.model.monitoring import CREDENTIAL, QUERY_PARTS, Metrics
from cartctl.config.problems import Problem
from cartctl.config.values import quoted

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_OURS = ("host", "content-length", "transfer-encoding", "connection", "accept-encoding")


def judge_metrics(environment: Environment) -> Iterator[Problem]:
    """Every rule that the section breaks."""
    metrics = environment.metrics
    if metrics is None:
        return
    if metrics.kind == "prometheus" and metrics.url is None:
        yield Problem(
            ("metrics", "url"),
            'is missing, but `kind = "prometheus"` requires it',
            hint='Or kind = "scrape", which reads the API\'s pods.',
        )
    yield from _credentials(metrics)
    yield from _headers(metrics, protected=environment.protected)
    yield from _queries(metrics)


def _credentials(metrics: Metrics) -> Iterator[Problem]:
    if metrics.token and metrics.user is not None:
        yield Problem(
            ("metrics", "user"), "cannot be combined with `metrics.token`", hint="Set only one of them."
        )
    if metrics.user is not None and (":" in metrics.user or not metrics.user.isprintable()):
        yield Problem(("metrics", "user"), "must not contain a colon or a control character")
    needed = (
        ("user", metrics.user, "password", metrics.password),
        ("password", metrics.password, "user", metrics.user),
        ("key", metrics.key, "certificate", metrics.certificate),
        ("key_password", metrics.key_password, "certificate", metrics.certificate),
    )
    for key, given, other, value in needed:
        if given is not None and value is None:
            yield Problem(("metrics", key), f"requires `metrics.{other}`")


def _headers(metrics: Metrics, *, protected: bool) -> Iterator[Problem]:
    for name, value in metrics.headers.items():
        path = ("metrics", "headers", name)
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            yield Problem(path, "is not a header that can be set")
        elif name.lower() == "authorization" and (metrics.token or metrics.user is not None):
            yield Problem(
                path,
                "cannot be combined with `metrics.token` or `metrics.user`",
                hint="Set only one of them.",
            )
        elif protected and value.literal is not None and CREDENTIAL.search(name):
            yield Problem(
                path,
                "contains the secret itself, which a protected environment refuses",
                hint="Write { env = … }, { file = … } or { keyring = … } instead, and change the secret.",
            )


def _queries(metrics: Metrics) -> Iterator[Problem]:
    names = list(Thresholds.model_fields)
    for name, query in metrics.queries.items():
        metric, dot, part = name.partition(".")
        path = ("metrics", "queries", name)
        if metric not in names or (dot and part not in QUERY_PARTS):
            suggestion = nearest(name, [*names, *(f"{one}.{part}" for one in names for part in QUERY_PARTS)])
            message = "is not the name of a query" + (f"; did you mean `{suggestion}`?" if suggestion else "")
            hint = f"Names: {', '.join(names)}, each also with {', '.join(f'.{one}' for one in QUERY_PARTS)}."
            yield Problem(path, message, hint=hint)
        elif not query.strip():
            yield Problem(
                path, f"is not a query: {quoted(query)}", hint="Remove it to use the built-in query."
            )
