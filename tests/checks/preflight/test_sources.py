"""Snapshots, archives, test reports, windows, tokens, figures: each verdict of the preflight's other looks."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from psycopg.conninfo import conninfo_to_dict

from cartctl.adapters.cluster import ClusterUnreachable, Deployment, Image, Obstacle
from cartctl.adapters.http.client import Http
from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.adapters.postgres import Postgres
from cartctl.checks.preflight.api import check_api, check_token
from cartctl.checks.preflight.approval.window import check_window
from cartctl.checks.preflight.cluster import check_cluster, touched_images
from cartctl.checks.preflight.code import check_code
from cartctl.checks.preflight.dump import check_backup, check_dump, check_recovery, not_recoverable
from cartctl.checks.preflight.metrics import check_metrics
from cartctl.checks.preflight.migrations import Pending, check_migrations
from cartctl.checks.preflight.redis import check_redis
from cartctl.config.model.environment import Database, Environment, Preflight, Thresholds
from cartctl.config.values import Secret
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.thresholds import rules_of
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.source import database_size, dump_size
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.verify import verify
from tests.metrics_double import WithoutHistory
from tests.services import Server, _call, debian_server

NOW = datetime(2026, 1, 6, 2, 30, tzinfo=UTC)  # a Tuesday
NAMES = ("one", "two", "three")


def environment(**changes: Any) -> Environment:
    """A small environment, with changes."""
    settings: dict[str, Any] = {
        "name": "test",
        "database": {"dsn": {"env": "DSN"}},
        "cluster": {"kind": "sandbox", "prewarm": {"payment-api": 1}},
        "release": {"api": {"payment-api.api": "2.0.0"}},
        "http": {"api": "http://127.0.0.1:1"},
    }
    return Environment.model_validate({**settings, **changes})


def only(results: Iterator[CheckResult]) -> CheckResult:
    """The one result there is."""
    (result,) = list(results)
    return result


class Api(BaseHTTPRequestHandler):
    """Answers as it is told: path → status and body."""

    answers: ClassVar[dict[str, tuple[int, str]]] = {}

    def do_GET(self) -> None:
        """The answer for the path, 404 where there is none."""
        status, body = self.answers.get(self.path, (404, "{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Silence."""


@contextmanager
def serving(answers: dict[str, tuple[int, str]]) -> Iterator[Http]:
    """An HTTP server that answers as told."""
    handler = type("Told", (Api,), {"answers": answers})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Http(f"http://127.0.0.1:{server.server_port}", token="secret-token")
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    (
        ((200, '{"company": "avnz"}'), Verdict.PASS),
        ((200, '{"company": {"id": "avnz"}}'), Verdict.PASS),
        ((401, "{}"), Verdict.FAIL),
        ((500, "{}"), Verdict.FAIL),
        ((200, "{}"), Verdict.FAIL),
        ((200, "<html>"), Verdict.FAIL),
        ((200, "[]"), Verdict.FAIL),
    ),
)
def test_a_token_passes_only_when_it_opens_a_session(answer: tuple[int, str], verdict: Verdict) -> None:
    """Anything but a session with a company is a failure, and the token is never shown."""
    with serving({"/api/auth/session": answer}) as api:
        result = only(check_token(api, present=True))
    assert result.verdict is verdict
    assert "secret-token" not in str(result)


def test_a_missing_token_fails() -> None:
    """Without a token nothing behind it can be checked."""
    assert only(check_token(Http("http://127.0.0.1:1"), present=False)).verdict is Verdict.FAIL


def test_an_api_passes_when_it_is_healthy() -> None:
    """200 passes, another status and no answer fail."""
    with serving({"/health": (200, "{}")}) as api:
        assert only(check_api(api)).verdict is Verdict.PASS
    with serving({"/health": (503, "{}")}) as api:
        assert only(check_api(api)).verdict is Verdict.FAIL
    result = only(check_api(Http("http://127.0.0.1:1")))
    assert result.verdict is Verdict.FAIL
    assert "does not respond" in result.observed


