"""Whether each notifier accepts a message."""

import time
from collections.abc import Iterator, Sequence

from cartctl.adapters.notifiers.webhook import NotAccepted, Notifier, named
from cartctl.engine.model import CheckResult, Checks, Verdict


def check_notifiers(notifiers: Sequence[Notifier], env: str) -> Checks:
    """Send a test message to each; unknown without any."""
    if not notifiers:
        hint = 'Set notify for the environment, for example notify = [{ env = "SLACK_URL" }].'
        return Checks(
            (CheckResult("notify", Verdict.UNKNOWN, "not configured", "at least one notifier", hint),)
        )
    return Checks.of(_results(notifiers, f"cartctl: test message for {env}."))


def _results(notifiers: Sequence[Notifier], text: str) -> Iterator[CheckResult]:
    for name, notifier in named(notifiers):
        began = time.monotonic()
        try:
            notifier.post(text)
        except NotAccepted as refused:
            result = Verdict.FAIL, refused.reason, "Check the notifier's address and permissions."
        else:
            result = Verdict.PASS, "accepted", ""
        verdict, observed, hint = result
        yield CheckResult(
            name, verdict, observed, "accepted", hint, seconds=round(time.monotonic() - began, 3)
        )
