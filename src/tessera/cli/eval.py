"""`tessera eval`: policy x benchmarks -> eval.jsonl, summary.json, a page with the pictures."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera import __version__
from tessera.cli.common import Output, Sampling, command_line, finish, link, overlap_of, parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError
from tessera.storage import CONFIG


@dataclass(frozen=True, kw_only=True)
class Flags(Output, Sampling):
    """Measure a policy, in and out of domain, with intervals over prompts, and write a page.

    Benchmarks: mosaic-id and mosaic-ood, and both with axes of shift: mosaic-ood+counts, +combos, +relations,
    +all, or several: mosaic-id+combos+counts.
    With --best-of N every picture is drawn N times, and the best n of them by each --scorer are measured, for
    n = 1, 2, 4, ... N. All candidates are kept: with --resume, a smaller N or other scorers draw nothing.
    Scorers: preference, regressor, unified, orm (docs/judges.md), metric, noise, or your own module:function.
    Example: tessera eval --policy mosaic --benchmark mosaic-id mosaic-ood --out runs/base
    """

    benchmark: tuple[str, ...] = ("mosaic-id", "mosaic-ood")
    """one or more benchmarks"""
    prompts_per_category: int = 60
    """the first so many test prompts of each category; always the same ones"""
    num: int = 2
    """pictures per prompt"""
    best_of: int = 1
    """candidates for each picture, of which the scorers choose one"""
    scorer: tuple[str, ...] = ()
    """who chooses, each for itself"""


SHIFTS = "tessera eval --benchmark mosaic-ood+counts mosaic-ood+relations --out runs/shifts"


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "eval", arguments)

    from tessera.benchmarks.best_of import choose_in
    from tessera.benchmarks.layout import PAGE, read_summary
    from tessera.benchmarks.mosaic import load_benchmark
    from tessera.benchmarks.runner import EvalConfig, evaluate
    from tessera.config import to_plain
    from tessera.policies.load import load_policy
    from tessera.report.best_of import best_of_lines
    from tessera.report.evaluation import evaluation_page
    from tessera.report.text import summary_lines
    from tessera.rewards.load import load_scorer
    from tessera.rewards.named import overlap, scorer_settings
    from tessera.storage import OutputFolder, write_atomic

    flags.prepare()
    candidates = positive("best-of", flags.best_of)
    if flags.scorer and candidates == 1:
        raise UserError("--scorer chooses among candidates; say how many for each picture with --best-of")
    named = {name: scorer_settings(name) for name in flags.scorer}
    scorers = [load_scorer(settings) for settings in named.values()]
    benchmarks = [load_benchmark(name) for name in dict.fromkeys(flags.benchmark)]
    policy = flags.placed(load_policy(flags.policy))
    config = EvalConfig(
        view=flags.view(policy.spec.default_view),
        prompts_per_category=positive("prompts-per-category", flags.prompts_per_category),
        samples_per_prompt=positive("num", flags.num),
        seed=flags.seed,
    )
    names = [benchmark.name for benchmark in benchmarks]
    policy_settings = {"policy": flags.policy, "policy_digest": policy.digest()}
    settings = {"tessera": __version__, **policy_settings, "benchmarks": names, **to_plain(config)}
    # No settings that a resume must repeat: candidates are the same whatever their number, and kept.
    asked = {"best_of": candidates, "scorers": {scorer.name: scorer.digest() for scorer in scorers}}
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done or chosen_before(folder.work) != asked:
        with progress_bar(flags.json) as bar:
            _, timing = evaluate(
                policy,
                benchmarks,
                config,
                folder.work,
                batch_size=flags.batch_size,
                candidates=candidates,
                on_progress=bar,
            )
            if candidates > 1:
                overlaps = {name: overlap(each, names) for name, each in named.items()}
                choose_in(folder.work, benchmarks, config, candidates, scorers, overlaps, on_progress=bar)
        command = {"command": command_line("eval", arguments)}
        folder.note({**command, **asked} if folder.done else {**command, **asked, **timing})
        page = evaluation_page(folder.work, f"One shift at a time: `{SHIFTS}`")
        write_atomic(folder.work / PAGE, page.encode())
        folder.finish()
    summary = read_summary(folder.final)
    page = f"Open {link(folder.final / PAGE)} in a browser."
    tables = [*summary_lines(summary), *best_of_lines(summary)]
    trained = [f"Trained on it. {note}"] if (note := overlap_of(flags.policy)) else []
    lines = [*tables, *trained, page, f"Next, one shift at a time: {SHIFTS}"]
    return finish({"out": str(folder.final), "summary": summary}, as_json=flags.json, lines=lines)


def chosen_before(folder: Path) -> dict[str, Any]:
    """Returns how many candidates a finished folder's summary is of, and who chose."""
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return {"best_of": settings.get("best_of", 1), "scorers": settings.get("scorers", {})}
