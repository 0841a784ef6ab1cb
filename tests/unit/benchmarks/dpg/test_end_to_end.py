"""From a policy to DPG-Bench's files with a tiny Qwen2.5-VL as the judge, graded again without it."""

import json
import math
from pathlib import Path

import pytest

from tessera.benchmarks.dpg.grids import write_grids
from tessera.benchmarks.dpg.load import load_dpg
from tessera.benchmarks.dpg.settings import DpgSettings
from tessera.benchmarks.looking import judged
from tessera.benchmarks.runner import EvalConfig, evaluate
from tessera.policies.load import load_policy
from tessera.scorers.vlm.answerer_settings import QwenAnswers
from tessera.storage import read_jsonl
from tessera.types import EvalRecord, View
from tests.unit.benchmarks.dpg.table import written
from tests.unit.scorers.vlm import tiny


def test_a_policy_is_drawn_asked_about_and_summed_up(tmp_path: Path) -> None:
    judge = QwenAnswers(weights=str(tiny.qwen(tmp_path / "tiny-qwen")), place=tiny.CPU)
    settings, data = DpgSettings(judge=judge), written(tmp_path / "dpg_bench").parent
    benchmark, out = load_dpg(settings, data), tmp_path / "out"
    out.mkdir()
    evaluate(load_policy("mosaic-blind"), [benchmark], EvalConfig(view=View(), seed=1), out, batch_size=4)
    home, rows = out / "dpg", list(read_jsonl(out / "dpg" / "answers.jsonl"))
    assert [len(row["answers"]) for row in rows] == [4] * 4 + [3] * 4 + [0] * 4
    chances = [answer["yes"] for row in rows for answer in row["answers"]]
    assert len(set(chances)) > len(chances) / 2  # the judge looks at picture and question
    assert all(0 < chance < 1 for chance in chances)

    told = json.loads((out / "summary.json").read_text())["dpg"]["official"]
    assert told["title"] == "DPG-Bench (tiny-qwen, not mPLUG)"
    assert (told["images"], told["prompts"], told["missing"]) == (8, 2, 4)
    records = [EvalRecord.from_json(row) for row in read_jsonl(out / "eval.jsonl")]
    means = [sum(each.grade.strict for each in records[start : start + 4]) / 4 for start in (0, 4)]
    assert told["overall"] == pytest.approx(100 * sum(means) / 2)
    assert all(math.isnan(each.grade.strict) and each.grade.reason for each in records[8:])
    assert f"DPG-Bench score: {told['overall']}" in (home / "dpg-bench_results.txt").read_text()
    assert write_grids(home) == (128, 4)

    again = load_dpg(DpgSettings(judge=QwenAnswers(weights="/gone/model")), data)  # rules need no weights
    prompts = {prompt.id: prompt for prompt in again.prompts(None)}
    verdicts = [judged(again, prompts[row["prompt_id"]], row).grade for row in rows]
    assert [each.facts for each in verdicts] == [each.grade.facts for each in records]
