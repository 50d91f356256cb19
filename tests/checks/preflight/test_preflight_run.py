"""The checklist as a whole, on a real sandbox: what one failing part says, and what it does not keep others from saying."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cartctl.checks.preflight import NAMES, Pending, Preflight
from cartctl.checks.preflight.preflight_check import WORKERS, PreflightCheck
from cartctl.checks.results import passed
from cartctl.config.load import load_environment
from cartctl.config.model.environment import Environment
from cartctl.config.values import Secret
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, StepFailed, UsageError
from cartctl.plans.deploy.migration_status import pending
from cartctl.ports import Ports
from cartctl.snapshots.storage.destination import open_store
from tests.sandbox_fixture import Sandbox

ROOT = Path(__file__).parents[3]


@pytest.fixture
def env(sandbox: Sandbox) -> Environment:
    """The sandbox's configuration."""
    return load_environment(None, None)


def _judge(env: Environment, *, only: tuple[str, ...] = (), **options: bool) -> dict[str, CheckResult]:
    with Ports(env) as ports:
        checks = Preflight(ports, lambda: pending(ports), only=only, **options).judge(Pulse())  # type: ignore[arg-type]
    return {check.name: check for check in checks.checks}


def _verdicts(result: dict[str, CheckResult]) -> set[Verdict]:
    return {check.verdict for check in result.values()}


