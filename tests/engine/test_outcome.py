"""Verdicts, outcomes and what the journal says of checks."""

import pytest

from cartctl.engine.events import EFFECTIVE, RunOutcome
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.outcome import Outcome, after_bug, describe_failure, passed, summary, with_undo_failures
from cartctl.errors import CheckFailed, Inconclusive, StepFailed

P, W, F, U = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN


def checks(*verdicts: Verdict) -> Checks:
    """One result per verdict; the n-th is called cn and observed n."""
    return Checks.of(
        CheckResult(f"c{n}", verdict, observed=n, hint=f"h{n}" if n else "")
        for n, verdict in enumerate(verdicts)
    )


@pytest.mark.parametrize(
    ("verdicts", "worst", "code"),
    (
        ((P, P), P, 0),
        ((P, W), W, 0),
        ((W, U), U, 6),
        ((U, F, W), F, 7),
        ((F,), F, 7),
        ((), U, 6),
    ),
)
def test_the_worst_verdict_counts(verdicts: tuple[Verdict, ...], worst: Verdict, code: int) -> None:
    """Without any result it is unknown."""
    assert (checks(*verdicts).verdict, worst.exit_code) == (worst, code)


def test_failures_come_before_what_is_unknown() -> None:
    """And nothing else is bad."""
    assert [one.name for one in checks(U, P, F, W, U, F).bad()] == ["c2", "c5", "c0", "c4"]


def test_a_check_that_passed_is_counted_and_its_warnings_are_named() -> None:
    """Verdicts that did not occur are not listed."""
    assert summary(checks(P, W, P, W)) == {
        "verdict": "warn",
        "counts": {"pass": 2, "warn": 2},
        "warnings": ["c1: 1", "c3: 3"],
        "checks": [
            {"name": "c0", "verdict": "pass", "observed": "0"},
            {"name": "c1", "verdict": "warn", "observed": "1", "hint": "h1"},
            {"name": "c2", "verdict": "pass", "observed": "2"},
            {"name": "c3", "verdict": "warn", "observed": "3", "hint": "h3"},
        ],
    }
    assert passed("smoke", checks(P)) == summary(checks(P))


def test_a_check_that_did_not_pass_names_every_bad_result_and_the_first_hint() -> None:
    """Failed is a failure, unknown is inconclusive, and none at all is unknown."""
    with pytest.raises(CheckFailed, match=r"^smoke: c1: 1; c0: 0$") as failed:
        passed("smoke", checks(U, F, P))
    assert failed.value.hint == "h1"
    assert [row["name"] for row in failed.value.evidence["checks"]] == ["c0", "c1", "c2"]
    with pytest.raises(Inconclusive, match=r"^smoke: c0: 0; c2: 2$") as unknown:
        passed("smoke", checks(U, W, U))
    assert unknown.value.hint == "h2"
    with pytest.raises(Inconclusive, match=r"^smoke: no check returned a result$") as nothing:
        passed("smoke", checks())
    assert nothing.value.hint == ""


def test_undos_that_failed_are_named_and_make_it_5() -> None:
    """Without any the outcome is as it was."""
    outcome = Outcome("rolled_back", 4, "smoke failed.", "cartctl history")
    assert with_undo_failures(outcome, {}) is outcome
    failed = with_undo_failures(outcome, {"a": "no", "b": "never"})
    assert (failed.word, failed.exit_code, failed.next_command) == ("failed", 5, "cartctl history")
    assert failed.message == "smoke failed. Not reverted: a: no; b: never"


def test_after_a_bug_the_run_stays_open_only_if_something_was_not_reverted() -> None:
    """Exit code 1, or 5."""
    outcome = Outcome("rolled_back", 4, "x")
    ended = after_bug(outcome, not_reverted=False)
    assert (ended.word, ended.exit_code, ended.ended) == ("rolled_back", 1, True)
    left = after_bug(outcome, not_reverted=True)
    assert (left.word, left.exit_code, left.ended) == ("failed", 5, False)


def test_an_outcome_is_stored_with_everything_the_report_needs() -> None:
    """Whether it has ended is the event's name, not its data."""
    assert Outcome("succeeded", 0).ended
    assert Outcome("failed", 5, "why", "cartctl rollback").to_json() == {
        "outcome": "failed",
        "exit_code": 5,
        "message": "why",
        "next_command": "cartctl rollback",
    }
    assert describe_failure(StepFailed("a.", hint="b.")) == "a. b."
    assert describe_failure(StepFailed("a.")) == "a."
    assert describe_failure(StepFailed("a: 3 s", hint="Wait.")) == "a: 3 s. Wait."


def test_every_outcome_has_its_exit_code() -> None:
    """As docs/exit-codes.md has them; only two leave the run's changes in place."""
    assert {outcome.value: outcome.exit_code for outcome in RunOutcome} == {
        "succeeded": 0,
        "rolled_back": 4,
        "failed": 5,
        "inconclusive": 6,
        "interrupted": 130,
        "running": 5,
        "unfinished": 5,
        "unreadable": 6,
    }
    assert {RunOutcome.SUCCEEDED, RunOutcome.INCONCLUSIVE} == EFFECTIVE
