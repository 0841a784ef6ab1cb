"""The page of a run: whole, alone, safe, true to the files, and made of whatever a kill left behind."""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tessera.errors import UserError
from tessera.report.numbers import NARROW_SPACE
from tessera.report.panels import change, first_and_last, plain
from tessera.report.run_files import read_run
from tessera.report.timing import phases, rounds
from tessera.report.training import run_alarms, settings, total_cost, training_page
from tessera.storage import CONFIG, append_jsonl, write_json
from tessera.training.film import Shot, write_film
from tessera.training.metrics import HELD_OUT, METRICS
from tessera.types import Grade, Prompt
from tessera.world.grammar import change_one_fact, parse
from tessera.world.prompts import draw_scene, prompt_set
from tessera.world.render import render
from tests.unit.report.test_evaluation import Page

NAN = math.nan
PROMPTS = prompt_set("id", "val", 1)
CONFIGURED = {
    "recipe": "mosaic-grpo",
    "algorithm": {"kind": "grpo", "prompts_per_step": 8, "max_replay_gap": 0.01},
    "optimizer": {"lr": 3e-4},
    "steps": 20,
    "seed": 7,
}


def step_row(step: int, **more: Any) -> dict[str, Any]:
    """Returns a line as the trainer writes it."""
    return {
        "step": step,
        "reward": 0.5 + 0.01 * step,
        "reward_std": 0.3,
        "kl": 0.001 * step,
        "entropy": 0.2,
        "clip_fraction": 0.0,
        "zero_variance_groups": 1,
        "missing": 0,
        "sample_replay_gap": 1.2e-3,
        "loss": 0.01,
        "grad_norm": 0.2,
        "lr": 3e-4,
        "images": 64,
        "images_total": 64 * step,
        "seconds": 2.0,
        "seconds_sample": 0.5,
        "seconds_update": 1.0,
        **more,
    }


def score(mean: float, n: int = 60) -> dict[str, Any]:
    estimate = {"mean": mean, "ci_low": mean - 0.1, "ci_high": mean + 0.1, "n": n}
    return {"strict": estimate, "soft": estimate}


