"""Reverting a release after others have been at work: the image is set, their changes are kept and named."""

from typing import Any

import pytest

from cartctl.adapters.cluster import Image
from cartctl.engine.evidence import ModifiedExternally, guard_revert
from cartctl.engine.model import Evidence
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.steps.blocked import Blocked
from cartctl.steps.release import Release
from tests.kubernetes.fixture import Namespace, Small
from tests.kubernetes.test_release import API, CAUSE, carry_out, release, roll_back

NAME = "payment-api"
APPS = ("apps/v1", "deployments", NAME)
ENVIRONMENT = [{"name": "PASSWORD", "value": "s3cret"}]


def change_container(namespace: Namespace, **fields: Any) -> None:
    """What somebody else does to the container, as kubectl does it: the other fields stay."""
    container = namespace.item(*APPS)["spec"]["template"]["spec"]["containers"][0]
    spec = {"containers": [{**container, **fields}]}
    namespace.patch(*APPS, {"spec": {"template": {"spec": spec}}})


def back(namespace: Namespace, evidence: Evidence) -> Release:
    """The release as it is rebuilt to revert it."""
    return Release("release.api", evidence.names, namespace.cluster, timeout=namespace.seconds)


def test_a_variable_that_was_changed_since_is_kept_and_named(namespace: Namespace) -> None:
    """The image goes back, the variable stays, and neither its value nor a hash is shown; twice changes nothing."""
    namespace.deploy()
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    change_container(namespace, env=ENVIRONMENT, imagePullPolicy="Always")
    namespace.settle()
    assert roll_back(namespace, evidence) == [
        "payment-api: environment of container api changed since the release; kept",
        "payment-api: image pull policy of container api changed since the release; kept",
    ]
    container = namespace.item(*APPS)["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == (namespace.images.first, ENVIRONMENT)
    generation = namespace.item(*APPS)["metadata"]["generation"]
    roll_back(namespace, evidence)
    assert namespace.item(*APPS)["metadata"]["generation"] == generation


def test_a_revert_by_hand_is_accepted_whatever_else_was_changed(namespace: Namespace) -> None:
    """Somebody has set the former image and a variable: there is nothing to do, and it is no reason to refuse."""
    namespace.deploy()
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    change_container(namespace, env=ENVIRONMENT, image=namespace.images.first)
    namespace.settle()
    generation = namespace.item(*APPS)["metadata"]["generation"]
    assert roll_back(namespace, evidence) == [
        "payment-api: environment of container api changed since the release; kept"
    ]
    assert namespace.item(*APPS)["metadata"]["generation"] == generation


def test_an_image_that_somebody_else_released_is_refused_by_its_name(small: Small) -> None:
    """Their release would be undone. Names of images, no dictionaries and no hashes."""
    small.deploy()
    evidence = carry_out(release(small, {API: small.images.second}))
    change_container(small, env=ENVIRONMENT, image="acme/api:3")
    small.settle()
    with pytest.raises(ModifiedExternally) as refused:
        roll_back(small, evidence)
    assert refused.value.message == (
        "payment-api.api is acme/api:3, which is neither the previous value nor one set by this run (acme/api:1, acme/api:2):"
        " it was modified externally."
    )
    assert small.refs() == {"api": "acme/api:3"}


@pytest.mark.parametrize("rest", ({}, {"rest": "0123456789abcdef"}))
def test_evidence_of_earlier_versions_is_reverted(small: Small, rest: dict[str, str]) -> None:
    """Without a hash, and with one that no template has: the image goes back. Only the second can tell of a change."""
    small.deploy()
    carry_out(release(small, {API: "acme/api:2"}))
    old = Evidence("release", (API,), {API: {"ref": "acme/api:1", **rest}}, ({API: {"ref": "acme/api:2"}},))
    small.cluster.api.send(  # no template is left that has these images and could be compared
        "DELETE", small.cluster.api.path("apps/v1", "replicasets", _set_of(small, "acme/api:1"))
    )
    small.controller.stop()
    small.cluster.api.send(
        "DELETE", small.cluster.api.path("apps/v1", "replicasets", _set_of(small, "acme/api:2"))
    )
    remarks = guard_revert(back(small, old), old)
    assert remarks == (["payment-api: the pod template changed since the release; kept"] if rest else [])
    small.controller.start()
    roll_back(small, old)
    assert small.refs() == {"api": "acme/api:1"}


def _set_of(small: Small, image: str) -> str:
    sets = small.server.store.list("replicasets", small.name)
    return next(
        str(one["metadata"]["name"])
        for one in sets
        if one["spec"]["template"]["spec"]["containers"][0]["image"] == image
    )


def test_another_containers_image_is_named_as_such(small: Small) -> None:
    """A sidecar that somebody has upgraded since stays as it is."""
    small.deploy()
    container = small.item(*APPS)["spec"]["template"]["spec"]["containers"][0]
    proxy = {"name": "proxy", "image": "acme/proxy:1"}
    patch = {"spec": {"template": {"spec": {"containers": [container, proxy]}}}}
    small.patch(*APPS, patch)
    small.settle()
    evidence = carry_out(release(small, {API: "acme/api:2"}))
    now = {**container, "image": "acme/api:2"}
    newer = {**proxy, "image": "acme/proxy:2"}
    small.patch(*APPS, {"spec": {"template": {"spec": {"containers": [now, newer], "hostNetwork": True}}}})
    small.settle()
    assert roll_back(small, evidence) == [
        "payment-api: image of container proxy changed since the release; kept",
        "payment-api: host network of the pod changed since the release; kept",
    ]
    assert small.refs() == {"api": "acme/api:1", "proxy": "acme/proxy:2"}


def test_the_change_cause_names_run_and_image(namespace: Namespace) -> None:
    """What `kubectl rollout history` shows, there and back."""
    namespace.deploy()
    change = release(namespace, {API: namespace.images.second})
    change.run = "20260101-000000-ab12"
    evidence = carry_out(change)
    assert _cause(namespace) == f"cartctl run 20260101-000000-ab12: release.api {namespace.images.second}"
    undo = back(namespace, evidence)
    undo.run = "20260101-000500-cd34"
    undo.move({API: Image(namespace.images.first)}, Pulse())
    assert _cause(namespace) == (
        f"cartctl run 20260101-000500-cd34: release.api reverted to {namespace.images.first}"
    )
    numbers = [str(one) for one in namespace.cluster.revisions(NAME)]
    assert numbers[-1] == f"revision 3 ({namespace.images.first}, {_cause(namespace)})"


def _cause(namespace: Namespace) -> str:
    return str(namespace.item(*APPS)["metadata"]["annotations"][CAUSE])


@pytest.mark.parametrize(
    ("patch", "expected", "hint"),
    (
        (
            {"spec": {"paused": True}},
            "payment-api is paused",
            "kubectl rollout resume deployment/payment-api -n NAMESPACE",
        ),
        (
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}},
            "payment-api belongs to Helm",
            "--force-owned",
        ),
    ),
)
def test_a_deployment_that_would_not_roll_out_is_found_before_anything_is_reverted(
    namespace: Namespace, patch: dict[str, Any], expected: str, hint: str
) -> None:
    """Exit code 3 with the command that helps, in the namespace."""
    namespace.deploy()
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    namespace.patch(*APPS, patch)
    with pytest.raises(Blocked, match=expected) as refused:
        guard_revert(back(namespace, evidence), evidence)
    assert refused.value.exit_code == 3
    assert hint.replace("NAMESPACE", namespace.name) in refused.value.hint


