"""The film strip: the run's own verdicts, counted, and pictures that stay small."""

import base64
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tessera.report.film import CELL, CELL_GAP, COLUMNS, MOST_ROWS, mark, read_film, thinned
from tessera.report.run_files import read_run
from tessera.report.training import training_page
from tessera.storage import read_jsonl, write_lines
from tessera.training.film import Shot, write_film
from tessera.training.metrics import GRADES
from tessera.types import Grade, Prompt
from tests.unit.report.test_training import PROMPTS, film_shots, step_row, words, write_run

MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20 steps, filmed at eleven. Do not change it."""
    steps = [step_row(step) for step in range(1, 21)]
    return write_run(tmp_path_factory.mktemp("film") / "run", steps, film=range(0, 21, 2))


def shot(number: int, strict: float, prompt: str = "p", image_HWC: np.ndarray | None = None) -> Shot:
    plain = np.full((8, 8, 3), 200, dtype=np.uint8)
    return Shot(
        number=number,
        benchmark="mosaic-id",
        prompt=Prompt(id=prompt, text=prompt),
        sample=0,
        image_HWC=plain if image_HWC is None else image_HWC,
        grade=Grade(strict=strict, soft=strict),
    )


def test_the_strip_shows_the_same_prompts_at_eight_steps_with_their_verdicts(folder: Path) -> None:
    strip = read_film(read_run(folder))
    assert [column.step for column in strip.columns] == [0, 2, 6, 8, 12, 14, 18, 20]
    assert (strip.steps, strip.prompts, strip.samples) == (11, 6, 2)
    assert [reel.prompt for reel in strip.reels] == [prompt.text for prompt in PROMPTS]
    assert [(column.right, column.graded) for column in strip.columns] == [(6, 12)] + [(12, 12)] * 7
    ends = [[(tile.right, tile.graded) for tile in (reel.tiles[0], reel.tiles[-1])] for reel in strip.reels]
    assert ends == [[(2, 2), (2, 2)], [(0, 2), (2, 2)]] * 3


def test_every_filmed_step_is_counted_though_few_are_shown(folder: Path) -> None:
    (tally,) = read_film(read_run(folder)).tallies
    assert (tally.benchmark, tally.series) == ("mosaic-id", "in-domain")
    assert [column.step for column in tally.columns] == list(range(0, 21, 2))


def test_the_change_is_counted_both_ways_and_its_interval_rests_on_prompts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    before = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, math.nan]
    after = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    for step, verdicts in ((0, before), (5, after)):
        shots = [shot(number, verdict, f"p{number // 2}") for number, verdict in enumerate(verdicts)]
        write_film(run, step, shots)
    change = read_film(read_run(run)).change
    assert change is not None
    assert (change.pictures, change.became_right, change.became_wrong) == (
        7,
        2,
        1,
    )  # the one without is left out
    # Prompts change by 1, 0, 0 and, of the one picture left, -1: the ends of the interval are at most those.
    assert -7 <= change.low < 0 < change.high <= 7
    assert change.interval == f"{MINUS}{-round(change.low)} to +{round(change.high)}"


def test_prompts_that_all_change_alike_have_no_interval(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    for step in (0, 5):
        write_film(run, step, [shot(number, 0.0, f"p{number}") for number in range(4)])
    change = read_film(read_run(run)).change
    assert change is not None
    assert (change.became_right, change.became_wrong, change.interval) == (0, 0, "")


def test_the_page_says_how_many_are_right_per_step_and_per_prompt(folder: Path) -> None:
    said = words(training_page(folder))
    assert "Right: 6 of 12 at step 0, 12 of 12 at step 20. 6 pictures became right, 0 became wrong" in said
    assert "mosaic-id in domain: 6 → 12 of 12 right, by step" in said
    assert said.count("right: 0 → 2 of 2") == said.count("right: 2 → 2 of 2") == 3
    assert "8 of 11 steps, evenly chosen." in said


def test_a_verdict_is_a_shape_and_a_word_and_not_only_a_colour(folder: Path) -> None:
    text = training_page(folder)
    # Six prompts at eight steps with two pictures each: 96 verdicts, of which six are wrong.
    assert text.count('href="#mark-right"') == 90
    assert text.count('href="#mark-wrong"') == 6
    assert text.count('aria-label="Step 0: wrong, wrong"') == 3


def test_a_picture_without_a_verdict_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    assert [mark(strict) for strict in (1.0, 0.0, math.nan, None)] == ["right", "wrong", "open", "open"]
    run = write_run(tmp_path / "run", [step_row(1)])
    write_film(run, 0, [shot(0, math.nan), shot(1, 1.0)])
    (column,) = read_film(read_run(run)).columns
    assert (column.right, column.graded) == (1, 1)
    assert 'aria-label="Step 0: not graded, right"' in training_page(run)


@pytest.mark.parametrize(("count", "across", "down"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2)])
def test_a_tile_is_as_square_as_its_pictures_allow(
    tmp_path: Path, count: int, across: int, down: int
) -> None:
    run = write_run(tmp_path / "run", [])
    write_film(run, 0, [shot(number, 1.0) for number in range(count)])
    tile = read_film(read_run(run)).reels[0].tiles[0]
    pitch = CELL + CELL_GAP
    assert (tile.width, tile.height) == (across * pitch - CELL_GAP, down * pitch - CELL_GAP)
    assert [(cell.x // pitch, cell.y // pitch) for cell in tile.cells] == [
        (place % across, place // across) for place in range(count)
    ]


def test_many_prompts_are_cut_and_the_page_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [step_row(1)])
    write_film(run, 0, [shot(number, 1.0, f"p{number}") for number in range(MOST_ROWS + 2)])
    strip = read_film(read_run(run))
    assert (len(strip.reels), strip.prompts) == (MOST_ROWS, MOST_ROWS + 2)
    assert f"{MOST_ROWS} of {MOST_ROWS + 2} prompts, evenly chosen" in words(training_page(run))


def test_whatever_the_pictures_show_the_page_stays_below_seven_megabytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [step_row(1)])
    noise = np.random.default_rng(0)  # nothing compresses worse
    images = noise.integers(0, 256, (2 * MOST_ROWS, 128, 128, 3), dtype=np.uint8)
    for step in range(COLUMNS):
        write_film(run, step, [shot(n, 1.0, f"p{n // 2}", image) for n, image in enumerate(images)])
    text = training_page(run)
    pictures = re.findall(r"base64,([A-Za-z0-9+/=]+)", text)
    assert len(pictures) == MOST_ROWS * COLUMNS
    assert len(text) < 7_000_000
    assert all(len(base64.b64decode(picture)) > 1_000 for picture in pictures)


def test_thinning_keeps_both_ends() -> None:
    assert thinned(3, COLUMNS) == [0, 1, 2]
    for count in range(COLUMNS, 200):
        chosen = thinned(count, COLUMNS)
        assert (chosen[0], chosen[-1], len(set(chosen))) == (0, count - 1, COLUMNS)


def test_pictures_that_the_grades_do_not_name_are_not_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [step_row(1)], film=(0, 5))
    rows = [row for row in read_jsonl(run / GRADES) if row["step"] == 0]
    write_lines(run / GRADES, rows)
    assert [column.step for column in read_film(read_run(run)).columns] == [0]
    (run / GRADES).unlink()
    assert read_film(read_run(run)).reels == ()
    assert "step by step" not in words(training_page(run))


def test_film_shots_are_what_they_say() -> None:
    """The fixture's own claim: two pictures per prompt, every second prompt wrong at the start alone."""
    assert [each.grade.strict for each in film_shots(0)] == [1, 1, 0, 0] * 3
    assert {each.grade.strict for each in film_shots(2)} == {1.0}


def test_without_verdicts_the_page_tells_the_reward_and_no_count(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [step_row(step) for step in (1, 2)])
    for step, soft in ((0, 0.125), (2, 0.5)):
        open_grade = Grade(strict=math.nan, soft=soft)
        write_film(folder, step, [replace(shot(0, 0.0), benchmark="training", grade=open_grade)])
    (tally,) = read_film(read_run(folder)).tallies
    assert not tally.judged
    assert [(column.graded, column.mean) for column in tally.columns] == [(0, 0.125), (0, 0.5)]
    page = training_page(folder)
    assert "is 0.125 at step 0 and 0.500 at step 2" in page
    assert "of 0 right" not in page
    assert "A tick marks" not in page
