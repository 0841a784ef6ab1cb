"""GenEval as a benchmark, on painted pictures: its prompts, places, rows, verdicts, files and summary."""

import json
import math
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.geneval.benchmark import GenEval
from tessera.benchmarks.geneval.load import load_geneval
from tessera.benchmarks.geneval.regrade import regrade, regraded
from tessera.benchmarks.geneval.settings import GenEvalSettings
from tessera.benchmarks.graded import Graded
from tessera.config import from_plain, to_plain
from tessera.errors import CheckpointError, UserError
from tessera.protocols import Observed
from tessera.types import Grade, Prompt
from tests.outside import outside
from tests.unit.scorers.detection.seeing import painted, painted_eyes, row

DOG, CAT = {"class": "dog", "count": 1}, {"class": "cat", "count": 1}
LINES: list[dict[str, Any]] = [
    {"tag": "single_object", "include": [DOG], "prompt": "a photo of a dog"},
    {
        "tag": "counting",
        "include": [{"class": "dog", "count": 2}],
        "exclude": [{"class": "dog", "count": 3}],
        "prompt": "a photo of two dogs",
    },
    {"tag": "single_object", "include": [CAT], "prompt": "a photo of a cat"},
    {"tag": "colors", "include": [{**DOG, "color": "red"}], "prompt": "a photo of a red dog"},
    {
        "tag": "position",
        "include": [CAT, {**DOG, "position": ["below", 0]}],
        "prompt": "a photo of a dog below a cat",
    },
]
# Of each prompt a right picture and a wrong one, with what is wrong.
SHOWN = [
    ([*row("dog", 1)], [*row("cat", 1)], "expected dog>=1, found 0"),
    ([*row("dog", 2), *row("dog", 2, 80, top=8)], [*row("dog", 3)], "expected dog<3, found 3"),
    ([*row("cat", 2)], [], "expected cat>=1, found 0"),
    (
        [*row("dog", 1, colour="red")],
        [*row("dog", 1, colour="blue")],
        "expected red dog>=1, found 0 red; and 1 blue",
    ),
    (
        [*row("cat", 1), *row("dog", 1, top=40)],
        [*row("dog", 1), *row("cat", 1, top=40)],
        "expected dog below target, found above target",
    ),
]


@pytest.fixture
def benchmark(tmp_path: Path) -> GenEval:
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    (tmp_path / "evaluation_metadata.jsonl").write_text(text, encoding="utf-8")
    return GenEval(data=tmp_path, eyes=painted_eyes(), title="GenEval (painted)")


def in_order(benchmark: GenEval) -> list[Prompt]:
    """Returns the prompts as they are listed."""
    return sorted(benchmark.prompts(None), key=lambda prompt: prompt.id)


def shown() -> UInt8[ndarray, "B H W 3"]:
    """Returns the right pictures of all prompts, then the wrong ones."""
    return np.stack([painted(*each[wrong]) for wrong in (0, 1) for each in SHOWN])


