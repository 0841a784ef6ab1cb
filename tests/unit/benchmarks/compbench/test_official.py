"""T2I-CompBench's files: names of pictures, what its scripts write, its averages and its 3-in-1."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tessera.benchmarks.compbench.benchmark import CompBench
from tessera.benchmarks.compbench.official import picture_of, results, summarised
from tessera.benchmarks.graded import Graded
from tessera.errors import UserError
from tessera.scorers.compbench.evaluator import Evaluator
from tessera.scorers.compbench.instruments import Instruments
from tessera.scorers.compbench.reading import Reader
from tessera.scorers.compbench.settings import CATEGORIES
from tessera.scorers.compbench.verdict import verdict
from tessera.types import Grade, Prompt
from tests.unit.scorers.compbench.seen import answered, detected


def prompt(number: int, category: str, text: str = "a cat", **metadata: Any) -> Prompt:
    identity = f"compbench/{category}_val/{number:04d}"
    return Prompt(id=identity, text=text, category=category, metadata={"benchmark": "compbench", **metadata})


def graded(of: Prompt, sample: int, score: float, **seen: Any) -> Graded:
    return Graded(
        prompt=of,
        sample=sample,
        picture=str(picture_of(of, sample)),
        seen={"reading": {"source": "own"}, **seen},
        grade=Grade(strict=score, soft=score, reason="" if score == score else "unclear"),
    )


def test_pictures_are_named_by_prompt_and_a_running_number() -> None:
    """inference_eval.py counts on over prompts and their ten pictures."""
    assert str(picture_of(prompt(0, "color"), 3)) == "color/samples/a cat_000003.png"
    assert (
        str(picture_of(prompt(7, "complex", "The cat sat."), 9)) == "complex/samples/The cat sat._000079.png"
    )
    assert str(picture_of(prompt(299, "color"), 9)) == "color/samples/a cat_002999.png"


@pytest.mark.parametrize(
    ("text", "sample", "told"), [("a/b", 0, "slash"), ("a" * 250, 0, "255"), ("a", 10, "ask for 10")]
)
def test_what_has_no_name_is_refused(text: str, sample: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        picture_of(prompt(0, "color", text), sample)


def files_of(rows: list[Graded], *, bugs: bool = False) -> dict[str, str]:
    return {str(name): text for name, text in results(rows, official_bugs=bugs)}


def test_each_category_has_the_files_of_its_script() -> None:
    rows = [graded(prompt(0, category), 0, 0.5) for category in CATEGORIES if category != "complex"]
    assert set(files_of(rows)) == {
        *(
            f"{name}/annotation_blip/{file}"
            for name in ("color", "shape", "texture")
            for file in ("vqa_result.json", "blip_vqa_score.txt")
        ),
        "spatial/labels/annotation_obj_detection_2d/vqa_result.json",
        "spatial/labels/annotation_obj_detection_2d/mapping.json",
        "spatial/labels/annotation_obj_detection_2d/avg_score.txt",
        "3d_spatial/labels/annotation_obj_detection_3d/vqa_result.json",
        "3d_spatial/labels/annotation_obj_detection_3d/avg_result.txt",
        "numeracy/annotation_num/vqa_result.json",
        "numeracy/annotation_num/score.txt",
        "non_spatial/annotation_clip/vqa_result.json",
        "non_spatial/annotation_clip/score_avg.txt",
    }


def test_answers_and_averages_are_written_as_the_scripts_write_them() -> None:
    rows = [graded(prompt(1, "color"), 0, 0.25), graded(prompt(0, "color"), 1, 0.5)]
    rows += [graded(prompt(0, "numeracy"), 0, 1.0), graded(prompt(0, "numeracy"), 1, 0.5)]
    rows += [graded(prompt(0, "spatial"), 2, 0.75), graded(prompt(0, "3d_spatial"), 0, 0.125)]
    found = files_of(rows)
    assert json.loads(found["color/annotation_blip/vqa_result.json"]) == [
        {"question_id": 1, "answer": "0.5000"},
        {"question_id": 10, "answer": "0.2500"},
    ]
    assert found["color/annotation_blip/blip_vqa_score.txt"] == "BLIP-VQA score:0.375"
    assert found["numeracy/annotation_num/score.txt"] == "total:1.5 num:2 avg:0.75"
    assert found["3d_spatial/labels/annotation_obj_detection_3d/avg_result.txt"] == "avg score is 0.125"
    assert found["spatial/labels/annotation_obj_detection_2d/avg_score.txt"] == "score avg:0.75"
    assert json.loads(found["spatial/labels/annotation_obj_detection_2d/mapping.json"]) == [
        {"image": "a cat_000002.png", "question_id": 2}
    ]


def test_a_picture_that_could_not_be_judged_is_null_and_in_no_average() -> None:
    rows = [graded(prompt(0, "spatial"), 0, 0.5), graded(prompt(0, "spatial"), 1, math.nan)]
    found = files_of(rows)
    answers = json.loads(found["spatial/labels/annotation_obj_detection_2d/vqa_result.json"])
    assert [each["answer"] for each in answers] == [0.5, None]
    assert found["spatial/labels/annotation_obj_detection_2d/avg_score.txt"] == "score avg:0.5"
    told = summarised(rows)["categories"]["spatial"]
    assert told == {"mean": 0.5, "images": 1, "missing": 1}


TEXT = "The hat was on top of the rack."
BOXES = (("hat", 1.0, (200, 0, 240, 40)), ("rack", 1.0, (200, 400, 240, 440)))


def complex_rows() -> list[Graded]:
    """Returns three prompts, one of each kind, with ten pictures each of other scores."""
    rows = []
    for number, kind in enumerate(("spatial", "action", "spatialaction")):
        of = prompt(number, "complex", TEXT, kind=kind)
        for sample in range(10):
            seen = {
                **detected(TEXT, *BOXES),
                **answered(TEXT, The_hat=round(0.05 * (sample + number), 4)),
                "similarity": 0.2 + sample / 100,
            }
            seen["detections"] = seen["detections"][: sample % 3]
            grade = verdict(of, seen, official_bugs=False)
            rows.append(
                Graded(prompt=of, sample=sample, picture=str(picture_of(of, sample)), seen=seen, grade=grade)
            )
    return rows


def test_3_in_1_is_what_the_published_script_makes_of_the_three_files() -> None:
    """Its arithmetic, by position and with numpy, on our three files; null counts as anything, here as 7."""
    found = files_of(complex_rows())

    def column(folder: str) -> np.ndarray:
        answers = json.loads(found[f"complex/{folder}/vqa_result.json"])
        assert [each["question_id"] for each in answers] == list(range(30))
        return np.array([7.0 if each["answer"] is None else float(each["answer"]) for each in answers])

    blip, clip = column("annotation_blip"), column("annotation_clip")
    plane, whole = column("labels/annotation_obj_detection_2d"), column("annotation_3_in_1")
    assert whole[:10] == pytest.approx((plane + blip)[:10] * 0.5)
    assert whole[10:20] == pytest.approx((clip + blip)[10:20] * 0.5)
    assert whole[20:] == pytest.approx((blip + plane + clip)[20:] / 3)
    assert len(set(whole.tolist())) > 10
    average = float(found["complex/annotation_3_in_1/vqa_score.txt"].removeprefix("score avg:"))
    assert average == pytest.approx(whole.mean())


def test_a_category_is_the_mean_over_its_pictures_and_the_overall_needs_all_eight() -> None:
    rows = [
        graded(prompt(0, "color", half="seen"), 0, 1.0),
        graded(prompt(0, "color", half="seen"), 1, 0.5),
        graded(prompt(1, "color", half="unseen"), 0, 0.0),
        graded(prompt(2, "color"), 0, 0.1),
    ]
    told = summarised(rows)
    assert told["categories"]["color"]["mean"] == pytest.approx(0.4)
    assert told["categories"]["color"]["seen"] == {"mean": 0.75, "images": 2, "missing": 0}
    assert told["categories"]["color"]["unseen"]["mean"] == 0
    assert told["overall"] is None
    assert (told["images"], told["prompts"], told["missing"]) == (4, 3, 0)
    more = rows + [graded(prompt(0, category), 0, 0.8) for category in CATEGORIES[1:]]
    assert summarised(more)["overall"] == pytest.approx((0.4 + 7 * 0.8) / 8)
    assert "ours" in summarised(more)["overall_is"]


def test_the_summary_says_by_which_rules_and_with_what(tmp_path: Path) -> None:
    evaluator = Evaluator(categories=CATEGORIES, instruments=Instruments(), reader=Reader({}))
    rows = [graded(prompt(0, "spatial"), 0, 1.0, vocabulary="closed")]
    told = CompBench(data=tmp_path, evaluator=evaluator).aggregate(rows)
    assert told["rules"].startswith("mended")
    assert told["read_by"] == {"own": 1}
    assert "detector" not in told
    rows = [graded(prompt(0, "spatial"), 0, 1.0, vocabulary="open")]
    told = CompBench(data=tmp_path, evaluator=evaluator, official_bugs=True).aggregate(rows)
    assert told["rules"].startswith("as published")
    assert "not comparable with published numbers" in told["detector"]


def test_a_category_of_which_nothing_could_be_judged_has_no_mean_and_no_average() -> None:
    rows = [graded(prompt(0, "spatial"), 0, math.nan)]
    assert summarised(rows)["categories"]["spatial"] == {"mean": None, "images": 0, "missing": 1}
    assert [name for name in files_of(rows) if name.endswith(".txt")] == []
