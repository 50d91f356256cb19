"""Maintenance mode: shoppers get 503 with Retry-After, admins are served, and a killed laptop leaves no 503 for ever."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cartctl.adapters.cluster import Answer, Cluster, ClusterUnreachable, Pod
from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.inputs import MALFORMED, parse_json

OK, UNAVAILABLE = 200, 503
HASTEN_EVERY = 5.0  # seconds: a kubelet that was touched before the setting had reached it is touched again


def now_utc() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Doors:
    """Whose pods must obey, and the paths a shopper and an admin with the token come in by.

    `front` is the API itself, for a cluster that cannot bring a token to one pod: there the admin's way is asked through it.
    """

    deployments: tuple[str, ...]
    shopper: str
    admin: str
    token: str | None = None
    front: Http | None = None


class Maintenance(Change[str | None]):
    """One key of a ConfigMap, named `CONFIGMAP/KEY`; its value is JSON with an `until`, null without the key.

    Every pod behind `doors` must obey; `timeout` and `limit` are how long it may take to arrive (seconds) and to last.
    """

    kind: ClassVar[str] = "maintenance"
    value: ClassVar[Any] = str | None

    def __init__(
        self,
        key: str,
        names: tuple[str, ...],
        cluster: Cluster,
        *,
        doors: Doors,
        timeout: float,
        limit: timedelta = timedelta(minutes=30),
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._doors = doors
        self._timeout = timeout
        self._limit = limit
        self._clock = clock

    def observe(self, names: tuple[str, ...]) -> dict[str, str | None]:
        """The keys' values. Read-only."""
        split = [(name, *name.split("/", 1)) for name in names]
        return {name: self._cluster.settings(configmap).get(key) for name, configmap, key in split}

    def target(self, before: Mapping[str, str | None]) -> dict[str, str | None]:
        """On, until the limit has passed."""
        until = (self._clock() + self._limit).isoformat(timespec="seconds")
        return dict.fromkeys(before, json.dumps({"on": True, "until": until}))

    def move(self, to: Mapping[str, str | None], pulse: Pulse) -> None:
        """Write the keys and return when every pod of every asked deployment obeys."""
        for name, value in to.items():
            configmap, key = name.split("/", 1)
            if self._cluster.settings(configmap).get(key) != value:
                self._cluster.put_settings(configmap, {key: value})
        on = any(self._holds(value) for value in to.values())
        configmaps = {name.split("/", 1)[0] for name in to}
        hastened = float("-inf")

        def obeyed() -> bool:
            nonlocal hastened
            if self._obeyed(pulse, on=on):
                return True
            if pulse.now() - hastened >= HASTEN_EVERY:
                hastened = pulse.now()
                for configmap in configmaps:
                    self._cluster.hasten(configmap)
            return False

        what = f"Maintenance {'on' if on else 'off'} in every pod"
        pulse.wait(obeyed, self._timeout, what=what, every=0.05)

    def _holds(self, value: str | None) -> bool:
        """Whether the application obeys this value now: past its `until` it does not."""
        if value is None:
            return False
        try:
            document = parse_json(value)
            return bool(document.get("on")) and datetime.fromisoformat(document["until"]) > self._clock()
        except MALFORMED:  # somebody else's value: no replica reads a mode from it
            return False

    def _obeyed(self, pulse: Pulse, *, on: bool) -> bool:
        pods = [
            pod
            for deployment in self._doors.deployments
            for pod in self._cluster.pods(deployment)
            if pod.ready
        ]
        obeying = [pod for pod in pods if self._obeys(pod, on=on)]
        pulse.progress(len(obeying), len(pods), "pods")
        return len(obeying) == len(pods) and bool(pods)

    def _obeys(self, pod: Pod, *, on: bool) -> bool:
        try:
            shopper = self._cluster.ask(pod, self._doors.shopper, {})
            if not on:
                return not _closed(shopper)
            return _closed(shopper) and self._serves_admins(pod)
        except ClusterUnreachable:
            return False  # a pod on its way out; the next reading does not list it

    def _serves_admins(self, pod: Pod) -> bool:
        if self._doors.token is None:
            return True
        if not self._cluster.bears_tokens:
            return self._front_serves_admins()
        return (
            self._cluster.ask(pod, self._doors.admin, {"authorization": f"Bearer {self._doors.token}"}).status
            == OK
        )

    def _front_serves_admins(self) -> bool:
        if self._doors.front is None:
            return True
        try:
            return self._doors.front.get(self._doors.admin).status == OK
        except HttpUnreachable:
            return False


def _closed(response: Answer) -> bool:
    """A 503 of maintenance says when to come back; that of a database outage does not."""
    return response.status == UNAVAILABLE and "retry-after" in response.headers
