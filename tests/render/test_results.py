"""Results as text and as JSON."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, ClassVar

import pytest

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.report import History, report
from cartctl.plans.execution.preview import Plan, PlanRow
from cartctl.render import json as as_json
from cartctl.render import text as renderer_modules
from cartctl.render.amounts import duration, share, size
from cartctl.render.renderers import _ELSEWHERE, renderable, write
from cartctl.render.text.plan import differences
from tests.render.story import failure, success


def text(result: Any) -> str:
    """A result as people see it, without a terminal."""
    stream = io.StringIO()
    write(result, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        (Decimal("10.50"), "10.50"),
        (timedelta(seconds=90), 90.0),
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T00:00:00Z"),
        (date(2026, 1, 1), "2026-01-01"),
        (Path("a/b"), "a/b"),
        (Verdict.WARN, "warn"),
        (float("nan"), None),
        (float("inf"), None),
        ((1, None, True), [1, None, True]),
        ({Verdict.PASS: {1}}, {"pass": [1]}),
    ),
)
def test_values_as_json(value: Any, expected: Any) -> None:
    """Money is text, durations seconds, times UTC; what is no number is null."""
    assert as_json.plain(value) == expected


def test_documents_carry_kind_and_version() -> None:
    """Every object names what it is; listed properties are part of it."""

    @dataclass(frozen=True)
    class Thing:
        kind: ClassVar[str] = "thing"
        shown: ClassVar[tuple[str, ...]] = ("double",)
        size: int = 2

        @property
        def double(self) -> int:
            """Twice."""
            return self.size * 2

    stream = io.StringIO()
    as_json.write(Thing(), stream)
    assert json.loads(stream.getvalue()) == {"kind": "thing", "version": 1, "size": 2, "double": 4}


def test_checks_report_what_to_do() -> None:
    """A check that is not as it should be says what was expected and a hint; the verdict is the worst."""
    checks = Checks(
        (
            CheckResult("database", Verdict.PASS, observed="15.8", expected="14 or newer", hint="unused"),
            CheckResult("token", Verdict.FAIL, observed=401, expected=200, hint="Renew it."),
        )
    )
    result = text(checks)
    assert "pass  database  15.8\n" in result
    assert "fail  token     401 (expected 200)\n                Renew it.\n" in result
    assert result.endswith("fail  verdict   1 pass, 1 fail\n")


def test_checks_show_their_durations_and_totals() -> None:
    """A duration where one was measured; the last line counts the verdicts; nothing to check is no pass."""
    results = (
        CheckResult("api", Verdict.PASS, "HTTP 200", seconds=0.2),
        CheckResult("redis", Verdict.NOT_CONFIGURED, "cache.redis is not configured", expected="unused"),
    )
    assert text(Checks(results, seconds=0.25)).splitlines() == [
        "pass            api      0.2 s  HTTP 200",
        "not configured  redis           cache.redis is not configured",
        "pass            verdict  0.2 s  1 pass, 1 not configured",
    ]
    assert Checks(results[1:]).verdict is Verdict.UNKNOWN


def test_text_without_a_terminal_has_no_colours_and_no_padding() -> None:
    """Files and pipes get clean lines."""
    result = text(report(failure()))
    assert "\x1b" not in result
    assert all(line == line.rstrip() for line in result.splitlines())


def test_a_report_shows_steps_cause_and_next_command() -> None:
    """Everything an operator needs is on one page."""
    result = text(report(failure()))
    for part in (
        "snapshot",
        "2.0 s",
        "endpoints",
        "cause",
        "cartctl rollback",
        "could not be reverted",
        "downtime",
    ):
        assert part in result


def test_history_is_a_line_per_run() -> None:
    """Each run stands with when, what, how it ended and how long it took."""
    result = text(History((report(success()), report(failure())))).splitlines()
    assert len(result) == 3
    assert "2026-11-22 10:45" in result[1]
    assert "succeeded" in result[1]
    assert "18 s" in result[1]
    assert "failed" in result[2]
    assert text(History(())) == "No runs yet.\n"


def test_an_image_is_shown_by_its_name() -> None:
    """A digest is evidence for the undo, not for a reader; a long value is cut."""
    image = {"a.b": {"ref": "x:1", "digest": "sha256:" + "d" * 64}}
    assert differences(image, {"a.b": {"ref": "x:2", "digest": None}}) == ["a.b: x:1 → x:2"]
    assert len(differences({}, {"a": "y" * 500})[0]) < 80


def test_a_plan_shows_what_would_change() -> None:
    """Values stand as now and then; what is already so, and what cannot be looked at, is said."""
    before: Mapping[str, Any] = {"deployment/api": 2, "same": 1}
    rows = (
        PlanRow(
            "1 Preparation",
            "T-60",
            "prewarm",
            "raise replicas",
            dict(before),
            {**before, "deployment/api": 3},
        ),
        PlanRow("1 Preparation", "T-60", "announce", "", note="not configured"),
        PlanRow("3 Backend", "T+5", "release.api", "set the image", {"a": "1"}, {"a": "1"}, "already so"),
    )
    result = text(Plan("deploy", "sandbox", rows))
    assert "3 steps, 1 would change" in result
    assert "deployment/api: 2 → 3" in result
    assert "same" not in result.replace("same image", "")
    assert "set the image (already so)" in result
    assert "announce            not configured" in result


@pytest.mark.parametrize(
    ("seconds", "expected"),
    (
        (0, "0.0 s"),
        (0.0001, "1 ms"),
        (0.04, "40 ms"),
        (0.096, "0.1 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.7, "1:00 min"),
        (185, "3:05 min"),
        (3723, "1:02:03 h"),
    ),
)
def test_durations(seconds: float, expected: str) -> None:
    """Durations read like a clock."""
    assert duration(seconds) == expected


def test_sizes_and_shares() -> None:
    """Bytes in binary units, seconds as the time left, all else counted; an unknown total is left out."""
    assert [size(count) for count in (0, 1023, 1536, 5 * 1024**4)] == ["0 B", "1023 B", "1.5 KiB", "5.0 TiB"]
    assert share(1024, 0, "bytes") == "1.0 KiB"
    assert share(10, 40, "s") == "30 s left"
    assert share(2, 3, "replicas") == "2 of 3 replicas"
    assert share(5, 0, "tables") == "5 tables"


def test_every_renderer_is_loaded_for_its_kind() -> None:
    """A kind that is missing in the table of modules would be shown as Python writes it."""
    for module in walk_packages(renderer_modules.__path__, f"{renderer_modules.__name__}."):
        import_module(module.name)
    kinds = {
        getattr(drawn, "kind", ""): function.__module__ for drawn, function in renderable.registry.items()
    }
    elsewhere = {kind: module for kind, module in kinds.items() if kind and ".text." in module}
    assert len(elsewhere) > 20
    assert {kind: _ELSEWHERE.get(kind) for kind in elsewhere} == elsewhere