@pytest.mark.parametrize(
    ("pending", "verdict", "expected"),
    (
        (Pending(NAMES, (), NAMES), Verdict.PASS, "pending: one, two, three"),
        (Pending(NAMES, NAMES, ()), Verdict.PASS, "already done"),
        (Pending(NAMES, ("one",), ("two", "three")), Verdict.PASS, "pending: two, three"),
        (Pending(NAMES, ("one",), ("three",)), Verdict.FAIL, "pending: three"),
        (Pending(NAMES, (), (*NAMES, "four")), Verdict.FAIL, "four"),
        (Pending(NAMES, (), (), unknown=("9999",)), Verdict.FAIL, "unknown: 9999"),
        (Pending(NAMES, (), ()), Verdict.FAIL, "applied: none; pending: none"),
    ),
)
def test_migrations_are_exactly_the_expected_ones(pending: Pending, verdict: Verdict, expected: str) -> None:
    """Applied and pending together are all of them, in order; an unknown one fails."""
    result = only(check_migrations(lambda: pending))
    assert result.verdict is verdict
    assert expected in result.observed


def test_a_failed_row_in_the_ledger_fails() -> None:
    """A migration that failed in the Node application's ledger stops a deployment; another oddity is a warning."""
    _, result = check_migrations(lambda: Pending(NAMES, (), NAMES, failed=("add_theme",), notes=("x",)))
    assert result.verdict is Verdict.FAIL
    _, result = check_migrations(lambda: Pending(NAMES, NAMES, (), notes=("edited",)))
    assert result.verdict is Verdict.WARN


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def test_a_fresh_verified_snapshot_is_a_backup(platform_database: Postgres, store: Store) -> None:
    """A verified snapshot within its age passes; unverified or too old it is a warning, unless a run takes one."""
    day = timedelta(hours=24)
    assert only(check_backup(lambda: store, day, follows=False)).verdict is Verdict.WARN
    assert only(check_backup(lambda: store, day, follows=True)).verdict is Verdict.PASS
    create(Subject("test", platform_database, lambda _: ""), store, "one", Pulse())
    assert only(check_backup(lambda: store, day, follows=False)).verdict is Verdict.WARN
    verify(store, "one", Pulse())
    assert only(check_backup(lambda: store, day, follows=False)).verdict is Verdict.PASS
    later = datetime.now(UTC) + timedelta(hours=25)
    result = only(check_backup(lambda: store, day, follows=False, now=later))
    assert result.verdict is Verdict.WARN
    assert "one, 25 h 0 min old" in result.observed


