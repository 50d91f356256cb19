"""What a watcher knows of a run at each moment."""

from cartctl.engine.events import Event
from cartctl.render.run.model import Board, Mark
from tests.render.story import ROWS, RUN, at, failure, half, success


def board_after(events: list[Event]) -> Board:
    """A board on a clock that stands still at 100 s."""
    board = Board(clock=lambda: 100.0)
    board.start(RUN, ROWS)
    for event in events:
        board.take(event)
    return board


def marks(board: Board) -> dict[str, Mark]:
    """What has become of each step."""
    return {row.key: row.mark for row in board.rows}


def test_one_step_runs_and_the_later_ones_wait() -> None:
    """In the middle of a run there is one running step."""
    board = board_after(list(half()))
    assert board.title == "deploy sandbox"
    assert [row.key for row in board.rows if row.mark is Mark.RUNNING] == ["release.api"]
    assert marks(board)["maintenance.off"] is Mark.DONE
    assert marks(board)["maintenance.on"] is Mark.DONE
    assert marks(board)["announce"] is Mark.SKIPPED
    assert marks(board)["monitor"] is Mark.WAITING


def test_a_run_that_goes_on_shows_what_was_done_before() -> None:
    """Steps from before it died do not wait any more, and the heading says what run it is."""
    done = ["preflight", "snapshot", "workers.stop"]
    board = board_after([at(60, "run", "resumed", plan="deploy", env="sandbox", done=done)])
    assert board.title == "deploy sandbox"
    assert [key for key, mark in marks(board).items() if mark is Mark.DONE] == ["preflight", "snapshot"]
    assert marks(board)["migrate"] is Mark.WAITING


def test_everything_is_done_at_the_end() -> None:
    """A run that succeeded leaves nothing waiting."""
    assert set(marks(board_after(success())).values()) == {Mark.DONE, Mark.SKIPPED}


def test_a_failure_and_its_undos_are_distinguished() -> None:
    """The failed step, what was put back and what could not be are three different things."""
    board = board_after(failure())
    assert board.cause.startswith("endpoints: stats: 500")
    result = marks(board)
    assert result["endpoints"] is Mark.FAILED
    assert result["release.api"] is Mark.UNDONE
    assert result["prewarm"] is Mark.UNDO_FAILED
    assert result["migrate"] is Mark.DONE


def test_a_failed_step_that_was_reverted_is_still_the_failed_one() -> None:
    """Among those put back, the step that failed can be told."""
    failed = at(6, "release.api", "failed", message="it crashes")
    board = board_after(
        [*half(), failed, at(6, "run", "undoing"), at(7, "release.api", "restored", seconds=1)]
    )
    row = next(row for row in board.rows if row.key == "release.api")
    assert (row.mark, row.note) == (Mark.FAILED, "reverted; it crashes")


def test_a_step_that_was_interrupted_is_reverted() -> None:
    """Ctrl-C undoes the running step alone; it is not shown as done."""
    board = board_after([*half(), at(6, "release.api", "restored", seconds=0.5)])
    assert marks(board)["release.api"] is Mark.UNDONE
    assert marks(board)["prewarm"] is Mark.DONE


def test_the_time_of_a_step_is_its_own_or_so_far() -> None:
    """A running step counts on the board's clock, a finished one as it says."""
    now = 100.0
    board = Board(clock=lambda: now)
    board.start(RUN, ROWS)
    board.take(at(0, "preflight", "began"))
    now = 103.5
    current = board.current()
    assert current is not None
    assert board.elapsed(current) == 3.5
    board.take(at(1, "preflight", "applied", seconds=1.0))
    assert board.elapsed(current) == 1.0


def test_progress_belongs_to_the_running_step_and_ends_with_it() -> None:
    """A bar never outlives its step."""
    board = board_after([at(0, "snapshot", "began")])
    board.advance(1, 2, "bytes")
    current = board.current()
    assert current is not None
    assert current.progress == (1, 2, "bytes")
    board.take(at(1, "snapshot", "applied", seconds=1.0))
    assert current.progress is None
    board.advance(2, 2, "bytes")
    assert current.progress is None


def test_a_step_that_the_plan_does_not_name_is_shown_too() -> None:
    """What an earlier run left is put back under a heading of its own."""
    board = board_after([at(0, "run", "undoing", cause="it died"), at(1, "flags", "restored", seconds=1.0)])
    assert (board.rows[-1].phase, board.rows[-1].key, board.rows[-1].mark) == ("Undo", "flags", Mark.UNDONE)


def test_a_revert_is_shown_while_it_lasts() -> None:
    """The step moves again, and is reverted afterwards; one that had failed is still the failed one."""
    under_way = board_after([*half(), at(6, "release.api", "reverting")])
    row = next(row for row in under_way.rows if row.key == "release.api")
    assert (row.mark, row.note) == (Mark.RUNNING, "reverting")
    events = [at(6, "release.api", "reverting"), at(7, "release.api", "restored", seconds=1)]
    stopped = board_after([*half(), *events])
    assert next(row.mark for row in stopped.rows if row.key == "release.api") is Mark.UNDONE
    failed = at(6, "release.api", "failed", message="it crashes")
    row = next(row for row in board_after([*half(), failed, *events]).rows if row.key == "release.api")
    assert (row.mark, row.note) == (Mark.FAILED, "reverted; it crashes")
