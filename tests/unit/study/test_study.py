"""A study from beginning to end, at tiny size: what it writes, what it repeats, what it survives."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tessera.errors import OutputError, UserError
from tessera.statistics.intervals import overall_estimate, prompt_means
from tessera.statistics.selection import choose, taken
from tessera.storage import read_jsonl
from tessera.study.config import SweepRates
from tessera.study.results import MEASURED
from tessera.study.runner import Local
from tessera.types import EvalRecord
from tests.architecture.source_tree import REPO
from tests.unit.study.tiny import VERSUS, Ended, Here, run_tiny, saved, tiny_study


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the policy and a finished study `out`."""
    folder = tmp_path_factory.mktemp("study")
    ended = run_tiny(tiny_study(saved(folder)), folder / "out")
    assert ended.count("done") == len(ended.cells) == 4
    return folder


def read(out: Path, name: str) -> Any:
    return json.loads((out / name).read_text(encoding="utf-8"))


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Returns the results without what no two runs have in common."""
    return [{k: v for k, v in row.items() if k not in MEASURED} for row in read(out, "results.json")]


def find(rows: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row[name] == value for name, value in values.items())]
    return row


@pytest.mark.parametrize("arm", ["base", "grpo", "dpo"])
@pytest.mark.parametrize("score", ["strict", "soft"])
def test_rows_are_what_the_pictures_say(done: Path, arm: str, score: str) -> None:
    """Recomputed from eval.jsonl, one picture at a time."""
    rows = read(done / "out", "results.json")
    overall = find(rows, arm=arm, score=score, category="overall", best_of=1)
    records = [EvalRecord.from_json(r) for r in read_jsonl(done / "out" / overall["eval"] / "eval.jsonl")]
    assert len(records) == overall["n_prompts"] == 6
    by_category: dict[str, list[EvalRecord]] = {}
    for record in records:
        by_category.setdefault(record.category, []).append(record)
    means = []
    for category, mine in by_category.items():
        row = find(rows, arm=arm, score=score, category=category, best_of=1)
        means.append(prompt_means([r.prompt_id for r in mine], [getattr(r.grade, score) for r in mine]))
        assert row["mean"] == pytest.approx(np.mean(means[-1]))
    expected = overall_estimate(means)
    assert (overall["mean"], overall["ci_low"], overall["ci_high"]) == pytest.approx(
        (expected.mean, expected.ci_low, expected.ci_high)
    )


def test_best_of_two_is_the_choice_from_the_evaluations_pictures_and_as_many_more(done: Path) -> None:
    rows, out = read(done / "out", "results.json"), done / "out"
    row = find(rows, arm="base", reward="noise", best_of=2, score="soft", category="overall")
    base = find(rows, arm="base", best_of=1, score="soft", category="overall")
    values = {
        (r["prompt_id"], r["sample"]): r["values"]["noise"]
        for r in read_jsonl(out / row["eval"] / "scores.jsonl")
    }
    records = [EvalRecord.from_json(r) for r in read_jsonl(out / row["eval"] / "eval.jsonl")]
    grades = {(r.prompt_id, r.sample): r.grade.soft for r in records}
    prompts = list(dict.fromkeys(r.prompt_id for r in records))
    score_PG = np.array([[values[prompt, n] for n in range(2)] for prompt in prompts])
    soft_PG = np.array([[grades[prompt, n] for n in range(2)] for prompt in prompts])
    assert row["mean"] == pytest.approx(taken(soft_PG, choose(score_PG)).mean())  # a prompt per category
    assert base["mean"] == pytest.approx(soft_PG[:, 0].mean())
    oracle = find(rows, arm="base", reward="oracle", best_of=2, score="soft", category="overall")
    assert oracle["mean"] == pytest.approx(soft_PG.max(axis=1).mean())


def test_a_cell_says_what_it_used_up(done: Path) -> None:
    rows, out = read(done / "out", "results.json"), done / "out"
    for arm in ("grpo", "dpo"):
        row = find(rows, arm=arm, category="overall", score="strict")
        ledger = list(read_jsonl(out / row["run"] / "ledger.jsonl"))
        assert row["images"] == sum(entry["images"] for entry in ledger) == 32
        assert row["gradient_steps"] == len(ledger) == 4
        for name in ("tokens_sampled", "tokens_scored", "tokens_trained", "reward_calls"):
            assert row[name] == sum(entry[name] for entry in ledger) > 0
        assert row["kl"] > 0
        assert row["lr"] == 1e-3
    cells = {cell["arm"]: cell for cell in read(out, "cells.json") if cell["best_of"] == 1}
    assert cells["dpo"]["matched"] == {
        "unit": "images",
        "spent": 32,
        "budget": 32,
        "missed_by": 0.0,
    }
    assert find(rows, arm="base", best_of=1, category="overall", score="strict")["kl"] == 0.0
    # The real cost counts what was drawn: DPO's pictures once, the candidates beside those of the base.
    assert read(out, "study.json")["real_cost"]["images"] == 3 * 6 + 6 + 32 + 32


def test_the_table_for_spreadsheets_has_the_same_rows(done: Path) -> None:
    rows = read(done / "out", "results.json")
    with (done / "out" / "results.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == list(rows[0])
    assert [row["mean"] for row in table] == [str(row["mean"]) for row in rows]


def test_a_finished_study_is_not_run_again(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done / "out", out)
    told: list[str] = []
    run_tiny(tiny_study(done / "policy"), out, resume=True, told=told)
    assert told == ["8 of 8 stages are there already"]
    assert (out / "results.json").read_bytes() == (done / "out" / "results.json").read_bytes()


def test_one_changed_rate_makes_one_arm_again(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done / "out", out)
    study = tiny_study(done / "policy")
    rates = replace(study.rates, rates={"grpo": 1e-3, "dpo": 1e-4})
    told: list[str] = []
    run_tiny(replace(study, rates=rates), out, resume=True, told=told)
    assert [line.partition(":")[0] for line in told] == [
        "6 of 8 stages are there already",
        "[7/8] train dpo-noise-s0",
        "[8/8] measure dpo-noise-s0",
    ]
    assert [r for r in rows_of(out) if r["arm"] != "dpo"] == [
        r for r in rows_of(done / "out") if r["arm"] != "dpo"
    ]


def test_a_cell_that_always_fails_leaves_the_rest_complete(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done / "out", out)
    bad = "tests.unit.rewards.functions:fails"
    both = replace(VERSUS, rewards=("noise", bad), choosers=("noise", bad))
    ended = run_tiny(tiny_study(done / "policy", experiments=(both,)), out, resume=True)
    assert (ended.count("done"), ended.count("failed"), ended.count("skipped")) == (4, 3, 0)
    failed = {(c["arm"], c["best_of"]): c for c in read(out, "cells.json") if c["status"] == "failed"}
    assert set(failed) == {("grpo", 1), ("dpo", 1), ("base", 2)}
    for cell in failed.values():
        assert cell["reward"] == bad
        assert "ZeroDivisionError: the judge is out" in cell["error"]
        assert "Traceback" in (out / cell["log"]).read_text()
    assert rows_of(out) == rows_of(done / "out")


def test_only_one_experiment_is_run_and_the_other_is_skipped(done: Path, tmp_path: Path) -> None:
    first = replace(VERSUS, name="first", arms=("base",), best_of=1, choosers=())
    study = tiny_study(done / "policy", experiments=(first, VERSUS))
    ended = run_tiny(study, tmp_path / "out", only=["first"])
    assert (ended.count("done"), ended.count("skipped")) == (1, 3)
    assert {row["experiment"] for row in rows_of(tmp_path / "out")} == {
        "first",
        "versus",
    }  # one base, two places
    with pytest.raises(UserError, match="Did you mean 'first'"):
        run_tiny(study, tmp_path / "out", resume=True, only=["frist"])


@pytest.mark.slow
def test_rates_are_swept_on_validation_prompts_and_the_best_one_trains(done: Path, tmp_path: Path) -> None:
    sweep = SweepRates(rates=(1e-3, 1e-2), seed=100, reward="noise", prompts_per_category=1)
    study = tiny_study(done / "policy", experiments=(replace(VERSUS, best_of=1, choosers=()),), rates=sweep)
    run_tiny(study, tmp_path / "out")
    told = read(tmp_path / "out", "sweep.json")
    for arm in ("grpo", "dpo"):
        tried = told[arm]["trials"]
        assert [trial["lr"] for trial in tried] == [1e-3, 1e-2]
        for trial in tried:
            last = list(read_jsonl(tmp_path / "out" / trial["run"] / "held_out.jsonl"))[-1]
            assert trial["mean"] == last["mosaic-id"]["strict"]["mean"]
        best = max(tried, key=lambda trial: (trial["mean"], -trial["lr"]))["lr"]
        row = find(rows_of(tmp_path / "out"), arm=arm, category="overall", score="strict")
        assert (told[arm]["chosen"], row["lr"], row["seed"]) == (best, best, 0)


def test_a_folder_that_is_not_a_studys_is_left_alone(done: Path, tmp_path: Path) -> None:
    study = tiny_study(done / "policy")
    (tmp_path / "mine.txt").write_text("mine")
    for resume, message in ((False, "is not empty"), (True, "has no study.json")):
        with pytest.raises(OutputError, match=message):
            run_tiny(study, tmp_path, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@dataclass
class Interrupted:
    """Ctrl-C when the fourth stage starts."""

    slots: int = 1
    started: int = 0

    def start(self, out: Path, name: str) -> Ended:
        self.started += 1
        if self.started == 4:
            raise KeyboardInterrupt
        return Here().start(out, name)


def test_an_interrupted_study_says_what_is_left_and_goes_on(done: Path, tmp_path: Path) -> None:
    study, out = tiny_study(done / "policy"), tmp_path / "out"
    ended = run_tiny(study, out, executor=Interrupted())
    assert ended.interrupted
    assert ended.count("skipped") > 0
    assert ended.count("failed") == 0
    assert {c["error"] for c in ended.cells if c["status"] == "skipped"} == {
        "not reached; go on with --resume"
    }
    assert read(out, "study.json")["finished"] is None
    told: list[str] = []
    run_tiny(study, out, resume=True, told=told)
    assert told[0] == "3 of 8 stages are there already"
    assert rows_of(out) == rows_of(done / "out")


DRIVER = """
import sys
from pathlib import Path
from tessera.study.runner import Local
from tests.unit.study.tiny import run_tiny, tiny_study
run_tiny(tiny_study(sys.argv[1]), Path(sys.argv[2]), resume=True, executor=Local(2))
"""

MOMENTS = (  # what to wait for before each kill
    "stages/rollouts-*/rollouts/round_000/part_*.safetensors",
    "stages/train-*/checkpoints/step_000002",
    "stages/candidates-*/eval.jsonl",
    "stages/train-*/COMPLETE",
)


@pytest.mark.slow
def test_a_study_killed_with_9_again_and_again_ends_with_the_same_results(done: Path, tmp_path: Path) -> None:
    """Its stages leave with it; the rows are those of a study that nobody killed."""
    out = tmp_path / "out"
    line = [sys.executable, "-c", DRIVER, str(done / "policy"), str(out)]
    kills = 0
    for moment in MOMENTS:
        process = subprocess.Popen(line, cwd=REPO, env=os.environ, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None and not list(out.glob(moment)):
            time.sleep(0.002)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 3
    run_tiny(tiny_study(done / "policy"), out, resume=True, executor=Local(2))
    assert rows_of(out) == rows_of(done / "out")
    assert not list(out.glob("stages/*/.*"))


def test_a_second_study_in_the_folder_is_refused(done: Path, tmp_path: Path) -> None:
    import fcntl

    with (done / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another study is running"):
            run_tiny(tiny_study(done / "policy"), done / "out", resume=True)


@pytest.mark.slow
def test_a_judge_says_how_it_likes_the_pictures_it_taught_and_those_of_the_base(
    done: Path, tmp_path: Path
) -> None:
    """And chooses among them: of a trained arm the reward stays what trained it."""
    judge = "tests.unit.rewards.functions:brightness"
    both = replace(VERSUS, arms=("base", "grpo"), rewards=(judge,), choosers=(judge,), choose_trained=True)
    ended = run_tiny(tiny_study(done / "policy", experiments=(both,)), tmp_path / "out")
    assert ended.count("done") == len(ended.cells) == 4
    rows = read(tmp_path / "out", "results.json")
    plain = [row for row in rows if row["best_of"] == 1 and row["score"] == "strict"]
    for arm in ("base", "grpo"):
        row = find(plain, arm=arm, category="overall")
        scores = {
            (each["prompt_id"], each["sample"]): each["values"][judge]
            for each in read_jsonl(tmp_path / "out" / row["scores"][judge] / "scores.jsonl")
        }
        records = [EvalRecord.from_json(r) for r in read_jsonl(tmp_path / "out" / row["eval"] / "eval.jsonl")]
        assert set(scores) == {(record.prompt_id, record.sample) for record in records}
        assert len(set(scores.values())) > 1
    chosen = [row for row in rows if row["best_of"] == 2 and row["arm"] == "grpo"]
    assert {row["reward"] for row in chosen} == {judge}
    assert {row["chooser"] for row in chosen} == {judge, "random", "oracle"}
    assert {row["setting"] for row in chosen} == {"best-of-2"}
