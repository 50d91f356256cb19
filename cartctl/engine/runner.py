"""Runs a plan: journals before it acts, rolls back when a step fails, and survives being killed at any point.

The order makes it safe: evidence is durable before the first effect, "undoing" before the first undo.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, assert_never

from cartctl.engine.events import RUN, Event, EventKind, Intended, RunOutcome, UndoFailed
from cartctl.engine.evidence import ModifiedExternally, dump, load, refuse_modified, refuse_secrets, revert
from cartctl.engine.journal.recorder import EventRecorder, Observer, took
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.lock import Lock, StopRequested
from cartctl.engine.lock_guard import LockGuard
from cartctl.engine.model import Action, Change, Check, Restore, Run, Skip, Step
from cartctl.engine.outcome import (
    OnFailure,
    Outcome,
    after_steps,
    describe_failure,
    end_of,
    passed,
    with_undo_failures,
)
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import State
from cartctl.errors import (
    CartctlError,
    Inconclusive,
    Interrupted,
    LockLost,
    Refused,
    StepFailed,
    as_error,
)

REFUSALS = {2, 3, 8}  # exit codes of a step that checked something and changed nothing

NextCommands: TypeAlias = Mapping[str, str | Callable[[], str]]
Kinds: TypeAlias = Mapping[str, Callable[[str, tuple[str, ...]], Change[Any]]]  # kind → Change of key, names


class Runner:
    """Executes one run's plan, resumes it, or continues its rollback.

    `kinds` rebuilds a Change from its evidence; `observe` receives every event once it is durable, and the start of each step.
    """

    def __init__(
        self,
        run: Run,
        state: State,
        journal: ReplicatedJournal,
        *,
        kinds: Kinds,
        lock: Lock,
        pulse: Pulse,
        observe: Observer,
        on_failure: OnFailure = OnFailure.UNDO,
    ) -> None:
        self.run = run
        self.state = state
        self._journal = journal
        self._recorder = EventRecorder(state, journal, observe)
        self._kinds = kinds
        self._lock = LockGuard(lock)
        self._pulse = pulse
        self._on_failure = on_failure
        self._at, self._began = RUN, time.monotonic()  # the step, and when it began
        self._reverts: set[str] = set()
        self._failures: list[CartctlError] = []
        self.failure: CartctlError | None = None  # what ended the run, for a command that shows no report

    def execute(
        self, plan: Sequence[Step], next_commands: NextCommands, first: Event | None = None
    ) -> Outcome:
        """Run the plan to its end, whatever it raises; only a kill or a second signal prevents that.

        `next_commands` maps each outcome word to the command to run next, and `unchanged` to the one for a run that moved
        nothing; a function if it depends on what the run did. `first`, already in the journal, is shown before the first step.
        """
        if self._on_failure is OnFailure.CONTINUE:
            self._journal.make_database_optional()
        outcome = self._run_plan(plan, first)
        left = self._on_failure is OnFailure.CONTINUE and bool(self.state.evidence.keys() & self._reverts)
        outcome = self._recorder.conclude(outcome, left=left)
        self._recorder.be_best_effort()
        changed = outcome.word == RunOutcome.SUCCEEDED or self.has_changed(plan)
        following = next_commands.get(outcome.word if changed else "unchanged", "")
        next_command = following() if callable(following) else following
        ended = replace(outcome, next_command=next_command)
        if ended.ended:
            self._announce(plan, ended)
        self._record(RUN, EventKind.FINISHED if ended.ended else EventKind.INTERRUPTED, ended.to_json())
        return self._recorder.confirm_written(ended)

    def _run_plan(self, plan: Sequence[Step], first: Event | None) -> Outcome:
        try:
            return self._attempt(plan, first)
        except LockLost as lost:
            return self._stopped_by(lost)

    def _attempt(self, plan: Sequence[Step], first: Event | None) -> Outcome:
        if self.state.undoing:
            return self._roll_back(self.state.failed or "the process crashed during the rollback")
        try:
            if first:
                self._recorder.show(first)
            self._run_steps(plan)
        except Exception as failure:  # noqa: BLE001 - an unexpected exception also ends the run and is reverted
            return self._ended_by(plan, failure)
        return end_of(self._failures)

    def _ended_by(self, plan: Sequence[Step], failure: Exception) -> Outcome:
        error = self._recorder.to_error(failure)
        if isinstance(error, StopRequested | LockLost):
            return self._stopped_by(error)
        self._lock.before_undo()
        self.failure = error
        match error:
            case Interrupted():
                cut = Outcome(RunOutcome.INTERRUPTED, error.exit_code, error.message)
                message = with_undo_failures(cut, self.state.undo_failed).message
                return replace(cut, message=message, ended=not self.has_changed(plan))
            case Inconclusive():
                unknown = Outcome(RunOutcome.INCONCLUSIVE, error.exit_code, describe_failure(error))
                return self._settle(plan, unknown)
            case _:
                return self._fail(plan, error)

    def _stopped_by(self, error: CartctlError) -> Outcome:
        """The run can be resumed, or another run has taken over."""
        self.failure = error
        return Outcome(RunOutcome.INTERRUPTED, error.exit_code, error.message, ended=False)

    def _run_steps(self, plan: Sequence[Step]) -> None:
        self._reverts = {step.of for step in plan if isinstance(step, Restore)}
        for step in plan:
            if step.key in self.state.done:
                continue
            self._at, self._began = step.key, time.monotonic()
            self._pulse.doing = step.key
            self._recorder.begin(step.key, EventKind.BEGAN)
            try:
                self._lock.before_step()
                self._pulse.check()
                self._require_no_failures(step)
                self._execute_step(step)
            except (Interrupted, LockLost):
                raise
            except Exception as failure:
                late = isinstance(step, Restore) and isinstance(failure, ModifiedExternally)
                if self._on_failure is not OnFailure.CONTINUE and not late:
                    raise
                error = self._recorder.to_error(failure)
                # Someone scaling a deployment, for example, must not cause a rollback.
                self._recorder.record_failure(self._at, error, **took(self._began))
                self._failures.append(error)

    def _require_no_failures(self, step: Step) -> None:
        if isinstance(step, Action) and step.careful and self._failures:
            raise StepFailed(
                f"{step.key} was not executed because an earlier step failed.",
                hint="Fix that, then run the command again.",
            )

    def _execute_step(self, step: Step) -> None:
        started = time.monotonic()
        match step:
            case Change():
                self._apply(step)
                self._record(step.key, EventKind.APPLIED, took(started))
            case Action():
                earlier = step.find(self.run)
                result = step.perform(self.run, self._pulse) if earlier is None else earlier
                self._record(step.key, EventKind.APPLIED, {**took(started), "result": result})
                self.run = replace(self.run, results=dict(self.state.results))
            case Check() if step.follows and step.follows not in self.state.done:
                reason = f"{step.follows} failed: nothing to compare"
                self._record(step.key, EventKind.SKIPPED, {"reason": reason})
            case Check():
                result = {**passed(step.key, step.judge(self._pulse)), **step.facts()}
                self._record(step.key, EventKind.APPLIED, {"result": result, **took(started)})
            case Restore():
                remarks = self._revert(step.of, self._pulse) if step.of in self.state.evidence else {}
                restored = {"of": step.of, **({"again": True} if step.again else {}), **remarks}
                self._record(step.key, EventKind.RESTORED, {**restored, **took(started)})
            case Skip():
                self._record(step.key, EventKind.SKIPPED, {"reason": step.reason})
            case _:
                assert_never(step)

    def _apply(self, change: Change[Any]) -> None:
        """Journal the intent, then move. On Ctrl-C this step is undone, so that the run stops between steps."""
        change.run = self.run.id
        known = self.state.evidence.get(change.key)
        if known:
            refuse_modified(change, known)
        before = load(change, known.before) if known else change.observe(change.names)
        to = change.target(before)
        if known is None or dump(change, to) not in known.to:
            intended = Intended(
                kind=change.kind,
                names=list(change.names),
                before=dump(change, before),
                to=dump(change, to),
            )
            if self._on_failure is not OnFailure.CONTINUE:  # never a reason to refuse a rollback
                refuse_secrets(change, intended["before"], intended["to"])
            self._record(change.key, EventKind.INTENDED, intended)
        try:
            change.move(to, self._pulse)
        except StopRequested:
            raise  # the process that requested the stop reverts this step from its evidence
        except Interrupted:
            self._recorder.be_best_effort()
            self._undo(change.key, self._pulse.without_alarms())
            raise

    def _revert(self, key: str, pulse: Pulse) -> dict[str, str]:
        """Move a Change's values back to their previous state, from its evidence alone. Returns remarks for the event."""
        evidence = self.state.evidence[key]
        change = self._kinds[evidence.kind](key, evidence.names)
        change.run = self.run.id
        remarks = revert(change, evidence, pulse)
        return {"message": "; ".join(remarks)} if remarks else {}

    def _undo(self, key: str, pulse: Pulse) -> None:
        """Revert one Change; any failure is journalled and does not stop the other undos. Raises LockLost."""
        self._lock.before_undo()
        started = time.monotonic()
        self._recorder.begin(key, EventKind.REVERTING)
        try:
            remarks = self._revert(key, pulse)
        except Exception as failed:  # noqa: BLE001 - see above
            failure = self._recorder.to_error(failed)
            self._record(key, EventKind.UNDO_FAILED, UndoFailed(message=failure.message, hint=failure.hint))
        else:
            self._record(key, EventKind.RESTORED, {**remarks, **took(started)})

    def _fail(self, plan: Sequence[Step], failure: CartctlError) -> Outcome:
        """End a failed run; exit codes that promise "nothing changed" are used only if that is true."""
        self._recorder.be_best_effort()
        self._recorder.record_failure(self._at, failure, **took(self._began))
        if self._on_failure is OnFailure.STOP:
            self.failure = failure = after_steps(failure, self._effective(plan))
            return Outcome(RunOutcome.FAILED, failure.exit_code, describe_failure(failure))
        refused = failure.exit_code in REFUSALS
        if not self.has_changed(plan, at_work=not refused):
            code = failure.exit_code if refused or failure.exit_code == 1 else Refused.exit_code
            return Outcome(RunOutcome.FAILED, code, describe_failure(failure))
        if self._on_failure is OnFailure.UNDO:
            return self._roll_back(describe_failure(failure))
        return self._settle(plan, Outcome.of(RunOutcome.FAILED, describe_failure(failure)))

    def has_changed(self, plan: Sequence[Step], *, at_work: bool = False) -> bool:
        """Whether this run has changed anything that counts; with `at_work` also if the current step may have."""
        return bool(self.state.touched or self._effective(plan, at_work=at_work))

    def _effective(self, plan: Sequence[Step], *, at_work: bool = False) -> list[str]:
        """The Actions whose effect counts, and that are done or, with `at_work`, under way."""
        done = self.state.done.keys() | ({self._at} if at_work else set())
        actions = (step for step in plan if isinstance(step, Action) and not step.harmless)
        return [step.key for step in actions if step.key in done]

    def _roll_back(self, cause: str) -> Outcome:
        """Undo every open change, newest first; a failed undo does not stop the others."""
        self._recorder.be_best_effort()
        self._pulse.doing = "the revert"
        if not self.state.undoing:
            self._record(RUN, EventKind.UNDOING, {"cause": cause})
        for key in reversed(list(self.state.evidence)):
            self._undo(key, self._pulse.without_alarms())
        return with_undo_failures(Outcome.of(RunOutcome.ROLLED_BACK, cause), self.state.undo_failed)

    def _settle(self, plan: Sequence[Step], outcome: Outcome) -> Outcome:
        """Keep the released code but revert temporary changes: maintenance off, workers running, previous replica counts."""
        self._recorder.be_best_effort()
        self._pulse.doing = "the revert"
        for step in plan:
            if isinstance(step, Restore) and step.of in self.state.evidence:
                self._undo(step.of, self._pulse.without_alarms())
        return with_undo_failures(outcome, self.state.undo_failed)

    def _announce(self, plan: Sequence[Step], end: Outcome) -> None:
        """Send announcements of the outcome even if the plan did not reach them; their failures do not change it."""
        self.run = replace(self.run, outcome=end.word, cause=end.message, next_command=end.next_command)
        for step in plan:
            if isinstance(step, Action) and step.always and step.key not in self.state.done:
                self._at = step.key
                try:
                    result = step.perform(self.run, self._pulse.without_alarms())
                    self._record(step.key, EventKind.APPLIED, {"result": result})
                except Exception as failure:  # noqa: BLE001 - the outcome is already decided
                    self._recorder.record_failure(self._at, as_error(failure))

    def _record(self, key: str, event: str, data: Mapping[str, Any]) -> None:
        self._recorder.record(key, event, data)
