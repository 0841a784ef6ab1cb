"""`tessera world build`: the policy of the embedded world and its learned judges, from nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tessera import __version__
from tessera.cli.common import Output, finish, link, parse_flags, positive
from tessera.cli.progress import progress_bar

JUDGES = "judges"  # the folder of the judges inside the policy's


@dataclass(frozen=True, kw_only=True)
class Flags(Output):
    """Make the tokenizer, the policy and the judges of mosaic, and compare them with the shipped ones.

    About ten minutes on two free cores for the policy, and as long on one for the judges. The result is a
    policy folder (tessera eval --policy DIR) with a folder `judges` in it (reward.folder=DIR/judges).
    """

    only: Literal["policy", "judges"] | None = None
    """make only this; judges then learn from pictures by the shipped policy"""
    seed: int = 0
    """of weights and corpus"""
    tokenizer_steps: int | None = None
    """fewer for a quick look; unset: as shipped"""
    policy_steps: int | None = None
    """fewer for a quick look; unset: as shipped"""
    judge_steps: int | None = None
    """of each judge, with corpora no larger than needed; fewer for a quick look; unset: as shipped"""
    prompts: int | None = None
    """prompts per category of the closing measurements; unset: as shipped"""
    threads: int = 2
    """threads of the CPU; more than there are free cores is slower than one"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "world build", arguments)

    import torch

    from tessera.config import to_plain
    from tessera.policies.load import read_mosaic, read_shipped
    from tessera.pretraining import build as stages
    from tessera.pretraining.judges import build as judge_stages
    from tessera.storage import OutputFolder

    torch.set_num_threads(positive("threads", flags.threads))
    config = stages.build_config(flags.seed, flags.tokenizer_steps, flags.policy_steps, flags.prompts)
    judges = judge_stages.judges_config(flags.seed, flags.judge_steps, flags.prompts)
    settings = {"tessera": __version__, **to_plain(config), "only": flags.only, "judges": to_plain(judges)}
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done:
        with progress_bar(flags.json) as bar:
            if flags.only != "judges":
                stages.build(folder.work, config, bar)
            if flags.only != "policy":
                artist = read_shipped() if flags.only == "judges" else read_mosaic(folder.work)
                judge_stages.build_judges(artist, folder.work / JUDGES, judges, bar)
        folder.finish()
    out = link(folder.final)
    lines: list[str] = []
    result: dict[str, Any] = {"out": str(folder.final)}
    if flags.only != "judges":
        mine, shipped = stages.read_provenance(folder.final), stages.shipped_provenance()
        result |= {"mine": mine, "shipped": shipped}
        lines += stages.compare(mine, shipped)
    if flags.only != "policy":
        mine = judge_stages.read_judges_provenance(folder.final / JUDGES)
        shipped = judge_stages.shipped_judges_provenance()
        result["judges"] = {"mine": mine, "shipped": shipped}
        lines += judge_stages.compare_judges(mine, shipped)
    if flags.only == "judges":
        words = f"reward.kind=judge reward.judge=unified reward.folder={out}/{JUDGES}"
        lines.append(f"Next: tessera train mosaic-grpo --out runs/judged --set {words}")
    else:
        lines.append(f"Next: tessera eval --policy {out} --out {out}-eval")
    return finish(result, as_json=flags.json, lines=lines)
