"""`tessera world`: show the embedded world, or rebuild its policy from nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera import __version__
from tessera.cli.common import Output, finish, link, parse_flags, positive, progress_bar
from tessera.errors import UserError, unknown

ACTIONS = ("build", "show")


@dataclass(frozen=True, kw_only=True)
class Show(Output):
    """Draw true pictures of the world: prompts of every category, in and out of domain, and their scenes."""

    seed: int = 0
    """other seeds show other prompts"""
    num: int = 8
    """prompts per category"""


@dataclass(frozen=True, kw_only=True)
class Build(Output):
    """Make the tokenizer and the policy of mosaic from nothing, and compare them with the shipped ones.

    About half an hour on two free cores. The result is a policy folder: tessera eval --policy DIR.
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
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{__doc__}\n\ntessera world show --help\ntessera world build --help")
        return 0
    if arguments[0] not in ACTIONS:
        raise UserError(unknown("action of tessera world", arguments[0], ACTIONS))
    return _show(arguments[1:]) if arguments[0] == "show" else _build(arguments[1:])


def _show(arguments: Sequence[str]) -> int:
    flags = parse_flags(Show, "world show", arguments)

    from tessera.report.world import draw_world
    from tessera.storage import OutputFolder

    settings = {"tessera": __version__, "seed": flags.seed, "num": positive("num", flags.num)}
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done:
        draw_world(folder.work, flags.num, flags.seed)
        folder.finish()
    out = link(folder.final)
    lines = [
        f"Look at {out}/id.png (in domain) and {out}/ood.png (out of domain); prompts in {out}/prompts.jsonl"
    ]
    return finish({"out": str(folder.final)}, as_json=flags.json, lines=lines)


def _build(arguments: Sequence[str]) -> int:
    flags = parse_flags(Build, "world build", arguments)

    import torch

    from tessera.config import to_plain
    from tessera.pretraining.build import (
        build,
        build_config,
        compare,
        read_provenance,
        shipped_provenance,
    )
    from tessera.storage import OutputFolder

    torch.set_num_threads(positive("threads", flags.threads))
    config = build_config(flags.seed, flags.tokenizer_steps, flags.policy_steps, flags.prompts)
    folder = OutputFolder.open(flags.out, {"tessera": __version__, **to_plain(config)}, resume=flags.resume)
    shipped = shipped_provenance()
    if not folder.done:
        with progress_bar(flags.json) as bar:
            build(folder.work, config, bar)
        folder.finish()
    mine = read_provenance(folder.final)
    out = link(folder.final)
    lines = [*compare(mine, shipped), f"Next: tessera eval --policy {out} --out {out}-eval"]
    return finish(
        {"out": str(folder.final), "mine": mine, "shipped": shipped}, as_json=flags.json, lines=lines
    )
