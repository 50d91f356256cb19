"""What `--resume` need not be told again."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from cartctl.plans.asked import Asked, parse


def test_whatever_was_asked_for_is_kept() -> None:
    """Every option that differs from its default comes back from the journal as it was given."""
    given = parse(
        images=["payment-api=2.0.0"],
        at=datetime(2026, 12, 1, 2, tzinfo=UTC),
        skip=["cdn", "preflight.redis"],
        monitor_for="90s",
        outside_window=True,
        auto_rollback=False,
        restore_carts="r1",
        force_owned=True,
    )
    plain = Asked()
    same = [one.name for one in fields(Asked) if getattr(given, one.name) == getattr(plain, one.name)]
    assert (same, given.monitor_for) == ([], timedelta(seconds=90))
    assert Asked.from_json(json.loads(json.dumps(given.to_json()))) == given


def test_a_run_of_an_earlier_version_asked_for_no_more_than_it_says() -> None:
    """Options that its journal does not know are at their defaults."""
    assert Asked.from_json({"images": {"payment-api": "2.0.0"}}) == Asked(images={"payment-api": "2.0.0"})
