"""The build of the judges: pictures, four trainings, an examination. What the package ships is its output."""

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from tessera import __version__
from tessera.config import config, to_plain
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.pretraining.judges.corpus import AS_TRAINED, DRAWINGS, sampled, spoilt
from tessera.pretraining.judges.labels import Labelled
from tessera.pretraining.judges.training import JudgeTraining, train_judge
from tessera.pretraining.judges.worth import examination, worth
from tessera.scorers.judges.judge import Judge, load_judge, read_judge, save_judge
from tessera.scorers.judges.sizes import JUDGES, JudgeName
from tessera.storage import write_json
from tessera.types import Progress, silent

PROVENANCE = "judges.json"
SOURCES = ("mosaic-id", "mosaic-ood")


@config
class CorpusSizes:
    """How many prompts of the train split, with `group` pictures each."""

    group: int = 4
    spoilt_id: int = 3000
    spoilt_ood: int = 2000
    drawn_id: int = 150  # for each of the policy's ways of drawing
    drawn_ood: int = 100
    base: int = 900  # in domain, drawn as in training: all that the fragile one sees


@config
class JudgesConfig:
    """Everything that decides the shipped judges, beside the policy that draws for them."""

    seed: int = 0
    corpus: CorpusSizes = CorpusSizes()
    preference: JudgeTraining = JudgeTraining(steps=1000, dense=0.0)
    regressor: JudgeTraining = JudgeTraining(steps=800)
    unified: JudgeTraining = JudgeTraining(steps=1000)
    orm: JudgeTraining = JudgeTraining(steps=700, dense=0.0)
    prompts_per_category: int = 30  # of the closing examination, on validation prompts

    def training(self, name: JudgeName) -> JudgeTraining:
        """Returns the training of the judge of that name."""
        return {judge: getattr(self, judge) for judge in JUDGES}[name]