def test_what_a_dump_needs_is_looked_at(
    platform_database: Postgres, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools, readable tables and room pass; a full disk fails with the numbers."""
    assert {result.verdict for result in dump_results(platform_database, lambda: store)} == {Verdict.PASS}
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000))
    *_, room = dump_results(platform_database, lambda: store)
    assert room.verdict is Verdict.FAIL
    assert room.observed.startswith("0.0 MB free")


def dump_results(database: Postgres, open_store: Callable[[], Store]) -> list[CheckResult]:
    """What preflight says of a dump of a database."""
    settings = Database(dsn=Secret(literal=database.dsn))
    return list(check_dump(database, settings, open_store, Pulse()))


def test_a_dump_needs_room_for_its_tables_alone(platform_database: Postgres, store: Store) -> None:
    """Indexes are in no dump; the room asked for is enough for rows that hardly compress."""
    with platform_database.session("tests") as connection:
        connection.execute(
            "CREATE TABLE random AS SELECT gen_random_uuid() AS id, sha256(n::text::bytea) AS code, random() AS x "
            "FROM generate_series(1, 20000) AS n; CREATE INDEX ON random (id); CREATE INDEX ON random (code)"
        )
        size, whole = dump_size(connection), database_size(connection)
    made = create(Subject("test", platform_database, lambda _: ""), store, "one", Pulse())
    assert made.bytes <= size < whole / 2


def test_a_store_that_cannot_be_reached_hides_nothing(platform_database: Postgres) -> None:
    """The other results of the dump are there, and the reason stands in its own; preflight goes on."""

    def unreachable() -> Store:
        raise ConnectionRefusedError(111, "Connection refused")

    results = {each.name: each for each in dump_results(platform_database, unreachable)}
    assert results["dump.room"].verdict is Verdict.UNKNOWN
    assert results["dump.room"].observed == "could not be checked: Connection refused"
    assert results["dump.readable"].verdict is Verdict.PASS


def test_large_objects_need_a_right_of_their_own(platform_database: Postgres, pg18: Server) -> None:
    """pg_read_all_data does not read them: the first that a dump would fail on is named with its owner."""
    with platform_database.session("tests") as connection:
        connection.execute("SELECT lo_from_bytea(424242, 'x')")
    pg18.execute("CREATE ROLE lo_reader LOGIN IN ROLE pg_read_all_data")
    try:
        reader = platform_database.as_user("lo_reader")
        results = {each.name: each for each in dump_results(reader, lambda: Store(Path("/nowhere")))}
        assert results["dump.readable"].verdict is Verdict.PASS
        assert results["dump.large_objects"].verdict is Verdict.FAIL
        assert results["dump.large_objects"].observed == "no SELECT on large object 424242 of postgres"
        with platform_database.session("tests") as connection:
            connection.execute("GRANT SELECT ON LARGE OBJECT 424242 TO lo_reader")
        results = {each.name: each for each in dump_results(reader, lambda: Store(Path("/nowhere")))}
        assert results["dump.large_objects"].verdict is Verdict.PASS
        with platform_database.session("tests") as connection:
            connection.execute("DROP OWNED BY lo_reader")
    finally:
        pg18.execute("DROP ROLE lo_reader")


def test_missing_tools_fail_the_check(
    platform_database: Postgres, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pg_dump of the server's version the look fails with what is needed."""
    monkeypatch.setattr("cartctl.adapters.postgres_server.pg_tools._places", lambda _: iter(()))
    results = {each.name: each for each in dump_results(platform_database, lambda: store)}
    assert results["dump.tools"].verdict is Verdict.FAIL
    assert "requires pg_dump of PostgreSQL 18" in results["dump.tools"].observed
    assert results["dump.room"].verdict is Verdict.PASS


def test_a_server_without_an_archive_is_a_warning(platform_database: Postgres) -> None:
    """Point-in-time recovery is said to be impossible, with what is missing."""
    result = only(check_recovery(platform_database))
    assert result.verdict is Verdict.WARN
    assert result.observed == "archive_mode is off"


@pytest.mark.parametrize(
    ("expected", "missing"),
    (
        ((True, "replica", NOW, False, None), ""),
        ((True, "replica", NOW, True, "0001"), "archiving fails since 0001"),
        ((True, "replica", None, True, "0001"), "archiving fails since 0001"),
        ((True, "replica", None, False, None), "archive_mode is on, nothing archived yet"),
        ((True, "minimal", NOW, False, None), "wal_level is minimal"),
        ((False, "replica", NOW, False, None), "archive_mode is off"),
    ),
)
def test_recovery_needs_an_archive_that_works(expected: tuple[Any, ...], missing: str) -> None:
    """Only a segment that was archived, with no failure since, makes a point in time recoverable."""
    assert not_recoverable(*expected)[0] == missing


def test_a_server_that_archives_passes() -> None:
    """The server's own counters are read: once a segment was archived the look passes, not before."""
    with debian_server() as server:
        server.execute("ALTER SYSTEM SET archive_mode = on")
        server.execute("ALTER SYSTEM SET archive_command = '/bin/true'")
        home = Path(str(conninfo_to_dict(server.dsn)["host"]))
        user = "postgres" if os.geteuid() == 0 else None
        argv = (server.bin / "pg_ctl", "-D", home / "data", "-w", "-s", "-l", home / "log", "restart")
        _call(user, *argv)
        database = server.database("postgres")
        assert only(check_recovery(database)).observed == "archive_mode is on, nothing archived yet"
        server.execute("CREATE TABLE something ()")
        server.execute("SELECT pg_switch_wal()")
        Pulse().wait(
            lambda: only(check_recovery(database)).verdict is Verdict.PASS, 10, what="the first segment"
        )


def test_redis_that_is_not_configured_is_said_to_be() -> None:
    """Not configured is no silence."""
    assert only(check_redis(None, ())).verdict is Verdict.NOT_CONFIGURED


PASSING = '<testcase name="a"/><testcase name="b"/><testcase name="c"><skipped/></testcase>'


@pytest.mark.parametrize(
    ("content", "least", "verdict", "expected"),
    (
        (f"<testsuite>{PASSING}</testsuite>", 2, Verdict.PASS, "2 tests passed"),
        (f"<testsuites><testsuite>{PASSING}</testsuite></testsuites>", 2, Verdict.PASS, "2 tests passed"),
        (f'<testsuite tests="99">{PASSING}</testsuite>', 3, Verdict.FAIL, "2 tests ran"),
        (
            '<testsuite><testcase name="x"><failure/></testcase></testsuite>',
            1,
            Verdict.FAIL,
            "1 of 1 failed: x",
        ),
        ('<testsuite><testcase name="x"><error/></testcase></testsuite>', 1, Verdict.FAIL, "failed: x"),
        (f'<testsuite errors="1">{PASSING}</testsuite>', 1, Verdict.FAIL, "reports 1 errors"),
        (
            '<testsuite><testsuite><testcase name="deep"><failure/></testcase></testsuite></testsuite>',
            1,
            Verdict.FAIL,
            "failed: deep",
        ),
        ("<testsuite/>", 0, Verdict.FAIL, "0 tests ran"),
        ("<html/>", 1, Verdict.FAIL, "not a JUnit report"),
        ("<testsuite", 1, Verdict.FAIL, "not a JUnit report"),
        ('<testsuite failures="many"/>', 1, Verdict.FAIL, "reports many failures"),
        ("", 1, Verdict.FAIL, "not a JUnit report"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', 1, Verdict.FAIL, "document type declaration"),
    ),
)
def test_a_test_report_passes_only_with_its_tests(
    tmp_path: Path, content: str, least: int, verdict: Verdict, expected: str
) -> None:
    """Tests are counted one by one; skipped ones did not run; whatever cannot be read is a failure."""
    path = tmp_path / "report.xml"
    path.write_text(content)
    result = only(check_code(Preflight(junit={str(path): least}), Pulse()))
    assert result.verdict is verdict
    assert expected in result.observed


@pytest.mark.parametrize(
    ("content", "expected"),
    (
        ("<testsuite><testcase name='ä'/></testsuite>".encode("utf-16"), "1 tests passed"),
        ("\ufeff<testsuite><testcase/></testsuite>".encode(), "1 tests passed"),
        (
            b"<?xml version='1.0' encoding='iso-8859-1'?><testsuite><testcase name='\xe4'/></testsuite>",
            "1 tests",
        ),
        (b"<?xml version='1.0' encoding='utf-16'?><testsuite/>", "not a JUnit report"),
        (b"<?xml version='1.0' encoding='utf-7'?><testsuite/>", "not a JUnit report"),
        (b"<?xml version='1.0' encoding='gb18030'?><testsuite/>", "not a JUnit report"),
        (b"<?xml version='1.0' encoding='hex'?><testsuite/>", "not a JUnit report"),
        (b"<?xml version='1.0' encoding='no-such'?><testsuite/>", "not a JUnit report"),
        ("<!DOCTYPE testsuite [<!ENTITY a 'b'>]><testsuite/>".encode("utf-16"), "document type"),
        (b"<?xml version='1.0' encoding='ebcdic-cp-us'?><testsuite/>", "not a JUnit report"),
        (b"<testsuite>" * 5000, "nested"),
        (b"<testsuite><testcase name='&a;'/></testsuite>", "not a JUnit report"),
        (b"\x00" * 100, "not a JUnit report"),
    ),
    ids=range(13),
)
def test_a_report_is_read_in_its_own_encoding(tmp_path: Path, content: bytes, expected: str) -> None:
    """UTF-16, a byte order mark and Latin-1 are read; what lies about its encoding, nests or defines entities is refused."""
    path = tmp_path / "report.xml"
    path.write_bytes(content)
    assert expected in only(check_code(Preflight(junit={str(path): 1}), Pulse())).observed


def test_a_report_that_is_missing_or_too_large_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, a directory and an oversized file are failures with the path."""
    (tmp_path / "large.xml").write_text("<testsuite>" + " " * 100 + "</testsuite>")
    monkeypatch.setattr("cartctl.checks.preflight.junit.LARGEST", 50)
    for name, message in (("none.xml", "file not found"), (".", "directory"), ("large.xml", "larger")):
        result = only(check_code(Preflight(junit={str(tmp_path / name): 1}), Pulse()))
        assert result.verdict is Verdict.FAIL
        assert message in result.observed


def test_a_command_passes_by_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 passes; another, and a program that does not exist, fail."""
    commands = (("true",), ("sh", "-c", "echo broken >&2; exit 3"), ("no-such-program",))
    good, bad, missing = check_code(Preflight(commands=commands), Pulse())
    assert good.verdict is Verdict.PASS
    assert bad.verdict is Verdict.FAIL
    assert "exit code 3): broken" in bad.observed
    assert missing.verdict is Verdict.FAIL


WINDOW = {"day": "tue", "from": "02:00", "to": "04:00", "zone": "UTC", "freeze": ["2026-12-29"]}


@pytest.mark.parametrize(
    ("now", "inside"),
    (
        (NOW, True),
        (NOW.replace(hour=2, minute=0), True),
        (NOW.replace(hour=1, minute=59), False),
        (NOW.replace(hour=4, minute=0), False),
        (NOW + timedelta(days=1), False),
        (datetime(2026, 12, 29, 2, 30, tzinfo=UTC), False),
    ),
)
def test_the_window_is_kept(now: datetime, inside: bool) -> None:
    """Inside passes; outside fails in a protected environment, and is a warning elsewhere or when waived."""
    protected = environment(protected=True, window=WINDOW)
    outside = Verdict.PASS if inside else Verdict.FAIL
    assert only(check_window(protected, now, outside_allowed=False)).verdict is outside
    warned = Verdict.PASS if inside else Verdict.WARN
    assert only(check_window(protected, now, outside_allowed=True)).verdict is warned
    open_to_all = environment(window=WINDOW)
    assert only(check_window(open_to_all, now, outside_allowed=False)).verdict is warned


@pytest.mark.parametrize(
    ("now", "verdict"),
    (
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), Verdict.FAIL),  # 01:59
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), Verdict.PASS),  # the clock jumps from 02:00 to 03:00
        (datetime(2026, 3, 29, 1, 59, tzinfo=UTC), Verdict.PASS),
        (datetime(2026, 3, 29, 2, 0, tzinfo=UTC), Verdict.FAIL),
        (datetime(2026, 10, 25, 0, 0, tzinfo=UTC), Verdict.PASS),  # 02:00 for the first time
        (datetime(2026, 10, 25, 1, 59, tzinfo=UTC), Verdict.PASS),  # 02:59 for the second time
        (datetime(2026, 10, 25, 2, 0, tzinfo=UTC), Verdict.FAIL),
        (datetime(2027, 3, 28, 1, 30, tzinfo=UTC), Verdict.FAIL),  # a freeze day
    ),
)
def test_the_window_of_a_skipped_hour_opens_at_the_change(now: datetime, verdict: Verdict) -> None:
    """A window from 02:00 to 03:00 in a zone that skips or repeats that hour."""
    window = {
        "day": "sun",
        "from": "02:00",
        "to": "03:00",
        "zone": "Europe/Berlin",
        "freeze": ["2027-03-28"],
    }
    protected = environment(protected=True, window=window)
    assert only(check_window(protected, now, outside_allowed=False)).verdict is verdict