def graded(benchmark: GenEval) -> list[Graded]:
    """Returns the verdicts on the right and the wrong picture of each prompt."""
    prompts = in_order(benchmark) * 2
    return [
        Graded(
            prompt=prompt,
            sample=place // len(LINES),
            picture=str(benchmark.picture(prompt, place // len(LINES))),
            seen=seen,
            grade=benchmark.verdict(prompt, seen),
        )
        for place, (prompt, seen) in enumerate(zip(prompts, benchmark.observe(prompts, shown()), strict=True))
    ]


def test_it_is_a_benchmark_of_the_field(benchmark: GenEval) -> None:
    assert isinstance(benchmark, Observed)
    assert (benchmark.name, benchmark.samples, benchmark.evidence) == ("geneval", 4, "detections.jsonl")
    assert benchmark.digest() == "painter-reader"


def test_prompts_are_numbered_as_they_are_listed_and_cut_by_category(benchmark: GenEval) -> None:
    assert [prompt.id for prompt in in_order(benchmark)] == [f"geneval/{place:05}" for place in range(5)]
    assert [prompt.id[-1] for prompt in benchmark.prompts(1)] == ["0", "1", "3", "4"]
    assert [prompt.id[-1] for prompt in benchmark.prompts(None)] == ["0", "2", "1", "3", "4"]
    one = benchmark.prompts(1)[1]
    assert (one.text, one.category, one.metadata) == ("a photo of two dogs", "counting", LINES[1])


def test_the_official_prompts_are_all_there() -> None:
    benchmark = GenEval(data=outside("geneval"), eyes=painted_eyes(), title="GenEval")
    prompts = benchmark.prompts(None)
    counts = {name: sum(each.category == name for each in prompts) for name in benchmark.categories}
    assert list(counts.values()) == [80, 99, 80, 94, 100, 100]
    assert [prompt.id for prompt in prompts] == [f"geneval/{place:05}" for place in range(553)]
    assert len(benchmark.prompts(3)) == 18


def test_a_tag_of_another_benchmark_is_refused(benchmark: GenEval) -> None:
    path = benchmark.data / "evaluation_metadata.jsonl"
    path.write_text(json.dumps({**LINES[0], "tag": "texture"}) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="geneval/00000 has the tag 'texture'"):
        benchmark.prompts(None)


def test_pictures_and_metadata_lie_where_the_published_tool_looks(benchmark: GenEval) -> None:
    prompt = in_order(benchmark)[3]
    assert benchmark.picture(prompt, 2) == PurePosixPath("00003/samples/00002.png")
    [(path, text)] = benchmark.beside([prompt])
    assert path == PurePosixPath("00003/metadata.jsonl")
    assert json.loads(text) == LINES[3]  # one JSON value, which the tool reads as such
    assert text == json.dumps(LINES[3])  # byte for byte as its generator writes it


def test_right_pictures_are_right_and_wrong_ones_say_why(benchmark: GenEval) -> None:
    grades = benchmark.grade(in_order(benchmark) * 2, shown())
    assert [grade.strict for grade in grades] == [1.0] * 5 + [0.0] * 5
    assert [grade.reason for grade in grades] == [""] * 5 + [each[2] for each in SHOWN]


def test_a_row_depends_on_no_other(benchmark: GenEval) -> None:
    prompts, pictures = in_order(benchmark) * 2, shown()
    together = benchmark.observe(prompts, pictures)
    alone = [
        benchmark.observe([prompt], pictures[place : place + 1])[0] for place, prompt in enumerate(prompts)
    ]
    assert alone == together


def test_what_is_seen_is_plain_data_that_survives_a_file(benchmark: GenEval) -> None:
    for each in graded(benchmark):
        again = json.loads(json.dumps(each.seen))
        assert again == each.seen
        assert benchmark.verdict(each.prompt, again) == each.grade
    first = benchmark.observe(in_order(benchmark)[3:4], shown()[3:4])[0]
    assert first == {
        "metadata": LINES[3],
        "counted_above": 0.3,
        "detected": {"dog": [{"box": [0.0, 0.0, 3.0, 3.0, 0.95], "color": "red"}]},
    }


def test_regrading_the_rows_gives_the_same_verdicts_and_a_higher_threshold_others(
    benchmark: GenEval, tmp_path: Path
) -> None:
    """The counting prompt has two sure dogs and two unsure ones, which are saved, too."""
    verdicts, path = graded(benchmark), tmp_path / "detections.jsonl"
    path.write_text("".join(json.dumps(each.seen) + "\n" for each in verdicts), encoding="utf-8")
    again = regraded([each.seen for each in verdicts], "rows")
    assert [(each["correct"], each["reason"]) for each in again] == [
        (each.grade.strict == 1, each.grade.reason) for each in verdicts
    ]
    summary, told = regrade(path, tmp_path, None, None), benchmark.aggregate(verdicts)
    assert {key: summary[key] for key in told if key != "title"} == {
        key: value for key, value in told.items() if key != "title"
    }
    lower = regraded([verdicts[1].seen], "rows", counting_threshold=0.5)[0]
    assert lower["reason"] == "expected dog<3, found 4"
    assert regraded([verdicts[0].seen], "rows", threshold=0.95)[0]["reason"] == "expected dog>=1, found 0"


def test_the_summary_counts_as_the_published_tool_does(benchmark: GenEval) -> None:
    verdicts = [each for each in graded(benchmark) if not (each.prompt.category == "colors" and each.sample)]
    told = benchmark.aggregate(verdicts)
    assert told["title"] == "GenEval (painted)"
    assert (told["images"], told["prompts"], told["missing"]) == (9, 5, 0)
    assert told["correct_images"] == pytest.approx(5 / 9)
    assert told["correct_prompts"] == 1
    assert {tag: each["mean"] for tag, each in told["tags"].items()} == {
        "single_object": 0.5,
        "counting": 0.5,
        "colors": 1.0,
        "position": 0.5,
    }
    assert told["overall"] == pytest.approx((0.5 + 0.5 + 1 + 0.5) / 4)


def test_what_could_not_be_judged_is_missing_and_not_wrong(benchmark: GenEval) -> None:
    [right, *others] = graded(benchmark)
    lost = Graded(
        prompt=right.prompt,
        sample=1,
        picture="x",
        seen=right.seen,
        grade=Grade(strict=math.nan, soft=math.nan, reason="unseen"),
    )
    told = benchmark.aggregate([right, lost])
    assert (told["images"], told["missing"], told["overall"]) == (1, 1, 1.0)
    assert math.isnan(benchmark.aggregate([lost])["overall"])
    [(_, text)] = benchmark.results([right, lost, *others])
    assert len(text.splitlines()) == 1 + len(others)


def test_the_results_file_is_the_published_tools(benchmark: GenEval) -> None:
    """Its summary, worked out here as summary_scores.py does it, is ours."""
    verdicts = graded(benchmark)
    [(path, text)] = benchmark.results(verdicts)
    assert path == PurePosixPath("results.jsonl")
    rows = [json.loads(line) for line in text.splitlines()]
    keys = ["filename", "tag", "prompt", "correct", "reason", "metadata", "details"]
    assert [list(each) for each in rows] == [keys] * 10
    assert rows[6]["filename"] == "00001/samples/00001.png"
    assert (rows[6]["correct"], rows[6]["reason"]) == (False, "expected dog<3, found 3")
    assert json.loads(rows[6]["metadata"]) == LINES[1]
    by_tag, by_prompt = defaultdict(list), defaultdict(list)
    for each in rows:
        by_tag[each["tag"]].append(each["correct"])
        by_prompt[each["metadata"]].append(each["correct"])
    told = benchmark.aggregate(verdicts)
    assert told["overall"] == pytest.approx(np.mean([np.mean(each) for each in by_tag.values()]))
    assert told["correct_prompts"] == np.mean([any(each) for each in by_prompt.values()])
    assert told["correct_images"] == np.mean([each["correct"] for each in rows])


def test_the_details_are_the_boxes_that_count(benchmark: GenEval) -> None:
    [(_, text)] = benchmark.results(graded(benchmark)[:3])
    counting, single = (json.loads(json.loads(text.splitlines()[place])["details"]) for place in (1, 0))
    assert counting == {"dog": [[0.0, 0.0, 3.0, 3.0, 0.95], [4.0, 0.0, 7.0, 3.0, 0.94]]}  # not the unsure
    assert list(single) == ["dog"]


def test_weights_are_looked_for_only_to_see(benchmark: GenEval, tmp_path: Path) -> None:
    plain = {
        "detector": {"weights": str(tmp_path / "mmdet.pth")},
        "colours": {"weights": str(tmp_path / "gone")},
    }
    settings = from_plain(GenEvalSettings, plain, where="test")
    assert to_plain(settings)["kind"] == "geneval"
    made = load_geneval(settings, benchmark.data)
    assert len(made.prompts(None)) == 5
    assert made.verdict(in_order(made)[0], graded(benchmark)[0].seen).strict == 1
    assert made.title == "GenEval"
    assert load_geneval(GenEvalSettings(), benchmark.data).title == "GenEval (HF detector)"
    with pytest.raises(CheckpointError, match=r"mmdet\.pth"):
        made.grade(in_order(made), shown()[:5])
