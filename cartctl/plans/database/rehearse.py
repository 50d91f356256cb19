"""`rehearse`: deploy and roll back on a scratch copy of the target's schema, then compare the catalogue."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cartctl import __version__
from cartctl.adapters.postgres import Postgres
from cartctl.config.values import Secret
from cartctl.database.catalogue import fingerprint_hash, read_catalogue
from cartctl.database.drop.consent import Allowed
from cartctl.database.drop.differences import reverted_checks
from cartctl.database.migrations.application.files import read_application
from cartctl.database.migrations.ledger import read_ledger
from cartctl.database.migrations.pending import pending_identifiers
from cartctl.database.migrations.status import status
from cartctl.engine.events import RUN, Event, EventKind, Failed, Finished, RunOutcome
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal, PostgresJournal
from cartctl.engine.lock import whoami
from cartctl.engine.model import CheckResult, Checks, Run, Verdict
from cartctl.engine.outcome import summary
from cartctl.engine.prediction import TableLock, read_locks
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import new_run_id
from cartctl.errors import CartctlError, ConfigError, Inconclusive, as_error
from cartctl.measurements import measured
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.plans.database.scratch_copy import ScratchCopy, scratch_copy
from cartctl.plans.execution.phases import IRREVERSIBLE
from cartctl.ports import Ports
from cartctl.snapshots.source import database_size
from cartctl.steps.database.drop import Drop
from cartctl.steps.database.fingerprint import Fingerprint
from cartctl.steps.database.migrate import Migrate

PLAN = "rehearse"
OUTCOMES = {Verdict.PASS: RunOutcome.SUCCEEDED, Verdict.FAIL: RunOutcome.FAILED}
_LOCALE = "SELECT datcollate FROM pg_database WHERE datname = current_database()"


class Rehearsal:
    """One copy of the target and the results so far."""

    def __init__(self, ports: Ports, copy: Postgres, directory: Path, pulse: Pulse) -> None:
        self._copy = copy
        self._pulse = pulse
        self._settings = ports.env.database.model_copy(update={"dsn": Secret(literal=copy.dsn)})
        self._run = Run("rehearsal", ports.env.name, datetime.now(UTC), directory, RunOutcome.RUNNING, {})

    @property
    def results(self) -> Mapping[str, Any]:
        """The results of its Actions so far."""
        return self._run.results

    @property
    def locks(self) -> tuple[TableLock, ...]:
        """Those of the migrations, on tables that existed before."""
        return read_locks(self.results.get("migrate", {}).get("locks"))

    def checks(self) -> Iterator[CheckResult]:
        """Migrate and verify, roll back, compare, migrate and verify again; stop at the first failure."""
        for name, act in (
            ("migrate and verify", self._migrate),
            *([("ledger", self._ledger)] if self._settings.migrations.prisma_dir else []),
            ("roll back", self._roll_back),
            ("catalogue as before", self._compare),
            ("migrate and verify again", self._again),
        ):
            began = self._pulse.now()
            result = _result_of(name, act)
            yield replace(result, seconds=round(self._pulse.now() - began, 3))
            if result.verdict is not Verdict.PASS:
                return

    def _migrate(self) -> str:
        fingerprint = Fingerprint(
            self._copy, identifiers=partial(pending_identifiers, settings=self._settings)
        )
        self._keep("fingerprint", fingerprint.perform(self._run, self._pulse))
        migrated = Migrate(self._copy, self._settings).perform(self._run, self._pulse)
        self._keep("migrate", migrated)
        return f"{len(migrated['applied'])} migrations, {len(migrated['difference']['added'])} objects, all verified"

    def _ledger(self) -> str:
        """What the application's next `migrate deploy` compares: each of its folders applied, from this very file."""
        with self._copy.session("rehearse") as connection:
            rows = read_ledger(connection)
        own = read_application(self._settings.migrations, ledger=rows.present)
        if not rows.present:
            return "no ledger"
        for migration in MIGRATIONS:
            if not any(
                r.applied and r.checksum == own.checksum(migration)
                for r in rows.rows
                if r.name == migration.name
            ):
                raise ConfigError(f"{migration.name} is not recorded with the application's checksum")
        if rows.blocking:
            raise ConfigError(f"{rows.blocking[0].name} failed and was not resolved")
        return f"{len(MIGRATIONS)} rows as prisma migrate deploy expects them"

    def _roll_back(self) -> str:
        dropped = Drop(self._copy, self._settings, Allowed(data_loss=True)).perform(self._run, self._pulse)
        return f"{len(dropped['tables'])} tables and {len(dropped['enums'])} types dropped, no dependents"

    def _compare(self) -> str:
        with self._copy.session("rehearse") as connection:
            checks = reverted_checks(self._run.results, read_catalogue(connection))
        if bad := checks.bad():
            raise ConfigError(f"not removed: {bad[0].observed}")
        return str(checks.checks[0].observed)

    def _again(self) -> str:
        run = replace(self._run, id="rehearsal-2", results={})
        migrated = Migrate(self._copy, self._settings).perform(run, self._pulse)
        return f"{len(migrated['applied'])} migrations, all objects verified"

    def _keep(self, key: str, result: dict[str, Any]) -> None:
        self._run = replace(self._run, results={**self._run.results, key: result})