def film_shots(step: int, prompts: Sequence[Prompt] = PROMPTS) -> list[Shot]:
    """Returns two pictures of each prompt; every second prompt is wrong at step 0, and right from then on."""
    shots = []
    for number in range(2 * len(prompts)):
        prompt, rng = prompts[number // 2], random.Random(number)
        asked = parse(PROMPTS[number // 2].text)
        wrong = step == 0 and number // 2 % 2
        drawn = change_one_fact(asked, rng)[1] if wrong else asked
        shots.append(
            Shot(
                number=number,
                benchmark="mosaic-id",
                prompt=prompt,
                sample=number % 2,
                image_HWC=render(draw_scene(drawn, rng)),
                grade=Grade(strict=float(not wrong), soft=0.5),
            )
        )
    return shots


def write_run(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    held_out: Sequence[dict[str, Any]] = (),
    film: Sequence[int] = (),
) -> Path:
    """Writes a run folder; `film` lists the steps with pictures."""
    folder.mkdir(exist_ok=True)
    write_json(folder / CONFIG, CONFIGURED)
    append_jsonl(folder / METRICS, list(rows))
    append_jsonl(folder / HELD_OUT, list(held_out))
    for step in film:
        write_film(folder, step, film_shots(step))
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 20 steps. Do not change it."""
    return write_run(
        tmp_path_factory.mktemp("runs") / "run",
        [step_row(step) for step in range(1, 21)],
        [
            {"step": 0, "mosaic-id": score(0.38), "mosaic-ood": score(0.72, 57)},
            {"step": 20, "mosaic-id": score(0.6), "mosaic-ood": score(0.77, 57)},
        ],
        film=range(0, 21, 2),
    )


@pytest.fixture(scope="module")
def text(run_folder: Path) -> str:
    return training_page(run_folder, "measure it: `tessera eval`")


def words(text: str) -> str:
    """Returns what a reader sees, with plain spaces."""
    return " ".join("".join(Page(text).text).replace(NARROW_SPACE, " ").split())


def test_the_page_is_well_formed_its_links_arrive_and_it_loads_nothing(text: str) -> None:
    page = Page(text)
    assert page.misnested == []
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in page.all("a")} == {"#film", "#curves", "#alarms", "#cost", "#settings"}
    assert all((a["href"] or "")[1:] in ids for a in page.all("a"))
    assert all((a["src"] or "").startswith("data:image/") for a in page.all("img"))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text


def test_the_reading_says_what_came_of_it(text: str) -> None:
    said = words(text)
    assert (
        "In 20 steps and 1 280 pictures, the trained reward rose from 0.53 to 0.68. On held-out prompts, the "
        "share of right pictures went from 38 % to 60 % in domain (60 prompts) and from 72 % to 77 % out of "
        "domain (57 prompts)." in said
    )
    assert "No alarm." in said
    assert "Not finished" not in said
    assert "1 280 pictures in 40 s, 32.0 pictures per second" in said
    assert "Next: measure it: tessera eval" in said


def test_the_page_is_a_function_of_the_folder(run_folder: Path, text: str) -> None:
    assert training_page(run_folder, "measure it: `tessera eval`") == text


def test_a_killed_run_shows_what_it_finished(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [step_row(step) for step in range(1, 14)], film=(0, 5, 10))
    with (folder / METRICS).open("a") as file:
        file.write('{"step": 14, "rew')
    for number in (2, 3):  # both of the second prompt
        torn = folder / "pictures" / "step_000010" / f"{number}.png"
        torn.write_bytes(torn.read_bytes()[:200])
    (folder / "pictures" / "step_000010" / "4.png").unlink()
    (folder / "checkpoints" / "step_000010").mkdir(parents=True)
    (folder / "checkpoints" / "step_000010" / "COMPLETE").touch()
    (folder / "checkpoints" / "step_000012").mkdir()
    text = training_page(folder)
    assert "Not finished: 13 of 20 steps, last checkpoint at step 10." in words(text)
    assert "In 13 of 20 steps" in words(text)
    assert text.count(">no picture<") == 1
    assert 'aria-label="Step 10: no picture, right"' in text


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="no step"),
        pytest.param([step_row(1)], id="one step"),
        pytest.param([{"step": 1}], id="a step and nothing else"),
        pytest.param([{"step": n, "reward": None, "kl": None, "images": None} for n in (1, 2)], id="nulls"),
        pytest.param([step_row(n, reward=None, seconds=None) for n in range(1, 30)], id="no reward"),
        pytest.param([step_row(n, weird="text", nested={"a": 1}, yes=True) for n in (1, 2)], id="odd values"),
        pytest.param([step_row(n, images=64 * (n % 2)) for n in range(1, 20)], id="two updates a round"),
    ],
)
def test_whatever_is_missing_the_page_is_whole(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    text = training_page(write_run(tmp_path / "run", rows))
    assert Page(text).misnested == []
    assert "nan" not in words(text).lower().split()
    assert "None" not in words(text).split()


def test_not_a_number_in_the_file_is_a_gap(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [])
    (folder / METRICS).write_text('{"step": 1, "reward": NaN, "kl": Infinity}\n{"step": 2, "reward": 0.5}\n')
    assert "the trained reward is 0.50" in words(training_page(folder))


def test_a_step_written_twice_counts_once_as_written_last(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [step_row(1), step_row(2, reward=9.0), step_row(2, reward=0.7)])
    assert [row["reward"] for row in read_run(folder).metrics] == [0.51, 0.7]


def test_held_out_scores_are_found_in_the_metrics_too(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [step_row(1), step_row(2, held_out={"mosaic-id": score(0.5)})])
    assert "the share of right pictures is 50 % in domain (60 prompts)" in words(training_page(folder))


def test_a_folder_that_is_no_run_and_a_changed_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder"):
        training_page(tmp_path)
    folder = write_run(tmp_path / "run", [])
    (folder / METRICS).write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(UserError, match="line 2"):
        training_page(folder)


def test_alarms_are_told_at_the_top_at_their_chart_and_with_what_to_do(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [step_row(step, kl=0.4) for step in range(1, 21)])
    assert [alarm.kind for alarm in run_alarms(read_run(folder))] == ["kl"]
    text = training_page(folder)
    assert "1 alarm" in words(text)
    assert "KL to the reference alarm" in words(text)
    assert "<code>kl_weight</code>" in text


def test_what_files_say_is_never_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'>{{ 7 * 7 }}"
    folder = write_run(
        tmp_path / "run",
        [step_row(1, **{evil: 1.0, f"seconds_{evil}": 0.1})],
        [{"step": 0, evil: score(0.5)}],
    )
    named = [Prompt(id="1", text=evil, category=evil)]
    write_film(folder, 0, film_shots(0, named))
    write_json(folder / CONFIG, {**CONFIGURED, "recipe": evil, "command": evil, evil: evil})
    text = training_page(folder, evil)
    assert "<script>alert" not in text
    assert "49" not in words(text)
    assert Page(text).misnested == []


def test_rounds_start_where_pictures_are_drawn_and_leave_out_one_cut_short(tmp_path: Path) -> None:
    rows = [step_row(n, images=64 * (n % 2)) for n in range(1, 8)]
    run = read_run(write_run(tmp_path / "run", rows))
    assert rounds(run).tolist() == [0, 2, 4, 6]
    assert phases(run)["rest"].tolist() == [0.5] * 7
    assert "pictures in 14 s" in total_cost(run).replace(NARROW_SPACE, " ")


def test_changes_compare_the_means_of_five_or_of_half() -> None:
    assert first_and_last(np.array([1.0] * 5 + [9.0] * 3 + [2.0] * 5)) == (1.0, 2.0)
    assert first_and_last(np.array([1.0, NAN, 3.0])) == (1.0, 3.0)
    assert change(np.array([0.5]), "{:.1f}".format) == "0.5"
    assert change(np.array([NAN]), "{:.1f}".format) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "written"), [(0.0, "0"), (0.1524, "0.152"), (2.4e-5, "2.4e-5"), (1280.0, f"1{NARROW_SPACE}280")]
)
def test_numbers_are_short(value: float, written: str) -> None:
    assert plain(value) == written


def test_settings_are_listed_by_their_path() -> None:
    listed = dict(settings(json.loads(json.dumps({"a": {"b": [1, 2], "c": None}, "d": "x"}))))
    assert listed == {"a.b": "[1, 2]", "a.c": "null", "d": "x"}
