"""One step of GRPO as image-RL code of the field takes it; `train` says what is plain about it.

Pictures are made by the published decoder, as `plain_pictures` has it, not by what a policy has for a CPU.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.algorithms.grouped import TokenBatch
from tessera.algorithms.grpo import GRPO
from tessera.bench.baselines import drawing, growing_rollout
from tessera.bench.plain_pictures import plain_pictures
from tessera.objective.advantage import group_advantages
from tessera.objective.policy import mix_guidance
from tessera.policies.base import PolicyModule
from tessera.policies.lora import LoRAPolicy
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.protocols import Policy, Reward
from tessera.rewards.ask import ask
from tessera.tensors import TextBatch
from tessera.types import Prompt, View

MAX_GRAD_NORM = 1.0


def plain_step(
    policy: PolicyModule,
    reference: Policy,
    reward: Reward,
    prompts: Sequence[Prompt],
    grpo: GRPO,
    optimizer: torch.optim.Optimizer,
    micro_batch: int,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> None:
    """Draws, decodes, judges, learns."""
    group = grpo.settings.group
    prompts_B = [prompt for prompt in prompts for _ in range(group)]
    text = policy.tokenize([prompt.text for prompt in prompts_B])
    tokens_BT = growing_rollout(bare(policy), text, grpo.view, drawing(grpo.view))
    scores = ask(reward, prompts_B, plain_pictures(bare(policy), tokens_BT), group)
    advantages = group_advantages(scores.value_B.view(-1, group), grpo.settings.advantage)
    known_B = advantages.valid_PG.flatten().to(tokens_BT.device)
    batch = TokenBatch(
        text=text,
        tokens_BT=tokens_BT,
        old_logp_BT=torch.zeros(tokens_BT.shape, device=tokens_BT.device),  # the ratio is 1 on the spot
        advantage_B=advantages.advantage_PG.flatten().float().to(tokens_BT.device),
        weight_BT=known_B[:, None].float().expand(tokens_BT.shape),
        fresh=True,
        images=len(prompts_B),
        metrics={},
    )
    plain_update(policy, reference, batch, grpo, optimizer, micro_batch, autocast)


def plain_update(
    policy: PolicyModule,
    reference: Policy,
    batch: TokenBatch,
    grpo: GRPO,
    optimizer: torch.optim.Optimizer,
    micro_batch: int,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> float:
    """Takes one optimizer step; returns the gradient's norm before clipping.

    Of a loss that averages tokens within a picture and pictures within the batch, as GRPO's does.
    """
    optimizer.zero_grad(set_to_none=True)
    known = (batch.weight_BT[:, 0] > 0).sum()
    for start in range(0, len(batch), micro_batch):
        rows = batch.rows(start, start + micro_batch)
        with autocast():
            logp_BT = plain_logp(policy, rows.text, rows.tokens_BT, grpo.trained_view)
            with torch.no_grad():
                ref_logp_BT = plain_logp(reference, rows.text, rows.tokens_BT, grpo.trained_view)
        ratio_BT = (logp_BT - logp_BT.detach()).exp()
        apart_BT = ref_logp_BT - logp_BT
        kl_BT = apart_BT.exp() - apart_BT - 1
        loss_BT = -ratio_BT * rows.advantage_B[:, None] + grpo.settings.kl_weight * kl_BT
        ((loss_BT * rows.weight_BT).mean(1).sum() / known).backward()
    parameters = [parameter for _, parameter in policy.trainable()]
    norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
    optimizer.step()
    return norm.item()


def bare(policy: PolicyModule) -> PolicyModule:
    """Returns the policy that holds the layers, with the adapter in them if there is one."""
    return policy.base if isinstance(policy, LoRAPolicy) else policy


def plain_logp(
    policy: Policy, text_B: TextBatch, tokens_BT: Int[Tensor, "B T"], view: View
) -> Float[Tensor, "B T"]:
    """Returns the log-probability of each token, from the logits of all, one branch after the other."""
    logits_BTV = policy.head(_row_by_row(policy, text_B, tokens_BT))
    if view.guided:
        null_BTV = policy.head(_row_by_row(policy, policy.null_like(text_B), tokens_BT))
        logits_BTV = mix_guidance(logits_BTV, null_BTV, view.guidance)
    return logits_BTV.float().log_softmax(-1).gather(-1, tokens_BT[..., None])[..., 0]


def _row_by_row(policy: Policy, text_B: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
    """Returns features with every row's text read for itself, which mosaic's own would read once for all."""
    if isinstance(policy, MosaicPolicy):
        own_B = torch.arange(len(text_B), device=tokens_BT.device)
        return policy.transformer.features(text_B.ids, own_B, tokens_BT)
    return policy.features(text_B, tokens_BT)
