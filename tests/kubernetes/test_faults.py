"""What goes wrong between cartctl and a cluster, and that a release ends as if it had not."""

import os
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from cartctl.adapters import effects
from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import ClusterForbidden, ClusterRefused
from cartctl.adapters.kubernetes.client.watch import Collection
from cartctl.adapters.kubernetes.cluster import Kubernetes
from cartctl.engine.evidence import ModifiedExternally
from cartctl.engine.pulse import Pulse
from cartctl.steps.release_wait import RolloutFailed
from tests.kubernetes.fixture import Played, Small, wait_until
from tests.kubernetes.server import Dropped, Request
from tests.kubernetes.store import ApiFault
from tests.kubernetes.test_release import API, carry_out, release, roll_back


def while_rolling_out(small: Small, happen: Callable[[], None]) -> None:
    """A release of two slow replicas, with something happening in the middle of it."""
    small.deploy()
    small.controller.startup = 0.6

    def under_way() -> bool:
        deployment = small.server.store.get("deployments", "production", "payment-api")
        image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return image == "acme/api:2"

    def happen_when_begun() -> None:
        wait_until(under_way)
        time.sleep(0.2)
        happen()

    thread = threading.Thread(target=happen_when_begun)
    thread.start()
    carry_out(release(small, {API: "acme/api:2"}, timeout=60))
    thread.join()
    pods = [pod for pod in small.cluster.pods("payment-api") if not pod.ending]
    assert [pod.images["api"].ref for pod in pods] == ["acme/api:2"] * 2


LONG = (
    pytest.mark.faults,
    pytest.mark.skipif(os.environ.get("CARTCTL_FAULTS") != "all", reason="a long one: make faults"),
)


@pytest.mark.parametrize("seconds", (1.5, pytest.param(20.0, marks=LONG)))
def test_an_api_server_that_is_gone_in_mid_rollout_is_waited_for(small: Small, seconds: float) -> None:
    """Connections break and are refused; when it is back the rollout is taken up where it stands."""

    def be_gone() -> None:
        small.server.stop()
        time.sleep(seconds)
        small.server.start()

    while_rolling_out(small, be_gone)


def test_an_api_server_that_has_not_read_its_roles_yet_is_retried(small: Small) -> None:
    """It forbids everything for a moment after it came back."""
    refused: list[str] = []

    def come_back() -> None:
        small.server.stop()
        time.sleep(0.5)

        def refuse(request: Request) -> None:
            if refused.count("list") < 3:
                refused.append(request.verb)
                result = f'{request.resource} is forbidden: User "u" cannot {request.verb} resource "{request.resource}"'
                raise ApiFault(403, "Forbidden", result)

        small.server.fault = refuse
        small.server.start()

    while_rolling_out(small, come_back)
    assert refused.count("list") >= 3


def test_a_verb_that_stays_forbidden_after_an_absence_is_reported(small: Small) -> None:
    """Once the server has had the time to read its roles; one that was there all the time is believed at once."""
    slept: list[float] = []  # all the time that passes, by the Api's clock

    def sleep(seconds: float) -> None:
        if not slept:
            small.server.start()
        slept.append(seconds)

    api = Api(small.cluster.api.access, "production", sleep=sleep, clock=lambda: sum(slept))
    small.server.denied.add(("list", "deployments"))
    path = api.path("apps/v1", "deployments")
    with pytest.raises(ClusterForbidden, match="cannot list"):
        api.listing(path)
    assert slept == []
    small.server.stop()
    assert api.find(api.path("", "configmaps", "any")) is None
    before = sum(slept)
    with pytest.raises(ClusterForbidden, match="cannot list"):
        api.listing(path)
    assert 10 < sum(slept) - before < 20


def test_connections_that_break_before_an_answer_are_made_again(small: Small) -> None:
    """Every third request is dropped, the writes among them."""
    count = [0]

    def drop(_request: Request) -> None:
        count[0] += 1
        if count[0] % 3 == 0:
            raise Dropped

    small.server.fault = drop
    while_rolling_out(small, lambda: None)
    assert count[0] > 9


