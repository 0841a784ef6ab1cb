"""`tessera sample`: prompts -> pictures, a captioned grid, samples.jsonl."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera import __version__
from tessera.cli.common import Output, Sampling, finish, link, parse_flags, positive, progress_bar


@dataclass(frozen=True, kw_only=True)
class Flags(Output, Sampling):
    """Draw pictures for prompts: images/, grid.png and samples.jsonl (tokens, seeds, verdicts).

    Example: tessera sample --prompt "a photo of two red circles" --num 8 --seed 0 --out runs/circles
    """

    prompt: tuple[str, ...] = ()
    """one or more prompts"""
    prompt_file: Path | None = None
    """a file of prompts: text, one a line, or .jsonl with a "prompt" key"""
    num: int = 4
    """pictures per prompt"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "sample", arguments)

    from tessera.data.prompts import gather_prompts
    from tessera.policies.load import load_policy
    from tessera.report.samples import draw_grid
    from tessera.sampling.folder import SampleConfig, sample_into
    from tessera.scorers.mosaic import grade
    from tessera.storage import OutputFolder

    flags.prepare()
    prompts = gather_prompts(flags.prompt, flags.prompt_file)
    policy = load_policy(flags.policy)
    policy.tokenize(prompts)  # an unreadable prompt is refused before anything is written
    view = flags.view(policy.spec.default_view)
    config = SampleConfig(view=view, samples_per_prompt=positive("num", flags.num), seed=flags.seed)
    settings = config.settings(prompts, flags.policy, policy.digest(), __version__)
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done:
        with progress_bar(flags.json) as bar:
            timing = sample_into(
                folder.work, policy, prompts, config, grade, batch_size=flags.batch_size, on_progress=bar
            )
        draw_grid(folder.work)
        folder.note(timing)
        folder.finish()
    out = link(folder.final)
    result = {"out": str(folder.final), "prompts": len(prompts), "images": len(prompts) * flags.num}
    lines = [
        f"{result['images']} pictures of {len(prompts)} prompts in {out}/images",
        f"Look at {out}/grid.png (a tick: every fact of the prompt is on the picture).",
        "Next: tessera eval --benchmark mosaic-id mosaic-ood --out runs/base",
    ]
    return finish(result, as_json=flags.json, lines=lines)
