"""`tessera score` and `tessera scorers`: anybody's pictures in, tables and a page out."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.architecture.source_tree import REPO
from tests.cli.conftest import Run

BRIGHTNESS = "tests.unit.rewards.functions:brightness"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Returns a folder of five grey pictures of two sizes, the names against the order of brightness."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        grey = 250 - 50 * number
        Image.new("RGB", (16 + 8 * (number % 2), 16), (grey, grey, grey)).save(folder / f"{number}.png")
    return folder


def test_every_picture_gets_a_score_in_both_tables_and_on_the_page(
    run: Run, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = (
        "score",
        "--scorer",
        BRIGHTNESS,
        "noise",
        "--images",
        pictures,
        "--prompt",
        "grey",
        "--out",
        out,
    )
    outcome = run(*command, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["pictures"] == 5
    rows = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    assert [row["image"] for row in rows] == [f"{number}.png" for number in range(5)]
    values = [row["values"][BRIGHTNESS] for row in rows]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]
    with (out / "scores.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row[BRIGHTNESS]) for row in table] == values
    page = (out / "report.html").read_text()
    assert page.count("<img ") == 2 * 5
    places = [page.index(f"<span>{number}.png</span>") for number in range(5)]
    assert places == sorted(places)  # the first scorer's section comes first, best first
    assert run(*command).code == 2  # not without being told to
    before = (out / "scores.jsonl").read_bytes()
    assert run(*command, "--resume").code == 0
    assert (out / "scores.jsonl").read_bytes() == before


def test_what_cannot_be_scored_stays_empty_and_says_why(run: Run, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for picture in pictures.iterdir():  # as the verifier takes them
        Image.open(picture).resize((128, 128)).save(picture)
    outcome = run("score", "--scorer", "metric", "--images", pictures, "--prompt", "a dog", "--out", out)
    assert outcome.code == 0, outcome.err
    assert "metric (5 without a score)" in outcome.out
    (first, *_) = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    assert first["values"] == {"metric": None}
    assert "dog" in first["reasons"]["metric"]
    assert "without a score" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--scorer", "hsp"), "unknown scorer 'hsp'. Did you mean 'hps'?"),
        (("--scorer", "noise", "noise"), "names each scorer once"),
        (("--scorer", "noise", "--set", "metric.x=1"), "noise.weights=FOLDER"),
        (("--scorer", "metric", "--set", "metric.strict=1"), "strict_weight"),
        (("--scorer", "clipscore", "--set", "clipscore.weights=/nowhere"), "huggingface.co/openai/clip"),
    ],
)
def test_a_mistake_is_one_sentence(
    run: Run, pictures: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    outcome = run("score", *words, "--images", pictures, "--prompt", "x", "--out", tmp_path / "out")
    assert outcome.code == 2
    assert told in outcome.err
    assert not (tmp_path / "out").exists()


def test_every_scorer_is_listed_with_the_test_that_proves_it(run: Run) -> None:
    listed = json.loads(run("scorers", "--json").out)["scorers"]
    names = [each["name"] for each in listed]
    assert len(set(names)) == len(names)
    assert {"metric", "unified", "hps", "imagereward", "unifiedreward", "gdino", "git-vqa"} <= set(names)
    for each in listed:
        assert (REPO / each["proof"]).is_file(), each
        assert all(home["licence"] for home in each["checkpoints"])
    text = run("scorers").out
    assert all(name in text for name in names)