def rehearse(ports: Ports, pulse: Pulse, *, server: str | None, with_data: str | None) -> Checks:
    """Rehearse on the server of a DSN or on a temporary one; `with_data` is a snapshot to start from instead of the bare schema.

    What cannot be tried (an extension or collation that is missing there, no server) is unknown. The result is kept
    in the journal, where the preflight of a protected environment looks for it.
    """
    began = datetime.now(UTC)
    with closing(PostgresJournal(ports.state)) as journal:
        journal.prepare()  # without a place for the result, do not start
    with ports.database.session("rehearse") as connection:
        fingerprint = fingerprint_hash(connection)
    pending = status(ports.database, ports.env.database).pending
    if not pending:
        nothing = "no pending migrations: nothing to rehearse"
        return Checks((CheckResult("pending", Verdict.UNKNOWN, nothing, "pending migrations"),))
    locks: list[TableLock] = []
    size: list[int] = []  # of the copy before its migration, in bytes
    try:
        checks = Checks.of(_tried(ports, pulse, server, with_data, locks, size))
    except Exception as failure:
        end = as_error(failure)
        with suppress(Exception):  # report the first error, not a failed record of it
            _record(
                ports,
                began,
                fingerprint,
                Finished(outcome=RunOutcome.FAILED, exit_code=end.exit_code, message=end.message),
            )
        raise
    reasons = "; ".join(f"{bad.name}: {bad.observed}" for bad in checks.bad())
    outcome = OUTCOMES.get(checks.verdict, RunOutcome.INCONCLUSIVE)
    finished = Finished(outcome=outcome, exit_code=checks.verdict.exit_code, message=reasons)
    measures = {
        "locks": [asdict(lock) for lock in locks],
        "migrations": list(pending),
        "with_data": with_data,
        "bytes": size[0] if size else None,
    }
    _record(ports, began, fingerprint, finished, checks, measures)
    return checks


def rehearsed(ports: Ports) -> bool:
    """Whether the newest rehearsal of the current schema with these migrations passed. Read-only."""
    with ports.database.session("rehearse") as connection:
        identity = _identity(fingerprint_hash(connection))
    with closing(PostgresJournal(ports.state)) as journal:
        for run in journal.runs():
            events = journal.events(run)
            if events and events[0].data.get("plan") == PLAN and events[0].data.get("of_what") == identity:
                return any(event.data.get("outcome") == RunOutcome.SUCCEEDED for event in events)
    return False


def _tried(
    ports: Ports,
    pulse: Pulse,
    server: str | None,
    with_data: str | None,
    locks: list[TableLock],
    size: list[int],
) -> Iterator[CheckResult]:
    began = pulse.now()
    try:
        with (
            scratch_copy(ports, pulse, server=server, with_data=with_data) as copy,
            _directory() as directory,
        ):
            described = _describe(ports, copy, with_data)
            with copy.database.session("rehearse") as connection:
                size.append(database_size(connection))
            yield CheckResult("copy", Verdict.PASS, described, seconds=round(pulse.now() - began, 3))
            rehearsal = Rehearsal(ports, copy.database, directory, pulse)
            yield from rehearsal.checks()
            locks.extend(rehearsal.locks)
            yield from _expected(rehearsal)
    except Inconclusive as unknown:
        yield CheckResult("copy", Verdict.UNKNOWN, unknown.message, "a scratch copy", unknown.hint)


