"""WISE as a benchmark, with a judge whose answers are painted: places, verdicts, files, summary."""

import json
import math
from pathlib import Path, PurePosixPath

import pytest

from tessera.benchmarks.graded import Graded
from tessera.benchmarks.looking import judged
from tessera.benchmarks.runner import EvalConfig, evaluate
from tessera.benchmarks.wise.benchmark import Wise
from tessera.benchmarks.wise.files import read_wise
from tessera.benchmarks.wise.load import load_wise
from tessera.benchmarks.wise.questions import OWN
from tessera.benchmarks.wise.settings import Edition, WiseSettings
from tessera.config import from_plain
from tessera.errors import UserError
from tessera.policies.load import load_policy
from tessera.protocols import Observed
from tessera.scorers.vlm.answerer_settings import QwenAnswers
from tessera.storage import read_jsonl
from tessera.types import EvalRecord, View
from tests.unit.benchmarks.dpg.painted import PaintedAnswerer, painted
from tests.unit.benchmarks.wise.made import written
from tests.unit.scorers.vlm import tiny

WRITES = {
    0: ("Not it. Score: 0", ""),
    1: ("Score: 1", ""),
    2: ("I cannot see it.", ""),
    3: ("", "the prompt holds a control token"),
    7: ("Consistency: 2\nRealism: 1\nAesthetic Quality: 1", ""),  # (1.4 + .2 + .1) / 2 = .85
    8: ("Consistency: 0\nRealism: 2\nAesthetic Quality: 0", ""),  # .2
}
PLACE = "tests.unit.benchmarks.dpg.painted"


def made(folder: Path, edition: Edition = "verified") -> Wise:
    return Wise(
        listed=tuple(read_wise(written(folder, edition), edition)),
        edition=edition,
        judge=PaintedAnswerer(writes=WRITES),
        question="{prompt}? {explanation}",
        title="WISE (painter)",
    )


def graded(benchmark: Wise, colours: list[int], sample: int = 0) -> list[Graded]:
    """Returns verdicts on a picture of each prompt, in the colours given."""
    prompts = benchmark.prompts(None)[: len(colours)]
    seen = benchmark.observe(prompts, painted(*colours))
    return [
        Graded(
            prompt=prompt,
            sample=sample,
            picture=str(benchmark.picture(prompt, sample)),
            seen=each,
            grade=benchmark.verdict(prompt, json.loads(json.dumps(each))),
        )
        for prompt, each in zip(prompts, seen, strict=True)
    ]


def test_it_is_a_benchmark_of_the_field(tmp_path: Path) -> None:
    benchmark = made(tmp_path)
    assert isinstance(benchmark, Observed)
    assert (benchmark.name, benchmark.samples, benchmark.evidence) == ("wise", 1, "judgements.jsonl")
    assert len(benchmark.prompts(None)) == 12
    assert [each.metadata["number"] for each in benchmark.prompts(1)] == [1, 401, 521, 641, 761, 881]
    assert list(benchmark.beside(benchmark.prompts(None))) == []


def test_pictures_lie_where_its_scripts_look(tmp_path: Path) -> None:
    prompt = made(tmp_path).prompts(None)[2]
    assert made(tmp_path).picture(prompt, 0) == PurePosixPath("401.png")
    assert made(tmp_path).picture(prompt, 2) == PurePosixPath("sample_2/401.png")


def test_the_judge_is_told_prompt_and_explanation_and_its_words_are_kept(tmp_path: Path) -> None:
    judge = PaintedAnswerer(writes=WRITES)
    benchmark = Wise(
        listed=made(tmp_path).listed,
        edition="verified",
        judge=judge,
        question="{prompt}? {explanation}",
        title="",
    )
    seen = benchmark.observe(benchmark.prompts(None)[:3], painted(1, 2, 3))
    assert judge.asked[1] == "The thing of riddle 400? It is answer 400"
    assert seen == [
        {"answer": "Score: 1"},
        {"answer": "I cannot see it."},
        {"answer": None, "reason": "the prompt holds a control token"},
    ]


