"""Stages: what a study makes once and keeps, each under a key of everything that decides what comes out.

    OUT/stages/train-3f2a.../          what the stage made; COMPLETE comes last, with what it cost
    OUT/stages/train-3f2a....json      what it is: its work, its inputs, the code
    OUT/stages/train-3f2a....log       what it printed

The key is a hash of the work, the keys of its inputs, the outside files it names, and the code: the source
and the weights of the package, but for the rooms that no number comes from. What an outside `module:function`
does is its author's to keep: its name is in the key, its source is not.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from tessera import __version__
from tessera.algorithms.dpo import DPOConfig
from tessera.config import config, to_plain
from tessera.data.sources import load_source
from tessera.policies.layout import SETTINGS, WEIGHTS, last_checkpoint
from tessera.rewards.judge import JudgeReward
from tessera.rewards.named import scorer_settings
from tessera.rewards.noise import NoiseReward
from tessera.study.cells import Cell
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
    Work,
)
from tessera.training.config import OptimizerConfig, RunConfig

STAGES = "stages"
COMPLETE = "COMPLETE"
# No number of a stage comes from these.
APART = ("bench", "cli", "export", "health", "pretraining", "recipes", "report", "study")
TAKEN = ("study/worker.py",)  # from a room that is otherwise apart


@config
class Stage:
    """One stage."""

    work: Work
    inputs: dict[str, str]  # role -> id of a stage
    files: dict[str, str]  # outside files -> digest
    code: str

    @property
    def id(self) -> str:
        """Its folder: equal for equal stages."""
        plain = to_plain(self)
        plain["work"].get("run", {}).pop("recipe", None)  # where values come from decides nothing
        text = json.dumps(plain, sort_keys=True)
        return f"{self.work.kind}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """The stages of a cell, by their ids."""

    train: str | None
    measure: str
    scores: Mapping[str, str]  # by judge: what it says of the pictures that were measured

    @property
    def needed(self) -> list[str]:
        """Those without which the cell has no results."""
        return [*([self.train] if self.train else []), self.measure]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All stages, each after its inputs, with the words that a person reads."""

    stages: Mapping[str, Stage]  # by id
    labels: Mapping[str, str]  # likewise
    made: Mapping[str, Made]  # by id of the cell

    def needed(self, cells: Sequence[str]) -> list[str]:
        """Returns the stages that these cells need, in order."""
        made = [self.made[each] for each in cells]
        ends = [end for each in made for end in (*each.needed, *each.scores.values())]
        wanted: set[str] = set()
        while ends:
            name = ends.pop()
            if name not in wanted:
                wanted.add(name)
                ends += self.stages[name].inputs.values()
        return [name for name in self.stages if name in wanted]


class Planner:
    """Collects stages; those that several ask for are there once."""

    def __init__(self, code: str, *, outline: bool = False) -> None:
        self.code = code
        self.outline = outline
        self.stages: dict[str, Stage] = {}
        self.labels: dict[str, str] = {}

    def add(self, work: Work, label: str, inputs: Mapping[str, str] | None = None) -> str:
        """Returns the id of the stage that does this work on these inputs, by role."""
        files = {} if self.outline else outside_files(work)
        stage = Stage(work=work, inputs=dict(inputs or {}), files=files, code=self.code)
        name = stage.id
        self.stages.setdefault(name, stage)
        self.labels.setdefault(name, label)
        return name

    def train(self, run: RunConfig, label: str) -> str:
        """Returns the id of the stage that trains; DPO's first rollouts are a stage of their own."""
        inputs = {}
        if isinstance(run.algorithm, DPOConfig):
            inputs[ROLLOUTS] = self.add(RolloutsWork(run=first_round(run)), f"draw for {label}")
        return self.add(TrainWork(run=run), f"train {label}", inputs)


