"""Tiny policies on a device, and batches for them."""

import torch
from torch import Tensor

from tessera.policies.base import PolicyModule
from tessera.rng import rollout_seed, uniforms
from tessera.tensors import TextBatch
from tests.contracts.policies import CASES

FIXED = ("janus-tiny", "janus-lora", "emu3-tiny", "llamagen-c2i-tiny", "llamagen-t2i-tiny")


def placed(name: str, device: torch.device) -> PolicyModule:
    """Returns a policy of the contract there."""
    policy = CASES[name].build()
    assert isinstance(policy, PolicyModule)
    return policy.to(device)


def batch(name: str, policy: PolicyModule, rows: int, seed: int) -> tuple[TextBatch, Tensor, Tensor]:
    """Returns its prompts, each row's prompt and each row's numbers."""
    prompts = CASES[name].prompts
    places = [row % len(prompts) for row in range(rows)]
    seeds = [rollout_seed(seed, prompts[place], row) for row, place in enumerate(places)]
    numbers_BT = torch.from_numpy(uniforms(seeds, policy.spec.tokens)).to(policy.device)
    return policy.tokenize(prompts), torch.tensor(places, device=policy.device), numbers_BT
