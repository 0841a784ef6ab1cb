"""`tessera world build`: the policy of the embedded world, from nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera import __version__
from tessera.cli.common import Output, finish, link, parse_flags, positive, progress_bar


@dataclass(frozen=True, kw_only=True)
class Flags(Output):
    """Make the tokenizer and the policy of mosaic from nothing, and compare them with the shipped ones.

    About ten minutes on two free cores. The result is a policy folder: tessera eval --policy DIR.
    """

    seed: int = 0
    """of weights and corpus"""
    tokenizer_steps: int | None = None
    """fewer for a quick look; unset: as shipped"""
    policy_steps: int | None = None
    """fewer for a quick look; unset: as shipped"""
    prompts: int | None = None
    """prompts per category of the closing measurement; unset: as shipped"""
    threads: int = 2
    """threads of the CPU; more than there are free cores is slower than one"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "world build", arguments)

    import torch

    from tessera.config import to_plain
    from tessera.pretraining import build as stages
    from tessera.storage import OutputFolder

    torch.set_num_threads(positive("threads", flags.threads))
    config = stages.build_config(flags.seed, flags.tokenizer_steps, flags.policy_steps, flags.prompts)
    folder = OutputFolder.open(flags.out, {"tessera": __version__, **to_plain(config)}, resume=flags.resume)
    if not folder.done:
        with progress_bar(flags.json) as bar:
            stages.build(folder.work, config, bar)
        folder.finish()
    mine, shipped = stages.read_provenance(folder.final), stages.shipped_provenance()
    out = link(folder.final)
    lines = [*stages.compare(mine, shipped), f"Next: tessera eval --policy {out} --out {out}-eval"]
    result = {"out": str(folder.final), "mine": mine, "shipped": shipped}
    return finish(result, as_json=flags.json, lines=lines)
