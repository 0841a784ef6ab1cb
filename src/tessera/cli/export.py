"""`tessera export`: a run's policy for others, in its model's own layout, with adapter and model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tessera import __version__
from tessera.cli.common import finish, link, parse_flags
from tessera.errors import UserError

GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Write a trained policy for others: merged weights, the adapter alone, and a model card.

    Janus and Emu3 become what transformers' from_pretrained reads, LlamaGen two files of its authors' names,
    mosaic a policy folder; adapter/ is what peft reads. The card says what the run recorded, and the results
    of the evaluations that you name; look through it before you publish it, as it repeats command lines.
    Example: tessera export runs/grpo --results runs/base-eval runs/grpo-eval --out exports/grpo
    """

    run: Annotated[Path, tyro.conf.Positional]
    """a run folder (its last checkpoint), or one of its checkpoints"""
    out: Path
    """the new folder; one that is not empty is refused"""
    results: tuple[Path, ...] = ()
    """folders of tessera eval or understand that measured this policy or its base, for the card"""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """of the weights; unset: as they were trained"""
    base_model: str | None = None
    """id of the base on the hub, for the card; unset: as the run names it"""
    shard_gb: float = 5.0
    """most of one file of weights, in 10^9 bytes"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "export", arguments)
    if not flags.shard_gb > 0:
        raise UserError(f"--shard-gb must be above 0, got {flags.shard_gb}")

    from tessera.export.folder import CARD, export
    from tessera.export.source import open_source

    result = export(
        open_source(flags.run),
        flags.out,
        __version__,
        dtype=flags.dtype,
        base_model=flags.base_model,
        results=flags.results,
        shard_bytes=round(flags.shard_gb * GIGABYTE),
    )
    lines = [
        f"{link(flags.out.absolute())}: {result['family']} of step {result['step']}, in {result['dtype']}",
        *(f"  {name}" for name in result["files"]),
    ]
    if not result["base_model"]:
        lines.append("The card names no base: say it with --base-model HUB_ID.")
    lines.append(f"Look through {link((flags.out / CARD).absolute())} before you publish it.")
    return finish(result, as_json=flags.json, lines=lines)