def _expected(rehearsal: Rehearsal) -> Iterator[CheckResult]:
    """What the real migration is expected to take, for the person who approves it; not a verdict."""
    if "migrate" not in rehearsal.results:
        return
    seconds = rehearsal.results["migrate"]["seconds"]
    yield CheckResult(
        "duration", Verdict.PASS, f"{measured(seconds, 's')} on this copy: the shortest downtime to expect"
    )
    held = [f"{lock.table} {lock.mode} for at most {measured(lock.seconds, 's')}" for lock in rehearsal.locks]
    yield CheckResult("locks", Verdict.PASS, "; ".join(held) or "none on tables that existed before")
    yield CheckResult("irreversible", Verdict.PASS, IRREVERSIBLE["migrate"])


def _describe(ports: Ports, copy: ScratchCopy, with_data: str | None) -> str:
    """Describe the scratch copy, and how it differs from the target."""
    with copy.database.session("rehearse") as here, ports.database.session("rehearse") as there:
        (ours,), (theirs,) = (
            connection.execute(_LOCALE).fetchone() or ("?",) for connection in (here, there)
        )
        parts = [f"on PostgreSQL {here.info.server_version // 10000}"]
    parts.append(f"with {with_data}" if with_data else "schema only")
    parts += [] if ours == theirs else [f"with the locale {ours} instead of {theirs}"]
    parts += [f"not carried over: {'; '.join(copy.lacking)}"] if copy.lacking else []
    return ", ".join(parts)


def _result_of(name: str, act: Callable[[], str]) -> CheckResult:
    """Run one stage; its error and hint become the check result."""
    try:
        return CheckResult(name, Verdict.PASS, act())
    except Inconclusive as unknown:
        return CheckResult(name, Verdict.UNKNOWN, unknown.message, hint=unknown.hint)
    except CartctlError as failed:
        return CheckResult(name, Verdict.FAIL, failed.message, hint=failed.hint)


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cartctl-rehearsal-") as place:
        yield Path(place)


def _identity(fingerprint: str) -> list[str]:
    """What was rehearsed: the schema's fingerprint and the migrations' checksums."""
    return [fingerprint, *(migration.checksum for migration in MIGRATIONS)]


def _record(
    ports: Ports,
    began: datetime,
    fingerprint: str,
    finished: Finished,
    checks: Checks | None = None,
    measures: Mapping[str, Any] | None = None,
) -> None:
    """Record the finished rehearsal as a run in the journal, each of its checks as a step; `measures` is what predictions read."""
    run = new_run_id()
    started = {"plan": PLAN, "env": ports.env.name, "version": __version__, **whoami()}
    with closing(PostgresJournal(ports.state)) as main:
        journal = ReplicatedJournal(main, [FileJournal(ports.directory / "runs")])
        journal.append(
            Event(
                run,
                began,
                RUN,
                EventKind.STARTED,
                {**started, **(measures or {}), "of_what": _identity(fingerprint)},
            )
        )
        at = began
        for check in checks.checks if checks else ():
            at += timedelta(seconds=check.seconds)
            journal.append(_step_event(run, at, check))
        journal.append(Event(run, datetime.now(UTC), RUN, EventKind.FINISHED, finished))


def _step_event(run: str, at: datetime, check: CheckResult) -> Event:
    result = summary(Checks((check,)))
    if check.verdict in {Verdict.PASS, Verdict.WARN}:
        return Event(run, at, check.name, EventKind.APPLIED, {"result": result, "seconds": check.seconds})
    failed = Failed(code=check.verdict, message=str(check.observed), hint=check.hint)
    data = {**failed, "checks": result["checks"], "seconds": check.seconds}
    return Event(run, at, check.name, EventKind.FAILED, data)
