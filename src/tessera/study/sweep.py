"""One learning rate per arm, chosen on validation prompts by the same rule for all: never on test prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from tessera.storage import read_jsonl, write_json
from tessera.study.cells import Rates, run_of
from tessera.study.config import BASE, PinnedRates, StudyConfig, SweepRates
from tessera.study.stages import Plan, Planner, read_complete, stage_folder
from tessera.training.config import WatchConfig
from tessera.training.metrics import HELD_OUT

SWEEP = "sweep.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run of the sweep."""

    arm: str
    lr: float
    stage: str  # its id


def arms_of(study: StudyConfig) -> list[str]:
    """Returns the arms that train, in the order in which experiments name them."""
    named = (arm for experiment in study.experiments for arm in experiment.arms if arm != BASE)
    return list(dict.fromkeys(named))


def known_rates(study: StudyConfig) -> Rates:
    """Returns the rates by arm, as far as they are known before anything has run; of a sweep, its middle."""
    match study.rates:
        case PinnedRates():
            return {arm: study.rates.rates.get(arm) for arm in arms_of(study)}
        case SweepRates():
            tried = sorted(study.rates.rates)
            return dict.fromkeys(arms_of(study), tried[len(tried) // 2])


def plan_sweep(study: StudyConfig, sweep: SweepRates, code: str) -> tuple[Plan, list[Trial]]:
    """Returns the stages of the sweep."""
    planner, trials = Planner(code), list[Trial]()
    watch = WatchConfig(
        every=0,
        film_every=0,
        benchmarks=study.evaluation.benchmarks,
        prompts_per_category=sweep.prompts_per_category,
    )
    for arm in arms_of(study):
        for lr in sweep.rates:
            run = replace(run_of(study, arm, sweep.reward, sweep.seed, lr), watch=watch)
            trials.append(Trial(arm=arm, lr=lr, stage=planner.train(run, f"{arm} at rate {lr:g}")))
    return Plan(stages=planner.stages, labels=planner.labels, made={}), trials


def choose_rates(
    out: Path, trials: Sequence[Trial], errors: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Writes what the trials measured; returns the best rate by arm, and why an arm has none."""
    record: dict[str, dict[str, Any]] = {}
    for trial in trials:
        tried = record.setdefault(trial.arm, {"chosen": None, "trials": []})["trials"]
        folder = stage_folder(out, trial.stage)
        line: dict[str, Any] = {"lr": trial.lr, "run": f"{folder.parent.name}/{folder.name}"}
        if read_complete(out, trial.stage) is None:
            tried.append({**line, "mean": None, "error": errors.get(trial.stage, "not reached")})
            continue
        last = {k: v for k, v in list(read_jsonl(folder / HELD_OUT))[-1].items() if k != "step"}
        strict = {name: scores["strict"]["mean"] for name, scores in last.items()}
        tried.append({**line, **strict, "mean": fmean(strict.values()), "error": None})
    chosen: dict[str, float] = {}
    failed: dict[str, str] = {}
    for arm, told in record.items():
        measured = [trial for trial in told["trials"] if trial["mean"] is not None]
        if measured:
            # Of two equally good the lower rate: it moves the policy less.
            chosen[arm] = min(measured, key=lambda trial: (-trial["mean"], trial["lr"]))["lr"]
            told["chosen"] = chosen[arm]
        else:
            failed[arm] = f"no rate of the sweep could be measured: {told['trials'][0]['error']}"
    write_json(out / SWEEP, record)
    return chosen, failed
