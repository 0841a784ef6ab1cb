"""The sampler: any number of (prompt, sample) pairs, in batches, each rollout a function of its own seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from tessera.protocols import Policy
from tessera.rng import rollout_seed, uniforms
from tessera.sampling.captured import release, sample_rows
from tessera.tensors import Rollouts
from tessera.types import Progress, View, silent


@dataclass(frozen=True, slots=True)
class Request:
    """One picture to be made: the `sample`-th of a prompt."""

    prompt: str
    sample: int


def requests(prompts: Sequence[str], samples_per_prompt: int) -> list[Request]:
    """Returns P*G requests, the samples of a prompt side by side."""
    return [Request(prompt, sample) for prompt in prompts for sample in range(samples_per_prompt)]


def sample_batches(
    policy: Policy,
    wanted: Sequence[Request],
    view: View,
    *,
    seed: int,
    batch_size: int,
    policy_digest: str | None = None,
) -> Iterator[Rollouts]:
    """Yields the rollouts of the requests in order, at most `batch_size` at a time.

    A rollout depends on the policy, the view, `seed`, its prompt and its sample index, and on nothing else:
    not on the batch size, on its neighbours, or on what was asked for before.
    """
    digest = policy_digest or policy.digest()
    for start in range(0, len(wanted), batch_size):
        part = wanted[start : start + batch_size]
        prompts = list(dict.fromkeys(request.prompt for request in part))
        text_P = policy.tokenize(prompts)
        place = {prompt: index for index, prompt in enumerate(prompts)}
        device = text_P.ids.device
        rows_B = torch.tensor([place[request.prompt] for request in part], device=device)
        seeds = tuple(rollout_seed(seed, request.prompt, request.sample) for request in part)
        uniform_BT = torch.from_numpy(uniforms(seeds, policy.spec.tokens)).to(device)
        tokens_BT, logp_BT = sample_rows(policy, text_P, rows_B, uniform_BT, view)
        if start + batch_size >= len(wanted):
            release(policy, device)
        yield Rollouts(
            prompts=tuple(request.prompt for request in part),
            samples=tuple(request.sample for request in part),
            seeds=seeds,
            tokens=tokens_BT.cpu(),
            logp=logp_BT.cpu(),
            view=view,
            policy_digest=digest,
        )


def sample(
    policy: Policy,
    wanted: Sequence[Request],
    view: View,
    *,
    seed: int = 0,
    batch_size: int = 64,
    policy_digest: str | None = None,
    on_progress: Progress = silent,
) -> Rollouts:
    """Returns the rollouts of all requests in one record, in order."""
    parts, done = list[Rollouts](), 0
    batches = sample_batches(
        policy, wanted, view, seed=seed, batch_size=batch_size, policy_digest=policy_digest
    )
    for part in batches:
        parts.append(part)
        done += len(part)
        on_progress("sampling", done, len(wanted))
    return concatenate(parts)


def concatenate(parts: Sequence[Rollouts]) -> Rollouts:
    """Returns rollouts of one policy and view in one record."""
    first = parts[0]
    if any((part.view, part.policy_digest) != (first.view, first.policy_digest) for part in parts):
        raise ValueError("rollouts of different policies or views do not belong in one record")
    return Rollouts(
        prompts=tuple(prompt for part in parts for prompt in part.prompts),
        samples=tuple(sample for part in parts for sample in part.samples),
        seeds=tuple(seed for part in parts for seed in part.seeds),
        tokens=torch.cat([part.tokens for part in parts]),
        logp=torch.cat([part.logp for part in parts]),
        view=first.view,
        policy_digest=first.policy_digest,
    )
