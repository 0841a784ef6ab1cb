"""The stages of an offline round: draw and judge into a store, part by part, each process its own parts.

What a stage has made stays on the disk; a run that goes on makes what is missing. Only the policy that began
the round can draw for it, so a round that was begun before must have all its rollouts.

The ledger gets what the round cost when it begins, also where a run that was killed had made some of it:
resuming costs what never having stopped costs.

Processes share the store: on several machines it lies on a file system that all of them see.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from tessera.algorithms.base import Context
from tessera.algorithms.collecting import draw, group_requests, judge, spend_on_pictures
from tessera.data.store import RolloutStore
from tessera.errors import CheckpointError
from tessera.storage import CONFIG
from tessera.tensors import Scores
from tessera.types import Prompt, View


def who_drew(context: Context, folder: Path, *, resumed: bool) -> str:
    """Returns the digest of the policy whose rollouts the round learns from."""
    if not resumed:
        return context.policy.digest()
    if not (folder / CONFIG).exists():
        raise _gone(folder)
    return json.loads((folder / CONFIG).read_text(encoding="utf-8"))["policy_digest"]


def parts_of(prompts: int, group: int, batch_size: int) -> list[range]:
    """Returns the prompts of each part: about as many rollouts as are made at once."""
    size = max(1, batch_size // group)
    return [range(first, min(first + size, prompts)) for first in range(0, prompts, size)]


def draw_into(
    context: Context,
    store: RolloutStore,
    prompts: Sequence[Prompt],
    group: int,
    view: View,
    *,
    seed: int,
    drawer: str,
    resumed: bool,
) -> None:
    """Draws `group` rollouts of each prompt into the store, as far as it lacks them; `drawer` is a digest."""
    wanted, parts = group_requests(prompts, group), parts_of(len(prompts), group, context.batch_size)
    with context.phase("sample"):
        for part in context.peers.share(len(parts)):
            places = parts[part]
            if not resumed:
                spend_on_pictures(context, len(places) * group)
            if not store.has_rollouts(part):
                if resumed:
                    raise _gone(store.folder)
                asked = wanted[places.start * group : places.stop * group]
                rollouts = draw(context, asked, view, seed=seed, policy_digest=drawer)
                store.write_rollouts(part, [prompts[p] for p in places for _ in range(group)], rollouts)
            context.on_progress("sampling", places.stop, len(prompts))
        context.peers.wait()


def judged(context: Context, store: RolloutStore, prompts: int, group: int) -> Scores:
    """Returns the scores of all rollouts in the store, made where they are missing."""
    parts = parts_of(prompts, group, context.batch_size)
    for part in context.peers.share(len(parts)):
        if not store.has_scores(part):
            asked, rollouts = store.read_rollouts(part)
            store.write_scores(part, judge(context, asked, rollouts, group))
        context.on_progress("scoring", parts[part].stop, prompts)
    context.peers.wait()
    made = [store.read_scores(part) for part in range(len(parts))]
    return Scores(
        value_B=torch.cat([scores.value_B for scores in made]),
        reasons=tuple(reason for scores in made for reason in scores.reasons),
        digest=context.reward.digest(),
        parts={name: torch.cat([scores.parts[name] for scores in made]) for name in made[0].parts},
    )


def _gone(folder: Path) -> CheckpointError:
    return CheckpointError(
        f"{folder} lacks rollouts, and the policy that drew them has moved since. Put them back, or delete "
        "the checkpoints after the one at the start of that round and go on with --resume"
    )
