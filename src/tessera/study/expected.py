"""How long a stage takes, about: for --dry-run, for the order of stages, and for the time that is left.

The shipped policy was measured on one free core of a small cloud machine. Any other is taken at one pace on
one GPU, an assumption that is printed beside what follows from it; while a study runs, the time that is left
is corrected by what this machine really takes. Nothing here needs weights, or the prompts of a benchmark.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from tessera.algorithms.dpo import DPOConfig
from tessera.algorithms.grpo import GRPOConfig
from tessera.benchmarks.load import load_benchmark
from tessera.policies.settings import SHIPPED
from tessera.study.config import EvaluationConfig
from tessera.study.matching import images_of
from tessera.study.stages import Plan, Stage
from tessera.study.work import BestOfWork, CandidatesWork, EvaluateWork, RolloutsWork, ScoreWork, TrainWork
from tessera.training.config import RunConfig

START = 5.0  # seconds until torch is loaded and a policy read
DRAWN = 70.0  # pictures a second, drawn and judged
SCORED = 400.0  # pictures a second, read and shown to a scorer
ROW = 0.013  # seconds of an update per rollout, guidance's second replay included

GPU_START = 120.0  # seconds until a model of 7 B parameters lies on a GPU; ours
# Pictures a GPU-second, drawn, judged and learnt from: T2I-R1's 18 hours for 1,600 steps of 128 on 8 H800
# (CaraJ7/T2I-R1, number 9), its written chain of thought included; so for Janus-Pro-7B rather too low, and
# the more so for pictures that are only drawn.
GPU_PICTURES = 0.40
GPU_SCORED = 10.0  # pictures a GPU-second, shown to a judge of 8 B parameters in half precision; ours
ASSUMED = (
    f"at {GPU_PICTURES:.2f} pictures a GPU-second, drawn and learnt from: T2I-R1's 18 hours on 8 H800 "
    "(CaraJ7/T2I-R1, number 9)"
)

# How many prompts the field's benchmarks have, in how many categories, and how many pictures of each their
# published numbers are made of (djghosh13/geneval; Karine-Huang/T2I-CompBench, with its ++).
SIZES: Mapping[str, tuple[int, int, int]] = {"geneval": (553, 6, 4), "compbench": (2400, 8, 10)}


def on_gpu(stage: Stage) -> bool:
    """Returns whether the stage is one for a GPU: all but those of the shipped policy."""
    match stage.work:
        case RolloutsWork() | TrainWork():
            return stage.work.run.policy not in SHIPPED
        case EvaluateWork() | CandidatesWork():
            return stage.work.policy not in SHIPPED
        case ScoreWork() | BestOfWork():
            return any(name in SIZES for name in stage.work.evaluation.benchmarks)


def gpu_seconds(plan: Plan) -> float:
    """Returns how long GPUs work on all stages, together."""
    return sum((expected_seconds(stage) for stage in plan.stages.values() if on_gpu(stage)), 0.0)


def expected_seconds(stage: Stage) -> float:
    """Returns how long the stage takes on one core, or on one GPU."""
    return _on_gpu(stage) if on_gpu(stage) else _on_core(stage)


def _on_gpu(stage: Stage) -> float:
    match stage.work:
        case RolloutsWork():
            # Drawn here and learnt from later: of equal parts, for want of a measurement.
            return GPU_START + images_of(stage.work.run) / GPU_PICTURES / 2
        case TrainWork():
            fresh = 0.5 if isinstance(stage.work.run.algorithm, DPOConfig) else 1.0
            return GPU_START + fresh * images_of(stage.work.run) / GPU_PICTURES
        case EvaluateWork():
            return GPU_START + pictures(stage.work.evaluation) / GPU_PICTURES
        case ScoreWork():
            return GPU_START + pictures(stage.work.evaluation) / GPU_SCORED
        case CandidatesWork():
            return GPU_START + (stage.work.count - 1) * pictures(stage.work.evaluation) / GPU_PICTURES
        case BestOfWork():
            return GPU_START + stage.work.count * pictures(stage.work.evaluation) / GPU_SCORED


def _on_core(stage: Stage) -> float:
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


@cache  # making the world's prompts takes a quarter of a second, and every stage asks
def pictures(evaluation: EvaluationConfig) -> float:
    """Returns about how many pictures an evaluation draws."""
    total = 0.0
    for name in evaluation.benchmarks:
        if name in SIZES:
            prompts, categories, samples = SIZES[name]
            wanted = min(prompts, categories * (evaluation.prompts_per_category or prompts))
            total += (evaluation.samples_per_prompt or samples) * wanted
            continue
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
