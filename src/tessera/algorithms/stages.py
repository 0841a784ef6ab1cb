"""The stages of an offline round: draw and judge into a store, part by part, each process its own parts.

What a stage has made stays on the disk; a run that goes on makes what is missing. Only the policy that began
the round can draw for it, so a round that was begun before must have all its rollouts. Where judging may go
on beside the drawing, a part is judged while the next one is drawn; what is left is judged afterwards.

The ledger gets what the round cost when it begins, also where a run that was killed had made some of it:
resuming costs what never having stopped costs.

Processes share the store: on several machines it lies on a file system that all of them see.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from tessera.algorithms.base import Context
from tessera.algorithms.chunks import Pending, awaited, joined, judge, judge_beside
from tessera.algorithms.collecting import group_requests, spend_on_pictures
from tessera.data.store import RolloutStore
from tessera.errors import CheckpointError
from tessera.sampling.sampler import sample
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
    mine = context.peers.share(len(parts))
    beside = context.beside if len(mine) > 1 else None
    pending: tuple[int, Pending] | None = None  # with the part whose pictures they are
    try:
        for part in mine:
            places = parts[part]
            if not resumed:
                spend_on_pictures(context, len(places) * group)
            if not store.has_rollouts(part):
                if resumed:
                    raise _gone(store.folder)
                asked = [prompts[place] for place in places for _ in range(group)]
                with context.phase("sample"):
                    rollouts = sample(
                        context.policy,
                        wanted[places.start * group : places.stop * group],
                        view,
                        seed=seed,
                        batch_size=context.batch_size,
                        policy_digest=drawer,
                    )
                    store.write_rollouts(part, asked, rollouts)
                if beside is not None and not store.has_scores(part):
                    _write(context, store, pending)
                    pending = part, judge_beside(context, beside, asked, rollouts, group)
            context.on_progress("sampling", places.stop, len(prompts))
        _write(context, store, pending)
    finally:
        if beside is not None:
            beside.wait()
    context.peers.wait()


def _write(context: Context, store: RolloutStore, pending: tuple[int, Pending] | None) -> None:
    """Writes the scores of a part, once they are there, if there is one."""
    if pending is not None:
        part, scores = pending
        store.write_scores(part, awaited(context, scores))


def judged(context: Context, store: RolloutStore, prompts: int, group: int) -> Scores:
    """Returns the scores of all rollouts in the store, made where they are missing."""
    parts = parts_of(prompts, group, context.batch_size)
    for part in context.peers.share(len(parts)):
        if not store.has_scores(part):
            asked, rollouts = store.read_rollouts(part)
            store.write_scores(part, judge(context, asked, rollouts, group))
        context.on_progress("scoring", parts[part].stop, prompts)
    context.peers.wait()
    return joined([store.read_scores(part) for part in range(len(parts))])


def _gone(folder: Path) -> CheckpointError:
    return CheckpointError(
        f"{folder} lacks rollouts, and the policy that drew them has moved since. Put them back, or delete "
        "the checkpoints after the one at the start of that round and go on with --resume"
    )
