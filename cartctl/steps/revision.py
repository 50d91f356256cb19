"""The pod template of an earlier revision, for releases made by other tools.

Only the template's hash is journalled: a template contains secrets, and the cluster retains it in its revision history.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from cartctl.adapters.cluster import Cluster
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.steps.blocked import refuse_blocked, require_deployment
from cartctl.steps.release_wait import await_release


class Revision(Change[str]):
    """Template hashes by deployment; `targets` are the template hashes to release, `timeout` the seconds a release may take."""

    kind: ClassVar[str] = "revision"
    value: ClassVar[Any] = str

    def __init__(
        self,
        key: str,
        names: tuple[str, ...],
        cluster: Cluster,
        *,
        timeout: float,
        targets: Mapping[str, str] | None = None,
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._timeout = timeout
        self._targets = targets or {}

    def show(self, name: str, value: str) -> str:
        """The revision's number, images and cause, if the cluster still has it."""
        known = {one.template: one for one in self._cluster.revisions(name)}
        return str(known.get(value, "a revision that the cluster no longer has"))

    def guard(self, to: Mapping[str, str]) -> None:
        """Raise Blocked for deployments that would not release a template now. Read-only."""
        refuse_blocked(self._cluster, to)

    def observe(self, names: tuple[str, ...]) -> dict[str, str]:
        """The hashes of the currently requested templates. Raises Blocked if a deployment is paused or owned. Read-only."""
        known = self._cluster.deployments(fresh=True)
        for name in names:
            require_deployment(known, name)
        return {name: self._cluster.template(name) for name in names}

    def target(self, before: Mapping[str, str]) -> dict[str, str]:
        """The target template of each deployment."""
        return {name: self._targets[name] for name in before}

    def move(self, to: Mapping[str, str], pulse: Pulse) -> None:
        """Restore the templates that differ and return when the releases are complete."""
        now = self.observe(tuple(to))
        for name, template in to.items():
            if now[name] != template:
                self._cluster.set_template(name, template)
        await_release(self._cluster, to, pulse, self._timeout)
