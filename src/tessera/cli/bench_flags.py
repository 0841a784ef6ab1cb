"""The flags of `tessera bench`, what each result begins with, and where it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tessera.cli.common import command_line, finish, link, positive

if TYPE_CHECKING:
    import torch

    from tessera.policies.base import PolicyModule

Axis = Literal["batch", "group", "tokens", "codebook"]  # of bench/growth.py, which loads torch


@dataclass(frozen=True, kw_only=True)
class Common:
    """What all of them take."""

    out: Path | None = None
    """folder that keeps the result beside those of other benches, with a page of them all: report.html"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""

    def done(self, result: Mapping[str, Any], lines: Sequence[str]) -> int:
        """Keeps the result if there is a folder for it, and prints it; returns exit code 0."""
        told = list(lines)
        if self.out is not None:
            from tessera.report.bench import keep_result

            told.append(f"Open {link(keep_result(self.out.absolute(), result))} in a browser.")
        return finish(result, as_json=self.json, lines=told)


@dataclass(frozen=True, kw_only=True)
class Timed(Common):
    """What those take that time something here."""

    repeats: int = 5
    """rounds"""
    threads: int = 1
    """threads of a CPU"""
    device: str | None = None
    """cpu, cuda or cuda:1; unset: a GPU if there is one"""

    def prepare(self) -> None:
        """Checks the flags and sets the number of threads."""
        import torch

        positive("repeats", self.repeats)
        torch.set_num_threads(positive("threads", self.threads))

    def counted(self, device: "torch.device") -> dict[str, Any]:
        """Returns how its seconds are counted."""
        import torch

        from tessera.bench.ratio import Clock

        return {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": self.threads,
            "clock": Clock(device).kind,
            "repeats": self.repeats,
        }


@dataclass(frozen=True, kw_only=True)
class OfPolicy(Timed):
    """What those take that need a policy."""

    policy: str = "mosaic"
    """as everywhere; random:janus-pro-7b has the published sizes and no download, random:janus-small suits a
    CPU"""
    random_weights: bool = False
    """take the published sizes of --policy with random weights: the same as random: before its name"""

    @property
    def name(self) -> str:
        """Of the policy."""
        return f"random:{self.policy}" if self.random_weights else self.policy

    def placed(self) -> "PolicyModule":
        """Returns the policy on the device of the flags."""
        from tessera.bench.policies import load_measured
        from tessera.devices import device_of

        return load_measured(self.name).to(device_of(self.device))

    def about(self, what: str, device: "torch.device", arguments: Sequence[str]) -> dict[str, Any]:
        """Returns what its result begins with."""
        return {**heading(what, device, arguments), **self.counted(device), "policy": self.name}


@dataclass(frozen=True, kw_only=True)
class Rollout(OfPolicy):
    """Draw pictures with our sampler and with others, in turns; all draw the same likeliest tokens first.

    Example: tessera bench rollout --policy random:janus-small --batch 8 16
    """

    batch: tuple[int, ...] = (8,)
    """pictures at once, one measurement for each number"""
    group: int = 8
    """pictures of one prompt"""
    guidance: float | None = None
    """classifier-free guidance; 1 turns it off; unset: the policy's own"""


@dataclass(frozen=True, kw_only=True)
class Logprob(OfPolicy):
    """Make log-probabilities of given tokens with their gradients, by three methods in turns.

    The sizes are those of --policy where they are not given.
    Example: tessera bench logprob --tokens 576 --codebook 16384 --channels 256
    """

    rows: int = 8
    """pictures"""
    tokens: int | None = None
    """of a picture"""
    codebook: int | None = None
    """codes"""
    channels: int | None = None
    """width of the features before the head"""
    chunk: int | None = None
    """tokens at a time"""


@dataclass(frozen=True, kw_only=True)
class Train(OfPolicy):
    """Take steps of GRPO and of the plain loop in turns; both find the same gradient first.

    The learning rate is 0: every step does all of its work on the same weights.

    Example: tessera bench train --prompts 8 --micro-batch 32 --precision bfloat16
    """

    prompts: int = 1
    """of a step"""
    group: int = 8
    """pictures of one prompt"""
    micro_batch: int = 8
    """pictures per backward pass"""
    logp_view: Literal["guided", "conditional"] = "guided"
    """whose log-probabilities are trained"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """of replay and update, in both loops; drawing keeps that of the weights. bfloat16 is what the recipes of
    mosaic train in; it stands beside the plain loop in float32, too"""
    lora: int | None = None
    """train an adapter of this rank instead of all weights"""
    recompute: bool = False
    """make activations again in backward instead of keeping them, in both loops"""
    reward: str = "noise"
    """a scorer by its name"""


@dataclass(frozen=True, kw_only=True)
class Reward(OfPolicy):
    """Judge pictures that --policy draws. `tessera scorers` lists what can.

    Example: tessera bench reward --scorer metric preference orm --pictures 64
    """

    scorer: tuple[str, ...] = ("metric", "preference", "regressor", "unified", "orm")
    """names"""
    set: tuple[str, ...] = ()
    """settings, SCORER.KEY=VALUE: clipscore.weights=FOLDER, clipscore.place.device=cuda"""
    pictures: int = 64
    """how many"""


@dataclass(frozen=True, kw_only=True)
class Growth(Timed):
    """Draw and learn at growing sizes, on a small Janus with random weights: curves, and their exponents.

    Example: tessera bench growth --axis tokens codebook
    """

    axis: tuple[Axis, ...] = ("batch", "group", "tokens", "codebook")
    """what grows"""
    limit: float = 3.0
    """seconds that a point may take; the larger ones of its curve are left out"""
    repeats: int = 3
    """runs of a point, fewer where they take longer than --limit together"""


@dataclass(frozen=True, kw_only=True)
class Study(Common):
    """Run a study into a folder that goes again, or read that of one that is there: what it took by stage and
    by phase, and how busy it kept the cores.

    Example: tessera bench study runs/study
    """

    study: Annotated[str, tyro.conf.Positional] = "quick"
    """folder of a study; or quick, standard, full or a file, to run it now"""
    workers: int | None = None
    """stages at once, where it is run now; unset: one a core"""


def heading(what: str, device: "torch.device", arguments: Sequence[str]) -> dict[str, Any]:
    """Returns what every result begins with: where, when, of which versions, by which command."""
    from datetime import UTC, datetime

    from tessera import __version__
    from tessera.bench.limits import machine

    return {
        "bench": what,
        "tessera": __version__,
        "command": command_line("bench", [what, *arguments]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
    }
