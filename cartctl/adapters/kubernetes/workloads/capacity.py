"""Sizes: a deployment's replicas, its autoscaler's minimum, a CronJob that is suspended or not."""

from collections.abc import Iterable
from typing import Any

from cartctl.adapters.cluster import UnknownDeployment
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.guarded_write import change, read
from cartctl.adapters.kubernetes.workloads.owners import scales
from cartctl.adapters.kubernetes.workloads.parsing import owned_by
from cartctl.adapters.kubernetes.workloads.workloads import AUTOSCALING, Workloads
from cartctl.errors import Refused

BATCH = "batch/v1"
DEPLOYMENT, HPA, CRONJOB = "deployment", "hpa", "cronjob"
HINT = "Names are deployment/NAME, hpa/NAME (of the deployment it scales) and cronjob/NAME."


class Capacity:
    """Implements the sizes of the Cluster protocol. An `hpa/NAME` is named by the deployment it scales."""

    def __init__(self, api: Api, workloads: Workloads) -> None:
        self._api = api
        self._workloads = workloads

    def scalers(self, deployments: Iterable[str]) -> list[str]:
        """`hpa/NAME` where an autoscaler decides a deployment's size, else `deployment/NAME`. Read-only."""
        known, scalers = self._autoscalers(), []
        for name in deployments:
            size = self._workloads.size(name)
            kind = HPA if size and any(scales(one, name) for one in known) else DEPLOYMENT
            scalers.append(f"{kind}/{name}")  # an autoscaler leaves a deployment of 0 replicas alone
        return scalers

    def get(self, name: str) -> int:
        """The requested size. Raises UnknownDeployment. Read-only."""
        kind, bare = _split(name)
        if kind == DEPLOYMENT:
            return self._workloads.size(bare)
        if kind == HPA:
            return int(self._autoscaler(bare)["spec"].get("minReplicas", 1))
        return 0 if read(self._api, self._cronjob(bare))["spec"].get("suspend") else 1

    def limit(self, name: str) -> tuple[str, int] | None:
        """An autoscaler's own name and its maxReplicas; None if there is no limit. Raises UnknownDeployment. Read-only."""
        kind, bare = _split(name)
        if kind != HPA:
            return None
        autoscaler = self._autoscaler(bare)
        return str(autoscaler["metadata"]["name"]), int(autoscaler["spec"]["maxReplicas"])

    def set(self, name: str, size: int) -> None:
        """Set a size. Raises UnknownDeployment, and Refused for more than an autoscaler allows."""
        kind, bare = _split(name)
        if kind == DEPLOYMENT:
            self._workloads.scale(bare, size)
        elif kind == HPA:
            self._set_minimum(bare, size)
        else:
            self._set_suspended(bare, suspended=size == 0)

    def running(self, name: str) -> int:
        """Pods of a deployment, or a CronJob's Jobs that have not finished. Read-only."""
        kind, bare = _split(name)
        if kind != CRONJOB:
            return self._workloads.running(bare)
        owner = read(self._api, self._cronjob(bare))
        jobs, _ = self._api.listing(self._api.path(BATCH, "jobs"))
        return sum(owned_by(job, owner) and not _finished(job) for job in jobs)

    def _set_minimum(self, deployment: str, size: int) -> None:
        autoscaler = self._autoscaler(deployment)
        most = int(autoscaler["spec"]["maxReplicas"])
        if size > most:
            raise Refused(
                f"The autoscaler {autoscaler['metadata']['name']} allows at most {most} replicas, not {size}.",
                hint=f"Raise its maxReplicas (kubectl edit hpa {autoscaler['metadata']['name']}"
                f" -n {self._api.namespace}), or lower cluster.prewarm.",
            )
        patch = [{"op": "add", "path": "/spec/minReplicas", "value": size}]
        path = self._api.path(AUTOSCALING, "horizontalpodautoscalers", autoscaler["metadata"]["name"])
        change(
            self._api,
            path,
            lambda item: None if item["spec"].get("minReplicas", 1) == size else patch,
            name="cluster.scale",
        )

    def _set_suspended(self, cronjob: str, *, suspended: bool) -> None:
        patch = [{"op": "add", "path": "/spec/suspend", "value": suspended}]
        change(
            self._api,
            self._cronjob(cronjob),
            lambda item: None if bool(item["spec"].get("suspend")) == suspended else patch,
            name="cluster.suspend",
        )

    def _cronjob(self, name: str) -> str:
        return self._api.path(BATCH, "cronjobs", name)

    def _autoscaler(self, deployment: str) -> dict[str, Any]:
        autoscaler = next((one for one in self._autoscalers() if scales(one, deployment)), None)
        if autoscaler is None:
            raise UnknownDeployment(
                f"No autoscaler scales the deployment {deployment}.",
                hint=f"See: kubectl get hpa -n {self._api.namespace}",
            )
        return autoscaler

    def _autoscalers(self) -> list[dict[str, Any]]:
        return self._api.listing(self._api.path(AUTOSCALING, "horizontalpodautoscalers"))[0]


def _split(name: str) -> tuple[str, str]:
    kind, _, bare = name.partition("/")
    if kind not in {DEPLOYMENT, HPA, CRONJOB} or not bare:
        raise UnknownDeployment(f"{name} has no replica count.", hint=HINT)
    return kind, bare


def _finished(job: dict[str, Any]) -> bool:
    """A Job ends with a condition, not when it has no pods: between two retries it has none."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(one["type"] in {"Complete", "Failed"} and one["status"] == "True" for one in conditions)