def test_a_deployment_that_was_deleted_or_replaced_is_found(namespace: Namespace) -> None:
    """Deleted, and replaced by a StatefulSet of its name: said as that."""
    namespace.deploy()
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    item = namespace.item(*APPS)
    namespace.delete(*APPS)
    with pytest.raises(Blocked, match="payment-api does not exist"):
        guard_revert(back(namespace, evidence), evidence)
    spec = {**{key: item["spec"][key] for key in ("selector", "template")}, "serviceName": NAME}
    namespace.create(
        "apps/v1", "statefulsets", {"kind": "StatefulSet", "metadata": {"name": NAME}, "spec": spec}
    )
    with pytest.raises(Blocked, match="payment-api is a StatefulSet, not a Deployment"):
        guard_revert(back(namespace, evidence), evidence)


def test_a_deployment_that_is_being_deleted_is_found(namespace: Namespace) -> None:
    """A finalizer keeps it in the list."""
    namespace.deploy()
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    meta: dict[str, Any] = {"finalizers": ["cartctl.test/keep"]}
    namespace.patch(*APPS, {"metadata": meta})
    if isinstance(namespace, Small):
        namespace.patch(*APPS, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    else:
        namespace.delete(*APPS)
    try:
        with pytest.raises(Blocked, match="payment-api is being deleted"):
            guard_revert(back(namespace, evidence), evidence)
    finally:
        namespace.patch(*APPS, {"metadata": {"finalizers": None}})


def test_a_namespace_that_ends_and_a_missing_permission_are_found(small: Small) -> None:
    """Both are named at once."""
    small.deploy()
    evidence = carry_out(release(small, {API: "acme/api:2"}))
    small.server.denied.add(("patch", "deployments"))

    def ending(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "status": {"phase": "Terminating"}}

    small.server.store.update("namespaces", "", small.name, ending)
    with pytest.raises(Refused) as refused:
        guard_revert(back(small, evidence), evidence)
    assert "namespace production is terminating" in refused.value.message
    assert "lacks patch deployments.apps" in refused.value.message
    assert "runbooks/kubernetes/role.yaml" in refused.value.hint
