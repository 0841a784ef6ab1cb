"""Makes one stage, in a process of its own: python -m tessera.study.worker OUT STAGE

It goes on where an earlier attempt was killed, whenever that was; two attempts at once wait for each other.
"""

import fcntl
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch

from tessera import __version__
from tessera.benchmarks.best_of import choose_in
from tessera.benchmarks.candidates import scored_tables
from tessera.benchmarks.divergence import divergence
from tessera.benchmarks.layout import RECORDS, SUMMARY, picture_path
from tessera.benchmarks.load import load_benchmark, settings_of
from tessera.benchmarks.runner import EvalConfig, evaluate
from tessera.config import from_plain, to_plain
from tessera.devices import device_of
from tessera.errors import UserError
from tessera.policies.base import PolicyModule
from tessera.policies.layout import CHECKPOINTS, last_checkpoint
from tessera.policies.load import load_policy
from tessera.pool import leave_with
from tessera.protocols import Benchmark
from tessera.rewards.load import load_scorer
from tessera.rewards.named import overlap
from tessera.storage import CONFIG, open_in_place, read_jsonl, second_name, write_atomic, write_json
from tessera.study.config import EvaluationConfig
from tessera.study.expected import on_gpu
from tessera.study.meter import Meter
from tessera.study.stages import COMPLETE, STAGES, Stage, code_version, stage_folder
from tessera.study.work import (
    CANDIDATES,
    EVALUATION,
    ROLLOUTS,
    RUN,
    BestOfWork,
    CandidatesWork,
    EvaluateWork,
    RolloutsWork,
    ScoreWork,
    TrainWork,
)
from tessera.training.distributed import CPU, Alone
from tessera.training.loop import Run, train
from tessera.training.metrics import LEDGER
from tessera.training.run import open_run
from tessera.types import EvalRecord

KL = "kl.json"
PHASES = "phases.json"  # seconds of drawing, decoding and judging; a run that trains has them step by step
STORE = "rollouts/round_000"


def make(out: Path, stage: Stage, command: str) -> None:
    """Makes the stage, if it is not there; `command` is the line that makes it without a study."""
    folder = stage_folder(out, stage.id)
    if (folder / COMPLETE).exists():
        return
    if code_version() != stage.code:
        raise UserError("the package's code has changed since this study was started; start it again")
    _sweep(folder)
    inputs = {role: stage_folder(out, name) for role, name in stage.inputs.items()}
    # The shipped policy stays on the core that its times and its numbers were made on.
    device = device_of(None) if on_gpu(stage) else CPU
    meter = Meter.begin()
    match stage.work:
        case RolloutsWork():
            images = _rollouts(stage.work, folder, device)
        case TrainWork():
            images = _train(stage.work, folder, inputs, command, device)
        case EvaluateWork():
            images = _evaluate(stage.work, folder, inputs, command, device)
        case ScoreWork():
            images = _score(stage.work, folder, inputs[EVALUATION])
        case CandidatesWork():
            images = _candidates(stage.work, folder, inputs, device)
        case BestOfWork():
            images = _best_of(stage.work, folder, inputs[CANDIDATES], command)
    write_json(folder / COMPLETE, meter.cost(images))


def _rollouts(work: RolloutsWork, folder: Path, device: torch.device) -> int:
    run = open_run(work.run, folder, __version__, resume=True, team=Alone(device))
    images = run.algorithm.collect(run.context, 0).images
    write_json(folder / PHASES, run.stopwatch.lap())
    return images


def _train(
    work: TrainWork, folder: Path, inputs: Mapping[str, Path], command: str, device: torch.device
) -> int:
    run = open_run(work.run, folder, __version__, resume=True, command=command, team=Alone(device))
    if shared := inputs.get(ROLLOUTS):
        _adopt(run, shared)
    train(run, lambda row: print(f"step {row['step']} of {work.run.steps}", flush=True))  # noqa: T201 - its log
    last = last_checkpoint(folder)
    for checkpoint in (folder / CHECKPOINTS).iterdir():
        if checkpoint != last:  # they would be most of a study's disk
            shutil.rmtree(checkpoint)
    images = sum(row["images"] for row in read_jsonl(folder / LEDGER))
    parts = (shared / STORE).glob("part_*.jsonl") if shared else ()
    return images - sum(_count(part) for part in parts)