def test_verdicts_are_of_the_words_and_what_has_none_is_missing(tmp_path: Path) -> None:
    benchmark = made(tmp_path)
    grades = benchmark.grade(benchmark.prompts(None)[:4], painted(0, 1, 2, 3))
    assert [each.strict for each in grades[:2]] == [0, 1]
    assert all(math.isnan(each.strict) and math.isnan(each.soft) for each in grades[2:])
    assert [each.reason for each in grades] == [
        "",
        "",
        "no 'Score: 0 or 1' in the answer 'I cannot see it.'",
        "the prompt holds a control token",
    ]


def test_the_verified_summary_is_weighted_by_category(tmp_path: Path) -> None:
    """Culture 1, time .5, space 0, biology 1 of one judged picture, physics .5, chemistry 0."""
    benchmark = made(tmp_path)
    told = benchmark.aggregate(graded(benchmark, [1, 1, 1, 0, 0, 0, 1, 2, 0, 1, 0, 0]))
    assert told["title"] == "WISE (painter)"
    assert told["overall"] == pytest.approx(0.4 * 1 + 0.12 * (0.5 + 0 + 1 + 0.5 + 0))
    assert (told["edition"], told["images"], told["missing"]) == ("verified", 11, 1)
    assert told["categories"]["biology"] == {"mean": 1, "images": 1, "missing": 1, "weight": 0.12}
    assert list(told["categories"]) == ["culture", "time", "space", "biology", "physics", "chemistry"]


def test_the_legacy_summary_is_weighted_by_category(tmp_path: Path) -> None:
    benchmark = made(tmp_path, "legacy")
    told = benchmark.aggregate(graded(benchmark, [7, 8, 7, 7, 8, 8, 7, 7, 8, 8, 7, 7]))
    means = [(0.85 + 0.2) / 2, 0.85, 0.2, 0.85, 0.2, 0.85]
    weights = [0.4, 0.167, 0.133, 0.1, 0.1, 0.1]
    assert [each["mean"] for each in told["categories"].values()] == pytest.approx(means)
    assert told["overall"] == pytest.approx(
        sum(mean * weight for mean, weight in zip(means, weights, strict=True))
    )


def test_a_category_that_was_not_judged_leaves_no_overall_score(tmp_path: Path) -> None:
    told = made(tmp_path).aggregate(graded(made(tmp_path), [1, 1, 1, 1, 2, 2]))
    assert math.isnan(told["overall"])
    assert math.isnan(told["categories"]["space"]["mean"])
    assert told["categories"]["space"]["missing"] == 2


def test_the_result_files_are_its_scripts(tmp_path: Path) -> None:
    """Its legacy sum, worked out here from our files by the ranges of its READMEs, is ours."""
    benchmark = made(tmp_path, "legacy")
    verdicts = graded(benchmark, [7, 8, 7, 7, 8, 8, 7, 2, 8, 8, 7, 7])
    files = {str(path): text for path, text in benchmark.results(verdicts)}
    assert sorted(files) == [
        f"Results/{part}_{kind}"
        for part in ("cultural_common_sense", "natural_science", "spatio-temporal_reasoning")
        for kind in ("full_results.json", "scores_results.jsonl")
    ]
    full = json.loads(files["Results/spatio-temporal_reasoning_full_results.json"])
    assert full[0] == {
        "prompt_id": 401,
        "prompt": "The thing of riddle 401",
        "key": "It is answer 401",
        "image_path": "401.png",
        "evaluation": WRITES[7][0],
    }
    rows = [
        json.loads(line)
        for name, text in files.items()
        if name.endswith(".jsonl")
        for line in text.splitlines()
    ]
    assert len(rows) == 11  # the unjudged one has no line
    assert rows[0] == {
        "prompt_id": 1,
        "Subcategory": "kind 1",
        "consistency": 2,
        "realism": 1,
        "aesthetic_quality": 1,
    }
    total = 0.0
    ranges = [(1, 400, 0.4), (401, 567, 0.167), (568, 700, 0.133), (701, 800, 0.1), (801, 900, 0.1)]
    for first, last, weight in [*ranges, (901, 1000, 0.1)]:
        worth = [
            (0.7 * row["consistency"] + 0.2 * row["realism"] + 0.1 * row["aesthetic_quality"]) / 2
            for row in rows
            if first <= row["prompt_id"] <= last
        ]
        total += weight * sum(worth) / len(worth)
    assert total == pytest.approx(benchmark.aggregate(verdicts)["overall"])


