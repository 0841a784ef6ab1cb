"""How long a stage takes, about: for --dry-run, for the order of stages, and for the time that is left.

Measured on one free core of a small cloud machine, with the shipped policy; while a study runs, the time that
is left is corrected by what this machine really takes.
"""

from collections.abc import Mapping, Sequence

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.benchmarks.load import load_benchmark
from tessera.study.config import EvaluationConfig
from tessera.study.matching import images_of
from tessera.study.stages import Plan, Stage
from tessera.study.work import BestOfWork, CandidatesWork, EvaluateWork, RolloutsWork, ScoreWork, TrainWork
from tessera.training.config import RunConfig

START = 5.0  # seconds until torch is loaded and a policy read
DRAWN = 70.0  # pictures a second, drawn and judged
SCORED = 400.0  # pictures a second, read and shown to a scorer
ROW = 0.013  # seconds of an update per rollout, guidance's second replay included


def expected_seconds(stage: Stage) -> float:
    """Returns how long the stage takes on one core."""
    match stage.work:
        case RolloutsWork():
            return START + images_of(stage.work.run) / DRAWN
        case TrainWork():
            return START + _training(stage.work.run)
        case EvaluateWork():
            return START + pictures(stage.work.evaluation) / DRAWN
        case ScoreWork():
            return START + pictures(stage.work.evaluation) / SCORED
        case CandidatesWork():
            return START + (stage.work.count - 1) * pictures(stage.work.evaluation) / DRAWN
        case BestOfWork():
            return START + stage.work.count * pictures(stage.work.evaluation) / SCORED


def pictures(evaluation: EvaluationConfig) -> float:
    """Returns about how many pictures an evaluation draws."""
    total = 0.0
    for name in evaluation.benchmarks:
        benchmark = load_benchmark(name)
        samples = evaluation.samples_per_prompt or benchmark.samples
        total += samples * len(benchmark.prompts(evaluation.prompts_per_category))
    return total


def chains(plan: Plan, names: Sequence[str]) -> dict[str, float]:
    """Returns for each stage how long it and the longest chain of stages after it take."""
    after: dict[str, float] = dict.fromkeys(names, 0.0)
    total: dict[str, float] = {}
    for name in reversed(names):
        total[name] = expected_seconds(plan.stages[name]) + after[name]
        for source in plan.stages[name].inputs.values():
            after[source] = max(after.get(source, 0.0), total[name])
    return total


def remaining(plan: Plan, names: Sequence[str], seconds: Mapping[str, float], workers: int) -> float:
    """Returns how long the stages still take, where `seconds` says what the finished ones have taken."""
    left = [name for name in names if name not in seconds]
    if not left:
        return 0.0
    known = sum(expected_seconds(plan.stages[name]) for name in seconds)
    pace = sum(seconds.values()) / known if known else 1.0
    work = sum(expected_seconds(plan.stages[name]) for name in left)
    return pace * max(work / workers, *chains(plan, left).values())


def _training(run: RunConfig) -> float:
    images, watch = images_of(run), run.watch
    fresh = images
    match run.algorithm:
        case GRPOConfig() as own:
            rows = run.steps * own.prompts_per_step * own.group
        case DPOConfig() as own:
            rows = run.steps * own.pairs_per_step * 2
            fresh = images - own.prompts * own.group  # the first round is drawn by a stage of its own
    row = ROW if run.algorithm.logp_view == "guided" else ROW / 2
    looks = 2 + (run.steps // watch.every if watch.every else 0)
    seen = EvaluationConfig(
        benchmarks=watch.benchmarks, prompts_per_category=watch.prompts_per_category, samples_per_prompt=1
    )
    return fresh / DRAWN + rows * row + looks * pictures(seen) / DRAWN
