"""Every verb that cartctl uses on the API server, and whether it is allowed: what the Role grants and preflight checks.

Tests compare `runbooks/kubernetes/role.yaml` with this table, and this table with the requests that are sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cartctl.adapters.kubernetes.client.api import Api

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True, order=True)
class Verb:
    """One permission: the group, the resource with its subresource behind a slash, the verb."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        named = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {named}"


VERBS = tuple(
    Verb(group, resource, verb)
    for group, resource, verbs in (
        ("", "namespaces", "get"),
        ("", "pods", "list watch patch"),
        ("", "pods/log", "get"),
        ("", "pods/proxy", "get"),
        ("", "events", "list"),
        ("", "resourcequotas", "list"),
        ("", "configmaps", "get create patch"),
        ("apps", "deployments", "get list watch patch"),
        ("apps", "replicasets", "list watch"),
        ("apps", "statefulsets", "get"),
        ("apps", "daemonsets", "get"),
        ("autoscaling", "horizontalpodautoscalers", "get list patch"),
        ("batch", "cronjobs", "get patch"),
        ("batch", "jobs", "list"),
        ("coordination.k8s.io", "leases", "get create patch"),
    )
    for verb in verbs.split()
)


RELEASE = (  # what a release cannot do without, and its revert
    Verb("apps", "deployments", "list"),
    Verb("apps", "deployments", "get"),
    Verb("apps", "deployments", "patch"),
    Verb("apps", "replicasets", "list"),
    Verb("", "pods", "list"),
)


def denied(api: Api, verbs: Iterable[Verb] = VERBS) -> list[str]:
    """The verbs that the cluster would refuse in the namespace. Read-only: access reviews are not stored."""
    return [str(verb) for verb in verbs if not _allowed(api, verb)]


def _allowed(api: Api, verb: Verb) -> bool:
    resource, _, subresource = verb.resource.partition("/")
    attributes = {"namespace": api.namespace, "verb": verb.verb, "group": verb.group, "resource": resource}
    if subresource:
        attributes["subresource"] = subresource
    if resource == "namespaces":
        attributes["name"] = api.namespace
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool(api.send("POST", REVIEWS, body)["status"].get("allowed"))
