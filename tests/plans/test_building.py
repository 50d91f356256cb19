"""A plan is built from the configuration alone: nothing is read from a cluster, a database, a file or a program."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cartctl.config.load import load_environment
from cartctl.engine.model import Change, Evidence, Restore, Skip, Step
from cartctl.plans.deploy.deploy_options import parse
from cartctl.plans.deploy.run import planned
from cartctl.plans.execution.change_registry import kinds
from cartctl.plans.execution.phases import DESCRIPTIONS, IN_PLACE, Phase
from cartctl.plans.execution.run_monitor import new_watch
from cartctl.plans.rollback.plan import RollbackOptions, rollback
from cartctl.plans.rollback.to_revision import phases_to
from cartctl.ports import Ports

EVERYTHING = """
[env.prod]
notify = ["https://hooks.invalid/x"]

[env.prod.database]
dsn = "postgresql://u@db.invalid/shop"
state = "postgresql://u@state.invalid/shop"

[env.prod.database.snapshots]
url = "memory://snapshots"

[env.prod.cluster]
kind = "kubernetes"
prewarm = { payment-api = 2 }
workers = { deployments = ["job-worker"], cronjobs = ["recovery"] }

[env.prod.release]
api = { "payment-api.api" = "acme/api:2" }
workers = { "job-worker.worker" = "acme/api:2" }
frontend = { "admin-dashboard.web" = "acme/web:2" }
after_migrate = ["true"]

[env.prod.http]
api = "https://api.invalid"
dashboard = "https://app.invalid"
token = "t"
suites = ["ops/smoke.toml"]

[env.prod.metrics]
kind = "prometheus"
url = "https://prometheus.invalid"

[env.prod.cache]
redis = "redis://cache.invalid"
cdn = { kind = "cloudflare", zone = "a1b2", token = "t" }
"""
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: prod
clusters: [{name: prod, cluster: {server: "https://cluster.invalid"}}]
users: [{name: prod, user: {token: t}}]
contexts: [{name: prod, context: {cluster: prod, user: prod}}]
"""
OUTSIDE = (
    "open",
    "os.listdir",
    "os.scandir",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.posix_spawn",
)
OUR_CODE = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2] / "cartctl"))
seen: list[str] | None = None


def _record(event: str, args: tuple[Any, ...]) -> None:
    """Keep what reaches outside of this process; what is imported on the way is code, not data."""
    if seen is None or event not in OUTSIDE:
        return
    if event in {"open", "os.listdir", "os.scandir"} and str(args[0]).startswith(OUR_CODE):
        return
    seen.append(f"{event}: {args[:1]}")


sys.addaudithook(_record)


@contextmanager
def watched() -> Iterator[list[str]]:
    """What the block does outside of the process."""
    global seen  # noqa: PLW0603 - a hook cannot be removed
    seen = []
    try:
        yield seen
    finally:
        seen = None


def _deployment(ports: Ports) -> tuple[Phase, ...]:
    options = parse(
        images=(),
        at=datetime(2099, 12, 1, 2, tzinfo=UTC),
        skip=(),
        monitor_for=None,
        outside_window=False,
        auto_rollback=True,
        restore_carts="any",
    )
    return planned(ports, options, new_watch(ports))


def _rollback(ports: Ports) -> tuple[Phase, ...]:
    evidence = Evidence("release", ("payment-api.api",), {"payment-api.api": {"ref": "acme/api:1"}}, ())
    return rollback(ports, {"fingerprint": {}}, RollbackOptions(database=True), {"release.api": evidence})


@pytest.mark.parametrize(
    "build",
    (_deployment, _rollback, lambda ports: phases_to(ports, {"payment-api": "5d4f"})),
    ids=("deploy", "rollback", "revision"),
)
def test_nothing_outside_is_read(build: Callable[[Ports], tuple[Phase, ...]], ports: Ports) -> None:
    """Neither network, nor files, nor programs: a plan can be shown, compared and tested without any of them."""
    assert ports.cluster  # the adapter reads its credentials when it is made
    with watched() as outside:
        phases = build(ports)
    assert outside == []
    assert phases


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ports]:
    """An environment with every section."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    file = tmp_path / "cartctl.toml"
    file.write_text(EVERYTHING)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    with Ports(load_environment(str(file), "prod")) as made:
        yield made


def _steps(phases: tuple[Phase, ...]) -> list[Step]:
    return [step for phase in phases for step in phase.steps]


def test_a_rollback_reverts_every_change_of_a_deployment(ports: Ports) -> None:
    """A Change without its Restore in `rollback/plan.py` would be reverted by a failed deployment and by no command."""
    changes = [step for step in _steps(_deployment(ports)) if isinstance(step, Change)]
    reverted = {step.of for step in _steps(_rollback(ports)) if isinstance(step, Restore)}
    assert {change.key for change in changes} == reverted
    assert {change.kind for change in changes} <= set(kinds(ports))


def test_every_step_has_its_texts(ports: Ports) -> None:
    """What a plan shows of a step, and what an interrupted run says is in place."""
    steps = [*_steps(_deployment(ports)), *_steps(_rollback(ports)), *_steps(phases_to(ports, {"a": "5d4f"}))]
    changes = {step.key for step in steps if isinstance(step, Change)}
    described = {step.key for step in steps if not isinstance(step, Restore | Skip)}
    assert described <= set(DESCRIPTIONS)
    assert changes <= set(IN_PLACE)


def test_the_watcher_sees(tmp_path: Path) -> None:
    """A file that is opened is recorded."""
    with watched() as outside:
        (tmp_path / "file").write_text("")
    assert outside
