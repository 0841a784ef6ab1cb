"""`tessera judge`: judging the judges: scorers x validation pictures -> judges.json, a table, a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tessera import __version__
from tessera.cli.common import Output, Sampling, command_line, finish, link, parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError
from tessera.storage import CONFIG

if TYPE_CHECKING:
    from tessera.benchmarks.mosaic import MosaicBenchmark
    from tessera.benchmarks.runner import EvalConfig
    from tessera.protocols import Policy, Scorer
    from tessera.rewards.load import AnyScorer
    from tessera.types import Progress

TRAINED_ON = "mosaic-id"  # the source of training prompts in the recipes
REFERENCE_PROMPTS, REFERENCE_SAMPLES = 20, 4  # of each of its categories, for mean and standard deviation
REFERENCE = "reference"  # folder


@dataclass(frozen=True, kw_only=True)
class Flags(Output, Sampling):
    """Judge the judges: how often scorers agree with the exact verifier, and what choosing by them gains.

    Validation prompts, never those of the test split. All pictures are kept: with --resume, a smaller
    --best-of or other scorers draw nothing. Scorers: preference, regressor, unified, orm (docs/judges.md),
    metric and noise (the bounds), or your own module:function.
    Example: tessera judge --out runs/judges
    """

    scorer: tuple[str, ...] = ("preference", "regressor", "unified", "orm", "metric", "noise")
    """whom to judge"""
    benchmark: tuple[str, ...] = ("mosaic-id", "mosaic-ood")
    """where prompts come from"""
    split: Literal["val", "train"] = "val"
    """of these benchmarks; the test split stays unseen until a study is measured"""
    prompts_per_category: int = 10
    """the first so many prompts of each category"""
    best_of: int = 16
    """pictures of each prompt, to compare and to choose from"""
    over_optimise: int = 0
    """also train by mosaic-grpo on each scorer, for so many steps: reward and verifier over KL; 0: do not"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "judge", arguments)

    from tessera.benchmarks.layout import JUDGES, PAGE
    from tessera.benchmarks.mosaic import MosaicBenchmark
    from tessera.benchmarks.runner import EvalConfig
    from tessera.cli.judge_runs import over_optimise
    from tessera.config import to_plain
    from tessera.policies.load import load_policy
    from tessera.report.judging import judging_lines, judging_page
    from tessera.rewards.load import load_scorer
    from tessera.rewards.named import scorer_settings
    from tessera.storage import OutputFolder, write_atomic, write_json
    from tessera.world.prompts import PromptSource

    flags.prepare()
    if flags.best_of < 2:
        raise UserError(
            f"--best-of must be 2 or more, got {flags.best_of}: judges compare pictures of one prompt"
        )
    if flags.over_optimise < 0:
        raise UserError(f"--over-optimise is a number of steps, 0 or more, got {flags.over_optimise}")
    named = {name: scorer_settings(name) for name in flags.scorer}
    scorers = {name: load_scorer(settings) for name, settings in named.items()}
    benchmarks = [
        MosaicBenchmark(PromptSource.parse(name), flags.split) for name in dict.fromkeys(flags.benchmark)
    ]
    policy = flags.placed(load_policy(flags.policy))
    config = EvalConfig(
        view=flags.view(policy.spec.default_view),
        prompts_per_category=positive("prompts-per-category", flags.prompts_per_category),
        samples_per_prompt=1,
        seed=flags.seed,
    )
    settings = {
        "tessera": __version__,
        "policy": flags.policy,
        "policy_digest": policy.digest(),
        "benchmarks": [benchmark.name for benchmark in benchmarks],
        "split": flags.split,
        **to_plain(config),
    }
    # No settings that a resume must repeat: pictures are the same whatever their number, and kept.
    asked = {
        "best_of": flags.best_of,
        "scorers": {name: scorer.digest() for name, scorer in scorers.items()},
        "over_optimise": flags.over_optimise,
    }
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done or not asked_before(folder.work, asked):
        with progress_bar(flags.json) as bar:
            result = judge_all(
                folder.work, policy, benchmarks, config, scorers, named, flags.best_of, flags.batch_size, bar
            )
            for name, reward in named.items():
                if flags.over_optimise:
                    result["scorers"][name]["over_optimised"] = over_optimise(
                        folder.work, name, reward, flags.policy, flags.over_optimise, flags.seed, bar
                    )
        write_json(folder.work / JUDGES, {**settings, **result})
        folder.note({"command": command_line("judge", arguments), **asked})
        write_atomic(folder.work / PAGE, judging_page(folder.work).encode())
        folder.finish()
    result = json.loads((folder.final / JUDGES).read_text(encoding="utf-8"))
    lines = [
        *judging_lines(result),
        f"Open {link(folder.final / PAGE)} in a browser.",
        "Next, train on one of them: tessera train mosaic-grpo --set reward.kind=judge reward.judge=unified "
        "--out runs/judged",
    ]
    return finish({"out": str(folder.final), "judges": result}, as_json=flags.json, lines=lines)


def asked_before(folder: Path, asked: Mapping[str, Any]) -> bool:
    """Returns whether a finished folder holds what is asked for."""
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return all(settings.get(name) == value for name, value in asked.items())


def judge_all(
    folder: Path,
    policy: "Policy",
    benchmarks: "Sequence[MosaicBenchmark]",
    config: "EvalConfig",
    scorers: "Mapping[str, Scorer]",
    settings: "Mapping[str, AnyScorer]",
    candidates: int,
    batch_size: int,
    on_progress: "Progress",
) -> dict[str, Any]:
    """Returns all that judges.json says, but for the settings; draws and scores what the folder lacks."""
    from tessera.benchmarks.candidates import drawn_and_scored
    from tessera.benchmarks.judging import agreement, bounds, disagreements, judged, reference
    from tessera.benchmarks.mosaic import MosaicBenchmark
    from tessera.benchmarks.runner import EvalConfig
    from tessera.config import to_plain
    from tessera.rewards.named import overlap
    from tessera.world.prompts import PromptSource

    instruments = list(scorers.values())
    tables, values = drawn_and_scored(
        folder, policy, benchmarks, config, candidates, instruments, batch_size, on_progress
    )
    trained = MosaicBenchmark(PromptSource.parse(TRAINED_ON), "train")
    sizes = EvalConfig(
        view=config.view,
        prompts_per_category=REFERENCE_PROMPTS,
        samples_per_prompt=REFERENCE_SAMPLES,
        seed=config.seed,
    )
    (folder / REFERENCE).mkdir(exist_ok=True)
    (drawn,), said = drawn_and_scored(
        folder / REFERENCE, policy, [trained], sizes, 1, instruments, batch_size, on_progress
    )
    names = [benchmark.name for benchmark in benchmarks]
    return {
        "best_of": candidates,
        "scorers": {
            name: {
                "digest": scorer.digest(),
                "settings": to_plain(settings[name]),
                "overlap": overlap(settings[name], names),
                "reference": reference(drawn, said, name),
                "benchmarks": {table.benchmark: judged(table, values, name) for table in tables},
                "disagreements": disagreements(tables, values, name),
            }
            for name, scorer in scorers.items()
        },
        "bounds": {table.benchmark: bounds(table) for table in tables},
        "agreement": {table.benchmark: agreement(table, values, list(scorers)) for table in tables},
    }
