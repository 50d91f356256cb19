"""The rollout on a real sandbox and a fake calendar, and all that may come between."""

import json
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.adapters.supervisor.cluster import Processes
from cartctl.engine.events import Event
from cartctl.errors import CartctlError, CheckFailed, Locked, Refused, UsageError
from cartctl.plans.rollout.decisions import RolloutOptions
from cartctl.plans.rollout.flag_operations import evaluate, list_flags, set_flag, undo
from cartctl.plans.rollout.inputs import open_inputs
from cartctl.plans.rollout.operations import advance, say, set_percent, start
from cartctl.plans.rollout.run import abort
from cartctl.plans.rollout.status import preview_all
from cartctl.rollout.flag_names import FLAGS
from cartctl.sandbox.up import up

BETA, QUARTER, HALF = 2, 3, 4
DOCUMENT = ("cart-flags", "flags.json")


def test_through_to_the_end_and_day_twenty_one(field: Any) -> None:
    """Forced through, the last stage has everybody on, companies of tomorrow too; on day 21 nothing is due."""
    field.begin()
    for stage in range(1, 7):
        with field.ports() as ports:
            report = advance(
                ports, RolloutOptions("no time", force=True), field.view(), expected=stage, clock=field.clock
            )
            assert report is not None
            assert report.exit_code == 0, report.message
    assert len(field.on()) == 39
    assert field.status().state == "complete"
    report, result = field.by_itself(21)
    assert (report, result) == (None, "Nothing is due: every stage is complete.")
    assert field.sandbox.cluster.settings("cart-flags")[FLAGS[0]] == "true"


