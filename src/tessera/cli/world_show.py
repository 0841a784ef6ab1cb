"""`tessera world show`: true pictures of the embedded world."""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera import __version__
from tessera.cli.common import Output, finish, link, parse_flags, positive


@dataclass(frozen=True, kw_only=True)
class Flags(Output):
    """Draw true pictures of the world: prompts of every category, in and out of domain, and their scenes."""

    seed: int = 0
    """other seeds show other prompts"""
    num: int = 8
    """prompts per category"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "world show", arguments)

    from tessera.report.world import draw_world
    from tessera.storage import OutputFolder

    settings = {"tessera": __version__, "seed": flags.seed, "num": positive("num", flags.num)}
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done:
        draw_world(folder.work, flags.num, flags.seed)
        folder.finish()
    out = link(folder.final)
    lines = [
        f"Look at {out}/id.png (in domain) and {out}/ood.png (out of it); prompts: {out}/prompts.jsonl.",
        'Next: tessera sample --prompt "a photo of two red circles" --num 8 --out runs/circles',
    ]
    return finish({"out": str(folder.final)}, as_json=flags.json, lines=lines)
