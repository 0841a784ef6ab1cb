"""How many pictures a second each scorer judges. The first call, which reads weights, is timed apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.bench.ratio import Clock, in_turns, rate
from tessera.config import to_plain
from tessera.errors import UserError
from tessera.policies.base import PolicyModule
from tessera.protocols import Scorer
from tessera.rewards.ask import checked
from tessera.rewards.load import load_scorer
from tessera.rewards.named import scorer_settings
from tessera.sampling.sampler import requests, sample
from tessera.types import Prompt


def bench_reward(
    scorers: Sequence[Scorer],
    prompts: Sequence[Prompt],
    images_BHWC: UInt8[ndarray, "B H W 3"],
    *,
    device: torch.device,
    repeats: int,
) -> dict[str, Any]:
    """Returns the speed of each scorer on these pictures, as plain data."""
    clock, found = Clock(device), {}
    first = {scorer.name: clock.seconds(lambda s=scorer: s.score(prompts, images_BHWC)) for scorer in scorers}
    works = {scorer.name: lambda s=scorer: s.score(prompts, images_BHWC) for scorer in scorers}
    seconds = in_turns(clock, works, repeats)
    for scorer in scorers:
        said = checked(scorer.score(prompts, images_BHWC), scorer.name, prompts)
        found[scorer.name] = {
            "images_per_second": to_plain(rate(len(prompts), seconds[scorer.name])),
            "first_call_seconds": first[scorer.name],
            "missing": int(torch.isnan(said.value_B).sum()),
        }
    return {"pictures": len(prompts), "scorers": found}


def scorers_named(names: Sequence[str], words: Sequence[str]) -> list[Scorer]:
    """Returns the scorers of these names, each with its own of the words SCORER.KEY=VALUE."""
    mine: dict[str, list[str]] = {name: [] for name in names}
    for word in words:
        name = next((name for name in mine if word.startswith(f"{name}.")), None)
        if name is None:
            raise UserError(f"--set {word}: settings begin with the name of a scorer of this command")
        mine[name].append(word.removeprefix(f"{name}."))
    return [load_scorer(scorer_settings(name, own)) for name, own in mine.items()]


def pictures_of(
    policy: PolicyModule, prompts: Sequence[Prompt], count: int
) -> tuple[list[Prompt], UInt8[ndarray, "B H W 3"]]:
    """Returns so many prompts, taken in turn, each with a picture that the policy drew for it."""
    texts = list(dict.fromkeys(prompt.text for prompt in prompts))
    each = -(-count // len(texts))
    drawn = sample(policy, requests(texts, each), policy.spec.default_view)
    images_BHWC = policy.decode(drawn.tokens)
    by_text = {prompt.text: prompt for prompt in prompts}
    # The samples of a prompt lie side by side; in turn, every prompt comes early.
    order = np.arange(len(texts) * each).reshape(len(texts), each).T.flatten()[:count]
    return [by_text[drawn.prompts[row]] for row in order], images_BHWC[order]
