"""A plan of Actions alone is a run like any other: journalled, ended by its first failure, and with nothing to revert."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.config.load import load_environment
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, OperatorNeeded, Refused, StepFailed
from cartctl.plans.execution.short_run import short_run
from cartctl.ports import Ports
from tests.database.test_migrate import run_sql


@dataclass(frozen=True, slots=True)
class Counting(Action[dict[str, int]]):
    """Counts in a table; raises `failure` instead, if there is one."""

    key: str
    database: Postgres
    failure: CartctlError | None = None

    def find(self, run: Run) -> None:
        """No earlier attempt is known."""

    def perform(self, run: Run, pulse: Pulse) -> dict[str, int]:
        """One more."""
        if self.failure:
            raise self.failure
        run_sql(self.database, "INSERT INTO counted DEFAULT VALUES")
        return {"n": 1}


@pytest.fixture
def ports(platform_database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ports:
    """An environment with a database alone, in which something can be counted."""
    run_sql(platform_database, "CREATE TABLE counted (id serial)")
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "cartctl.toml"
    file.write_text(f'[env.test.database]\ndsn = "{platform_database.dsn}"\n')
    return Ports(load_environment(str(file), "test"))


def ends(database: Postgres) -> list[tuple[object, ...]]:
    """How the runs ended, in the journal's words."""
    return run_sql(
        database,
        "SELECT data ->> 'outcome', (data ->> 'exit_code')::int FROM cartctl_journal.event WHERE event = 'finished'",
    )


def test_a_failed_action_ends_the_run_with_its_own_exit_code(
    ports: Ports, platform_database: Postgres
) -> None:
    """The error that the command shows is the Action's; the next run is not hindered by it."""
    broken = Counting("b", platform_database, StepFailed("It broke.", hint="Mend it."))
    with pytest.raises(StepFailed, match=r"It broke\.") as failed:
        short_run(ports, "migrate", (broken,), Pulse())
    assert failed.value.hint == "Mend it."
    assert short_run(ports, "migrate", (Counting("a", platform_database),), Pulse()) == {"a": {"n": 1}}
    assert ends(platform_database) == [("failed", StepFailed.exit_code), ("succeeded", 0)]


def test_a_refusal_after_a_change_does_not_promise_that_nothing_changed(
    ports: Ports, platform_database: Postgres
) -> None:
    """Exit 3 would; what was done is named instead, and a person is needed."""
    steps = (
        Counting("a", platform_database),
        Counting("b", platform_database, Refused("Not now.", hint="Later.")),
    )
    with pytest.raises(OperatorNeeded, match=r"Not now\. Completed before that: a\."):
        short_run(ports, "migrate", steps, Pulse())
    assert ends(platform_database) == [("failed", OperatorNeeded.exit_code)]
    with pytest.raises(Refused, match=r"Not now\.$"):
        short_run(ports, "migrate", steps[1:], Pulse())


def test_what_was_done_before_a_kill_is_not_done_again(ports: Ports, platform_database: Postgres) -> None:
    """A run that died between its Actions goes on with the second one."""
    steps = (Counting("a", platform_database), Counting("b", platform_database))
    short_run(ports, "migrate", steps, Pulse())
    run_sql(
        platform_database,
        "DELETE FROM cartctl_journal.event WHERE (key, event) IN (('b', 'applied'), ('run', 'finished'))",
    )
    (file,) = ports.directory.glob("runs/*.ndjson")
    kept = [line for line in file.read_text().splitlines(keepends=True) if '"finished"' not in line]
    file.write_text("".join(line for line in kept if '"key": "b"' not in line))
    assert short_run(ports, "migrate", steps, Pulse()) == {"a": {"n": 1}, "b": {"n": 1}}
    assert run_sql(platform_database, "SELECT count(*) FROM counted") == [(3,)]
    runs = run_sql(
        platform_database, "SELECT count(DISTINCT run) FROM cartctl_journal.event WHERE key = 'run'"
    )
    assert runs == [(1,)]
