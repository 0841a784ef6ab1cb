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
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tessera.objective.policy import log_distribution, mix_guidance
from tessera.policies.base import PolicyModule
from tessera.protocols import Cache
from tessera.sampling.cache import StaticCache
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
    spare = [(torch.empty_like(whole.keys), torch.empty_like(whole.values)) for _ in range(2)]
    tokens: list[Tensor] = []
    for index in range(spec.tokens):
        tokens.append(pick(mixed_logits(policy.head(features), view)))
        if index + 1 < spec.tokens:
            # As long as the policy wants it, which may be more than a slot a token.
            length = _stored(policy.new_cache(0, spec.prefix + index + 1)).keys.shape[3]
            cache = _longer(_stored(cache), length, spare[index % 2])
            fed = torch.cat([tokens[-1], tokens[-1]]) if view.guided else tokens[-1]
            features = policy.step(fed, index, cache)
    return torch.stack(tokens, dim=1)


def mixed_logits(logits_RV: Float[Tensor, "R V"], view: View) -> Float[Tensor, "B V"]:
    """Returns the logits of both branches as one."""
    if not view.guided:
        return logits_RV
    conditional, null = logits_RV.chunk(2)
    return mix_guidance(conditional, null, view.guidance)


def _stored(cache: Cache) -> StaticCache:
    """Returns the cache as what the caches of this package are."""
    assert isinstance(cache, StaticCache)
    return cache


def _longer(cache: StaticCache, length: int, spare: tuple[Tensor, Tensor]) -> StaticCache:
    """Returns a cache of this length with the same content, made by concatenation in memory that is there."""
    shape = list(cache.keys.shape)
    room = cache.keys.new_empty([*shape[:3], length - shape[3], shape[4]])
    shape[3] = length
    grown: list[Tensor] = []
    for old, store in zip((cache.keys, cache.values), spare, strict=True):
        new = store.view(-1)[: math.prod(shape)].view(shape)
        grown.append(torch.cat([old, room], dim=3, out=new))
    return replace(cache, keys=grown[0], values=grown[1])
