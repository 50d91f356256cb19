"""Maintenance mode: shoppers get 503 with Retry-After, admins are served; it expires even if cartctl is killed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cartctl.adapters.cluster import Cluster, ClusterUnreachable, Pod, PodResponse
from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.inputs import MALFORMED, parse_json

OK, UNAVAILABLE = 200, 503
SYNC_INTERVAL = (
    5.0  # seconds between triggers of a kubelet sync; one before the setting arrived has no effect
)


def now_utc() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class MaintenanceProbe:
    """The deployments whose pods must apply maintenance, and the paths requested as shopper and as admin with the token.

    `front` is the API itself, for a cluster that cannot forward a token to a pod: the admin path is requested there.
    """

    deployments: tuple[str, ...]
    shopper: str
    admin: str
    token: str | None = None
    front: Http | None = None


class Maintenance(Change[str | None]):
    """One key of a ConfigMap, named `CONFIGMAP/KEY`; its value is JSON with an `until`, null without the key.

    Every pod of `probe` must apply it within `timeout` (seconds); it expires after `limit`.
    """

    kind: ClassVar[str] = "maintenance"
    value: ClassVar[Any] = str | None

    def __init__(
        self,
        key: str,
        names: tuple[str, ...],
        cluster: Cluster,
        *,
        probe: MaintenanceProbe,
        timeout: float,
        limit: timedelta = timedelta(minutes=30),
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._probe = probe
        self._timeout = timeout
        self._limit = limit
        self._clock = clock

    def observe(self, names: tuple[str, ...]) -> dict[str, str | None]:
        """The keys' values. Read-only."""
        split = [(name, *name.split("/", 1)) for name in names]
        return {name: self._cluster.settings(configmap).get(key) for name, configmap, key in split}

    def target(self, before: Mapping[str, str | None]) -> dict[str, str | None]:
        """On, until the limit."""
        until = (self._clock() + self._limit).isoformat(timespec="seconds")
        return dict.fromkeys(before, json.dumps({"on": True, "until": until}))

    def move(self, to: Mapping[str, str | None], pulse: Pulse) -> None:
        """Write the keys and return when every pod has applied them."""
        for name, value in to.items():
            configmap, key = name.split("/", 1)
            if self._cluster.settings(configmap).get(key) != value:
                self._cluster.put_settings(configmap, {key: value})
        on = any(self._is_on(value) for value in to.values())
        configmaps = {name.split("/", 1)[0] for name in to}
        synced = float("-inf")

        def applied() -> bool:
            nonlocal synced
            if self._all_applied(pulse, on=on):
                return True
            if pulse.now() - synced >= SYNC_INTERVAL:
                synced = pulse.now()
                for configmap in configmaps:
                    self._cluster.hasten(configmap)
            return False

        what = f"Maintenance {'on' if on else 'off'} in every pod"
        pulse.wait(applied, self._timeout, what=what, every=0.05)

    def _is_on(self, value: str | None) -> bool:
        """Whether this value turns maintenance on now: not after its `until`."""
        if value is None:
            return False
        try:
            document = parse_json(value)
            return bool(document.get("on")) and datetime.fromisoformat(document["until"]) > self._clock()
        except MALFORMED:  # not written by cartctl: no replica accepts it
            return False

    def _all_applied(self, pulse: Pulse, *, on: bool) -> bool:
        pods = [
            pod
            for deployment in self._probe.deployments
            for pod in self._cluster.pods(deployment)
            if pod.ready
        ]
        done = [pod for pod in pods if self._has_applied(pod, on=on)]
        pulse.progress(len(done), len(pods), "pods")
        return len(done) == len(pods) and bool(pods)

    def _has_applied(self, pod: Pod, *, on: bool) -> bool:
        try:
            shopper = self._cluster.ask(pod, self._probe.shopper, {})
            if not on:
                return not _in_maintenance(shopper)
            return _in_maintenance(shopper) and self._serves_admins(pod)
        except ClusterUnreachable:
            return False  # a pod that is terminating; the next list does not include it

    def _serves_admins(self, pod: Pod) -> bool:
        if self._probe.token is None:
            return True
        if not self._cluster.bears_tokens:
            return self._front_serves_admins()
        return (
            self._cluster.ask(pod, self._probe.admin, {"authorization": f"Bearer {self._probe.token}"}).status
            == OK
        )

    def _front_serves_admins(self) -> bool:
        if self._probe.front is None:
            return True
        try:
            return self._probe.front.get(self._probe.admin).status == OK
        except HttpUnreachable:
            return False


def _in_maintenance(response: PodResponse) -> bool:
    """Whether a response is a 503 of maintenance, which has Retry-After; that of a database outage has not."""
    return response.status == UNAVAILABLE and "retry-after" in response.headers
