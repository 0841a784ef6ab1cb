"""What every algorithm collects with: groups of rollouts, their scores, log-probabilities under a view."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.algorithms.base import Context
from tessera.objective.advantage import MIN_GROUP
from tessera.protocols import Policy
from tessera.rewards.ask import ask
from tessera.sampling.decode import replay_logp
from tessera.sampling.sampler import Request, sample
from tessera.tensors import Rollouts, Scores, TextBatch
from tessera.types import Prompt, View


def group_requests(prompts: Sequence[Prompt], group: int) -> list[Request]:
    """Returns `group` requests per prompt, side by side.

    A rollout is named by its prompt and sample number, so a prompt that stands here twice goes on counting:
    its second group is not a copy of the first.
    """
    seen: dict[str, int] = {}
    wanted = []
    for prompt in prompts:
        first = seen.get(prompt.text, 0)
        wanted += [Request(prompt.text, first + sample) for sample in range(group)]
        seen[prompt.text] = first + group
    return wanted


def draw_groups(
    context: Context, prompts: Sequence[Prompt], group: int, view: View, *, seed: int
) -> Rollouts:
    """Returns `group` rollouts of each prompt by the policy as it is now."""
    wanted = group_requests(prompts, group)
    return sample(context.policy, wanted, view, seed=seed, batch_size=context.batch_size)


def judge(context: Context, prompts: Sequence[Prompt], rollouts: Rollouts) -> Scores:
    """Returns the scores of the rollouts' pictures; `prompts` has one entry per rollout."""
    with context.phase("decode"):
        images_BHWC = context.policy.decode(rollouts.tokens)
    with context.phase("reward"):
        return ask(context.reward, prompts, images_BHWC)


def reward_spread(reward_PG: Float[Tensor, "P G"]) -> float:
    """Returns the mean over groups of the standard deviation within; NaN if no group has two rewards."""
    known = [row[~torch.isnan(row)] for row in reward_PG]
    spreads = [row.std() for row in known if len(row) >= MIN_GROUP]
    return torch.stack(spreads).mean().item() if spreads else float("nan")


@torch.no_grad()
def replay_in_batches(
    policy: Policy, text: TextBatch, tokens_BT: Int[Tensor, "B T"], view: View, batch_size: int
) -> Float[Tensor, "B T"]:
    """Returns the log-probabilities of given tokens under the view, so many rows at a time."""
    rows_B = torch.arange(len(text), device=tokens_BT.device)
    parts = [
        replay_logp(policy, text.rows(index_B), tokens_BT[index_B], view)
        for index_B in rows_B.split(batch_size)
    ]
    return torch.cat(parts)
