"""What image-RL code of the field does to draw pictures, written plainly: the loop that ours is held against.

Every row's prompt and null prompt is read for itself; keys and values grow by concatenation at every step;
the head makes the logits of both branches, which are mixed then; a token is drawn from their softmax
(deepseek-ai/Janus:generation_inference.py; T2I-R1, arXiv:2505.00703, whose loop is the same with masks).

Janus is run as such code runs it, through the language model of transformers with its growing cache and a
mask that a step makes longer by one (`janus_loop`). The other policies are run through their own `step`,
whose cache is concatenated with room for a token more (`own_steps`). That is the kinder comparison: the
layers are ours, no mask is made, and memory is asked for once (a fresh block of such a size costs a CPU more
than what is copied into it).

No log-probabilities are kept, which ours does.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.objective.policy import log_distribution, mix_guidance
from tessera.policies.base import PolicyModule
from tessera.policies.trunk import PaddedCache
from tessera.protocols import Cache
from tessera.sampling.cache import KeyValues
from tessera.tensors import TextBatch
from tessera.types import View

Pick = Callable[[Tensor], Tensor]  # from mixed logits, rows by codes, to a token for each row


def likeliest(logits_BV: Float[Tensor, "B V"]) -> Int[Tensor, " B"]:
    """Returns the token of the largest logit."""
    return logits_BV.argmax(-1)


def drawing(view: View) -> Pick:
    """Returns what draws a token from the view's softmax."""
    plain = not view.top_k and view.top_p == 1

    def draw(logits_BV: Tensor) -> Tensor:
        if plain:
            probability_BV = (logits_BV.float() / view.temperature).softmax(-1)
        else:
            probability_BV = log_distribution(logits_BV, view).exp()
        return torch.multinomial(probability_BV, 1)[:, 0]

    return draw


@torch.no_grad()
def growing_rollout(policy: PolicyModule, text_B: TextBatch, view: View, pick: Pick) -> Int[Tensor, "B T"]:
    """Returns the tokens that the loop draws, a row of text for each picture."""
    if policy.spec.name == "janus":
        from tessera.bench.baselines_janus import janus_loop  # noqa: PLC0415 - transformers takes seconds

        return janus_loop(policy, text_B, view, pick)
    return own_steps(policy, text_B, view, pick)


@torch.no_grad()
def own_steps(policy: PolicyModule, text_B: TextBatch, view: View, pick: Pick) -> Int[Tensor, "B T"]:
    """Returns the tokens that a policy's own steps draw, over a cache that grows."""
    spec = policy.spec
    text_R = text_B.cat(policy.null_like(text_B)) if view.guided else text_B
    cache = policy.new_cache(len(text_R), spec.prefix)
    features = policy.prefill(text_R, cache)
    whole = _stored(policy.new_cache(len(text_R), spec.prefix + spec.tokens - 1))
    spare = [[torch.empty_like(each) for each in whole.tensors] for _ in range(2)]
    tokens: list[Tensor] = []
    for index in range(spec.tokens):
        tokens.append(pick(mixed_logits(policy.head(features), view)))
        if index + 1 < spec.tokens:
            # As long as the policy wants it, which may be more than a slot a token.
            length = _stored(policy.new_cache(0, spec.prefix + index + 1)).length
            cache = _longer(cache, length, spare[index % 2])
            fed = torch.cat([tokens[-1], tokens[-1]]) if view.guided else tokens[-1]
            features = policy.step(fed, index, cache)
    return torch.stack(tokens, dim=1)


def mixed_logits(logits_RV: Float[Tensor, "R V"], view: View) -> Float[Tensor, "B V"]:
    """Returns the logits of both branches as one."""
    if not view.guided:
        return logits_RV
    conditional, null = logits_RV.chunk(2)
    return mix_guidance(conditional, null, view.guidance)


def _stored(cache: Cache) -> KeyValues:
    """Returns what keeps the keys and values of a cache of this package."""
    kept = cache.store if isinstance(cache, PaddedCache) else cache
    assert isinstance(kept, KeyValues)
    return kept


def _longer(cache: Cache, length: int, spare: Sequence[Tensor]) -> Cache:
    """Returns a cache of this length with the same content, made by concatenation in memory that is there."""
    store, grown = _stored(cache), list[Tensor]()
    for old, new in zip(store.tensors, spare, strict=True):
        shape = [*old.shape[:3], length, old.shape[4]]
        room = old.new_empty([*shape[:3], length - store.length, shape[4]])
        grown.append(torch.cat([old, room], dim=3, out=new.view(-1)[: math.prod(shape)].view(shape)))
    made = store.of(grown)
    return replace(cache, store=made) if isinstance(cache, PaddedCache) else made
