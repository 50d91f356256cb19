"""Progress lines without a terminal, and the time that is left."""

from itertools import count

from cartctl.render.progress import Remaining, progress_lines


def test_a_line_comes_at_most_every_thirty_seconds_with_the_time_left() -> None:
    """One report a second of a hundred a second: three lines in 100 s, whose time left shrinks."""
    written: list[str] = []
    now = [0.0]
    report = progress_lines("seed", written.append, lambda: now[0])
    for second in range(101):
        now[0] = second
        report(second * 100, 10_000_000, "carts")
    assert written == [
        "seed: 3000 of 10000000 carts, 27:46:10 h left\n",
        "seed: 6000 of 10000000 carts, 27:45:40 h left\n",
        "seed: 9000 of 10000000 carts, 27:45:10 h left\n",
    ]


def test_what_was_done_before_does_not_count_as_pace() -> None:
    """A seeding that continues at 900 of 1000 and does 10 in a second has 9 s left; a new stage begins anew."""
    clock = count()
    left = Remaining(lambda: float(next(clock)))
    assert left(900, 1000, "carts") == ""
    assert left(910, 1000, "carts").endswith(" left")
    assert left(1, 13, "indexes") == ""
