"""A sandbox with the cart deployed in it, and a calendar that a test turns."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from cartctl.adapters.http.client import Http
from cartctl.config.load import load_environment
from cartctl.config.model.environment import Environment
from cartctl.engine.events import Event
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import RunReport
from cartctl.engine.view import PlanRows
from cartctl.plans.rollout.decisions import RolloutOptions
from cartctl.plans.rollout.inputs import RolloutInputs, open_inputs
from cartctl.plans.rollout.operations import advance_automatically, start
from cartctl.plans.rollout.status import RolloutStatus, status
from cartctl.ports import Ports
from cartctl.sandbox.access import make_flags
from tests.sandbox_fixture import Sandbox, sandbox_session, wait_for

__all__ = ["sandbox_session"]

DAY_0 = date(2027, 3, 1)
NOON = datetime.combine(DAY_0, time(12), UTC)


class Unwatched:
    """A view that keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """Nothing is drawn."""

    def event(self, event: Event) -> None:
        """Kept."""
        self.events.append(event)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Nothing is drawn."""

    def finished(self, report: RunReport) -> None:
        """Nothing is drawn."""


@dataclass
class Field:
    """A sandbox in which the cart runs, an environment of it, and a clock that stands still until it is turned."""

    sandbox: Sandbox
    env: Environment
    now: datetime = NOON

    def clock(self) -> datetime:
        """What the calendar says."""
        return self.now

    def day(self, number: int) -> None:
        """Turn the calendar to noon of a day of the rollout."""
        self.now = datetime.combine(DAY_0 + timedelta(days=number), time(12), UTC)

    def ports(self) -> Ports:
        """Adapters, to be closed."""
        return Ports(self.env)

    def status(self) -> RolloutStatus:
        """What `rollout status --no-gates` tells."""
        with self.ports() as ports, open_inputs(ports, self.clock, read_only=True) as inputs:
            return status(inputs, Pulse(), gates=False)

    def on(self) -> frozenset[str]:
        """The companies that are on, as the library evaluates the stored document."""
        with self.ports() as ports, open_inputs(ports, self.clock, read_only=True) as inputs:
            return RolloutInputs.on_in(inputs, {})

    def begin(self) -> RunReport:
        """Start the rollout on the day that it is."""
        with self.ports() as ports:
            report = start(
                ports, self.now.date(), RolloutOptions("the day has come"), self.view(), clock=self.clock
            )
        assert report is not None
        return report

    def by_itself(self, day: int) -> tuple[RunReport | None, str]:
        """What the CronJob does on a day, and what it says."""
        self.day(day)
        messages: list[str] = []
        with self.ports() as ports:
            report = advance_automatically(ports, self.view(), messages.append, clock=self.clock)
        return report, " ".join(messages)

    def view(self) -> Unwatched:
        """A view of its own for each run."""
        return Unwatched()

    def settle(self) -> None:
        """Wait until the sandbox runs what was asked for."""
        wait_for(self.sandbox.settled)

    def old_version(self) -> None:
        """Go back to the version before the cart."""
        release(self.sandbox, "1.0.0")

    def ask(self, company: str) -> Any:
        """What the application says that a company has."""
        return self.sandbox.api.get(f"/api/admin/features?company={company}").json()

    @staticmethod
    @contextmanager
    def unsignalled(_pulse: Pulse) -> Iterator[None]:
        """Signals belong to the main thread; a test's second operator is another one."""
        yield

    def outside(self) -> Http:
        """The API, as the admin of a company outside."""
        assert self.sandbox.status.api_url
        return Http(
            self.sandbox.status.api_url, token=self.sandbox.layout.outside_token.read_text(encoding="utf-8")
        )


def release(sandbox: Sandbox, image: str) -> None:
    """Put an image into every deployment and wait until it runs."""
    cluster = sandbox.cluster
    for name, result in cluster.deployments().items():
        cluster.set_images(name, dict.fromkeys(result.images, image), cause="test")
    wait_for(sandbox.settled)


@pytest.fixture(scope="module")
def deployed(sandbox_session: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with version 2.0.0 on a migrated database, once for all tests of a module."""
    from cartctl.database.migrations.apply import deploy

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARTCTL_STATE_DIR", str(sandbox_session.state_directory))
        sandbox_session.reset()
        env = load_environment(str(sandbox_session.layout.config), "sandbox")
        deploy(sandbox_session.database, env.database, "test", Pulse())
        release(sandbox_session, "2.0.0")
        yield sandbox_session


@pytest.fixture
def field(deployed: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Field:
    """The deployed sandbox without a rollout: all companies are enabled, no runs, version 2.0.0."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(deployed.state_directory))
    monkeypatch.setenv("CARTCTL_MONITOR__MINIMUM_REQUESTS", "1")
    monkeypatch.setenv("CARTCTL_ROLLOUT__GATE__LOOKBACK", "1s")  # what an earlier test broke is past
    for latency, critical in (("DB", "2.5s"), ("API", "10s")):  # as slow as the histograms can tell
        monkeypatch.setenv(f"CARTCTL_THRESHOLDS__{latency}_LATENCY_P95__WARNING", "1s")
        monkeypatch.setenv(f"CARTCTL_THRESHOLDS__{latency}_LATENCY_P95__CRITICAL", critical)
    if {image.ref for one in deployed.cluster.deployments().values() for image in one.images.values()} != {
        "2.0.0"
    }:
        release(deployed, "2.0.0")
    for folder in deployed.layout.settings.glob("cart-flags"):
        shutil.rmtree(folder)
    make_flags(deployed.layout)
    for folder in deployed.state_directory.glob("environments"):
        shutil.rmtree(folder)
    with deployed.superuser.session("test") as connection:
        connection.execute("DROP SCHEMA IF EXISTS cartctl_journal CASCADE")
    return Field(deployed, load_environment(str(deployed.layout.config), "sandbox"))
