"""The flags of `tessera bench`, and what each result begins with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tessera.cli.common import positive

if TYPE_CHECKING:
    import torch

    from tessera.policies.base import PolicyModule


@dataclass(frozen=True, kw_only=True)
class Common:
    """What all of them take."""

    policy: str = "mosaic"
    """as everywhere; random:janus-pro-7b has the published sizes and no download, random:janus-small suits a
    CPU"""
    random_weights: bool = False
    """take the published sizes of --policy with random weights: the same as random: before its name"""
    repeats: int = 5
    """rounds"""
    threads: int = 1
    """threads of a CPU"""
    device: str | None = None
    """cpu, cuda or cuda:1; unset: a GPU if there is one"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""

    @property
    def name(self) -> str:
        """Of the policy."""
        return f"random:{self.policy}" if self.random_weights else self.policy

    def prepare(self) -> None:
        """Checks the flags and sets the number of threads."""
        import torch

        positive("repeats", self.repeats)
        torch.set_num_threads(positive("threads", self.threads))

    def placed(self) -> "PolicyModule":
        """Returns the policy on the device of the flags."""
        from tessera.bench.policies import load_measured
        from tessera.devices import device_of

        return load_measured(self.name).to(device_of(self.device))

    def about(self, what: str, device: "torch.device") -> dict[str, Any]:
        """Returns what every result begins with."""
        import torch

        from tessera import __version__
        from tessera.bench.ratio import Clock

        return {
            "bench": what,
            "policy": self.name,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": self.threads,
            "clock": Clock(device).kind,
            "repeats": self.repeats,
            "tessera": __version__,
            "torch": torch.__version__,
        }


@dataclass(frozen=True, kw_only=True)
class Rollout(Common):
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
class Logprob(Common):
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
class Train(Common):
    """Take steps of GRPO and of the plain loop in turns; both find the same gradient first.

    The learning rate is 0: every step does all of its work on the same weights.

    Example: tessera bench train --policy random:janus-small --prompts 1 --group 4 --micro-batch 2
    """

    prompts: int = 1
    """of a step"""
    group: int = 8
    """pictures of one prompt"""
    micro_batch: int = 8
    """pictures per backward pass"""
    logp_view: Literal["guided", "conditional"] = "guided"
    """whose log-probabilities are trained"""
    reward: str = "noise"
    """a scorer by its name"""


@dataclass(frozen=True, kw_only=True)
class Reward(Common):
    """Judge pictures that --policy draws. `tessera scorers` lists what can.

    Example: tessera bench reward --scorer metric preference orm --pictures 64
    """

    scorer: tuple[str, ...] = ("metric", "preference", "regressor", "unified", "orm")
    """names"""
    set: tuple[str, ...] = ()
    """settings, SCORER.KEY=VALUE: clipscore.weights=FOLDER, clipscore.place.device=cuda"""
    pictures: int = 64
    """how many"""
