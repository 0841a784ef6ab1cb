"""What the commands share: flags, and the last lines that a person reads."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import tyro

from tessera.errors import UserError
from tessera.types import View

if TYPE_CHECKING:
    from tessera.policies.base import PolicyModule

T = TypeVar("T")
PolicyT = TypeVar("PolicyT", bound="PolicyModule")


def parse_flags(flags: type[T], command: str, arguments: Sequence[str]) -> T:
    """Returns the flags of a command; prints help or the mistake and leaves (0 or 2), as command lines do."""
    settings = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    return tyro.cli(flags, prog=f"tessera {command}", args=list(arguments), config=settings)


def positive(name: str, value: int) -> int:
    """Returns the value of a flag that counts something; 0 and below are a mistake."""
    if value < 1:
        raise UserError(f"--{name} must be 1 or more, got {value}")
    return value


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where results go."""

    out: Path
    """folder for the results; it gets its name when it is complete"""
    resume: bool = False
    """go on with an unfinished folder made with the same flags; keep a finished one"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How pictures are drawn."""

    policy: str = "mosaic"
    """a shipped policy (mosaic) or a folder that holds one"""
    seed: int = 0
    """a picture depends on this, its prompt and its sample number, and on nothing else"""
    guidance: float | None = None
    """classifier-free guidance; 1 turns it off; unset: the policy's own"""
    temperature: float = 1.0
    """divides the logits"""
    top_k: int = 0
    """keep the k likeliest tokens; 0 keeps all"""
    top_p: float = 1.0
    """keep the likeliest tokens that hold this much probability; 1 keeps all"""
    batch_size: int = 64
    """pictures drawn at once; changes speed and memory, never a picture"""
    threads: int = 1
    """threads of a CPU; more than one pays only on an idle machine"""
    device: str | None = None
    """cpu, cuda or cuda:1; unset: a GPU if there is one"""

    def view(self, default: View) -> View:
        """Returns the view that the flags ask for."""
        guidance = default.guidance if self.guidance is None else self.guidance
        return View(guidance=guidance, temperature=self.temperature, top_k=self.top_k, top_p=self.top_p)

    def prepare(self) -> None:
        """Checks the flags and sets the number of threads."""
        import torch

        positive("batch-size", self.batch_size)
        torch.set_num_threads(positive("threads", self.threads))

    def placed(self, policy: PolicyT) -> PolicyT:
        """Returns the policy on the device of the flags."""
        from tessera.devices import device_of

        return policy.to(device_of(self.device))


def command_line(command: str, arguments: Sequence[str]) -> str:
    """Returns the line that runs this again."""
    return shlex.join(["tessera", command, *(a for a in arguments if a not in ("--resume", "--json"))])


def finish(result: Mapping[str, Any], *, as_json: bool, lines: Sequence[str]) -> int:
    """Prints the result, as JSON or as lines; returns exit code 0."""
    print(json.dumps(result) if as_json else "\n".join(lines))
    return 0


def overlap_of(policy: str) -> str:
    """Returns what the run that a policy comes from noted of its reward and the benchmarks; "" if nothing."""
    folder = Path(policy)
    for place in (folder, folder.parent.parent):  # the run folder, or that of a checkpoint
        if (place / "config.json").is_file():
            return json.loads((place / "config.json").read_text(encoding="utf-8")).get("overlap", "")
    return ""


def link(path: Path) -> str:
    """Returns a path as a person types it: relative where it lies below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
