"""Check results at 80 columns and in a pipe: no word is cut, whatever the names."""

import io

import pytest

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.render.drawing import Console
from cartctl.render.renderers import renderable, write

LONG = "database.foreign_keys.cart_promotion_redemptions_promotion_id_fkey"
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


def test_a_pipe_gets_one_line_per_check_where_it_fits() -> None:
    """What was observed stands beside the name, for grep."""
    stream = io.StringIO()
    write(Checks(RESULTS.checks[:1]), stream)
    assert "database" in stream.getvalue().splitlines()[0]
    assert "db.internal.example.com" in stream.getvalue().splitlines()[0]