def test_the_window_is_read_in_its_own_zone() -> None:
    """03:30 in Berlin is inside although it is 02:30 UTC; an unknown zone fails."""
    berlin = environment(protected=True, window={**WINDOW, "zone": "Europe/Berlin", "from": "03:00"})
    assert only(check_window(berlin, NOW, outside_allowed=False)).verdict is Verdict.PASS
    nowhere = environment(protected=True, window={**WINDOW, "zone": "UTC"})
    assert nowhere.window is not None
    nowhere = nowhere.model_copy(update={"window": nowhere.window.model_copy(update={"zone": "Mars/Base"})})
    assert only(check_window(nowhere, NOW, outside_allowed=False)).verdict is Verdict.FAIL


class Still:
    """A cluster of one reading."""

    def __init__(self, *deployments: Deployment) -> None:
        self._deployments = {one.name: one for one in deployments}

    def deployments(self) -> dict[str, Deployment]:
        """The reading."""
        return self._deployments

    def obstacles(self, names: Iterable[str]) -> list[Obstacle]:
        """Those of the reading, and deployments that it has not."""
        missing = [Obstacle(name, "does not exist") for name in names if name not in self._deployments]
        return [*missing, *(result for one in self._deployments.values() for result in one.obstacles)]

    def images(self) -> list[str]:
        """What it can run."""
        return ["1.0.0", "2.0.0"]


