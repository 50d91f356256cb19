"""What `--resume` takes from the journal: the options of the run."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from cartctl.config.model.environment import Environment
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.plans.deploy import preflight
from cartctl.plans.deploy.deploy_options import DeployOptions, parse
from cartctl.ports import Ports


def test_whatever_was_requested_is_kept() -> None:
    """Every option that differs from its default comes back from the journal as it was given."""
    given = parse(
        images=["payment-api=2.0.0"],
        at=datetime(2026, 12, 1, 2, tzinfo=UTC),
        skip=["cdn", "preflight.redis"],
        monitor_for="90s",
        outside_window=True,
        auto_rollback=False,
        restore_carts="r1",
        reason="no CDN there",
        force_owned=True,
    )
    plain = DeployOptions()
    same = [one.name for one in fields(DeployOptions) if getattr(given, one.name) == getattr(plain, one.name)]
    assert (same, given.monitor_for) == ([], timedelta(seconds=90))
    assert DeployOptions.from_json(json.loads(json.dumps(given.to_json()))) == given


def test_a_run_of_an_earlier_version_requested_no_more_than_it_says() -> None:
    """Options that its journal does not know are at their defaults."""
    assert DeployOptions.from_json({"images": {"payment-api": "2.0.0"}}) == DeployOptions(
        images={"payment-api": "2.0.0"}
    )


def test_the_window_is_that_of_the_time_requested() -> None:
    """`--at` prepares an hour before; the window must be open when the migration begins, and not when the preflight runs."""
    env = Environment.model_validate(
        {
            "name": "production",
            "protected": True,
            "window": {"day": "tue", "from": "02:00", "to": "04:00"},
            "database": {"dsn": {"env": "DSN"}},
            "cluster": {"kind": "kubernetes"},
            "http": {"api": "http://127.0.0.1:1"},
        }
    )
    for hour, verdict in ((1, Verdict.FAIL), (2, Verdict.PASS)):
        at = datetime(2099, 12, 1, hour, tzinfo=UTC)  # a Tuesday
        checks = preflight.preflight(Ports(env), DeployOptions(at=at))
        assert [one.verdict for one in checks._checks()["window"](Pulse())] == [verdict]
