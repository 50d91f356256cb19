"""Rules of an environment that types cannot express: ordered limits, a source with its address, no secret in the file."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cartctl.config.approval_rules import judge_signoff
from cartctl.config.key_paths import KeyPath
from cartctl.config.keys import leaves
from cartctl.config.metrics_rules import judge_metrics
from cartctl.config.model.environment import Environment
from cartctl.config.model.required_sections import lines_of
from cartctl.config.model.stages import read_stages
from cartctl.config.problems import Problem
from cartctl.config.values import Secret, format_duration, quoted
from cartctl.redaction import redact

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_IMAGE = re.compile(r"\w\S*")
_CONTAINER = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def judge(environment: Environment) -> list[Problem]:
    """Every rule that an environment breaks."""
    return [
        *_sections(environment),
        *_secrets(environment),
        *_arguments(environment),
        *_limits(environment),
        *_durations(environment),
        *_window(environment),
        *_cluster(environment),
        *_images(environment),
        *_addresses(environment),
        *judge_metrics(environment),
        *_logs(environment),
        *_rollout(environment),
        *judge_signoff(environment),
    ]


def _sections(environment: Environment) -> Iterator[Problem]:
    if not environment.sections:
        yield Problem(
            (),
            "has none of database, cluster and http, so no command can use it",
            hint=f"Add at least one, for example:\n{lines_of(environment.name, ['database'])}",
        )


def secrets_of(environment: Environment) -> Iterator[tuple[KeyPath, Secret]]:
    """Every secret an environment refers to, by key path."""
    for path, value in leaves(environment):
        if isinstance(value, Secret):
            yield path, value
        elif isinstance(value, tuple):
            yield from (((*path, str(at)), one) for at, one in enumerate(value) if isinstance(one, Secret))
        elif isinstance(value, dict):
            yield from (((*path, key), one) for key, one in value.items() if isinstance(one, Secret))


def _secrets(environment: Environment) -> Iterator[Problem]:
    for path, secret in secrets_of(environment):
        if environment.protected and secret.exposes:
            yield Problem(
                path,
                "contains the secret itself, which a protected environment refuses",
                hint="Write { env = … }, { file = … } or { keyring = … } instead, and change the secret.",
            )


def _arguments(environment: Environment) -> Iterator[Problem]:
    """A secret in a command line is readable for every user of the machine."""
    for path, value in leaves(environment):
        if isinstance(value, tuple) and any(redact(part) != part for part in _texts(value)):
            yield Problem(
                path,
                "contains a password or token, which the process list would show",
                hint="Pass it in the table `environment` next to it, as a reference.",
            )


def _texts(value: tuple[Any, ...]) -> Iterator[str]:
    for part in value:
        if isinstance(part, str):
            yield part
        elif isinstance(part, tuple):
            yield from _texts(part)


def _limits(environment: Environment) -> Iterator[Problem]:
    thresholds = environment.thresholds
    for name in type(thresholds).model_fields:
        limit = getattr(thresholds, name)
        if limit.warning >= limit.critical:
            message = f"must be below critical: warning {_formatted(limit.warning)} is not below {_formatted(limit.critical)}"
            yield Problem(("thresholds", name, "warning"), message)
    for name in ("db_connections", "error_rate"):
        for key in ("warning", "critical"):
            value = getattr(getattr(thresholds, name), key)
            if not 0 < value <= 1:
                message = f"must be a share above 0 and up to 1, not {value:g}"
                yield Problem(("thresholds", name, key), message, hint="80 % is written 0.80.")


def _formatted(value: float | timedelta) -> str:
    return format_duration(value) if isinstance(value, timedelta) else f"{value:g}"


def _durations(environment: Environment) -> Iterator[Problem]:
    for path, value in leaves(environment):
        if (
            isinstance(value, timedelta)
            and value <= timedelta(0)
            and path not in {("monitor", "cooldown"), ("monitor", "for")}
        ):
            yield Problem(path, "must be longer than 0 s")
    monitor = environment.monitor
    if timedelta(0) < monitor.for_ < monitor.every:
        message = f"is shorter than one interval: `for` is {format_duration(monitor.for_)}, `every` {format_duration(monitor.every)}"
        yield Problem(("monitor", "for"), message)


def _window(environment: Environment) -> Iterator[Problem]:
    window = environment.window
    if window is None:
        return
    zoned = [key for key, at in (("from", window.from_), ("to", window.to)) if at.tzinfo]
    for key in zoned:
        yield Problem(("window", key), "must not have a time zone", hint="Set it in `zone`, for both.")
    if not zoned and window.from_ >= window.to:
        yield Problem(
            ("window",),
            f"must begin before it ends, on one day: {window.from_:%H:%M} is not before {window.to:%H:%M}",
        )
    yield from _zone(("window", "zone"), window.zone)


def _zone(path: KeyPath, zone: str) -> Iterator[Problem]:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem(
            path, f"is not a known time zone: {quoted(zone)}", hint='For example "UTC" or "Europe/Berlin".'
        )


def _cluster(environment: Environment) -> Iterator[Problem]:
    cluster = environment.cluster_
    if cluster is None:
        return
    if not _LABEL.fullmatch(cluster.namespace):
        yield Problem(
            ("cluster", "namespace"),
            f"is not a valid namespace: {quoted(cluster.namespace)}",
            hint="Use lower-case letters, digits and dashes.",
        )
    if cluster.context is not None and not cluster.context.strip():
        yield Problem(
            ("cluster", "context"),
            "is empty",
            hint="Name a context listed by kubectl config get-contexts, or remove the key.",
        )
    if cluster.kind == "sandbox" and cluster.control is None:
        yield Problem(("cluster", "control"), "is missing", hint="cartctl sandbox up writes this file.")
    for name, more in cluster.prewarm.items():
        if more < 0:
            yield Problem(
                ("cluster", "prewarm", name),
                f"must be at least 0, not {more}",
                hint="It is the number of additional replicas.",
            )


def _images(environment: Environment) -> Iterator[Problem]:
    release = environment.release
    groups = {"api": release.api, "workers": release.workers, "frontend": release.frontend}
    for group, images in groups.items():
        for key, image in images.items():
            path = ("release", group, key)
            if not _CONTAINER.fullmatch(key):
                yield Problem(
                    path,
                    "does not name a container",
                    hint=f'Write "DEPLOYMENT.CONTAINER", for example "{key.strip(".") or "payment-api"}.api".',
                )
            if not _IMAGE.fullmatch(image):
                yield Problem(
                    path,
                    f"is not a valid image: {quoted(image)}",
                    hint="For example acme/api:2.0.0 or acme/api@sha256:….",
                )
    for (one, ones), (other, others) in combinations(groups.items(), 2):
        for key in ones.keys() & others.keys():
            yield Problem(
                ("release", other, key),
                f"is also in `release.{one}`",
                hint="A container belongs to one group.",
            )


def _addresses(environment: Environment) -> Iterator[Problem]:
    http, cluster, metrics = environment.http_, environment.cluster_, environment.metrics
    given = {
        ("http", "api"): http.api if http else None,
        ("http", "dashboard"): http.dashboard if http else None,
        ("metrics", "url"): _without_credentials(metrics.url.known) if metrics and metrics.url else None,
        ("cluster", "control"): cluster.control if cluster else None,
    }
    for path, url in given.items():
        if url is not None:
            yield from _address(path, url)


def _without_credentials(url: str | None) -> str | None:
    """Prometheus takes a user and password in its address."""
    return re.sub(r"(?<=://)[^/@]*@", "", url) if url else None


def _address(path: KeyPath, url: str) -> Iterator[Problem]:
    valid, credentials = _url_parts(url)
    if credentials:
        yield Problem(
            path,
            "contains a user name or password",
            hint="Put the token into a separate key, as a reference to a secret.",
        )
    elif not valid:
        yield Problem(
            path,
            f"is not a valid URL: {quoted(url)}",
            hint="Use http:// or https:// and a host name.",
        )


def _logs(environment: Environment) -> Iterator[Problem]:
    if environment.logs.selector and environment.logs.command:
        yield Problem(("logs", "command"), "excludes `logs.selector`", hint="Set only one of them.")


def _rollout(environment: Environment) -> Iterator[Problem]:
    rollout = environment.rollout
    try:
        read_stages(rollout.stages)
    except ValueError as wrong:
        yield Problem(("rollout", "stages"), str(wrong))
    calendar = rollout.calendar
    if calendar.from_ >= calendar.to:
        yield Problem(("rollout", "calendar"), "must begin before it ends, on one day")
    if not calendar.days:
        yield Problem(("rollout", "calendar", "days"), "lists no days, so no stage would ever begin")
    yield from _zone(("rollout", "calendar", "zone"), calendar.zone)
    companies = rollout.companies
    if companies is not None and (companies.sql is None) == (companies.csv is None):
        yield Problem(
            ("rollout", "companies"), "needs either `sql` or `csv`", hint="The IDs of all companies."
        )


def _url_parts(url: str) -> tuple[bool, bool]:
    """Whether a text is an http address, and whether it carries credentials."""
    try:
        parts = urlsplit(url)
        valid = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False, "@" in url
    return valid and not re.search(r"\s", url), "@" in parts.netloc
