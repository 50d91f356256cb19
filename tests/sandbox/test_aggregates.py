"""Figures of large companies: the last ones with their age, new ones on request, and nothing of others."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.service import aggregates
from cartctl.sandbox.service.aggregates import FRESH, QUICK, USABLE, Aged, Aggregates
from tests.cart.store.shop import Shop
from tests.sandbox.served import served, write_flags, write_tokens
from tests.sandbox_fixture import wait_for


class Counter:
    """A count that takes `seconds` of a clock, and is one more every time."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds, self.count = 0.0, seconds, 0

    def clock(self) -> float:
        """The time."""
        return self.now

    def __call__(self) -> int:
        """Count."""
        self.now += self.seconds
        self.count += 1
        return self.count


@pytest.fixture
def slow() -> Counter:
    """Longer than the limit."""
    return Counter(QUICK * 2)


@pytest.fixture
def known(slow: Counter) -> Iterator[Aggregates]:
    """Figures by the slow count's clock."""
    made = Aggregates(slow.clock)
    yield made
    made.close()


def test_what_is_quick_is_counted_every_time() -> None:
    """Small companies see every change at once."""
    quick = Counter(QUICK / 2)
    figures = Aggregates(quick.clock)
    assert [figures.read("a", quick) for _ in range(3)] == [Aged(1, 0), Aged(2, 0), Aged(3, 0)]
    figures.close()


def test_what_is_slow_is_given_with_its_age(known: Aggregates, slow: Counter) -> None:
    """Within the first minute it is not counted again; another key has figures of its own."""
    assert known.read("a", slow) == Aged(1, 0)
    slow.now += 41
    assert known.read("a", slow) == Aged(1, 41)
    assert known.read("a", slow).headers == {"Age": "41"}
    assert known.read("b", slow) == Aged(2, 0)


def test_after_a_minute_it_is_counted_beside_the_request(known: Aggregates, slow: Counter) -> None:
    """The request that finds it old gets the old one at once, a later one the new one."""
    known.read("a", slow)
    slow.now += FRESH
    assert known.read("a", slow).value == 1
    wait_for(lambda: known.read("a", slow).value == 2)
    assert slow.count == 2


def test_what_nobody_read_for_long_is_counted_first(known: Aggregates, slow: Counter) -> None:
    """Nobody sees figures of an hour ago."""
    known.read("a", slow)
    slow.now += USABLE
    assert known.read("a", slow) == Aged(2, 0)


def test_new_figures_on_request(known: Aggregates, slow: Counter) -> None:
    """`Cache-Control: no-cache` counts anew, and the next request has the same figures."""
    known.read("a", slow)
    assert known.read("a", slow, anew=True) == Aged(2, 0)
    assert known.read("a", slow).value == 2


def test_a_failure_beside_the_request_leaves_the_last_figures(known: Aggregates, slow: Counter) -> None:
    """The database is away: the last figures are served until they are too old, and are counted again later."""

    def fail() -> int:
        raise psycopg.OperationalError("away")

    known.read("a", slow)
    slow.now += FRESH
    assert known.read("a", fail).value == 1
    wait_for(lambda: not known._counting)
    known.read("a", slow)
    wait_for(lambda: known.read("a", slow).value == 2)


def test_the_service_states_the_age_of_its_figures(
    migrated: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stats and overview of a company that takes long keep their values, with Age, until new ones are asked for."""
    monkeypatch.setattr(aggregates, "QUICK", -1.0)  # everything takes long
    shop = Shop(migrated)
    write_tokens(tmp_path, "shop", "other")
    write_flags(tmp_path)
    shop.cart()
    with served(tmp_path, migrated) as address:
        api = Http(address, token="token-shop")
        paths = ("/api/admin/carts/stats", "/api/admin/ecommerce-analytics/overview")
        first = [api.get(path) for path in paths]
        assert not any("age" in response.headers for response in first)
        shop.cart()
        wait_for(lambda: "age" in api.get(paths[0]).headers)
        assert [api.get(path).json() for path in paths] == [response.json() for response in first]
        assert Http(address, token="token-other").get(paths[0]).json()["total"] == 0
        new = api.get(paths[0], headers={"Cache-Control": "no-cache"})
        assert (new.json()["total"], "age" in new.headers) == (2, False)
    shop.engine.dispose()