def plan_of(cells: Sequence[Cell], code: str, *, outline: bool = False) -> Plan:
    """Returns the stages of the cells.

    An outline looks at no file, so that it needs no data: its stages are as many, under other ids.
    """
    planner, made = Planner(code, outline=outline), dict[str, Made]()
    for cell in cells:
        label, train, run = "base", None, dict[str, str]()
        if cell.run is not None:
            label = cell.id.rpartition("-")[0]
            train = planner.train(cell.run, label)
            run = {RUN: train}
        measure = EvaluateWork(policy=cell.policy, evaluation=cell.evaluation)
        end = planner.add(measure, f"measure {label}", run)
        if cell.chooser is not None:
            work = CandidatesWork(policy=cell.policy, evaluation=cell.evaluation, count=cell.best_of)
            drawn = planner.add(work, f"draw {cell.best_of} of {label}", {EVALUATION: end, **run})
            scorer = scorer_settings(cell.chooser)
            work = BestOfWork(evaluation=cell.evaluation, count=cell.best_of, scorer=scorer)
            end = planner.add(work, f"choose from {label} by {cell.chooser}", {CANDIDATES: drawn})
        scores = {}
        for judge in cell.judges:
            work = ScoreWork(evaluation=cell.evaluation, scorer=scorer_settings(judge))
            scores[judge] = planner.add(work, f"score {label} by {judge}", {EVALUATION: end})
        made[cell.id] = Made(train=train, measure=end, scores=scores)
    return Plan(stages=planner.stages, labels=planner.labels, made=made)


def first_round(run: RunConfig) -> RunConfig:
    """Returns the run whose first round draws what the first round of this one draws, and nothing else of it.

    Sampling depends on the policy, the prompts, the seed, the view and the sizes; all else is put at one
    value, so that equal sampling has an equal key. Noise stands for the reward: it costs nothing.
    """
    own = run.algorithm
    if not isinstance(own, DPOConfig):
        raise TypeError("only DPO draws a round at once")
    return RunConfig(
        recipe="",
        policy=run.policy,
        model=run.model,
        algorithm=DPOConfig(prompts=own.prompts, group=own.group, pairs_per_step=1),
        reward=NoiseReward(),
        prompts=run.prompts,
        view=run.view,
        steps=1,
        optimizer=OptimizerConfig(lr=1.0),
        adapter=run.adapter,
        batch_size=run.batch_size,
        micro_batch=1,
        seed=run.seed,
    )


def outside_files(work: Work) -> dict[str, str]:
    """Returns the files outside the package that a stage reads by name, with their digests."""
    match work:
        case RolloutsWork() | TrainWork():
            policy, scorer = work.run.policy, work.run.reward
        case EvaluateWork() | CandidatesWork():
            policy, scorer = work.policy, None
        case ScoreWork() | BestOfWork():
            policy, scorer = "", work.scorer
    found: list[Path] = []
    if policy and (folder := Path(policy)).is_dir():
        folder = last_checkpoint(folder) or folder
        found += [folder / SETTINGS, folder / WEIGHTS]
    if isinstance(scorer, JudgeReward) and scorer.folder is not None:
        found += sorted(Path(scorer.folder).iterdir())
    digests = {str(path): _hash(path) for path in found if path.is_file()}
    if isinstance(work, RolloutsWork | TrainWork):
        source = load_source(work.run.prompts)
        if source.prompts() is not None:  # of an endless one, the name and the code say all
            digests[work.run.prompts] = source.digest()
    return digests


@cache
def code_version() -> str:
    """Returns a digest of the code that numbers come from: two that differ may make other numbers."""
    total = hashlib.blake2b(f"{__version__} torch {version('torch')}".encode(), digest_size=8)
    for name, path in _sources():
        total.update(f"{name} {_hash(path)}\n".encode())
    return total.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    root = Path(str(files("tessera")))
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        if name.partition("/")[0] not in APART or name in TAKEN:
            yield name, path


def _hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def stage_folder(out: Path, name: str) -> Path:
    """Returns where a stage lies."""
    return out / STAGES / name


def read_complete(out: Path, name: str) -> dict[str, Any] | None:
    """Returns what a finished stage cost, None if it is not finished."""
    path = stage_folder(out, name) / COMPLETE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
