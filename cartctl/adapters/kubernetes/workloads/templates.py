"""Pod templates: the current one, those of earlier revisions, and reverting to one of them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from cartctl.adapters.cluster import TemplateRevision, UnknownDeployment
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.guarded_write import change, read, refuse_paused
from cartctl.adapters.kubernetes.workloads.parsing import (
    HASH,
    REVISION,
    bare_template,
    containers,
    newest,
    owned_by,
    same_template,
    shape,
)
from cartctl.adapters.kubernetes.workloads.patches import CAUSE, revision_patch
from cartctl.adapters.kubernetes.workloads.template_differences import changed_fields

APPS = "apps/v1"
Item = Mapping[str, Any]


class Templates:
    """The replica sets of a namespace's deployments, as the history of their pod templates.

    `put` stores the response of a write, so that the next read does not return an older spec.
    """

    def __init__(
        self,
        api: Api,
        put: Callable[[dict[str, Any]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._put = put
        self._clock = clock

    def current(self, deployment: str) -> str:
        """The hash of the template requested now, from its replica set's name; "" before that exists. Read-only."""
        item = read(self._api, self._path(deployment))
        replica_set = newest(item, self._sets())
        return _hash(replica_set) if replica_set else ""

    def revisions(self, deployment: str) -> list[TemplateRevision]:
        """Every template that a replica set still has, oldest first. Raises UnknownDeployment. Read-only."""
        item = read(self._api, self._path(deployment))
        own = [one for one in self._sets() if owned_by(one, item) and _number(one)]
        return [_revision(one) for one in sorted(own, key=lambda one: int(_number(one)))]

    def of(self, deployment: str, revision: str) -> str:
        """The hash of a revision's template. Raises UnknownDeployment, naming the existing revisions. Read-only."""
        known = self.revisions(deployment)
        for one in known:
            if one.number == revision:
                return one.template
        there = ", ".join(one.number for one in known) or "none"
        raise UnknownDeployment(
            f"Deployment {deployment} has no revision {revision}.",
            hint=f"Its revisions: {there}; see: kubectl rollout history deployment/{deployment}"
            f" -n {self._api.namespace}",
        )

    def changes(self, deployment: str, template: str) -> list[str]:
        """The differences between the current template and that one, without images. Read-only."""
        item = read(self._api, self._path(deployment))
        replica_set = next(
            (one for one in self._sets() if owned_by(one, item) and _hash(one) == template), None
        )
        if replica_set is None:
            return ["the pod template"]
        return changed_fields(
            bare_template(replica_set["spec"]["template"]), bare_template(item["spec"]["template"])
        )

    def go_to(self, deployment: str, template: str) -> None:
        """Set the template with that hash. Raises UnknownDeployment, and Refused for a paused deployment."""

        def decide(item: Item) -> Any:
            own = (one for one in self._sets() if owned_by(one, item))
            replica_set = next((one for one in own if _hash(one) == template), None)
            if replica_set is None:
                raise UnknownDeployment(
                    f"Deployment {deployment} no longer has the previous pod template.",
                    hint="Its revisionHistoryLimit has removed it: set the image by name, with"
                    f" kubectl set image deployment/{deployment} CONTAINER=IMAGE -n {self._api.namespace}",
                )
            refuse_paused(item)
            same = same_template(replica_set["spec"]["template"], item["spec"]["template"])
            return None if same else revision_patch(item, replica_set)

        self._put(
            change(self._api, self._path(deployment), decide, name="cluster.set_template", clock=self._clock)
        )

    def _sets(self) -> list[dict[str, Any]]:
        return self._api.listing(self._api.path(APPS, "replicasets"))[0]

    def _path(self, deployment: str) -> str:
        return self._api.path(APPS, "deployments", deployment)


def _revision(replica_set: Item) -> TemplateRevision:
    template = replica_set["spec"]["template"]
    return TemplateRevision(
        number=_number(replica_set),
        template=_hash(replica_set),
        images=containers(template),
        cause=str((replica_set["metadata"].get("annotations") or {}).get(CAUSE, "")),
        shape=shape(template),
    )


def _hash(replica_set: Item) -> str:
    return str((replica_set["metadata"].get("labels") or {}).get(HASH, ""))


def _number(replica_set: Item) -> str:
    """The revision; "" where the controller has not numbered it yet."""
    number = str((replica_set["metadata"].get("annotations") or {}).get(REVISION, ""))
    return number if number.isdecimal() else ""
