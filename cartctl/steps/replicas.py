"""Replica counts: prewarming the API, stopping and starting the workers."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from cartctl.adapters.cluster import Cluster
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.steps.release_wait import await_drained, await_release

Names: TypeAlias = tuple[str, ...] | Callable[[], tuple[str, ...]]
DEPLOYMENT, CRONJOB, HPA = "deployment/", "cronjob/", "hpa/"


class Replicas(Change[int]):
    """Replicas by `deployment/NAME`, `hpa/NAME` (minReplicas) or `cronjob/NAME` (0 is suspended).

    `names` may be found when the step runs, where the cluster decides what they are: an autoscaler, or the deployment itself.
    `new_size` computes the new size from the name and the current size; `timeout` and `drain` are seconds.
    """

    kind: ClassVar[str] = "replicas"
    value: ClassVar[Any] = int
    _names: Names

    def __init__(
        self,
        key: str,
        names: Names,
        cluster: Cluster,
        *,
        timeout: float,
        drain: float,
        new_size: Callable[[str, int], int] = lambda _name, size: size,
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._timeout = timeout
        self._drain = drain
        self._new_size = new_size

    @property
    def names(self) -> tuple[str, ...]:
        """What is resized. Reads the cluster the first time if it decides."""
        if callable(self._names):
            self._names = self._names()
        return self._names

    @names.setter
    def names(self, names: Names) -> None:
        self._names = names

    def observe(self, names: tuple[str, ...]) -> dict[str, int]:
        """The currently requested sizes. Read-only."""
        return self._cluster.capacity(names)

    def target(self, before: Mapping[str, int]) -> dict[str, int]:
        """The new size of each name."""
        return {name: self._new_size(name, size) for name, size in before.items()}

    def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
        """Set the sizes that differ; return when pods are available, or drained and terminated."""
        now = self._cluster.capacity(tuple(to))
        for name, size in to.items():
            if now[name] != size:
                self._cluster.set_capacity(name, size)
        stopped = [name for name, size in to.items() if size == 0]
        await_drained(self._cluster, stopped, pulse, self._drain)
        started = [name for name in to if name not in stopped and not name.startswith(CRONJOB)]
        grown = {name.removeprefix(HPA): size for name, size in to.items() if name.startswith(HPA)}
        names = [name.partition("/")[2] for name in started]
        await_release(self._cluster, names, pulse, self._timeout, at_least=grown)