def _cartctl(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cartctl", *argv]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


def test_a_new_sandbox_is_ready(env: Environment) -> None:
    """Nothing fails and nothing is unknown; every look has said something."""
    result = _judge(env, follows=True)
    assert _verdicts(result) == {Verdict.PASS, Verdict.WARN, Verdict.NOT_CONFIGURED}, result
    assert all(check.observed for check in result.values())
    assert not [name for name, check in result.items() if check.verdict is Verdict.WARN and not check.hint]
    unconfigured = {name for name, check in result.items() if check.verdict is Verdict.NOT_CONFIGURED}
    assert unconfigured == {
        *("restore", "redis", "code", "window", "attestations", "signoff", "proof", "rehearsal"),
    }
    assert {name.partition(".")[0] for name in result} == set(NAMES)
    assert result["backup"].verdict is Verdict.PASS
    assert result["dump.room"].verdict is Verdict.PASS


def test_a_database_that_is_gone_fails_once(env: Environment) -> None:
    """The database fails, what hangs on it is unknown, and all else is still looked at."""
    dsn = Secret(literal="host=127.0.0.1 port=1 user=x dbname=x")
    result = _judge(env.model_copy(update={"database_": env.database.model_copy(update={"dsn": dsn})}))
    failed = {name for name, check in result.items() if check.verdict is Verdict.FAIL}
    assert failed == {"database.reachable", "metrics.db_connections"}
    unknown = {name for name, check in result.items() if check.verdict is Verdict.UNKNOWN}
    assert unknown == {"blockers", "migrations", "dump", "recovery"}
    assert result["token"].verdict is Verdict.PASS


def test_a_secret_that_cannot_be_read_fails_its_check(env: Environment) -> None:
    """A token file that is not there is a failure with the file's name, not a crash."""
    token = Secret(file=Path("/nowhere/token"))
    http = env.http.model_copy(update={"token": token})
    result = _judge(env.model_copy(update={"http_": http}), only=("token", "api"))
    assert result["token"].verdict is Verdict.FAIL
    assert "/nowhere/token" in result["token"].observed
    assert result["api"].verdict is Verdict.PASS


def test_a_protected_environment_refuses_a_plain_dump_beforehand(env: Environment) -> None:
    """That no snapshot can be taken is known before anything changes."""
    result = _judge(env.model_copy(update={"protected": True}), only=("dump",))
    assert result["dump.room"].verdict is Verdict.FAIL
    assert "protected" in result["dump.room"].observed
    assert result["dump.tools"].verdict is Verdict.PASS


def test_an_image_that_the_sandbox_lacks_fails(env: Environment, sandbox: Sandbox) -> None:
    """An image of the command line is looked for before anything changes."""
    with Ports(env) as ports:
        check = Preflight(
            ports, lambda: pending(ports), images={"payment-api": "9.9.9"}, only=("cluster",)
        ).judge(Pulse())
    assert [one.name for one in check.bad()] == ["cluster.images"]


def test_migrations_already_applied_pass(env: Environment) -> None:
    """Nothing pending is done already."""
    with Ports(env) as ports:
        names = pending(ports).expected
        done = Preflight(ports, lambda: Pending(names, names, ()), only=("migrations",)).judge(Pulse())
    assert done.checks[0].observed == "already done"


def test_only_and_skip_choose_the_checks(env: Environment) -> None:
    """A look that is left out is a warning with its reason; an unknown name is refused with the known ones."""
    with Ports(env) as ports:
        status = lambda: pending(ports)  # noqa: E731 - what a caller gives
        result = Preflight(ports, status, only=("api", "redis"), skip={"api": "known to be down"}).judge(
            Pulse()
        )
        assert [(one.name, one.verdict) for one in result.checks] == [
            ("api", Verdict.WARN),
            ("redis", Verdict.NOT_CONFIGURED),
        ]
        assert "known to be down" in result.checks[0].observed
        for name, message in (("nothing", r"check nothing\."), ("blocker", "did you mean 'blockers'")):
            with pytest.raises(UsageError, match=message):
                Preflight(ports, status, only=(name,))


def test_an_alarm_ends_the_preflight_at_once(env: Environment) -> None:
    """Ctrl-C does not wait for slow looks."""
    slow = env.model_copy(
        update={"preflight": env.preflight.model_copy(update={"commands": (("sleep", "30"),)})}
    )
    pulse = Pulse()
    under_way = time.monotonic()
    pulse.progress = lambda *_: pulse.alarm(Interrupted("Ctrl-C"))
    with Ports(slow) as ports, pytest.raises(Interrupted):
        Preflight(ports, lambda: pending(ports), only=("code",)).judge(pulse)
    assert time.monotonic() - under_way < 25


def test_what_goes_wrong_in_a_check_is_unknown() -> None:
    """An error that is no wrong configuration decides nothing; results before it are kept."""

    def ask(_: Pulse):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a generator that fails half-way
        yield passed("x.first", "well")
        raise StepFailed("gone", hint="look")

    first, second = PreflightCheck("x", ask).results(Pulse())
    assert (first.verdict, second.verdict) == (Verdict.PASS, Verdict.UNKNOWN)
    assert (second.name, second.observed, second.hint) == ("x", "gone", "look")
    assert Checks((first, second)).verdict.exit_code == 6
    assert WORKERS > 1


def test_the_command_ends_by_what_it_found(sandbox: Sandbox) -> None:
    """0 when all is well, 7 when something is not as it should be, 2 for a wrong option; JSON as documented."""
    good = _cartctl("preflight", "--only", "api", "--only", "token", "-o", "json")
    assert good.returncode == 0, good.stderr
    document = json.loads(good.stdout)
    assert (document["kind"], document["version"], document["verdict"]) == ("checks", 1, "pass")
    assert (document["counts"], document["seconds"] > 0) == ({"pass": 2}, True)
    assert set(document["checks"][0]) == {
        "name",
        "verdict",
        "observed",
        "expected",
        "hint",
        "seconds",
        "attempts",
        "groups",
    }
    assert _cartctl("preflight", "--skip", "api").returncode == 2
    nothing = _cartctl("preflight", "--only", "code", "--only", "window")
    assert (nothing.returncode, "2 not configured" in nothing.stdout) == (6, True)
    sandbox.layout.token.rename(sandbox.layout.token.with_suffix(".away"))
    try:
        bad = _cartctl("preflight", "--only", "token")
    finally:
        sandbox.layout.token.with_suffix(".away").rename(sandbox.layout.token)
    assert bad.returncode == 7
    assert "fail  token" in bad.stdout


def test_the_snapshot_commands_work_together(sandbox: Sandbox) -> None:
    """create, list and verify on the sandbox's database; a damaged snapshot ends with 7, an unknown one with 2."""
    made = _cartctl("snapshot", "create", "--pin", "-o", "json")
    assert made.returncode == 0, made.stderr
    snapshot = json.loads(made.stdout)
    assert (snapshot["kind"], snapshot["verified"], snapshot["pinned"]) == ("snapshot", True, True)
    assert snapshot["id"] in _cartctl("snapshot", "list").stdout
    assert _cartctl("snapshot", "verify").returncode == 0
    dump = open_store(load_environment(None, None)).path(snapshot["id"]) / "dump"
    (dump / "toc.dat").unlink()
    assert _cartctl("snapshot", "verify", snapshot["id"]).returncode == 7
    assert _cartctl("snapshot", "verify", "nothing").returncode == 2
