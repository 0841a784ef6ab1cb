"""The build: tokenizer, policy, provenance. What `tessera world build` runs and the package ships."""

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from tessera import __version__
from tessera.benchmarks.load import load_benchmark
from tessera.benchmarks.runner import EvalConfig, evaluate
from tessera.config import config, to_plain
from tessera.policies.load import read_mosaic
from tessera.policies.mosaic.config import MosaicConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.saved import save_policy
from tessera.pretraining.corpus import CorpusConfig
from tessera.pretraining.policy import PolicyTraining, train_policy
from tessera.pretraining.tokenizer import TokenizerTraining, round_trip, train_tokenizer
from tessera.storage import write_json
from tessera.types import Progress, silent
from tessera.world.grammar import vocabulary

PROVENANCE = "provenance.json"
ROUND_TRIP_SCENES = 2000
BENCHMARKS = ("mosaic-id", "mosaic-ood")


@config
class BuildConfig:
    """Everything that decides the shipped weights."""

    seed: int = 0
    tokenizer: TokenizerTraining = TokenizerTraining()
    corpus: CorpusConfig = CorpusConfig()
    policy: PolicyTraining = PolicyTraining()
    prompts_per_category: int = 60  # of the closing measurement
    samples_per_prompt: int = 2


def build(folder: Path, settings: BuildConfig, on_progress: Progress = silent) -> dict[str, Any]:
    """Makes the policy from nothing in `folder`; returns its provenance, which lies beside the weights."""
    clock = time.perf_counter()
    seconds: dict[str, float] = {}

    def lap(stage: str) -> None:
        nonlocal clock
        seconds[stage] = round(time.perf_counter() - clock, 1)
        clock = time.perf_counter()

    sizes = MosaicConfig(words=vocabulary())
    policy = MosaicPolicy(sizes)
    tokenizer = train_tokenizer(sizes.tokenizer, settings.tokenizer, settings.seed, on_progress)
    policy.tokenizer.load_state_dict(tokenizer.state_dict())
    lap("tokenizer")
    train_policy(policy, settings.corpus, settings.policy, settings.seed, on_progress)
    lap("policy")
    save_policy(policy, folder)
    policy = read_mosaic(folder)  # as rounded to half precision: what others will load
    provenance = {
        "made_by": "tessera world build",
        "tessera": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "config": to_plain(settings),
        "seconds": seconds,
        **measure(policy, settings, folder / "measured", on_progress),
    }
    lap("measure")
    write_json(folder / PROVENANCE, provenance)
    return provenance


def build_config(
    seed: int, tokenizer_steps: int | None, policy_steps: int | None, prompts: int | None
) -> BuildConfig:
    """Returns the shipped weights' configuration, changed where a value is given."""
    shipped = BuildConfig()
    return BuildConfig(
        seed=seed,
        tokenizer=replace(shipped.tokenizer, steps=tokenizer_steps or shipped.tokenizer.steps),
        policy=replace(shipped.policy, steps=policy_steps or shipped.policy.steps),
        prompts_per_category=prompts or shipped.prompts_per_category,
    )


def read_provenance(folder: Path) -> dict[str, Any]:
    """Returns the provenance of a build."""
    return json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))


def shipped_provenance() -> dict[str, Any] | None:
    """Returns the provenance of the weights in this package; None in a source tree that has none yet."""
    path = files("tessera.policies.mosaic") / "assets" / PROVENANCE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def compare(mine: Mapping[str, Any], shipped: Mapping[str, Any] | None) -> list[str]:
    """Returns lines that say how a build compares with the shipped one.

    Floating-point sums differ between machines and thread counts, and training amplifies that: equal digests
    are not expected, scores within each other's intervals are.
    """
    if shipped is None:
        return ["This package ships no weights to compare with."]
    lines = [f"{'':<28}{'this build':>22}{'shipped':>22}"]
    for benchmark in BENCHMARKS:
        pair = [provenance["summary"][benchmark]["overall"] for provenance in (mine, shipped)]
        cells = [f"{e['mean']:.3f} [{e['ci_low']:.3f}, {e['ci_high']:.3f}]" for e in pair]
        lines.append(f"{benchmark + ' strict':<28}{cells[0]:>22}{cells[1]:>22}")
    for label, key in (("tokenizer round trip", "exact"), ("tokenizer PSNR, dB", "psnr_db")):
        cells = [f"{provenance['round_trip'][key]:.3f}" for provenance in (mine, shipped)]
        lines.append(f"{label:<28}{cells[0]:>22}{cells[1]:>22}")
    same = "identical weights" if mine["digest"] == shipped["digest"] else "other weights"
    apart = [b for b in BENCHMARKS if _apart(mine["summary"][b]["overall"], shipped["summary"][b]["overall"])]
    verdict = f"apart beyond the intervals on {', '.join(apart)}" if apart else "equal within the intervals"
    return [*lines, f"{same}, {verdict}"]


def _apart(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return a["ci_low"] > b["ci_high"] or b["ci_low"] > a["ci_high"]


def measure(
    policy: MosaicPolicy,
    settings: BuildConfig,
    folder: Path,
    on_progress: Progress = silent,
) -> dict[str, Any]:
    """Returns what the provenance says of a policy: digest, round trip of its tokenizer, benchmark scores."""
    folder.mkdir(parents=True, exist_ok=True)
    summary, _ = evaluate(
        policy,
        [load_benchmark(name) for name in BENCHMARKS],
        EvalConfig(
            view=policy.spec.default_view,
            prompts_per_category=settings.prompts_per_category,
            samples_per_prompt=settings.samples_per_prompt,
        ),
        folder,
        batch_size=64,
        on_progress=on_progress,
    )
    return {
        "digest": policy.digest(),
        "parameters": sum(parameter.numel() for parameter in policy.parameters()),
        "round_trip": round_trip(policy.tokenizer, ROUND_TRIP_SCENES, seed=1),
        "summary": summary,
    }
