"""A study folder as the runner writes it, with verdicts that a test chooses and pictures of one colour."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tessera.benchmarks.layout import RECORDS, picture_path
from tessera.benchmarks.summary import summarise
from tessera.report.study.read import CELLS, RESULTS, STUDY
from tessera.storage import write_json, write_lines, write_png
from tessera.types import EvalRecord, Fact, Grade

BENCHMARKS = ("mosaic-id", "mosaic-ood")
CATEGORIES = ("color", "shape")
PROMPTS = 30  # of a category
SPREAD = 0.03  # of an arm's skill over its seeds


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An arm: how often it is right in and out of domain, and where it stands."""

    arm: str
    skill: tuple[float, float]
    experiment: str = "versus"
    reward: str = "metric"
    setting: str = "default"
    kl: float = 0.05
    seeds: Sequence[int] = (0, 1, 2)
    # Not in the repr, which decides what is right: pictures of each prompt, and codes in use.
    samples: int = field(default=1, repr=False)
    codes: int = field(default=2, repr=False)

    @property
    def algorithm(self) -> str | None:
        return None if self.arm == "base" else self.arm.split("-")[0]


BASE = Plan(arm="base", skill=(0.4, 0.6), reward="", seeds=(0,), kl=0.0)
VERSUS = (BASE, Plan(arm="grpo", skill=(0.55, 0.85)), Plan(arm="dpo", skill=(0.75, 0.7)))


def make_study(
    folder: Path,
    plans: Sequence[Plan],
    *,
    best_of: Mapping[str, float] | None = None,
    failed: Sequence[Mapping[str, Any]] = (),
    experiments: Sequence[Mapping[str, str]] = (),
    match: str | None = None,
) -> Path:
    """Writes the folder; `best_of` is how often each chooser's picture of the base is right."""
    rows: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    for plan in plans:
        for seed in plan.seeds:
            words = (plan.experiment, plan.arm, plan.reward, plan.setting, str(seed))
            name = "-".join(words).replace("=", "_")
            folder_name = f"stages/measure-{name}"
            records = _records(plan, seed)
            _write_eval(folder / folder_name, records)
            facts = {
                "experiment": plan.experiment,
                "arm": plan.arm,
                "algorithm": plan.algorithm,
                "reward": plan.reward,
                "setting": plan.setting,
                "seed": None if plan.arm == "base" else seed,
                **_cost(plan),
                "best_of": 1,
                "run": None if plan.arm == "base" else f"stages/train-{name}",
                "eval": folder_name,
                "command": f"tessera train {name}",
            }
            rows += _rows(facts, summarise(records, dict.fromkeys(BENCHMARKS, CATEGORIES)))
            cells.append({"id": name, "experiments": [plan.experiment], "status": "done", "error": None})
    base = [row for row in rows if row["arm"] == "base" and row["category"] == "overall"]
    for chooser, share in (best_of or {}).items():
        for row in base:
            chosen = {"mean": share, "ci_low": share - 0.04, "ci_high": share + 0.04}
            rows.append({**row, "reward": chooser, "setting": "best-of-4", "best_of": 4, **chosen})
    write_json(folder / RESULTS, rows)
    write_json(folder / CELLS, [*cells, *failed])
    about = {"name": "tiny", "command": "tessera study tiny", "config": {"experiments": list(experiments)}}
    if match is not None:
        about["config"] = {"experiments": list(experiments), "match": match}
    write_json(folder / STUDY, {**about, "real_cost": {"images": 6400, "cpu_seconds": 75.0}})
    return folder