def test_second_pictures_have_result_files_of_their_own(tmp_path: Path) -> None:
    benchmark = made(tmp_path)
    verdicts = [*graded(benchmark, [1, 0]), *graded(benchmark, [0, 0], sample=1)]
    files = {str(path): text for path, text in benchmark.results(verdicts)}
    name = "Results/cultural_common_sense_scores_results.jsonl"
    assert json.loads(files[name].splitlines()[0]) == {
        "prompt_id": 1,
        "Subcategory": "kind 1",
        "score": 1,
    }
    assert json.loads(files[f"sample_1/{name}"].splitlines()[0])["score"] == 0


def test_the_digest_knows_judge_words_and_explanations(tmp_path: Path) -> None:
    first = made(tmp_path)
    path = tmp_path / "natural_science_verified.json"
    path.write_text(path.read_text().replace("It is answer 1000", "It is something else"), encoding="utf-8")
    told = Wise(
        listed=tuple(read_wise(tmp_path, "verified")),
        edition="verified",
        judge=first.judge,
        question=first.question,
        title="",
    )
    words = Wise(listed=first.listed, edition="verified", judge=first.judge, question="?", title="")
    again = Wise(
        listed=first.listed, edition="verified", judge=first.judge, question=first.question, title="x"
    )
    assert again.digest() == first.digest()
    assert len({first.digest(), told.digest(), words.digest()}) == 3


def test_results_are_called_after_the_judge_and_its_words(tmp_path: Path) -> None:
    written(tmp_path / "wise")
    written(tmp_path / "wise", "legacy")
    (tmp_path / "theirs.txt").write_text("{prompt} {explanation} Score?", encoding="utf-8")
    mine = load_wise(WiseSettings(), tmp_path)
    assert mine.title == (
        "WISE_Verified (Qwen2.5-VL-7B-Instruct, not Qwen3.5-35B-A3B; not in the published words)"
    )
    assert mine.question == OWN["verified"]
    plain = {
        "data": str(tmp_path / "wise"),
        "edition": "legacy",
        "judge": {"function": f"{PLACE}:open_painter", "published": True},
        "question": str(tmp_path / "theirs.txt"),
    }
    theirs = load_wise(from_plain(WiseSettings, plain, where="test"), Path("/nowhere"))
    assert theirs.title == "WISE (painter; in the words of theirs.txt)"
    assert theirs.question == "{prompt} {explanation} Score?"
    with pytest.raises(UserError, match="edition"):
        from_plain(WiseSettings, {"edition": "2.0"}, where="test")


def test_a_policy_is_drawn_and_judged_by_a_tiny_qwen(tmp_path: Path) -> None:
    """Its weights are random, so it writes no mark: all is missing, and its words are kept as the reason."""
    written(tmp_path / "wise")
    judge = QwenAnswers(weights=str(tiny.qwen(tmp_path / "tiny-qwen")), place=tiny.CPU, limit=3)
    benchmark, out = load_wise(WiseSettings(judge=judge), tmp_path), tmp_path / "out"
    out.mkdir()
    settings = EvalConfig(view=View(), seed=1, prompts_per_category=1)
    evaluate(load_policy("mosaic-blind"), [benchmark], settings, out, batch_size=6)
    rows = list(read_jsonl(out / "wise" / "judgements.jsonl"))
    assert sorted(int(path.stem) for path in (out / "wise").glob("*.png")) == [1, 401, 521, 641, 761, 881]
    assert len({row["answer"] for row in rows}) > 1  # the judge looks at picture and words
    told = json.loads((out / "summary.json").read_text())["wise"]["official"]
    assert (told["images"], told["missing"], told["overall"]) == (0, 6, None)
    records = [EvalRecord.from_json(row) for row in read_jsonl(out / "eval.jsonl")]
    assert all(repr(row["answer"]) in each.grade.reason for row, each in zip(rows, records, strict=True))
    marked = {**rows[0], "answer": "Score: 1"}  # rules are applied to what is kept, without weights
    again = load_wise(WiseSettings(judge=QwenAnswers(weights="/gone/model")), tmp_path)
    assert judged(again, again.prompts(1)[0], marked).grade.strict == 1
