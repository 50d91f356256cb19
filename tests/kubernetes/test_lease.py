"""The cluster's lock in mid-run: confirmed before each step, renewed late when the API server was away, lost to whoever took it."""

import threading
import time

import pytest

from cartctl.adapters.cluster import LEASE
from cartctl.adapters.kubernetes.lease import GROUP, Lease
from cartctl.errors import Locked, LockLost
from tests.kubernetes.fixture import Namespace, Small, wait_until


def held(namespace: Namespace) -> tuple[str, int, str]:
    """Holder, transitions and the time of the last renewal, as the server keeps them."""
    spec = namespace.item(GROUP, "leases", "cartctl")["spec"]
    return spec["holderIdentity"], spec.get("leaseTransitions", 0), spec["renewTime"]


def quick(namespace: Namespace, duration: float = 3, name: str = LEASE) -> Lease:
    """A lease that is renewed often."""
    return Lease(namespace.cluster.api, name=name, duration=duration, renew=0.2)


def away(small: Small, seconds: float) -> None:
    """The API server is gone for so long."""
    small.server.stop()
    time.sleep(seconds)
    small.server.start()


def taken_by(small: Small, holder: str) -> None:
    """Somebody takes the lease, whether the API server answers us or not."""
    small.server.store.update(
        "leases", "production", "cartctl", lambda item: item["spec"].update(holderIdentity=holder)
    )


def test_a_lease_that_is_held_is_confirmed_and_renewed(namespace: Namespace) -> None:
    """Confirming raises nothing; the record changes by itself while it is held."""
    with quick(namespace).hold("R1") as lease:
        lease.confirm()
        first = held(namespace)
        wait_until(lambda: held(namespace) != first)
        lease.confirm()
        assert held(namespace)[:2] == first[:2]


def test_leases_of_different_names_do_not_exclude_each_other(namespace: Namespace) -> None:
    """An abort, which may need the lease of runs, is not kept from it by the monitor that requests it."""
    with (
        namespace.cluster.lease("monitor", name="cartctl-monitor") as one,
        namespace.cluster.lease("R1") as two,
    ):
        one.confirm()
        two.confirm()
        assert held(namespace)[0] == "R1"
        with pytest.raises(Locked, match="monitor holds"):
            quick(namespace, duration=60, name="cartctl-monitor").hold("other").__enter__()


def test_a_lease_that_somebody_took_is_lost_and_stays_theirs(namespace: Namespace) -> None:
    """The loser learns who has it, and neither renews it nor frees it at its end."""
    with quick(namespace).hold("R1 of ada") as lease:
        namespace.patch(GROUP, "leases", "cartctl", {"spec": {"holderIdentity": "R2 of bob"}})
        with pytest.raises(LockLost, match="R1 of ada has lost the cluster's lease: R2 of bob holds it now"):
            lease.confirm()
    assert held(namespace)[0] == "R2 of bob"


def test_a_lease_that_was_taken_and_given_back_is_lost(small: Small) -> None:
    """Somebody was at work in between, though nobody holds it now."""
    with quick(small).hold("R1") as lease:
        taken_by(small, "")
        with pytest.raises(LockLost, match="nobody holds it now"):
            lease.confirm()


def test_a_lease_that_was_deleted_is_lost(small: Small) -> None:
    """Without the record nothing keeps another run away."""
    with quick(small).hold("R1") as lease:
        small.server.store.delete("leases", "production", "cartctl")
        with pytest.raises(LockLost, match="nobody holds it now"):
            lease.confirm()


@pytest.mark.parametrize("seconds", (0.3, 1.5))
def test_an_api_server_that_was_away_ends_nothing_while_nobody_took_the_lease(
    small: Small, seconds: float
) -> None:
    """Away for shorter and for longer than the lease lasts: confirmed afterwards, and renewed by the same holder."""
    with quick(small, duration=1).hold("R1") as lease:
        before = held(small)
        away(small, seconds)
        lease.confirm()
        wait_until(lambda: held(small)[2] > before[2])
        assert held(small)[:2] == ("R1", 0)


def test_after_an_absence_the_lease_belongs_to_whoever_took_it(small: Small) -> None:
    """The API server came back for the other one first."""
    with quick(small, duration=1).hold("R1") as lease:
        small.server.stop()
        taken_by(small, "R2")
        threading.Timer(0.3, small.server.start).start()
        with pytest.raises(LockLost, match="R2 holds it now"):
            lease.confirm()


def test_a_renewal_that_is_overdue_is_made_up_for_before_the_step(small: Small) -> None:
    """Unrenewed for longer than it lasts it is written on the version seen: whoever watched it sees it live."""
    now = [0.0]
    lease = Lease(small.cluster.api, duration=15, renew=60, clock=lambda: now[0])
    with lease.hold("R1"):
        before = held(small)
        lease.confirm()
        assert held(small) == before
        now[0] = 20.0
        lease.confirm()
        assert held(small)[2] > before[2]


def test_a_server_that_stays_away_leaves_the_lease_unknown(small: Small) -> None:
    """No answer is no confirmation: the run stops with the server's own error."""
    with quick(small).hold("R1") as lease:
        small.cluster.api._retry_seconds = 0.2
        small.server.stop()
        with pytest.raises(
            LockLost, match=r"Cannot determine whether .*: The API server .* does not respond"
        ):
            lease.confirm()
        small.server.start()
