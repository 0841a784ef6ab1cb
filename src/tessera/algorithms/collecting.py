"""What every algorithm collects with: groups of rollouts, their scores, log-probabilities under a view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int, Shaped
from torch import Tensor

from tessera.algorithms.base import Context, branches
from tessera.algorithms.chunks import draw_and_judge
from tessera.objective.advantage import MIN_GROUP, group_advantages
from tessera.protocols import Policy
from tessera.rewards.ask import refuse_missing
from tessera.sampling.replay import replay_logp
from tessera.sampling.sampler import Request, concatenate
from tessera.tensors import Rollouts, TextBatch
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


def spend_on_pictures(context: Context, count: int) -> None:
    """Writes into the ledger what so many pictures cost, drawn and judged."""
    context.spend("images", count)
    context.spend("tokens_sampled", count * context.policy.spec.tokens)
    context.spend("reward_calls", count)


def diversity(tokens_BT: Int[Tensor, "B T"], group: int) -> Float[Tensor, " P"]:
    """Returns, for each prompt, the share of tokens in which two of its rollouts differ, over all pairs.

    Mosaic's blank patches are alike in all pictures, so what tells is how it changes, not how large it is.
    """
    pairs = group * (group - 1)
    shares = []
    for tokens_GT in tokens_BT.split(group):  # one prompt at a time: G x G x T is dear for all of them
        differ = (tokens_GT[:, None] != tokens_GT[None]).float().mean(dim=2).sum()
        shares.append(differ / pairs)
    return torch.stack(shares)


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """What a round of drawing gave: this process's rollouts, and the rewards of all processes."""

    rollouts: Rollouts  # this process's, groups side by side
    share: range  # which of the P groups they are
    reward_PG: Float64[Tensor, "P G"]  # of all processes
    parts: Mapping[str, Float64[Tensor, "P G"]]  # raw scores of what the reward is made of, if of several
    contrast_P: Bool[Tensor, " P"]  # two known rewards of the group differ
    diversity: float  # mean over groups; see `diversity`
    images: int  # sampled, by all processes
    missing: int  # pictures without a reward; counts here are over all that was sampled
    flat: int  # groups of equal rewards
    replaced: int  # flat groups in whose place others were drawn

    def mine(self, value_PG: Shaped[Tensor, "P ..."]) -> Shaped[Tensor, "M ..."]:
        """Returns this process's groups of a tensor that has all of them."""
        return value_PG[self.share.start : self.share.stop]

    def metrics(self) -> dict[str, float]:
        """Returns what the line of a step says of the round."""
        return {
            "reward": torch.nanmean(self.reward_PG).item(),
            "reward_std": reward_spread(self.reward_PG),
            "diversity": self.diversity,
            "missing": self.missing,
            "zero_variance_groups": self.flat,
            "empty_groups": group_advantages(self.reward_PG, "centred").empty_groups,
            "replaced_groups": self.replaced,
            **part_means(self.parts),
        }


def draw_groups(
    context: Context, stream: Sequence[Prompt], view: View, *, count: int, group: int, seed: int
) -> Groups:
    """Returns `count` groups, drawn by the policy as it is now and judged, each on one process.

    The stream holds `count` prompts and, behind them, as many for every time that flat groups may be
    replaced: prompt `place + count` stands in for a flat one at `place`, and so on while the stream lasts.
    """
    wanted, share = group_requests(stream, group), context.peers.share(count)
    chosen = list(share)  # the place in the stream of each of this process's groups
    made: dict[int, Rollouts] = {}  # by number within the share
    reward_MG = torch.full((len(share), group), torch.nan, dtype=torch.float64)
    parts: dict[str, Tensor] = {}
    todo, images, missing, flat, replaced = list(range(len(share))), 0, 0, 0, 0
    behind = count  # where the next stand-ins are
    while True:
        if todo:
            places = [chosen[number] for number in todo]
            asked = [wanted[place * group + sample] for place in places for sample in range(group)]
            prompts = [stream[place] for place in places for _ in range(group)]
            rollouts, scores = draw_and_judge(context, asked, prompts, view, group=group, seed=seed)
            spend_on_pictures(context, len(rollouts))
            missing += refuse_missing(scores, context.max_missing, context.reward.name)
            images += len(rollouts)
            reward_MG[todo] = scores.value_B.view(-1, group)
            for name, value_B in scores.parts.items():
                parts.setdefault(name, torch.full_like(reward_MG, torch.nan))[todo] = value_B.view(-1, group)
            made |= {n: rollouts.rows(i * group, (i + 1) * group) for i, n in enumerate(todo)}
        reward_PG = context.peers.gather(reward_MG)
        judged = group_advantages(reward_PG, "centred")
        flat += judged.zero_variance_groups
        without = [place for place in range(count) if not judged.contrast_P[place]]
        if not without or behind >= len(stream):
            break
        replaced += len(without)
        todo = [place - share.start for place in without if place in share]
        for number in todo:
            chosen[number] = behind + share.start + number
        behind += count
    rollouts = concatenate([made[number] for number in range(len(share))])
    diversity_P = context.peers.gather(diversity(rollouts.tokens, group))
    images, missing = context.peers.add(torch.tensor([images, missing])).tolist()
    return Groups(
        rollouts=rollouts,
        share=share,
        reward_PG=reward_PG,
        parts={name: context.peers.gather(part_MG) for name, part_MG in parts.items()},
        contrast_P=judged.contrast_P,
        diversity=diversity_P.mean().item(),
        images=images,
        missing=missing,
        flat=flat,
        replaced=replaced,
    )


def part_means(parts: Mapping[str, Float64[Tensor, "..."]]) -> dict[str, float]:
    """Returns what the line of a step says of each part of a reward."""
    return {f"reward_{name}": torch.nanmean(value).item() for name, value in parts.items()}


def reward_spread(reward_PG: Float[Tensor, "P G"]) -> float:
    """Returns the mean over groups of the standard deviation within; NaN if no group has two rewards."""
    known = [row[~torch.isnan(row)] for row in reward_PG]
    spreads = [row.std() for row in known if len(row) >= MIN_GROUP]
    return torch.stack(spreads).mean().item() if spreads else float("nan")


@torch.no_grad()
def replay_in_batches(
    context: Context, policy: Policy, text: TextBatch, tokens_BT: Int[Tensor, "B T"], view: View
) -> Float[Tensor, "B T"]:
    """Returns the log-probabilities of given tokens under the view, so many rows at a time."""
    context.spend("tokens_scored", tokens_BT.numel() * branches(view))
    rows_B = torch.arange(len(text), device=tokens_BT.device)
    parts = [
        replay_logp(policy, text.rows(index_B), tokens_BT[index_B], view)
        for index_B in rows_B.split(context.batch_size)
    ]
    return torch.cat(parts)
