"""Check results at 80 columns and in a pipe: no word is cut, whatever the names."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.render.drawing import Console
from cartctl.render.renderers import renderable, write
from cartctl.render.text import snapshots as _snapshots  # noqa: F401 - registers its renderer
from cartctl.snapshots.storage.entries import Snapshot, Snapshots

LONG = "database.foreign_keys.cart_promotion_redemptions_promotion_id_fkey"
HEADS = ("20260101163110", "20260101140600")
RESULTS = Checks(
    (
        CheckResult("database", Verdict.PASS, "PostgreSQL 15.8 on db.internal.example.com", seconds=0.4),
        CheckResult(
            LONG, Verdict.FAIL, "references public.promotions", "public.cart_promotions", "Revert the change."
        ),
    )
)


@pytest.mark.parametrize("checks", (RESULTS, Checks(RESULTS.checks[:1])))
def test_no_word_is_cut_at_80_columns(checks: Checks) -> None:
    """Every word of every name, value and hint is on one line of at most 80 columns."""
    console = Console(io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(renderable(checks))
    text = capture.get()
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    for check in checks.checks:
        for value in (
            check.name,
            check.observed,
            check.expected if check.verdict is Verdict.FAIL else "",
            check.hint,
        ):
            assert not [word for word in str(value or "").split() if word not in text]


STORED = Snapshots(
    tuple(
        Snapshot(
            f"run-20261201-02000{number}-ab12",
            datetime(2026, 12, 1, 2, tzinfo=UTC),
            "dump",
            10**9,
            True,
            True,
            HEADS,
        )
        for number in range(2)
    )
)


def test_the_migrations_of_a_snapshot_are_whole_at_80_columns() -> None:
    """They stand below the id where a line has no room, and beside it in a pipe."""
    console = Console(io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(renderable(STORED))
    text = capture.get()
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    assert all(text.count(word) == 2 for word in HEADS)
    stream = io.StringIO()
    write(STORED, stream)
    assert stream.getvalue().splitlines()[1].endswith(", ".join(HEADS))


def test_a_pipe_gets_long_texts_on_one_line() -> None:
    """A reader such as grep or less wraps by itself; 80 or 120 columns are nobody's width there."""
    result = replace(RESULTS.checks[0], observed=" ".join(["word"] * 400))
    stream = io.StringIO()
    write(Checks((result,)), stream)
    assert [line.count("word") for line in stream.getvalue().splitlines()] == [400, 0]


def test_a_pipe_gets_one_line_per_check_where_it_fits() -> None:
    """What was observed stands beside the name, for grep."""
    stream = io.StringIO()
    write(Checks(RESULTS.checks[:1]), stream)
    assert "database" in stream.getvalue().splitlines()[0]
    assert "db.internal.example.com" in stream.getvalue().splitlines()[0]