def test_two_operators_at_once_enter_one_stage(field: Any) -> None:
    """Both say advance on the same day: one enters the stage, the other is told that nothing is due; nobody goes two stages."""
    field.begin()
    field.day(3)
    ended: list[Any] = []

    def operator() -> None:
        with field.ports() as ports:
            try:
                ended.append(advance(ports, RolloutOptions(), field.view(), expected=1, clock=field.clock))
            except CartctlError as error:
                ended.append(error)

    both = [threading.Thread(target=operator) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cartctl.plans.rollout.run.interruptible", field.unsignalled)
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert sorted(type(one).__name__ for one in ended) in (["Refused", "RunReport"], ["Locked", "RunReport"])
    assert field.status().stage == "shadow"


def test_a_hold_holds_and_a_resume_lets_go(field: Any) -> None:
    """On hold the day passes by; resumed, the stage is entered late. Shadow moves nothing."""
    field.begin()
    before = field.sandbox.cluster.settings("cart-flags")
    with field.ports() as ports:
        say(ports, "hold", RolloutOptions("a question of tax"), field.view(), clock=field.clock)
        assert field.by_itself(3)[1] == "Nothing is due: it is on hold: a question of tax."
        with pytest.raises(Refused, match="already on hold"):
            say(ports, "hold", RolloutOptions(), field.view(), clock=field.clock)
        say(ports, "resume", RolloutOptions(), field.view(), clock=field.clock)
    assert field.by_itself(4)[0] is not None
    assert field.status().stage == "shadow"
    assert field.sandbox.cluster.settings("cart-flags") == before


def test_a_gate_keeps_a_stage_waiting(field: Any) -> None:
    """Before the deployment there is no shadow: smoke fails, nothing moves, and it is said why."""
    field.begin()
    field.old_version()
    with pytest.raises(CheckFailed, match="smoke"):
        field.by_itself(3)
    assert field.status().stage == "internal"


def test_set_undo_and_one_flag_by_hand(field: Any) -> None:
    """Outside the schedule with --force alone; undone exactly; a flag set by hand is left alone by the rollout."""
    field.begin()
    with field.ports() as ports:
        with pytest.raises(Refused, match="outside the schedule requires --force"):
            set_percent(ports, Decimal(25), RolloutOptions(), field.view(), clock=field.clock)
        before = field.sandbox.cluster.settings("cart-flags")
        set_percent(ports, Decimal(25), RolloutOptions("a demo", force=True), field.view(), clock=field.clock)
        assert len(quarter := field.on()) == 10
        set_percent(ports, Decimal(50), RolloutOptions("a demo", force=True), field.view(), clock=field.clock)
        assert quarter < field.on()
        set_percent(
            ports, Decimal("12.5"), RolloutOptions("less", force=True), field.view(), clock=field.clock
        )
        assert len(field.on()) == 5
        assert field.on() < quarter
        for _ in range(2):  # an undo of an undo
            undo(ports, RolloutOptions(), field.view(), clock=field.clock)
        undo(ports, RolloutOptions(), field.view(), clock=field.clock)
        assert len(field.on()) == 20
        set_percent(ports, Decimal(0), RolloutOptions("none", force=True), field.view(), clock=field.clock)
        assert field.sandbox.cluster.settings("cart-flags")[DOCUMENT[1]] == before[DOCUMENT[1]]
        set_flag(ports, FLAGS[1], "on", RolloutOptions(), field.view(), clock=field.clock)
        set_percent(ports, Decimal(25), RolloutOptions("again", force=True), field.view(), clock=field.clock)
        with open_inputs(ports, field.clock) as inputs:
            assert list_flags(inputs).flags[1].decided == "on for everybody, set manually"
            outsider = min(set(inputs.companies.ids) - field.on())
            assert evaluate(inputs, outsider).flags == {FLAGS[0]: False, FLAGS[1]: True, FLAGS[2]: False}
            with pytest.raises(UsageError, match="unknown company 'nobody'"):
                evaluate(inputs, "nobody")
        with pytest.raises(UsageError, match="unknown flag 'FEATURE_X'"):
            set_flag(ports, "FEATURE_X", "on", RolloutOptions(), field.view())
        assert abort(ports, RolloutOptions(), field.view(), lambda _: None, clock=field.clock).exit_code == 0
        assert not any(answer["flags"][FLAGS[1]] for answer in [field.ask("alder-goods")])


def test_a_document_that_is_no_json_stops_everything_and_stays(field: Any) -> None:
    """Half-written by somebody else: refused before anything, the text stays, and so does the rollout."""
    field.begin()
    text = field.sandbox.cluster.settings(DOCUMENT[0])[DOCUMENT[1]]
    field.sandbox.cluster.put_settings(DOCUMENT[0], {DOCUMENT[1]: text[: len(text) // 2]})
    with pytest.raises(CartctlError, match=r"not valid JSON: .* line"):
        field.by_itself(3)
    assert field.sandbox.cluster.settings(DOCUMENT[0])[DOCUMENT[1]] == text[: len(text) // 2]


def test_a_configmap_that_cannot_be_written_changes_nothing(
    field: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write is refused: the run is taken back, the stage is not entered, and the next run enters it."""
    field.begin()

    def read_only(*_: Any, **__: Any) -> None:
        raise ClusterUnreachable("The ConfigMap cart-flags is immutable.")

    with monkeypatch.context() as patch, field.ports() as ports:
        patch.setattr(Processes, "put_settings", read_only)
        report = set_percent(
            ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock
        )
        assert report is not None
        assert (report.exit_code, field.on()) == (4, frozenset())
        assert "immutable" in report.message
    with field.ports() as ports:
        report = set_percent(
            ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock
        )
    assert len(field.on()) == 10


def test_a_list_that_is_empty_or_changes_in_between(field: Any) -> None:
    """No companies: refused, nothing changed. Fewer, then more: those who are on stay on, the counts follow."""
    field.begin()
    with field.ports() as ports, field.sandbox.superuser.session("test") as connection:
        set_percent(ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock)
        quarter = field.on()
        connection.execute("CREATE TABLE kept AS TABLE companies")
        gone = sorted(quarter)[:3]
        connection.execute("DELETE FROM companies WHERE id = ANY (%s)", (gone,))
        set_percent(ports, Decimal(50), RolloutOptions("x", force=True), field.view(), clock=field.clock)
        assert quarter - set(gone) <= field.on()
        assert len(field.on()) == 18  # half of 36
        connection.execute("INSERT INTO companies SELECT * FROM kept WHERE id = ANY (%s)", (gone,))
        assert quarter <= field.on()
        connection.execute("DELETE FROM companies")
        with pytest.raises(Refused, match="returns no companies"):
            set_percent(ports, Decimal(75), RolloutOptions("x", force=True), field.view(), clock=field.clock)
        connection.execute("INSERT INTO companies SELECT * FROM kept")
        connection.execute("DROP TABLE kept")


def test_what_cannot_be_started(field: Any) -> None:
    """A date in the past, a second start, a seed that was changed: refused, nothing changed."""
    with field.ports() as ports:
        field.day(1)
        with pytest.raises(UsageError, match="is in the past"):
            start(ports, field.now.date().replace(day=1), RolloutOptions(), field.view(), clock=field.clock)
    field.day(0)
    field.begin()
    with field.ports() as ports, pytest.raises(Refused, match="has been running"):
        start(ports, field.now.date(), RolloutOptions(), field.view(), clock=field.clock)
    rollout = field.env.rollout.model_copy(update={"seed": "another"})
    field.env = field.env.model_copy(update={"rollout": rollout})
    with field.ports() as ports, pytest.raises(Refused, match="its seed was 'cart', is 'another'"):
        set_percent(ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock)


def test_an_abort_goes_past_a_run_that_holds_the_lock(field: Any) -> None:
    """While another run is alive advance is Locked; the abort asks it to stop and is through."""
    from cartctl.engine.lock import RunLock
    from cartctl.engine.pulse import Pulse

    field.begin()
    with field.ports() as ports, open_inputs(ports, field.clock) as inputs:
        set_percent(ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock)
        pulse, released = Pulse(), threading.Event()
        lock = RunLock(ports.state, inputs.journals.owned, "20990101-000000-aaaa", pulse)
        lock.__enter__()

        def hand_over() -> None:
            with pytest.raises(CartctlError):
                pulse.pause(30)
            lock.__exit__(None, None, None)
            released.set()

        rollout_process = threading.Thread(target=hand_over)
        rollout_process.start()
        with pytest.raises(Locked):
            advance(ports, RolloutOptions("x", force=True), field.view(), clock=field.clock)
        report = abort(ports, RolloutOptions("an emergency"), field.view(), lambda _: None, clock=field.clock)
        rollout_process.join()
    assert released.is_set()
    assert (report.exit_code, field.on()) == (0, frozenset())


def test_the_preview_reports_who_comes_next(field: Any) -> None:
    """From the stage that stands, on top of the companies that are on."""
    field.begin()
    with field.ports() as ports:
        set_percent(ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock)
        with open_inputs(ports, field.clock, read_only=True) as inputs:
            shown = preview_all(inputs)
    assert [stage.enabled for stage in shown.stages] == [10, 10, 10, 10, 20, 30, 39]
    assert shown.removed == 0
    assert json.dumps(shown.stages[4].companies).count(",") == 9


def test_a_stage_that_requires_it_waits_for_somebodys_name(field: Any) -> None:
    """By itself it says that it waits; without a name it is refused, with one it is entered and the name is kept."""
    rollout = field.env.rollout.model_copy(update={"stages": ("0-2 internal", "3-9 25% signoff", "10 100%")})
    field.env = field.env.model_copy(update={"rollout": rollout})
    field.begin()
    assert "25% requires approval: cartctl rollout advance --approved-by" in field.by_itself(3)[1]
    with field.ports() as ports:
        with pytest.raises(Refused, match="25% requires approval"):
            advance(ports, RolloutOptions(), field.view(), clock=field.clock)
        with pytest.raises(Refused, match="25% requires approval"):
            advance(ports, RolloutOptions("no time", force=True), field.view(), clock=field.clock)
        assert field.on() == frozenset()
        advance(ports, RolloutOptions(approved_by="Product Owner"), field.view(), clock=field.clock)
    assert len(field.on()) == 10
    last = field.status().history[-1]
    assert (last.name, last.approved_by) == ("25%", "Product Owner")


def test_begun_again_after_an_abort_the_same_companies_come_first(field: Any) -> None:
    """Back to 0 % and begun anew, a quarter is the same quarter, and whoever came earlier is in it."""
    seen = []
    for percent in (10, 25, 25):
        field.begin()
        with field.ports() as ports:
            set_percent(
                ports, Decimal(percent), RolloutOptions("x", force=True), field.view(), clock=field.clock
            )
            seen.append(field.on())
            abort(ports, RolloutOptions("again"), field.view(), lambda _: None, clock=field.clock)
        assert field.on() == frozenset()
    assert seen[0] < seen[1] == seen[2]


def test_two_cronjobs_at_once_do_one_thing(field: Any) -> None:
    """Both run on the same day: one enters the stage, the other waits for it and says that nothing is due any more."""
    field.begin()
    field.day(3)
    ended: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cartctl.plans.rollout.run.interruptible", field.unsignalled)
        both = [threading.Thread(target=lambda: ended.append(field.by_itself(3))) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert sorted(report is None for report, _ in ended) == [False, True]
    assert "must last until" in "".join(message for _, message in ended) or "is due on" in "".join(
        message for _, message in ended
    )
    assert [step.action for step in field.status().history] == ["start", "advance"]


def test_an_abort_with_the_database_gone(field: Any) -> None:
    """PostgreSQL is stopped: the flags go to 0 % under the cluster's lock, and the journal knows of it later."""
    field.begin()
    with field.ports() as ports:
        set_percent(ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock)
    server = EmbeddedPostgres(field.sandbox.layout.postgres)
    server.stop()
    try:
        with field.ports() as ports:
            messages: list[str] = []
            report = abort(
                ports, RolloutOptions("no database"), field.view(), messages.append, clock=field.clock
            )
    finally:
        up("default", lambda _: None)
    assert (report.exit_code, report.outcome) == (0, "succeeded"), report.message
    assert "is unreachable" in messages[0]
    assert field.on() == frozenset()
    shown = field.status()
    assert (shown.state, shown.history[-1].why) == ("aborted", "no database")


def test_a_rollback_of_the_code_is_an_abort_to_the_rollout(field: Any) -> None:
    """`cartctl rollback` takes the flags to 0 %; the rollout's record says so, and goes on no more by itself."""
    field.begin()
    with field.ports() as ports, open_inputs(ports, field.clock) as inputs:
        set_percent(ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock)
        now = datetime.now(UTC)
        for key, event, data in (
            ("run", "started", {"plan": "rollback", "user": "ops", "host": "desk"}),
            ("flags", "applied", {}),
            ("run", "finished", {"outcome": "succeeded", "exit_code": 0}),
        ):
            inputs.journals.replicated.append(Event(f"{now:%Y%m%d-%H%M%S}-ffff", now, key, event, data))
    assert field.status().state == "aborted"
    assert field.by_itself(3)[1] == "Nothing to do: no rollout has started."


def test_only_the_internal_companys_admin_asks_about_others(field: Any) -> None:
    """An admin of a company outside learns their own flags and nobody else's."""
    assert field.outside().get("/api/admin/features").json()["company"] == "harbor-goods"
    assert field.outside().get("/api/admin/features?company=avnz").status == 401
    assert field.outside().without_token().get("/api/admin/features").status == 401
    assert field.ask("harbor-goods")["company"] == "harbor-goods"


def test_an_abort_without_a_place_for_its_own_journal(
    field: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The state directory cannot be written: the database and the cluster keep the journal, and the flags go to 0 %."""
    field.begin()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "file"))
    with field.ports() as ports:
        report = abort(ports, RolloutOptions("an emergency"), field.view(), lambda _: None, clock=field.clock)
    assert report.exit_code == 0
    assert field.status().state == "aborted"