@pytest.mark.parametrize("status", (429, 500, 503))
def test_passing_answers_are_retried_after_what_the_server_says(small: Small, status: int) -> None:
    """429 with Retry-After is obeyed to the second; 500 and 503 are tried again soon."""
    times: list[float] = []

    def refuse(request: Request) -> None:
        if request.verb == "patch":
            times.append(time.monotonic())
            if len(times) < 3:
                headers = {"Retry-After": "1"} if status == 429 else {}
                raise ApiFault(status, "Busy", "not now", headers)

    small.server.fault = refuse
    while_rolling_out(small, lambda: None)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(gaps) == 2
    assert all(gap >= 1 if status == 429 else gap < 1 for gap in gaps)


def test_a_server_that_stays_unwell_is_given_up_at_the_deadline(small: Small) -> None:
    """With the status and its message, and nobody waits for ever."""
    small.cluster.settings("any")
    small.cluster.api._retry_seconds = 0.5

    def refuse(_request: Request) -> None:
        raise ApiFault(500, "InternalError", "etcdserver: request timed out")

    small.server.fault = refuse
    with pytest.raises(ClusterUnreachable, match="HTTP 500: etcdserver"):
        small.cluster.settings("any")


def test_a_node_whose_logs_cannot_be_had_hides_no_reason(small: Small) -> None:
    """Its kubelet is gone, so the API server answers 500 for the logs alone: the release fails fast, with its own reason."""
    small.deploy()
    small.controller.bad["acme/api:bad"] = "CrashLoopBackOff"

    def refuse(request: Request) -> None:
        if request.resource == "pods/log":
            raise ApiFault(500, "InternalError", "dial tcp 10.0.0.1:10250: connect: connection refused")

    small.server.fault = refuse
    began = time.monotonic()
    with pytest.raises(RolloutFailed, match="CrashLoopBackOff"):
        carry_out(release(small, {API: "acme/api:bad"}))
    assert small.cluster.tail("app=payment-api", since=60).read() == []
    assert time.monotonic() - began < 30


def test_an_alarm_ends_a_rollout_that_waits(played: Played) -> None:
    """Ctrl-C or a trigger ends the wait at once, not at its limit."""
    played.deploy()
    played.nodes.bad["acme/api:2"] = "NeverReady"
    pulse = Pulse()
    change = release(played, {API: "acme/api:2"}, timeout=60)
    before = change.observe(change.names)
    threading.Timer(0.3, pulse.alarm, (ClusterUnreachable("the test's own"),)).start()
    began = time.monotonic()
    with pytest.raises(ClusterUnreachable, match="the test's own"):
        change.move(change.target(before), pulse)
    assert time.monotonic() - began < 30


def test_a_watch_that_closes_again_and_again_loses_nothing(small: Small) -> None:
    """The server ends every watch after a tenth of a second."""
    small.server.watch_seconds = 0.1
    while_rolling_out(small, lambda: None)


def test_a_version_that_was_forgotten_means_a_new_list(small: Small) -> None:
    """410 Gone in the stream, as after a compaction."""
    while_rolling_out(small, small.server.store.forget)


def test_a_list_whose_page_is_too_old_begins_anew(small: Small) -> None:
    """Pages of two; between the first and the second the server forgets."""
    for at in range(5):
        small.create("", "configmaps", {"metadata": {"name": f"c{at}"}})
    small.server.page = 2
    forgotten: list[str] = []

    def forget(request: Request) -> None:
        if request.resource == "configmaps" and len(forgotten) < 2:
            forgotten.append(request.verb)
            if len(forgotten) == 2:
                small.server.store.forget()

    small.server.fault = forget
    result, _ = small.cluster.api.listing(small.cluster.api.path("", "configmaps"))
    assert [item["metadata"]["name"] for item in result] == [f"c{at}" for at in range(5)]