class Gone(Still):
    """A cluster that does not respond."""

    def deployments(self) -> dict[str, Deployment]:
        """No answer."""
        raise ClusterUnreachable("no answer")


WHOLE = Deployment(
    name="payment-api",
    replicas=2,
    images={"api": Image("1.0.0")},
    revision="1",
    paused=False,
    observed=True,
    total=2,
    updated=2,
    available=2,
)


def cluster_verdicts(
    cluster: Any, env: Environment, images: dict[str, str] | None = None
) -> dict[str, CheckResult]:
    """Results by name."""
    return {result.name: result for result in check_cluster(cluster, env, images or {})}


def test_a_cluster_that_stands_still_passes() -> None:
    """Reachable, deployment whole, image there."""
    result = cluster_verdicts(Still(WHOLE), environment())
    assert {one.verdict for one in result.values()} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("deployment", "expected"),
    (
        (replace(WHOLE, name="other"), "does not exist"),
        (replace(WHOLE, images={"web": Image("1")}), "no container api"),
        (replace(WHOLE, obstacles=(Obstacle("payment-api", "is paused", "resume it"),)), "is paused"),
        (replace(WHOLE, failure="CrashLoopBackOff"), "CrashLoopBackOff"),
        (replace(WHOLE, available=1), "1 of 2 available"),
        (replace(WHOLE, total=3), "3 in total"),
    ),
)
def test_a_deployment_that_is_not_whole_fails(deployment: Deployment, expected: str) -> None:
    """Each state that a release must not begin from is named."""
    result = cluster_verdicts(Still(deployment), environment())["cluster.payment-api"]
    assert result.verdict is Verdict.FAIL
    assert expected in result.observed
    assert result.hint