def judges_config(seed: int, steps: int | None, prompts: int | None) -> JudgesConfig:
    """Returns the shipped judges' configuration, changed where a value is given.

    With fewer steps the corpora shrink too: pictures that no step would read are not made.
    """
    shipped = JudgesConfig()
    changed = replace(shipped, seed=seed, prompts_per_category=prompts or shipped.prompts_per_category)
    if steps is None:
        return changed
    trainings = {name: replace(shipped.training(name), steps=steps) for name in JUDGES}
    most = max(1, steps * shipped.unified.batch_size // shipped.corpus.group)
    counts = {each.name: getattr(shipped.corpus, each.name) for each in fields(CorpusSizes)}
    sizes = {name: count if name == "group" else min(count, most) for name, count in counts.items()}
    return replace(changed, corpus=CorpusSizes(**sizes), **trainings)


def corpora(
    policy: MosaicPolicy, sizes: CorpusSizes, seed: int, on_progress: Progress = silent
) -> dict[JudgeName, list[Labelled]]:
    """Returns what each judge learns from.

    `preference` and `regressor` see long sentences alone, `unified` those of both families; `orm` sees
    nothing but what the base draws for long sentences.
    """
    group = sizes.group
    inside = [spoilt(policy, "id", sizes.spoilt_id, group, seed, on_progress)]
    outside = [spoilt(policy, "ood", sizes.spoilt_ood, group, seed, on_progress)]
    preference = list(inside)
    for number, drawing in enumerate(DRAWINGS):
        own = seed + 1 + number
        inside.append(sampled(policy, "id", sizes.drawn_id, group, drawing, own, on_progress))
        outside.append(sampled(policy, "ood", sizes.drawn_ood, group, drawing, own, on_progress))
    base = sampled(policy, "id", sizes.base, group, AS_TRAINED, seed + 1 + len(DRAWINGS), on_progress)
    return {"preference": preference, "regressor": inside, "unified": inside + outside, "orm": [base]}


def build_judges(
    policy: MosaicPolicy, folder: Path, settings: JudgesConfig, on_progress: Progress = silent
) -> dict[str, Any]:
    """Makes the four judges in `folder`; returns their provenance, which lies beside the weights."""
    clock = time.perf_counter()
    seconds: dict[str, float] = {}

    def lap(stage: str) -> None:
        nonlocal clock
        seconds[stage] = round(time.perf_counter() - clock, 1)
        clock = time.perf_counter()

    learnt = corpora(policy, settings.corpus, settings.seed, on_progress)
    lap("pictures")
    for name in JUDGES:
        judge = train_judge(name, learnt[name], settings.training(name), settings.seed, on_progress)
        save_judge(judge, folder)
        lap(name)
    made: dict[JudgeName, Judge] = {
        name: read_judge(folder, name) for name in JUDGES
    }  # as rounded to half precision
    examined = examine(policy, {"mine": made, "shipped": _shipped()}, settings, on_progress)
    lap("examination")
    provenance = {
        "made_by": "tessera world build",
        "tessera": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "config": to_plain(settings),
        "policy": policy.digest(),
        "seconds": seconds,
        "judges": {
            name: {
                "digest": judge.digest(),
                "parameters": sum(parameter.numel() for parameter in judge.model.parameters()),
                "worth": examined["mine"][name],
            }
            for name, judge in made.items()
        },
        # On the same pictures: what a comparison can rest on.
        "shipped_worth": examined["shipped"],
    }
    write_json(folder / PROVENANCE, provenance)
    return provenance


def _shipped() -> dict[JudgeName, Judge]:
    """Returns the judges in this package; none in a source tree that has none yet."""
    there = files("tessera.scorers.judges") / "assets" / PROVENANCE
    return {name: load_judge(name) for name in JUDGES} if there.is_file() else {}


def examine(
    policy: MosaicPolicy,
    sets: Mapping[str, Mapping[JudgeName, Judge]],
    settings: JudgesConfig,
    on_progress: Progress = silent,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns {set: {judge: {source: worth}}} on the same pictures of validation prompts."""
    found: dict[str, dict[str, dict[str, Any]]] = {
        each: {name: {} for name in judges} for each, judges in sets.items()
    }
    for number, source in enumerate(SOURCES):
        paper = examination(policy, source, settings.prompts_per_category, settings.corpus.group)
        for each, judges in sets.items():
            for name, judge in judges.items():
                found[each][name][source] = worth(judge, paper)
        on_progress("examination", number + 1, len(SOURCES))
    return found


def read_judges_provenance(folder: Path) -> dict[str, Any]:
    """Returns the provenance of a build."""
    return json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))


def shipped_judges_provenance() -> dict[str, Any] | None:
    """Returns the provenance of the judges in this package; None in a source tree that has none yet."""
    path = files("tessera.scorers.judges") / "assets" / PROVENANCE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def compare_judges(mine: Mapping[str, Any], shipped: Mapping[str, Any] | None) -> list[str]:
    """Returns lines that say how rebuilt judges compare with the shipped ones, on the same pictures."""
    lines = [f"{'AUC / pairs / best of group':<28}{'this build':>22}{'shipped':>22}"]
    for name, judge in mine["judges"].items():
        for source in SOURCES:
            before = mine["shipped_worth"].get(name, {}).get(source)
            cells = [_cell(judge["worth"][source]), _cell(before) if before else "none"]
            lines.append(f"{f'{name}, {source}':<28}{cells[0]:>22}{cells[1]:>22}")
    if shipped is not None:
        equal = [n for n, j in mine["judges"].items() if j["digest"] == shipped["judges"][n]["digest"]]
        lines.append(f"identical weights: {', '.join(equal) if equal else 'none'}")
    return lines


def _cell(found: Mapping[str, float | None]) -> str:
    numbers = (found[key] for key in ("auc", "pairs", "best"))
    return " / ".join("none" if number is None else f"{number:.3f}" for number in numbers)
