"""After a rollback: what the pods run is compared with what was recorded, since the new version answers the same requests."""

from cartctl.adapters.cluster import Image
from cartctl.checks.running_images import running_images
from cartctl.engine.model import Evidence, Verdict
from cartctl.plans.execution.step_factories import recorded_images
from tests.kubernetes.fixture import Namespace, Played, Small
from tests.kubernetes.test_release import API

FIRST, SECOND = "acme/api:1", "acme/api:2"


def verdicts(namespace: Namespace, **recorded: Image) -> list[tuple[Verdict, str]]:
    """What is found about payment-api's container."""
    result = running_images(namespace.cluster, {API: recorded["api"]})
    return [(one.verdict, str(one.observed)) for one in result]


def test_the_recorded_image_in_every_ready_pod_passes(namespace: Namespace) -> None:
    """By reference, and by the digest that was recorded."""
    namespace.deploy()
    (digest,) = {pod.images["api"].digest for pod in namespace.cluster.pods("payment-api")}
    image = Image(namespace.images.first, digest)
    assert verdicts(namespace, api=image) == [(Verdict.PASS, f"{namespace.images.first} in 2 pods")]


def test_another_version_that_runs_fails_with_the_pods_name(played: Played) -> None:
    """A rollback that did not get there: the new version serves. So does a tag that stands for another digest by now."""
    played.deploy(replicas=1)
    (pod,) = played.cluster.pods("payment-api")
    runs = pod.images["api"].detailed
    assert verdicts(played, api=Image(SECOND)) == [(Verdict.FAIL, f"{pod.name} runs {runs}")]
    moved = Image(FIRST, "sha256:" + "f" * 64)
    assert verdicts(played, api=moved) == [(Verdict.FAIL, f"{pod.name} runs {runs}")]


def test_without_a_ready_pod_it_fails_and_scaled_to_0_its_request_counts(small: Small) -> None:
    """Workers are stopped at that moment; an API without a ready pod serves nobody."""
    small.controller.bad[SECOND] = "NeverReady"
    small.deploy(replicas=1)
    small.cluster.set_capacity("deployment/payment-api", 0)
    assert verdicts(small, api=Image(FIRST)) == [(Verdict.PASS, f"{FIRST}, no replica")]
    assert verdicts(small, api=Image(SECOND)) == [(Verdict.FAIL, f"{FIRST}, no replica")]
    small.cluster.set_images("payment-api", {"api": SECOND}, cause="test")
    small.cluster.set_capacity("deployment/payment-api", 1)
    assert verdicts(small, api=Image(SECOND)) == [(Verdict.FAIL, "no pod is ready")]


def test_the_recorded_images_are_those_of_releases() -> None:
    """From the evidence alone, whatever its age."""
    release = Evidence("release", (API,), {API: {"ref": FIRST}}, ({API: {"ref": SECOND}},))
    sizes = Evidence("replicas", ("deployment/x",), {"deployment/x": 1}, ({"deployment/x": 2},))
    assert recorded_images({"release.api": release, "prewarm": sizes}) == {API: Image(FIRST)}
