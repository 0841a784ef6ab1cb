"""`tessera sample`: prompts -> pictures, a captioned grid, samples.jsonl."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tessera import __version__
from tessera.cli.common import Output, Sampling, finish, link, parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError
from tessera.storage import CONFIG

if TYPE_CHECKING:
    from tessera.protocols import Scorer
    from tessera.sampling.folder import Chooser


@dataclass(frozen=True, kw_only=True)
class Flags(Output, Sampling):
    """Draw pictures for prompts: images/, grid.png and samples.jsonl (tokens, seeds, verdicts).

    With --best-of N every picture is drawn N times and --scorer chooses one: grid.png shows the chosen, and
    all candidates in the order of their scores (scores.jsonl). Scorers: preference, regressor, unified, orm
    (docs/judges.md), metric, noise, or your own module:function.
    Example: tessera sample --prompt "a photo of two red circles" --num 8 --seed 0 --out runs/circles
    """

    prompt: tuple[str, ...] = ()
    """one or more prompts"""
    prompt_file: Path | None = None
    """a file of prompts: text, one a line, or .jsonl with a "prompt" key"""
    num: int = 4
    """pictures per prompt"""
    best_of: int = 1
    """candidates for each picture, of which the scorer chooses one; all are kept"""
    scorer: str | None = None
    """who chooses; with --resume another one draws nothing"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "sample", arguments)

    from tessera.data.prompts import gather_prompts
    from tessera.policies.load import load_policy
    from tessera.report.samples import draw_grid
    from tessera.rewards.load import load_scorer
    from tessera.rewards.named import scorer_settings
    from tessera.sampling.folder import SampleConfig, choose_samples, sample_into
    from tessera.scorers.mosaic import grade
    from tessera.storage import OutputFolder

    flags.prepare()
    candidates = positive("best-of", flags.best_of)
    if (candidates > 1) is (flags.scorer is None):
        raise UserError("--best-of (2 or more) and --scorer go together: choose from how many, and who does")
    scorer = load_scorer(scorer_settings(flags.scorer)) if flags.scorer else None
    prompts = gather_prompts(flags.prompt, flags.prompt_file)
    policy = flags.placed(load_policy(flags.policy))
    policy.tokenize(prompts)  # an unreadable prompt is refused before anything is written
    view = flags.view(policy.spec.default_view)
    config = SampleConfig(view=view, samples_per_prompt=positive("num", flags.num), seed=flags.seed)
    settings = config.settings(prompts, flags.policy, policy.digest(), __version__)
    # No settings that a resume must repeat: candidates are the same whatever their number, and kept.
    asked = {"best_of": candidates, "scorer": [scorer.name, scorer.digest()] if scorer else None}
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done or chosen_before(folder.work) != asked:
        with progress_bar(flags.json) as bar:
            timing = sample_into(
                folder.work,
                policy,
                prompts,
                config,
                grade,
                batch_size=flags.batch_size,
                candidates=candidates,
                on_progress=bar,
            )
            notes: dict[str, Any] = dict(asked if folder.done else {**asked, **timing})
            if scorer is not None:
                name, asks = scorer.name, asking(scorer)
                ties, blind = choose_samples(folder.work, config, candidates, name, asks, on_progress=bar)
                notes |= {"ties": ties, "blind": blind}
        draw_grid(folder.work, config.samples_per_prompt, candidates)
        folder.note(notes)
        folder.finish()
    out = link(folder.final)
    made = len(set(prompts)) * flags.num
    result = {"out": str(folder.final), "prompts": len(prompts), "images": made * candidates}
    lines = [f"{result['images']} pictures of {len(prompts)} prompts in {out}/images"]
    if scorer is not None:
        recorded = json.loads((folder.final / CONFIG).read_text(encoding="utf-8"))
        result |= {"chosen": made, "ties": recorded["ties"], "blind": recorded["blind"]}
        lines.append(
            f"{scorer.name} chose {made} of them (scores.jsonl): {recorded['ties']} ties, where the first "
            f"was taken, and {recorded['blind']} choices without any score"
        )
    lines += [
        f"Look at {out}/grid.png (a tick: every fact of the prompt is on the picture).",
        "Next: tessera eval --benchmark mosaic-id mosaic-ood --out runs/base",
    ]
    return finish(result, as_json=flags.json, lines=lines)


def asking(scorer: "Scorer") -> "Chooser":
    """Returns the scorer as a function of texts and pictures, its answers checked."""
    from tessera.rewards.ask import checked
    from tessera.types import Prompt

    def ask(texts: Sequence[str], images_BHWC: Any) -> list[tuple[float, str]]:
        prompts = [Prompt(id=text, text=text) for text in texts]
        scores = checked(scorer.score(prompts, images_BHWC), scorer.name, prompts)
        return list(zip(scores.value_B.tolist(), scores.reasons, strict=True))

    return ask


def chosen_before(folder: Path) -> dict[str, Any]:
    """Returns how many candidates a finished folder was made with, and who chose."""
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return {"best_of": settings.get("best_of", 1), "scorer": settings.get("scorer")}
