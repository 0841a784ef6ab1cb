"""`tessera judge`: what it says of scorers whose worth is known, repeating itself, and what it refuses."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tessera.cli.main import main
from tessera.config import from_plain
from tessera.rewards.load import EnsembleReward
from tessera.world.prompts import prompt_set
from tests.cli.conftest import Run
from tests.tiny import save_tiny_policy
from tests.unit.report.test_evaluation import Page

MISSING = "tests.unit.rewards.functions:every_fourth_missing"
ABSENT = "tests.unit.rewards.functions:always_missing"
SMALL = ("--benchmark", "mosaic-ood", "--prompts-per-category", 1, "--best-of", 3)


@pytest.fixture(autouse=True, scope="module")
def few_pictures_for_the_reference() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tessera.cli.judge.REFERENCE_PROMPTS", 1)
        patch.setattr("tessera.cli.judge.REFERENCE_SAMPLES", 2)
        yield


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judging of the verifier, noise, a judge and an outside function. Do not change it."""
    out = tmp_path_factory.mktemp("judge") / "out"
    words = ("judge", "--prompts-per-category", 3, "--best-of", 6)
    scorers = ("--scorer", "metric", "noise", "unified", MISSING)
    assert main([str(word) for word in (*words, *scorers, "--out", out)]) == 0
    return out


def told(folder: Path) -> dict[str, Any]:
    """Returns judges.json."""
    return json.loads((folder / "judges.json").read_text())


def test_the_verifier_is_perfect_and_a_judge_is_better_than_noise(judged: Path) -> None:
    """Claim: on 3 x 6 prompts of each benchmark, fixed by seed, the order of what is known to be better."""
    scorers = told(judged)["scorers"]
    for benchmark in ("mosaic-id", "mosaic-ood"):
        auc = {name: row["benchmarks"][benchmark]["auc"]["overall"]["mean"] for name, row in scorers.items()}
        assert auc["metric"] == 1.0
        assert auc["unified"] > auc["noise"] + 0.2
        metric = scorers["metric"]["benchmarks"][benchmark]
        assert metric["best_of"] == told(judged)["bounds"][benchmark]["oracle"]
        assert metric["accuracy"]["overall"]["mean"] == 1.0
        assert set(metric["pairs"]["categories"]) == set(metric["auc"]["categories"])
        assert len(metric["best_of"]["strict"]) == 6
        missing = scorers[MISSING]["benchmarks"][benchmark]
        assert missing["missing"] == missing["pictures"] // 4
    assert "Overlap" in scorers["metric"]["overlap"]
    assert scorers["unified"]["overlap"] == ""
    assert not scorers["metric"]["disagreements"]["disliked"] or all(
        row["score"] == 1.0 for row in scorers["metric"]["disagreements"]["disliked"]
    )


def test_the_test_split_is_never_drawn(judged: Path) -> None:
    rows = [json.loads(line) for line in (judged / "eval.jsonl").read_text().splitlines()]
    known = {
        prompt.id
        for family in ("id", "ood")
        for prompt in prompt_set("id" if family == "id" else "ood", "val", 3)
    }
    assert {row["prompt_id"] for row in rows} == known
    reference = [json.loads(line) for line in (judged / "reference" / "eval.jsonl").read_text().splitlines()]
    assert {row["prompt_id"] for row in reference} == {p.id for p in prompt_set("id", "train", 1)}


def test_the_page_is_whole_alone_and_says_what_the_file_says(judged: Path) -> None:
    text = (judged / "report.html").read_text()
    page = Page(text)
    assert page.misnested == []
    assert "http" not in text.replace("http-equiv", "")
    assert all((image["src"] or "").startswith("data:image/") for image in page.all("img"))
    said = " ".join(" ".join(page.text).split())
    auc = told(judged)["scorers"]["unified"]["benchmarks"]["mosaic-id"]["auc"]["overall"]["mean"]
    assert f"unified {auc:.2f}" in said
    assert f"unified tells right from wrong best (AUC {auc:.2f})" in said
    assert "Overlap: metric is the verifier" in said
    assert "Training on them" not in said


def test_what_is_printed_for_an_ensemble_loads_as_one(run: Run, judged: Path) -> None:
    words = ("--prompts-per-category", 3, "--best-of", 6, "--scorer", "metric", "noise", "unified", MISSING)
    out = run("judge", *words, "--out", judged, "--resume").out
    toml = out[out.index("[reward]") : out.index("Open ")]
    ensemble = from_plain(EnsembleReward, tomllib.loads(toml)["reward"], where="the table")
    assert [part.scorer.kind for part in ensemble.parts] == ["metric", "noise", "judge", "custom"]
    for part, row in zip(ensemble.parts, told(judged)["scorers"].values(), strict=True):
        expected = (row["reference"]["mean"], row["reference"]["std"])
        assert part.how.reference == pytest.approx(expected, rel=1e-3)


def test_other_scorers_draw_nothing_and_say_what_a_judging_afresh_says(run: Run, tmp_path: Path) -> None:
    both = ("judge", *SMALL, "--batch-size", 64)
    assert run(*both, "--scorer", "metric", "noise", "--out", tmp_path / "out").code == 0
    before = (tmp_path / "out" / "eval.jsonl").read_bytes()
    assert run(*both, "--scorer", "orm", "--out", tmp_path / "out", "--resume").code == 0
    assert (tmp_path / "out" / "eval.jsonl").read_bytes() == before
    fresh = ("judge", *SMALL, "--batch-size", 5, "--scorer", "orm", "--out", tmp_path / "fresh", "--json")
    printed = json.loads(run(*fresh).out)["judges"]
    assert printed == told(tmp_path / "fresh") == told(tmp_path / "out")


def test_training_on_a_scorer_is_told_over_kl_and_a_run_that_stops_itself_is_a_result(
    run: Run, tmp_path: Path
) -> None:
    policy = save_tiny_policy(tmp_path / "policy")
    words = ("judge", "--policy", policy, *SMALL, "--scorer", "noise", ABSENT, "--over-optimise", 1)
    outcome = run(*words, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    rows = {name: row["over_optimised"] for name, row in told(tmp_path / "out")["scorers"].items()}
    assert [row["step"] for row in rows["noise"]["held_out"]] == [0, 1]
    assert len(rows["noise"]["trained"]) == 1
    assert rows["noise"]["stopped"] == ""
    assert "could not judge 64 of 64 pictures" in rows[ABSENT]["stopped"]
    assert rows[ABSENT]["trained"] == []
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Training on them" in page
    assert "Training stopped itself: the reward" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--best-of", 1), "--best-of must be 2 or more"),
        (("--over-optimise", -1), "--over-optimise is a number of steps"),
        (("--prompts-per-category", 0), "--prompts-per-category must be 1 or more"),
        (("--scorer", "regresor"), "Did you mean 'regressor'?"),
        (("--benchmark", "mosaic-it"), "Did you mean 'mosaic-id'?"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    run: Run, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    outcome = run("judge", *words, "--out", tmp_path / "out")
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert list(tmp_path.iterdir()) == []


def test_the_test_split_cannot_be_asked_for(run: Run, tmp_path: Path) -> None:
    assert run("judge", "--split", "test", "--out", tmp_path / "out").code == 2
