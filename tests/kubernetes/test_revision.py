"""Going back to a revision that is named: what it leaves is what `kubectl rollout undo --to-revision` leaves."""

import pytest

from cartctl.adapters.cluster import UnknownDeployment
from cartctl.engine.evidence import dump, load
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.plans.rollback.to_revision import parse_revisions
from cartctl.steps.revision import Revision
from tests.kubernetes.fixture import Namespace, wait_until

NAME = "payment-api"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def two_revisions(namespace: Namespace) -> None:
    """A deployment whose second revision has another image, variable and annotation."""
    namespace.deploy(annotations={APPLIED: "{}", "kubernetes.io/change-cause": "first", "team": "carts"})
    container = {"name": "api", "image": namespace.images.second, "env": [{"name": "A", "value": "1"}]}
    meta = {"annotations": {"kubernetes.io/change-cause": "second", APPLIED: '{"now": 2}'}}
    template = {"spec": {"containers": [container]}}
    namespace.patch("apps/v1", "deployments", NAME, {"metadata": meta, "spec": {"template": template}})
    wait_until(lambda: namespace.cluster.deployments()[NAME].revision == "2", namespace.seconds)
    namespace.settle()


def step(namespace: Namespace, revision: str) -> Revision:
    """To a revision of the deployment."""
    expected = {NAME: namespace.cluster.template_of(NAME, revision)}
    return Revision("revision", (NAME,), namespace.cluster, timeout=namespace.seconds, targets=expected)


def test_it_leaves_what_kubectl_leaves(namespace: Namespace) -> None:
    """The template is the former one without its hash; annotations go back with it, but for those of the deployment's own."""
    namespace.deploy("other", replicas=1)
    two_revisions(namespace)
    before = namespace.cluster.deployments()[NAME]
    sets, _ = namespace.cluster.api.listing(namespace.cluster.api.path("apps/v1", "replicasets"))
    (first,) = [
        one
        for one in sets
        if one["metadata"]["ownerReferences"][0]["name"] == NAME
        and one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    ]
    change = step(namespace, "1")
    change.move(change.target(change.observe((NAME,))), Pulse())
    now = namespace.item("apps/v1", "deployments", NAME)
    template = first["spec"]["template"]
    template["metadata"]["labels"].pop("pod-template-hash")
    assert now["spec"]["template"] == template
    annotations = now["metadata"]["annotations"]
    assert annotations["kubernetes.io/change-cause"] == "first"
    assert annotations[APPLIED] == '{"now": 2}'
    assert annotations["team"] == "carts"
    assert now["spec"]["replicas"] == before.replicas
    assert {pod.images["api"].ref for pod in namespace.cluster.pods(NAME) if not pod.ending} == {
        namespace.images.first
    }


def test_twice_is_once_and_its_evidence_takes_it_back(namespace: Namespace) -> None:
    """The same revision again changes nothing; undone from hashes alone, the second template is back."""
    two_revisions(namespace)
    change = step(namespace, "1")
    before = change.observe((NAME,))
    to = change.target(before)
    kept = dump(change, before)
    assert "env" not in str(kept)
    change.move(to, Pulse())
    generation = namespace.item("apps/v1", "deployments", NAME)["metadata"]["generation"]
    change.move(to, Pulse())
    assert namespace.item("apps/v1", "deployments", NAME)["metadata"]["generation"] == generation
    back = Revision("undo", (NAME,), namespace.cluster, timeout=namespace.seconds)
    back.move(load(back, kept), Pulse())
    assert namespace.refs() == {"api": namespace.images.second}


def test_an_unknown_revision_names_those_there_are(namespace: Namespace) -> None:
    """A usage error; so is a revision of no deployment."""
    two_revisions(namespace)
    with pytest.raises(UnknownDeployment, match="no revision 7") as wrong:
        namespace.cluster.template_of(NAME, "7")
    assert wrong.value.hint.startswith("Its revisions: 1, 2; see: kubectl rollout history")
    assert f"-n {namespace.name}" in wrong.value.hint
    with pytest.raises(UnknownDeployment):
        namespace.cluster.template_of("checkout", "1")
    with pytest.raises(UnknownDeployment, match="no longer has"):
        namespace.cluster.set_template(NAME, "gone")


def test_a_paused_deployment_is_refused(namespace: Namespace) -> None:
    """As kubectl does."""
    two_revisions(namespace)
    change = step(namespace, "1")
    namespace.patch("apps/v1", "deployments", NAME, {"spec": {"paused": True}})
    wait_until(lambda: namespace.cluster.deployments()[NAME].paused)
    with pytest.raises(Refused, match="paused"):
        change.observe((NAME,))


def test_revisions_are_read_as_typed() -> None:
    """DEPLOYMENT=N, N from 1: 0 would be "the former one"."""
    assert parse_revisions(["a=3", "b=01"]) == {"a": "3", "b": "1"}
    for wrong in ("a", "a=", "=1", "a=x", "a=0", "a=-1", "a=1.5"):
        with pytest.raises(Exception, match="DEPLOYMENT=N"):
            parse_revisions([wrong])
