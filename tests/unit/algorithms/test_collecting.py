"""Groups of requests: side by side, and never the same rollout twice."""

from dataclasses import replace
from pathlib import Path

import torch

from tessera.algorithms.collecting import group_requests, replay_in_batches
from tessera.sampling.replay import replay_logp
from tessera.sampling.sampler import requests, sample
from tessera.types import Prompt, View
from tests.tiny import context


def test_a_prompt_that_comes_twice_gets_other_samples() -> None:
    prompts = [Prompt(id=text, text=text) for text in ("a star", "a ring", "a star")]
    wanted = [(each.prompt, each.sample) for each in group_requests(prompts, 2)]
    assert wanted == [
        ("a star", 0),
        ("a star", 1),
        ("a ring", 0),
        ("a ring", 1),
        ("a star", 2),
        ("a star", 3),
    ]


def test_replay_in_batches_is_replay(tmp_path: Path) -> None:
    here = replace(context(tmp_path), batch_size=4)
    policy = here.policy
    rollouts = sample(policy, requests(["a star", "a red ring"], 3), View(guidance=2.0))
    text = policy.tokenize(rollouts.prompts)
    whole = replay_logp(policy, text, rollouts.tokens, View())
    parts = replay_in_batches(here, policy, text, rollouts.tokens, View())
    torch.testing.assert_close(parts, whole.detach(), atol=1e-5, rtol=0)
    assert not parts.requires_grad