def _adopt(run: Run, shared: Path) -> None:
    """Gives a run the rollouts of another: hard links, under its own header.

    Of that header only what sampling does not depend on is taken from the run. When the run opens its store,
    it compares the rest with its own: other prompts, seeds, views or policies are refused there.
    """
    final = run.folder / STORE
    if final.exists():
        return
    work = final.with_name(f".{final.name}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for part in sorted((shared / STORE).glob("part_*")):
        second_name(part, work / part.name)
    header = json.loads((shared / STORE / CONFIG).read_text(encoding="utf-8"))
    own = {"reward_digest": run.context.reward.digest(), "logp_view": run.settings.algorithm.logp_view}
    write_json(work / CONFIG, {**header, **own})
    work.rename(final)


def _evaluate(
    work: EvaluateWork, folder: Path, inputs: Mapping[str, Path], command: str, device: torch.device
) -> int:
    base = load_policy(work.policy).to(device)
    if RUN not in inputs:
        _measure(folder, base, work.policy, work.evaluation, command)
        return _count(folder / RECORDS)
    run = inputs[RUN]
    policy = load_policy(str(run)).to(device)
    # The study's folder may move between two sittings, so a run is named by its place in it.
    settings = _measure(folder, policy, f"{STAGES}/{run.name}", work.evaluation, command)
    records = [EvalRecord.from_json(row) for row in read_jsonl(folder / RECORDS)]
    first = [record for record in records if record.benchmark == work.evaluation.benchmarks[0]]
    write_json(folder / KL, divergence(policy, base, first, settings.view, work.evaluation.batch_size))
    return len(records)


def _score(work: ScoreWork, folder: Path, evaluated: Path) -> int:
    _take_over(folder, evaluated)
    settings, benchmarks = _settings_in(folder), _benchmarks(work.evaluation)
    scored_tables(folder, benchmarks, settings, 1, [load_scorer(work.scorer)])
    return 0


def _candidates(work: CandidatesWork, folder: Path, inputs: Mapping[str, Path], device: torch.device) -> int:
    evaluated, run = inputs[EVALUATION], inputs.get(RUN)
    if not (folder / RECORDS).exists():
        _take_over(folder, evaluated)
    name = f"{STAGES}/{run.name}" if run else work.policy
    policy = load_policy(str(run) if run else work.policy).to(device)
    _measure(folder, policy, name, work.evaluation, "", candidates=work.count)
    return _count(folder / RECORDS) - _count(evaluated / RECORDS)


def _take_over(folder: Path, evaluated: Path) -> None:
    """Gives a stage the pictures of an evaluation, and then the records, which say that they are there."""
    _share_pictures(evaluated, folder)
    for name in (CONFIG, RECORDS):
        write_atomic(folder / name, (evaluated / name).read_bytes())


def _best_of(work: BestOfWork, folder: Path, drawn: Path, command: str) -> int:
    scorer, names = load_scorer(work.scorer), work.evaluation.benchmarks
    _share_pictures(drawn, folder)
    recorded = json.loads((drawn / CONFIG).read_text(encoding="utf-8"))
    chosen = {"best_of": work.count, "scorers": {scorer.name: scorer.digest()}, "command": command}
    write_json(folder / CONFIG, {**recorded, **chosen})
    for name in (RECORDS, SUMMARY):
        write_atomic(folder / name, (drawn / name).read_bytes())
    overlaps = {scorer.name: overlap(work.scorer, names)}
    choose_in(folder, _benchmarks(work.evaluation), _settings_in(folder), work.count, [scorer], overlaps)
    return 0


def _settings_in(folder: Path) -> EvalConfig:
    recorded = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return from_plain(
        EvalConfig, {each.name: recorded[each.name] for each in fields(EvalConfig)}, where=CONFIG
    )


def _benchmarks(evaluation: EvaluationConfig) -> list[Benchmark]:
    words = settings_of(evaluation.settings, evaluation.benchmarks)
    return [load_benchmark(name, mine) for name, mine in words.items()]


def _measure(
    folder: Path,
    policy: PolicyModule,
    name: str,
    evaluation: EvaluationConfig,
    command: str,
    candidates: int = 1,
) -> EvalConfig:
    """Fills an eval folder as `tessera eval` does; returns the settings."""
    settings = EvalConfig(
        view=policy.spec.default_view,
        prompts_per_category=evaluation.prompts_per_category,
        samples_per_prompt=evaluation.samples_per_prompt,
        seed=evaluation.seed,
    )
    header = {"tessera": __version__, "policy": name, "policy_digest": policy.digest()}
    header |= {"benchmarks": list(evaluation.benchmarks), **to_plain(settings)}
    open_in_place(folder, header, resume=True, notes={"command": command})
    evaluate(
        policy,
        _benchmarks(evaluation),
        settings,
        folder,
        batch_size=evaluation.batch_size,
        candidates=candidates,
    )
    return settings


def _count(path: Path) -> int:
    return sum(1 for _ in read_jsonl(path))


def _sweep(folder: Path) -> None:
    """Takes away folders whose settings a kill kept from being written: nothing in them is of use."""
    for each in (folder, *(folder / "rollouts").glob("round_*")):
        if each.is_dir() and not (each / CONFIG).exists():
            shutil.rmtree(each)


def _share_pictures(source: Path, target: Path) -> None:
    """Gives a folder the pictures of another's records, where they lie: benchmarks have their own layouts."""
    for row in read_jsonl(source / RECORDS):
        place = picture_path(EvalRecord.from_json(row))
        second_name(source / place, target / place)


def main(out: Path, name: str, parent: int | None) -> int:
    """Makes the stage that OUT/stages/NAME.json describes; returns the exit code."""
    if parent is not None:
        leave_with(parent)
    torch.set_num_threads(1)
    path = out / STAGES / f"{name}.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            make(out, from_plain(Stage, described["stage"], where=str(path)), described["command"])
        except UserError as error:
            print(f"{error}", file=sys.stderr)  # noqa: T201 - its log
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None))
