"""Runs a plan: journals before it acts, turns back when a step fails, and can be killed anywhere.

The order is the safety: evidence is durable before the first effect, "undoing" before the first undo.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, assert_never

from cartctl.engine.evidence import ChangedBySomebodyElse, dump, load, refuse_foreign, refuse_secrets, revert
from cartctl.engine.journal.recorder import Observer, Telling
from cartctl.engine.journal.replicated_journal import KeptJournal
from cartctl.engine.lock import Lock, StopRequested
from cartctl.engine.model import (
    Action,
    Change,
    Check,
    Event,
    Restore,
    Run,
    Skip,
    Step,
)
from cartctl.engine.outcome import (
    OnFailure,
    Outcome,
    passed,
    told_of,
    with_undo_failures,
)
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import RUN, State
from cartctl.errors import (
    CartctlError,
    Inconclusive,
    Interrupted,
    LockLost,
    Refused,
    StepFailed,
    as_error,
)

REFUSALS = {2, 3, 8}  # exit codes of a step that looked and did nothing

NextCommands: TypeAlias = Mapping[str, str | Callable[[], str]]
Kinds: TypeAlias = Mapping[
    str, Callable[[str, tuple[str, ...]], Change[Any]]
]  # kind → Change from (key, names)


class Runner:
    """Carries one run through its plan, or on through it, or on back.

    `kinds` rebuilds a Change from its evidence; `observe` sees every event once it is durable, and each step's beginning.
    """

    def __init__(
        self,
        run: Run,
        state: State,
        journal: KeptJournal,
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
        self._telling = Telling(state, journal, observe)
        self._kinds = kinds
        self._lock = lock
        self._pulse = pulse
        self._on_failure = on_failure
        self._at = RUN
        self._reverts: set[str] = set()
        self._failures: list[CartctlError] = []

    def execute(
        self, plan: Sequence[Step], next_commands: NextCommands, first: Event | None = None
    ) -> Outcome:
        """The run to its end, whatever is raised on the way; only a kill, or being told to stop at once, prevents it.

        `next_commands` says what to run after each outcome word, and after `unchanged`: an end before anything was moved;
        one that depends on what the run did is a function. `first`, already journalled, is shown before the first step.
        """
        if self._on_failure is OnFailure.GO_ON:
            self._journal.may_miss()
        outcome = self._telling.conclude(self._travel(plan, first), left=self._left())
        self._telling.go_calm()
        if outcome.ended:
            self._announce(plan, outcome)
        changed = outcome.word == "succeeded" or self.has_changed(plan)
        following = next_commands.get(outcome.word if changed else "unchanged", "")
        next_command = following() if callable(following) else following
        ended = replace(outcome, next_command=next_command)
        self._tell(RUN, "finished" if ended.ended else "interrupted", ended.to_json())
        return self._telling.confirm_written(ended)

    def _travel(self, plan: Sequence[Step], first: Event | None) -> Outcome:
        if self.state.undoing:
            return self._turn_back(self.state.failed or "it was turning back when it died")
        try:
            if first:
                self._telling.show(first)
            self._forward(plan)
        except (StopRequested, LockLost) as stop:
            return Outcome("interrupted", stop.exit_code, stop.message, ended=False)
        except Interrupted as stop:
            outcome = with_undo_failures(
                Outcome("interrupted", stop.exit_code, stop.message), self.state.undo_failed
            )
            return replace(
                outcome, word="interrupted", exit_code=stop.exit_code, ended=not self.has_changed(plan)
            )
        except Inconclusive as unknown:
            return self._settle(plan, Outcome("inconclusive", unknown.exit_code, told_of(unknown)))
        except Exception as failure:  # noqa: BLE001 - also what no code expected ends the run, and is reverted
            return self._fail(plan, self._telling.expect(failure))
        return self._arrive()

    def _left(self) -> bool:
        """Whether a rollback has not reverted everything that it was to."""
        return self._on_failure is OnFailure.GO_ON and bool(self.state.evidence.keys() & self._reverts)

    def _forward(self, plan: Sequence[Step]) -> None:
        self._reverts = {step.of for step in plan if isinstance(step, Restore)}
        for step in plan:
            if step.key in self.state.done:
                continue
            self._at = step.key
            self._pulse.doing = step.key
            self._telling.begin(step.key, "began")
            try:
                self._lock.confirm()
                self._pulse.check()
                self._refuse_careless(step)
                self._take(step)
            except (Interrupted, LockLost):
                raise
            except Exception as failure:
                late = isinstance(step, Restore) and isinstance(failure, ChangedBySomebodyElse)
                if self._on_failure is not OnFailure.GO_ON and not late:
                    raise
                error = self._telling.expect(failure)
                self._record(error)  # somebody's own scaling, say, is no reason to take a release back
                self._failures.append(error)

    def _refuse_careless(self, step: Step) -> None:
        if isinstance(step, Action) and step.careful and self._failures:
            raise StepFailed(
                f"{step.key} was left alone, since a step before it failed.",
                hint="Put that right, then run the command again.",
            )

    def _take(self, step: Step) -> None:
        started = time.monotonic()
        match step:
            case Change():
                self._apply(step)
                self._tell(step.key, "applied", _took(started))
            case Action():
                earlier = step.find(self.run)
                result = step.perform(self.run, self._pulse) if earlier is None else earlier
                self._tell(step.key, "applied", {**_took(started), "result": result})
                self.run = replace(self.run, results=dict(self.state.results))
            case Check() if step.follows and step.follows not in self.state.done:
                self._tell(
                    step.key, "skipped", {"reason": f"{step.follows} failed: there is nothing to compare"}
                )
            case Check():
                self._tell(
                    step.key,
                    "applied",
                    {"result": passed(step.key, step.judge(self._pulse)), **_took(started)},
                )
            case Restore():
                remarks = self._put_back(step.of, self._pulse) if step.of in self.state.evidence else {}
                again = {"again": True} if step.again else {}
                self._tell(step.key, "restored", {"of": step.of, **again, **remarks, **_took(started)})
            case Skip():
                self._tell(step.key, "skipped", {"reason": step.reason})
            case _:
                assert_never(step)

    def _apply(self, change: Change[Any]) -> None:
        """Intend durably, then move. On Ctrl-C this one step is undone, so that the run stops between steps."""
        change.run = self.run.id
        known = self.state.evidence.get(change.key)
        if known:
            refuse_foreign(change, known)
        before = load(change, known.before) if known else change.observe(change.names)
        to = change.target(before)
        if known is None or dump(change, to) not in known.to:
            values = {"before": dump(change, before), "to": dump(change, to)}
            if self._on_failure is not OnFailure.GO_ON:  # a rollback in need is not refused for it
                refuse_secrets(change, *values.values())
            self._tell(change.key, "intended", {"kind": change.kind, "names": list(change.names), **values})
        try:
            change.move(to, self._pulse)
        except StopRequested:
            raise  # whoever asked takes this step back, from its evidence
        except Interrupted:
            self._telling.go_calm()
            self._undo(change.key, self._pulse.calm())
            raise

    def _put_back(self, key: str, pulse: Pulse) -> dict[str, str]:
        """Move a Change's values back to what they were, from its evidence alone. Returns what to say about it."""
        evidence = self.state.evidence[key]
        change = self._kinds[evidence.kind](key, evidence.names)
        change.run = self.run.id
        remarks = revert(change, evidence, pulse)
        return {"message": "; ".join(remarks)} if remarks else {}

    def _undo(self, key: str, pulse: Pulse) -> None:
        """Revert one Change; what fails is journalled, whatever it is, and stops no other undo."""
        started = time.monotonic()
        self._telling.begin(key, "reverting")
        try:
            remarks = self._put_back(key, pulse)
        except Exception as failed:  # noqa: BLE001 - see above
            failure = self._telling.expect(failed)
            self._tell(key, "undo_failed", {"message": failure.message, "hint": failure.hint})
        else:
            self._tell(key, "restored", {**remarks, **_took(started)})

    def _fail(self, plan: Sequence[Step], failure: CartctlError) -> Outcome:
        """Exit codes that promise that nothing was changed are for a run that has changed nothing."""
        self._telling.go_calm()
        self._record(failure)
        refused = failure.exit_code in REFUSALS
        if not self.has_changed(plan, at_work=not refused):
            code = failure.exit_code if refused or failure.exit_code == 1 else Refused.exit_code
            return Outcome("failed", code, told_of(failure))
        if self._on_failure is OnFailure.UNDO:
            return self._turn_back(told_of(failure))
        return self._settle(plan, Outcome("failed", 5, told_of(failure)))

    def has_changed(self, plan: Sequence[Step], *, at_work: bool = False) -> bool:
        """Whether this run has moved or made anything that counts; `at_work`: the step that failed may have."""
        effective = {step.key for step in plan if isinstance(step, Action) and not step.harmless}
        done = self.state.done.keys() | ({self._at} if at_work else set())
        return bool(self.state.touched or effective & done)

    def _turn_back(self, cause: str) -> Outcome:
        """Undo what is not put back yet, newest first; a failed undo does not stop the others."""
        self._telling.go_calm()
        self._pulse.doing = "the revert"
        if not self.state.undoing:
            self._tell(RUN, "undoing", {"cause": cause})
        calm = self._pulse.calm()
        for key in reversed(list(self.state.evidence)):
            self._undo(key, calm)
        return with_undo_failures(Outcome("rolled_back", 4, cause), self.state.undo_failed)

    def _settle(self, plan: Sequence[Step], outcome: Outcome) -> Outcome:
        """Leave the code, but end what must not stay: maintenance off, workers running, replicas as they were."""
        self._telling.go_calm()
        self._pulse.doing = "the revert"
        calm = self._pulse.calm()
        for step in plan:
            if isinstance(step, Restore) and step.of in self.state.evidence:
                self._undo(step.of, calm)
        return with_undo_failures(outcome, self.state.undo_failed)

    def _arrive(self) -> Outcome:
        """The end of the plan; in a rollback with the failures that did not stop it."""
        message = " ".join(told_of(failure) for failure in self._failures)
        if any(not isinstance(failure, Inconclusive) for failure in self._failures):
            return Outcome("failed", 5, message)
        return Outcome("inconclusive", 6, message) if self._failures else Outcome("succeeded", 0)

    def _announce(self, plan: Sequence[Step], outcome: Outcome) -> None:
        """Tell the outcome also when the plan did not get there; a failure of that changes nothing any more."""
        self.run = replace(self.run, outcome=outcome.word)
        for step in plan:
            if isinstance(step, Action) and step.always and step.key not in self.state.done:
                self._at = step.key
                try:
                    result = step.perform(self.run, self._pulse.calm())
                    self._tell(step.key, "applied", {"result": result})
                except Exception as failure:  # noqa: BLE001 - the outcome stands already
                    self._record(as_error(failure))

    def _record(self, failure: CartctlError) -> None:
        self._telling.record(self._at, failure)

    def _tell(self, key: str, event: str, data: Mapping[str, Any]) -> None:
        self._telling.tell(key, event, data)


def _took(started: float) -> dict[str, Any]:
    return {"seconds": round(time.monotonic() - started, 3)}