def test_an_image_that_does_not_exist_fails() -> None:
    """The command line's image is looked for, and the known ones are named."""
    result = cluster_verdicts(Still(WHOLE), environment(), {"payment-api": "3.0.0"})["cluster.images"]
    assert result.verdict is Verdict.FAIL
    assert "3.0.0" in result.observed
    assert "2.0.0" in result.hint


def test_a_cluster_that_does_not_answer_fails() -> None:
    """No answer is a failure of the cluster, and nothing else is claimed."""
    result = cluster_verdicts(Gone(), environment())
    assert [one.verdict for one in result.values()] == [Verdict.FAIL]


def test_images_of_the_command_line_win() -> None:
    """By deployment for each of its containers, by container for one."""
    assert touched_images(environment(), {"payment-api": "9"}) == {"payment-api": {"api": "9"}}
    assert touched_images(environment(), {"payment-api.side": "9"}) == {
        "payment-api": {"api": "2.0.0", "side": "9"}
    }


class Source(WithoutHistory):
    """A metrics source that gives one reading after another."""

    window = 60.0

    def __init__(self, *readings: Reading) -> None:
        self._readings = list(readings)

    def read(self) -> dict[Metric, Reading]:
        """The next reading; the last one again and again."""
        reading = self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]
        return {reading.metric: reading}

    def past_error_rates(self, since: float, until: float) -> list[Any]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing is held."""


FRESH = Reading(Metric.ERROR_RATE, value=0.0, at=1.0, age=1.0, requests=10)
SLOW = Reading(Metric.API_LATENCY_P95, value=0.2, at=1.0, age=1.0, requests=10, top_bucket=10.0)
POOL = Reading(Metric.DB_CONNECTIONS, value=0.113, at=1.0, age=1.0, detail="11 of 97 connections")
RULES = rules_of(Thresholds(), staleness=60, minimum_requests=10)


@pytest.mark.parametrize(
    ("reading", "verdict", "expected"),
    (
        (FRESH, Verdict.PASS, "0.0% (10 requests)"),
        (replace(FRESH, error="connection refused"), Verdict.FAIL, "connection refused"),
        (replace(FRESH, series=3), Verdict.FAIL, "3 series"),
        (replace(FRESH, age=500.0), Verdict.FAIL, "500 s old"),
        (replace(FRESH, value=float("nan")), Verdict.WARN, "low traffic"),
        (replace(FRESH, value=None, series=0), Verdict.WARN, "low traffic"),
    ),
)
def test_figures_must_be_there_and_fresh(reading: Reading, verdict: Verdict, expected: str) -> None:
    """An error, several series and old samples fail; no traffic yet is a warning."""
    pulse = Pulse(sleep=lambda _: None, clock=iter(range(1000)).__next__)
    result = only(check_metrics(Source(reading), lambda _: None, RULES, pulse))
    assert result.verdict is verdict
    assert expected in result.observed


@pytest.mark.parametrize(
    ("reading", "verdict", "observed", "expected"),
    (
        (FRESH, Verdict.PASS, "0.0% (10 requests)", "at most 1.0%, critical above 5.0%"),
        (replace(FRESH, value=0.02), Verdict.WARN, "2.0% (10 requests), warning", "at most 1.0%"),
        (replace(FRESH, value=0.06), Verdict.FAIL, "6.0% (10 requests), critical", "at most 1.0%"),
        (replace(FRESH, value=0.06, requests=9), Verdict.WARN, "6.0% (9 requests), critical", "at most 1.0%"),
        (SLOW, Verdict.PASS, "200 ms (10 requests)", "at most 500 ms, critical above 2 s"),
        (replace(SLOW, value=2.5), Verdict.FAIL, "2.5 s (10 requests), critical", "at most 500 ms"),
        (replace(SLOW, top_bucket=1.0), Verdict.FAIL, "the histogram ends at 1 s", "at most 500 ms"),
        (POOL, Verdict.PASS, "11.3% (11 of 97 connections)", "at most 80.0%, critical above 95.0%"),
        (replace(POOL, value=0.96), Verdict.FAIL, "96.0%", "at most 80.0%"),
        (replace(POOL, value=-1.0), Verdict.FAIL, "the value is -1.0", "at most 80.0%"),
    ),
)
def test_values_have_units_and_are_judged_by_the_thresholds(
    reading: Reading, verdict: Verdict, observed: str, expected: str
) -> None:
    """Above the warning warns, above the critical value fails; over few requests it warns at most."""
    pulse = Pulse(sleep=lambda _: None, clock=iter(range(1000)).__next__)
    result = only(check_metrics(Source(reading), lambda _: None, RULES, pulse))
    assert result.verdict is verdict
    assert observed in result.observed
    assert str(result.expected).startswith(expected)
    assert bool(result.hint) is (verdict is not Verdict.PASS)


def test_probe_traffic_makes_a_quiet_system_measurable() -> None:
    """Where there is no traffic some is sent, and the figures are read again."""
    sent: list[int] = []
    quiet = replace(FRESH, value=None, series=0)
    pulse = Pulse(sleep=lambda _: None, clock=iter(range(1000)).__next__)
    result = only(check_metrics(Source(quiet, FRESH), sent.append, RULES, pulse))
    assert sent == [10]
    assert result.verdict is Verdict.PASS


@pytest.mark.parametrize(("misses", "verdict"), ((1, Verdict.PASS), (3, Verdict.PASS), (9, Verdict.FAIL)))
def test_one_missed_scrape_is_waited_for(misses: int, verdict: Verdict) -> None:
    """A value without a fresh sample is read again for some seconds; a target that stays away fails."""
    missed = replace(FRESH, age=None)
    pulse = Pulse(sleep=lambda _: None, clock=iter(range(1000)).__next__)
    result = only(check_metrics(Source(*[missed] * misses, FRESH), lambda _: None, RULES, pulse))
    assert result.verdict is verdict
    assert ("no fresh sample" in result.observed) is (verdict is Verdict.FAIL)


def test_no_source_of_figures_is_a_warning() -> None:
    """A monitor without figures is said before the deployment, not after."""
    assert only(check_metrics(None, lambda _: None, RULES, Pulse())).verdict is Verdict.WARN


def test_results_are_json() -> None:
    """Whatever is observed can be written as JSON."""
    from cartctl.render.json import plain

    assert json.dumps(plain(only(check_window(environment(), NOW, outside_allowed=False))))
