"""Progress in a log: a line at the start, and now and then one that says how long it will take."""

from tessera.cli.progress import log_lines
from tessera.report.numbers import duration


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_at_the_start_and_one_every_half_minute_with_what_is_left() -> None:
    lines, clock = list[str](), Clock()
    show = log_lines(lines.append, clock)
    show("drawing", 20, 120)
    for done in range(21, 121):
        clock.now += 1
        show("drawing", done, 120)
    assert lines == [
        "drawing: 120, 20 of them there already",
        f"drawing: 50 of 120, {duration(70.0)} left",
        f"drawing: 80 of 120, {duration(40.0)} left",
        f"drawing: 110 of 120, {duration(10.0)} left",
    ]


def test_what_takes_less_is_one_line() -> None:
    lines, clock = list[str](), Clock()
    show = log_lines(lines.append, clock)
    for done in range(5):
        clock.now += 1
        show("grading", done, 4, "note")
    assert lines == ["grading: 4"]


def test_each_piece_of_work_has_its_own_lines() -> None:
    lines, clock = list[str](), Clock()
    show = log_lines(lines.append, clock)
    show("drawing", 0, 2)
    show("grading", 0, 2)
    clock.now = 40
    show("grading", 1, 2, "note")
    assert lines == ["drawing: 2", "grading: 2", f"grading: 1 of 2, {duration(40.0)} left (note)"]
