"""Scorers by the names that a command line gives them, and where one of them is its own examiner."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tessera.config import config, from_plain, merged
from tessera.errors import UserError, unknown
from tessera.rewards.load import AnyReward, AnyScorer, EnsembleReward, ScorerConfig, load_scorer
from tessera.rewards.metric import MetricReward
from tessera.rewards.remote.settings import RemoteReward
from tessera.scorers.judges.sizes import JUDGES
from tessera.scorers.vlm.settings import ZERO_SHOT, UnifiedRewardPairs

# Of each outside scorer, what it is named by and what is set then; more by its own settings.
OUTSIDE: Mapping[str, Mapping[str, Any]] = {
    "hps": {"kind": "hps"},
    "pickscore": {"kind": "pickscore"},
    "clipscore": {"kind": "clipscore"},
    "aesthetic": {"kind": "aesthetic"},
    "imagereward": {"kind": "imagereward"},
    "blip-vqa": {"kind": "blip-vqa"},
    "git-vqa": {"kind": "git-vqa"},
    "gdino": {"kind": "gdino"},
    "gdino-object": {"kind": "gdino", "task": "object"},
    "gdino-spatial": {"kind": "gdino", "task": "spatial"},
    "gdino-numeracy": {"kind": "gdino", "task": "numeracy"},
    "geneval": {"kind": "geneval"},
    "compbench": {"kind": "compbench"},
    "unifiedreward": {"kind": "unifiedreward"},
    "orm-vlm": {"kind": "orm-vlm"},
    "orm-zero-shot": {"kind": "orm-vlm", "weights": ZERO_SHOT.repo},
    "vqascore": {"kind": "vqascore"},
    "hpsv3": {"kind": "hpsv3"},
}
# What grades a benchmark and is a reward, too: by its name, what it is, and of which benchmarks.
GRADERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "metric": ("the verifier that grades", ("mosaic",)),
    "geneval": ("what grades", ("geneval",)),
    "compbench": ("what grades", ("compbench",)),
}
NAMES = (*JUDGES, "metric", "noise", *OUTSIDE)


@config
class _Named:
    scorer: ScorerConfig


def scorer_settings(name: str, words: Sequence[str] = ()) -> AnyScorer:
    """Returns the settings of a scorer by its name, or of an outside `module:function`.

    `words` are settings of its own, as in strict_weight=1.0 or place.device=cuda.
    """
    data = merged(_plain(name), words, "weights=FOLDER")
    return from_plain(_Named, {"scorer": data}, where=name).scorer


def _plain(name: str) -> Mapping[str, Any]:
    if ":" in name:
        return {"kind": "custom", "function": name}
    if name in JUDGES:
        return {"kind": "judge", "judge": name}
    if name in ("metric", "noise"):
        return {"kind": name}
    if name in OUTSIDE:
        return OUTSIDE[name]
    raise UserError(f"{unknown('scorer', name, NAMES)} Outside code is named module:function.")


def overlap(settings: AnyReward, benchmarks: Sequence[str], held_out: Sequence[AnyScorer] = ()) -> str:
    """Returns what to print beside every result of these benchmarks and held-out scorers; "" if nothing.

    It says so where the reward, or a part of it, is what the benchmark grades with, or is held out itself:
    such a result tells how well the grader was pleased, not whether another one would agree.
    """
    parts = [part.scorer for part in settings.parts] if isinstance(settings, EnsembleReward) else [settings]
    told = []
    for grader, (what, families) in GRADERS.items():
        graded = [name for name in dict.fromkeys(benchmarks) if re.split("[-:]", name)[0] in families]
        if graded and any(_is(part, grader) for part in parts):
            whole = f"{grader} is" if len(parts) == 1 else f"the part {grader} of this reward is"
            told.append(
                f"Overlap: {whole} {what} {' and '.join(graded)}, so these numbers say how "
                "well it was pleased, not whether another judge would agree."
            )
    if both := [load_scorer(each).name for each in held_out if each in parts]:
        told.append(f"Overlap: {' and '.join(both)} both trains and is held out.")
    return " ".join(told)


def _is(settings: AnyScorer | UnifiedRewardPairs, grader: str) -> bool:
    """Returns whether it is the reward of that name, or a server that has it behind it."""
    if isinstance(settings, RemoteReward):
        return grader in load_scorer(settings).name.split("+")  # which a sum puts between names
    if isinstance(settings, MetricReward):  # the one or the other grader, as the prompt is
        return grader == "metric" or (grader == "compbench" and settings.compbench is not None)
    return settings.kind == grader
