"""`tessera eval`: policy x benchmarks -> eval.jsonl, summary.json, a page with the pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera import __version__
from tessera.cli.common import (
    Output,
    Sampling,
    command_line,
    finish,
    link,
    parse_flags,
    positive,
    progress_bar,
)


@dataclass(frozen=True, kw_only=True)
class Flags(Output, Sampling):
    """Measure a policy, in and out of domain, with intervals over prompts, and write a page.

    Benchmarks: mosaic-id and mosaic-ood, and both with axes of shift: mosaic-ood+counts, +combos, +relations,
    +all, or several: mosaic-id+combos+counts.
    Example: tessera eval --policy mosaic --benchmark mosaic-id mosaic-ood --out runs/base
    """

    benchmark: tuple[str, ...] = ("mosaic-id", "mosaic-ood")
    """one or more benchmarks"""
    prompts_per_category: int = 60
    """the first so many test prompts of each category; always the same ones"""
    num: int = 2
    """pictures per prompt"""


SHIFTS = "tessera eval --benchmark mosaic-ood+counts mosaic-ood+relations --out runs/shifts"


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "eval", arguments)

    from tessera.benchmarks.layout import PAGE, read_summary
    from tessera.benchmarks.mosaic import load_benchmark
    from tessera.benchmarks.runner import EvalConfig, evaluate
    from tessera.config import to_plain
    from tessera.policies.load import load_policy
    from tessera.report.evaluation import evaluation_page
    from tessera.report.text import summary_lines
    from tessera.storage import OutputFolder, write_atomic

    flags.prepare()
    benchmarks = [load_benchmark(name) for name in dict.fromkeys(flags.benchmark)]
    policy = load_policy(flags.policy)
    config = EvalConfig(
        view=flags.view(policy.spec.default_view),
        prompts_per_category=positive("prompts-per-category", flags.prompts_per_category),
        samples_per_prompt=positive("num", flags.num),
        seed=flags.seed,
    )
    names = [benchmark.name for benchmark in benchmarks]
    policy_settings = {"policy": flags.policy, "policy_digest": policy.digest()}
    settings = {"tessera": __version__, **policy_settings, "benchmarks": names, **to_plain(config)}
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done:
        with progress_bar(flags.json) as bar:
            _, timing = evaluate(
                policy, benchmarks, config, folder.work, batch_size=flags.batch_size, on_progress=bar
            )
        folder.note({"command": command_line("eval", arguments), **timing})
        write_atomic(
            folder.work / PAGE, evaluation_page(folder.work, f"One shift at a time: `{SHIFTS}`").encode()
        )
        folder.finish()
    summary = read_summary(folder.final)
    page = f"Open {link(folder.final / PAGE)} in a browser."
    lines = [*summary_lines(summary), page, f"Next, one shift at a time: {SHIFTS}"]
    return finish({"out": str(folder.final), "summary": summary}, as_json=flags.json, lines=lines)