@pytest.fixture(scope="session")
def versus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base, GRPO and DPO with three seeds each: DPO ahead in domain, GRPO out of it, as in the paper."""
    failed = {
        "id": "grpo-orm-s0",
        "experiments": ["rewards"],
        "status": "failed",
        "error": "TrainingError: the replay gap rose to 0.034",
        "command": "tessera train mosaic-grpo --set reward.judge=orm",
    }
    question = {"name": "versus", "question": "Which gains more?"}
    folder = tmp_path_factory.mktemp("study")
    return make_study(folder, VERSUS, failed=[failed], experiments=[question])


def tokens(plan: Plan, number: int, sample: int) -> tuple[int, ...]:
    """Returns eight tokens drawn from the arm's codes."""
    rng = random.Random(f"{plan.arm} {number} {sample}")
    return tuple(rng.randrange(plan.codes) for _ in range(8))


def _records(plan: Plan, seed: int) -> list[EvalRecord]:
    """Returns one picture of each prompt; which are right depends on the arm, its seed and the prompt."""
    records = []
    for benchmark, skill in zip(BENCHMARKS, plan.skill, strict=True):
        level = skill + SPREAD * (seed - 1) if plan.arm != "base" else skill
        for category in CATEGORIES:
            for number in range(PROMPTS):
                # The same prompt is as hard for all, but for a little luck of each policy.
                hardness = random.Random(f"{benchmark} {category} {number}").random()
                luck = random.Random(f"{plan} {seed} {benchmark} {category} {number}").uniform(-0.05, 0.05)
                right = hardness + luck < level
                fact = Fact(kind="shape", text=f"piece {number}: it is a ring", holds=right)
                there = Fact(kind="total", text="two pieces", holds=True)
                records += [
                    EvalRecord(
                        benchmark=benchmark,
                        category=category,
                        prompt_id=f"{category}/{number}",
                        prompt=f"a {category} number {number}",
                        sample=sample,
                        seed=1000 + number,
                        grade=Grade(strict=float(right), soft=1.0 if right else 0.5, facts=(fact, there)),
                        tokens=tokens(plan, number, sample),
                    )
                    for sample in range(plan.samples)
                ]
    return records


def _write_eval(folder: Path, records: Sequence[EvalRecord]) -> None:
    folder.mkdir(parents=True)
    write_lines(folder / RECORDS, [record.to_json() for record in records])
    for record in records:
        if record.prompt_id.endswith(("/0", "/1", "/2", "/3", "/4")):  # enough to look at
            colour = (20, 140, 70) if record.grade.strict else (190, 40, 40)
            write_png(folder / picture_path(record), np.full((16, 16, 3), colour, np.uint8))


def _cost(plan: Plan) -> dict[str, float | None]:
    if plan.arm == "base":
        names = ("images", "reward_calls", "gradient_steps", "tokens_sampled", "tokens_scored")
        cost: dict[str, float | None] = dict.fromkeys(
            (*names, "tokens_trained", "token_passes", "cpu_seconds", "seconds"), 0
        )
        return {**cost, "peak_memory_mb": None, "kl": 0.0, "lr": None}
    steps = 50 if plan.algorithm == "grpo" else 25
    return {
        "images": 3200,
        "reward_calls": 3200,
        "gradient_steps": steps,
        "tokens_sampled": 204_800,
        "tokens_scored": 409_600,
        "tokens_trained": 8192 * steps,
        "token_passes": 2 * 204_800 + 409_600 + 3 * 8192 * steps,  # with guidance
        "cpu_seconds": 80.5,
        "seconds": 84.0,
        "peak_memory_mb": 812.5,
        "kl": plan.kl,
        "lr": 2e-4,
    }


def _rows(facts: Mapping[str, Any], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for benchmark, result in summary.items():
        for score, means in (("strict", result), ("soft", result["soft"])):
            for category, mean in {"overall": means["overall"], **means["categories"]}.items():
                numbers = {key: mean[key] for key in ("mean", "ci_low", "ci_high")}
                rows.append(
                    {
                        **facts,
                        "benchmark": benchmark,
                        "category": category,
                        "score": score,
                        **numbers,
                        "n_prompts": mean["n"],
                    }
                )
    return rows
