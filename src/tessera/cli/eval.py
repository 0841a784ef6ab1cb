"""`tessera eval`: policy x benchmarks -> eval.jsonl, summary.json, a page with the pictures."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tessera import __version__
from tessera.cli.common import Output, Sampling, command_line, finish, link, overlap_of, parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError
from tessera.storage import CONFIG

if TYPE_CHECKING:
    from tessera.policies.base import PolicyModule


@dataclass(frozen=True, kw_only=True)
class Flags(Output, Sampling):
    """Measure a policy, in and out of domain, with intervals over prompts, and write a page.

    Benchmarks: mosaic-id and mosaic-ood, and both with axes of shift: mosaic-ood+counts, +combos, +relations,
    +all, or several: mosaic-id+combos+counts. Of the field geneval, compbench (or compbench:color,shape),
    dpg and wise (docs/benchmarks.md). A file of prompts (.jsonl, .csv, .txt) with a scorer, or your own
    module:name.
    With --best-of N every picture is drawn N times, and the best n of them by each --scorer are measured, for
    n = 1, 2, 4, ... N. All candidates are kept: with --resume, a smaller N or other scorers draw nothing.
    Scorers: preference, regressor, unified, orm (docs/judges.md), metric, noise, or your own module:function.
    Example: tessera eval --policy mosaic --benchmark mosaic-id mosaic-ood --out runs/base
    """

    benchmark: tuple[str, ...] = ("mosaic-id", "mosaic-ood")
    """one or more benchmarks"""
    prompts_per_category: int | None = None
    """the first so many prompts of each category, always the same ones; unset: as published (mosaic 60)"""
    num: int | None = None
    """pictures per prompt; unset: as published (mosaic 2, geneval 4, compbench 10, dpg 4, wise 1)"""
    set: tuple[str, ...] = ()
    """settings of benchmarks, BENCHMARK.KEY=VALUE: geneval.detector.weights=FOLDER"""
    data_dir: Path | None = None
    """where prompts of the field lie (tessera data list); unset: TESSERA_DATA"""
    processes: int = 1
    """that draw and grade benchmarks of the field, each with its own copy of the models"""
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
    from tessera.benchmarks.load import Opener, load_benchmark, settings_of
    from tessera.benchmarks.observed import Workers
    from tessera.benchmarks.runner import EvalConfig, evaluate
    from tessera.config import to_plain
    from tessera.policies.load import load_policy
    from tessera.protocols import Observed
    from tessera.report.evaluation import evaluation_page
    from tessera.report.evaluation.best_of import best_of_lines
    from tessera.report.evaluation.read import read_records
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
    words = settings_of(flags.set, flags.benchmark)
    opened = {name: load_benchmark(name, words[name], flags.data_dir) for name in words}
    benchmarks = list(opened.values())
    policy = flags.placed(load_policy(flags.policy))
    config = EvalConfig(
        view=flags.view(policy.spec.default_view),
        prompts_per_category=some("prompts-per-category", flags.prompts_per_category),
        samples_per_prompt=some("num", flags.num),
        seed=flags.seed,
    )
    names = [benchmark.name for benchmark in benchmarks]
    policy_settings = {"policy": flags.policy, "policy_digest": policy.digest()}
    graders = {each.name: each.digest() for each in benchmarks if isinstance(each, Observed)}
    settings = {"tessera": __version__, **policy_settings, "benchmarks": names, **to_plain(config)}
    settings |= {"graders": graders} if graders else {}
    called = {each.name: name for name, each in opened.items()}
    workers = Workers(
        processes=positive("processes", flags.processes),
        policy=partial(open_policy, name=flags.policy, device=flags.device, threads=flags.threads),
        benchmark=Opener(called=called, words=words, data=flags.data_dir, threads=flags.threads),
    )
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
                workers=workers,
                on_progress=bar,
            )
            if candidates > 1:
                overlaps = {name: overlap(each, names) for name, each in named.items()}
                choose_in(folder.work, benchmarks, config, candidates, scorers, overlaps, on_progress=bar)
        command = {"command": command_line("eval", arguments)}
        folder.note({**command, **asked} if folder.done else {**command, **asked, **timing})
        shifts = f"One shift at a time: `{SHIFTS}`" if any(map(is_mosaic, names)) else ""
        page = evaluation_page(folder.work, shifts)
        write_atomic(folder.work / PAGE, page.encode())
        folder.finish()
    summary = read_summary(folder.final)
    records = read_records(folder.final)
    page = f"Open {link(folder.final / PAGE)} in a browser."
    tables = [*summary_lines(summary, records), *best_of_lines(summary, records)]
    trained = [f"Trained on it. {note}"] if (note := overlap_of(flags.policy)) else []
    shifts = [f"Next, one shift at a time: {SHIFTS}"] if any(map(is_mosaic, names)) else []
    lines = [*tables, *trained, page, *shifts]
    return finish({"out": str(folder.final), "summary": summary}, as_json=flags.json, lines=lines)


def is_mosaic(benchmark: str) -> bool:
    """Returns whether it is one of the embedded world's, which has shifts."""
    return benchmark.startswith("mosaic-")


def some(name: str, value: int | None) -> int | None:
    """Returns the value of a flag that counts something, or None where it is unset."""
    return None if value is None else positive(name, value)


def open_policy(process: int, *, name: str, device: str | None, threads: int) -> "PolicyModule":
    """Returns the policy for another process, by its number."""
    import torch

    from tessera.devices import device_of, share_gpus
    from tessera.policies.load import load_policy

    share_gpus(process)
    torch.set_num_threads(threads)
    return load_policy(name).to(device_of(device))


def chosen_before(folder: Path) -> dict[str, Any]:
    """Returns how many candidates a finished folder's summary is of, and who chose."""
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return {"best_of": settings.get("best_of", 1), "scorers": settings.get("scorers", {})}