def test_an_undo_decides_on_what_stands_in_the_cluster_now(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch that lags, or whose connection died without a word, hides nobody's change."""
    played.deploy()
    evidence = carry_out(release(played, {API: "acme/api:2"}))
    monkeypatch.setattr(Collection, "_take", lambda *_: None)
    container = {"name": "api", "image": "acme/api:3"}
    played.patch(
        "apps/v1", "deployments", "payment-api", {"spec": {"template": {"spec": {"containers": [container]}}}}
    )
    with pytest.raises(ModifiedExternally):
        roll_back(played, evidence)


def test_a_list_that_was_overtaken_hides_no_event(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the watch told while a list was on its way stays: no event will tell it again."""
    played.deploy()
    played.cluster.deployments()
    listing, takes = Api.listing, threading.Event()
    take = Collection._take

    def taken(self: Collection, kind: str, item: dict[str, Any]) -> None:
        take(self, kind, item)
        if item["metadata"].get("labels") == {"late": "yes"}:
            takes.set()

    def overtaken(self: Api, path: str, query: dict[str, str] | None = None) -> Any:
        result = listing(self, path, query)
        if path.endswith("/deployments"):
            played.patch("apps/v1", "deployments", "payment-api", {"metadata": {"labels": {"late": "yes"}}})
            assert takes.wait(10)
        return result

    monkeypatch.setattr(Collection, "_take", taken)
    monkeypatch.setattr(Api, "listing", overtaken)
    result = played.cluster._workloads._deployments.items(fresh=True)
    assert result["payment-api"]["metadata"]["labels"] == {"late": "yes"}


def test_conflicts_again_and_again_are_overcome(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else writes before each of our first ten writes."""
    played.deploy()
    overtaken: list[int] = []

    def overtake(name: str, moment: str) -> None:
        if (name, moment) == ("cluster.set_images", "before") and len(overtaken) < 10:
            overtaken.append(1)
            labels = {"metadata": {"labels": {"n": str(len(overtaken))}}}
            played.patch("apps/v1", "deployments", "payment-api", labels)

    monkeypatch.setattr(effects, "probe", overtake)
    carry_out(release(played, {API: "acme/api:2"}))
    assert len(overtaken) == 10
    assert played.item("apps/v1", "deployments", "payment-api")["metadata"]["labels"]["n"] == "10"


def test_containers_that_changed_places_are_not_mistaken(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sidecar put before ours in the very last moment: the image still goes to the container of that name."""
    played.deploy()
    done: list[int] = []

    def insert(name: str, moment: str) -> None:
        if (name, moment) == ("cluster.set_images", "before") and not done:
            done.append(1)
            own = played.item("apps/v1", "deployments", "payment-api")["spec"]["template"]["spec"][
                "containers"
            ]
            containers = [{"name": "sidecar", "image": "acme/sidecar:1"}, *own]
            patch = {"spec": {"template": {"spec": {"containers": containers}}}}
            played.patch("apps/v1", "deployments", "payment-api", patch)

    monkeypatch.setattr(effects, "probe", insert)
    played.cluster.set_images("payment-api", {"api": "acme/api:2"}, cause="test")
    wait_until(lambda: played.refs() == {"sidecar": "acme/sidecar:1", "api": "acme/api:2"})


def test_what_is_invalid_is_reported_and_not_tried_forever(small: Small) -> None:
    """422 without a newer version is the server's last word."""

    def invalid(_resource: str, _item: object) -> None:
        raise ApiFault(422, "Invalid", "spec.template.spec.containers[0].image: Invalid value")

    small.deploy()
    small.controller.stop()
    small.server.store.admit = invalid
    began = time.monotonic()
    with pytest.raises(ClusterRefused, match="image: Invalid value"):
        small.cluster.set_images("payment-api", {"api": "acme/api:2 "}, cause="test")
    assert time.monotonic() - began < 15


def test_somebody_scaling_at_the_same_time_is_no_obstacle(played: Played) -> None:
    """The rollout ends with the size that was asked for last."""
    played.deploy()
    played.nodes.startup = 0.3
    other = Kubernetes(None, played.name)
    threading.Timer(0.2, other.set_capacity, ("deployment/payment-api", 3)).start()
    carry_out(release(played, {API: "acme/api:2"}, timeout=60))
    wait_until(lambda: sum(pod.ready for pod in played.cluster.pods("payment-api")) == 3)
    other.close()


def test_somebody_releasing_at_the_same_time_is_seen(played: Played) -> None:
    """Their image is not ours: the release is red, and an undo leaves theirs alone."""
    played.deploy()
    evidence = carry_out(release(played, {API: "acme/api:2"}))
    played.cluster.set_images("payment-api", {"api": "acme/api:theirs"}, cause="somebody")
    played.settle()
    with pytest.raises(ModifiedExternally, match="acme/api:theirs"):
        roll_back(played, evidence)
    assert played.refs() == {"api": "acme/api:theirs"}
