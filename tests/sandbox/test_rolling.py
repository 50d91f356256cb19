"""What happens to requests while replicas come and go."""

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from cartctl.adapters.http.client import Response
from tests.sandbox.load import load
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import long

API = "deployment/payment-api"


def test_rollouts_and_resizing_lose_no_request(sandbox: Sandbox) -> None:
    """Four rollouts, a scale-up and a scale-down under load on kept and fresh connections: every request is answered."""
    cluster = sandbox.cluster
    assert sandbox.status.api_url
    with load(sandbox.status.api_url, "/api/products", {}) as seen:
        for version in ("2.0.0", "1.0.0", "2.0.0", "1.0.0"):
            cluster.set_images("payment-api", {"api": version}, cause="test")
            wait_for(sandbox.settled)
        for size in (4, 1, 2):
            cluster.set_capacity(API, size)
            wait_for(sandbox.settled)
        wait_for(lambda: cluster.running(API) == 2)
    assert seen.lost == {}
    assert seen.seen["200"] > 200


@long
def test_a_persistent_connection_gets_a_response_and_is_closed(sandbox: Sandbox) -> None:
    """A client that comes back on its open connection while its replica drains is answered, with `Connection: close`."""
    assert sandbox.status.api_url
    kept = [http.client.HTTPConnection(urlsplit(sandbox.status.api_url).netloc, timeout=60) for _ in range(8)]

    def told_to_close(connection: http.client.HTTPConnection) -> bool:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        return answer.headers["connection"] == "close"

    assert not any(told_to_close(connection) for connection in kept)
    sandbox.cluster.set_images("payment-api", {"api": "2.0.0"}, cause="test")

    def all_told() -> bool:
        kept[:] = [connection for connection in kept if not told_to_close(connection)]
        return not kept

    wait_for(all_told)
    wait_for(lambda: sandbox.cluster.running(API) == 2)


def test_what_is_in_flight_is_answered(sandbox: Sandbox) -> None:
    """Requests that take seconds and are open while the rollout goes on are answered by the replicas that end."""
    cluster = sandbox.cluster
    cluster.set_images("payment-api", {"api": "2.0.0-slow"}, cause="test")
    wait_for(sandbox.settled)
    over = threading.Event()

    def shop() -> list[Response]:
        answers = []
        while not over.wait(0.05):
            answers.append(sandbox.api.get("/api/products"))
        return answers

    with ThreadPoolExecutor(10) as crowd:
        clients = [crowd.submit(shop) for _ in range(10)]
        time.sleep(0.3)
        cluster.set_images("payment-api", {"api": "1.0.0"}, cause="test")
        try:
            wait_for(sandbox.settled)
        finally:
            over.set()
        answers = [answer for client in clients for answer in client.result()]
    assert {answer.status for answer in answers} == {200}
    assert max(answer.seconds for answer in answers) > 2.5
