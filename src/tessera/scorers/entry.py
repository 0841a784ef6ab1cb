"""What is told of a scorer before it is used: one line of `tessera scorers`."""

from dataclasses import dataclass
from typing import Literal

from tessera.hub import Home

Role = Literal["preference", "alignment", "aesthetic", "question answering", "detection", "verifier"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One instrument. What nobody has measured is not told."""

    name: str  # as after --scorer
    role: Role
    homes: tuple[Home, ...]  # none: shipped with the package
    size: str  # parameters, or what stands for them
    unit: str  # what a number means: its range, and what good pictures get where somebody has published it
    needs: str  # of a prompt or the machine, beyond a picture and its prompt; "" if nothing
    proof: str  # the test that shows it right: tests/....py
    source: str  # where it is published
