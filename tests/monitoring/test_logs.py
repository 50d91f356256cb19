"""Which log lines count, and the command that shows them."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cartctl.adapters.log_lines import FileTail, LogLine
from cartctl.cli import app
from cartctl.config.model.monitoring import Logs
from cartctl.monitoring.logs import LogRules, Tally
from tests.sandbox_fixture import Sandbox, sandbox, sandbox_session, wait_for

__all__ = ["sandbox", "sandbox_session"]


@pytest.mark.parametrize(
    ("text", "pattern"),
    (
        ("ERROR could not price Cart 12", "cart"),
        ('{"level":50,"msg":"ecommerce stats failed"}', "cart"),
        ("2026-01-01 error: cart_items missing", "cart"),
        ("INFO cart 12 converted", None),
        ("ERROR payment declined", None),
        ("cart of errors", None),
        ("PrismaClientKnownRequestError: x", "prisma"),
        ("INFO retry after P2002", "prisma"),
        ("cart FATAL P2003", "prisma"),
        ("", None),
    ),
)
def test_a_line_counts_by_the_plans_patterns(text: str, pattern: str | None) -> None:
    """The cart's names only together with an error level; the database client's errors by themselves."""
    assert LogRules.of(Logs()).match(text) == pattern


def test_matches_are_counted_by_minute() -> None:
    """The worst minute stands beside the limit; lines that match nothing are read and not counted."""
    tally = Tally(LogRules.of(Logs(errors_per_minute=1)))
    times = ("2026-01-01T00:00:59Z", "2026-01-01T00:01:00Z", "2026-01-01T00:01:59Z", "2026-01-01T00:01:59Z")
    texts = ("ERROR cart", "P2002", "ERROR cart", "fine")
    tally.take(LogLine(at, "p", "c", text) for at, text in zip(times, texts, strict=True))
    result = tally.summary()
    assert (result.lines, result.matches) == (4, {"cart": 2, "prisma": 1})
    assert (result.worst_minute, result.most, result.warned) == ("2026-01-01T00:01", 2, True)


def test_a_file_is_read_on_from_where_it_was() -> None:
    """Also when its beginning has left the window, and when it began anew."""
    lines = ["2999-01-01T00:00:01Z a", "2999-01-01T00:00:02Z b"]
    tail = FileTail(lambda _: {"pod": list(lines)}, ["x"], since=60)
    assert [line.text for line in tail.read()] == ["a", "b"]
    lines[:] = ["2999-01-01T00:00:02Z b", "2999-01-01T00:00:03Z c"]
    assert [line.text for line in tail.read()] == ["c"]
    lines[:] = ["2999-01-01T00:00:04Z d"]
    assert [line.text for line in tail.read()] == ["d"]
    assert tail.read() == []


def test_logs_shows_what_matches_and_with_all_every_line(sandbox: Sandbox) -> None:
    """A crash of the cart stands in the sandbox's logs; the count ends the output."""
    sandbox.cluster.set_images("payment-api", {"api": "2.0.0-crash"}, cause="test")
    wait_for(lambda: sandbox.cluster.deployments()["payment-api"].failure)
    result = CliRunner().invoke(app, ["logs", "--env", "sandbox", "-o", "json"])
    *hits, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert any("cart module failed" in hit["text"] and hit["pattern"] == "cart" for hit in hits)
    assert (last["kind"], last["matches"]["cart"]) == ("logs", len(hits))
    assert sum(group["count"] for group in last["groups"]) == len(hits)
    everything = CliRunner().invoke(app, ["logs", "--env", "sandbox", "--all", "-o", "json"])
    assert len(everything.stdout.splitlines()) > len(hits) + 1
    text = CliRunner().invoke(app, ["logs", "--env", "sandbox"])
    assert "cart module failed" in text.stdout
    assert "lines read" in text.stdout
    assert last["groups"][0]["message"] in text.stdout.partition("lines read")[2].replace("\n", "")


def test_a_configured_command_is_read_instead_of_the_cluster(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`logs.command`: its lines with their own times, counted by minute; a selector that is given goes before it."""
    log = tmp_path / "api.log"
    now = datetime.now(UTC).isoformat()
    log.write_text(f"2020-01-01T00:00:00Z ERROR cart old\n{now} ERROR cart 7\n{now} INFO fine\nP2002\n")
    monkeypatch.setenv("CARTCTL_LOGS__COMMAND", json.dumps(["cat", str(log)]))
    result = CliRunner().invoke(app, ["logs", "--env", "sandbox", "-o", "json"])
    *hits, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(hit["pod"], hit["text"]) for hit in hits] == [("cat", "ERROR cart 7"), ("cat", "P2002")]
    assert (last["lines"], last["matches"]) == (3, {"cart": 1, "prisma": 1})
    cluster = CliRunner().invoke(app, ["logs", "--env", "sandbox", "-l", "app=payment-api", "-o", "json"])
    assert (cluster.exit_code, "P2002" in cluster.stdout) == (0, False)


def test_following_ends_with_ctrl_c_and_the_count(sandbox: Sandbox) -> None:
    """Lines come as they are written; one Ctrl-C is the way out."""
    argv = [sys.executable, "-m", "cartctl", "logs", "--env", "sandbox", "--all", "--follow", "-o", "json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        sandbox.api.get("/api/products")
        assert json.loads(process.stdout.readline())["kind"] == "log"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        assert (process.wait(timeout=60), json.loads(rest[-1])["kind"]) == (130, "logs")


@pytest.mark.parametrize(
    ("argv", "env", "expected"),
    (
        (["--since", "long"], {}, "Invalid duration 'long' for --since"),
        (["-l", "app=x"], {"CARTCTL_CLUSTER__KIND": "kubernetes"}, "No kubeconfig"),
        ([], {"CARTCTL_CLUSTER__KIND": "kubernetes"}, "has no logs configured"),
        ([], {"CARTCTL_LOGS__COMMAND": '["no-such-program"]'}, "'no-such-program' cannot start"),
    ),
)
def test_wrong_options_are_one_sentence(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, argv: list[str], env: dict[str, str], expected: str
) -> None:
    """Exit code 2."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["logs", "--env", "sandbox", *argv])
    assert (result.exit_code, expected in result.stderr) == (2, True), result.stderr
