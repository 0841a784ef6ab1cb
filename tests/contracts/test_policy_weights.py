"""The contract of a policy's weights: gradients, recomputing, names, digest, memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tessera.policies.trunk import PaddedCache
from tessera.protocols import Policy
from tessera.sampling.cache import StaticCache
from tessera.sampling.replay import replay_logp
from tessera.sampling.sampler import requests, sample
from tessera.types import View
from tests.contracts.policies import Case, random_tokens, whole

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("guided", [False, True])
def test_gradients_reach_every_trainable_parameter_and_nothing_else(
    policy: Policy, case: Case, guided: bool
) -> None:
    view = View(guidance=3.0, temperature=0.7) if guided else View()
    tokens_BT = random_tokens(policy, len(case.prompts))
    replay_logp(policy, policy.tokenize(case.prompts), tokens_BT, view).square().sum().backward()
    trainable = dict(policy.trainable())
    assert trainable
    for name, parameter in trainable.items():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    inside = {id(parameter) for parameter in trainable.values()}
    for name, parameter in whole(policy).named_parameters():
        if id(parameter) not in inside:
            assert parameter.grad is None, name
            assert not parameter.requires_grad, name


@pytest.mark.parametrize("autocast", [False, True])
def test_recomputing_changes_neither_values_nor_gradients(policy: Policy, case: Case, autocast: bool) -> None:
    text, tokens_BT = policy.tokenize(case.prompts), random_tokens(policy, len(case.prompts))
    results = []
    for on in (False, True):
        policy.recompute(on)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logp_BT = replay_logp(policy, text, tokens_BT, View(guidance=3.0))
        logp_BT.square().sum().backward()
        gradients = {}
        for name, parameter in policy.trainable():
            gradients[name], parameter.grad = parameter.grad, None
        results.append((logp_BT.detach(), gradients))
    policy.recompute(False)
    (values, gradients), (values_again, gradients_again) = results
    assert torch.equal(values, values_again)
    for name, gradient in gradients.items():
        assert torch.equal(gradient, gradients_again[name]), name


def test_recomputing_keeps_less_for_backward(policy: Policy, case: Case) -> None:
    """Counted by storage, of what autograd holds when the forward pass is over."""
    text, tokens_BT = policy.tokenize(case.prompts), random_tokens(policy, len(case.prompts))
    weights = {parameter.untyped_storage().data_ptr() for parameter in whole(policy).parameters()}
    kept = []
    for on in (False, True):
        policy.recompute(on)
        held: dict[int, Tensor] = {}

        def note(tensor: Tensor, held: dict[int, Tensor] = held) -> Tensor:
            held[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            features_BTD = policy.features(text, tokens_BT)
        kept.append(sum(t.untyped_storage().nbytes() for p, t in held.items() if p not in weights))
        del features_BTD
    assert kept[1] < kept[0] / 2


def test_the_footprint_agrees_with_the_cache_and_the_weights(policy: Policy, case: Case) -> None:
    sizes = policy.footprint
    assert sizes.parameters == sum(parameter.numel() for parameter in whole(policy).parameters())
    cache = policy.new_cache(2, 3)
    store = cache.store if isinstance(cache, PaddedCache) else cache
    assert isinstance(store, StaticCache)
    for half in store.tensors:
        assert half.nbytes == sizes.layers * 2 * 3 * sizes.cache_width * sizes.weight_bytes
    assert sum(half.nbytes for half in store.tensors) == sizes.layers * 2 * 3 * sizes.slot_bytes
    with torch.no_grad():
        features_BTD = policy.features(policy.tokenize(case.prompts[:1]), random_tokens(policy, 1))
    assert features_BTD.shape[-1] == sizes.width


def test_names_of_trainable_parameters_are_distinct_and_stable(policy: Policy) -> None:
    names = [name for name, _ in policy.trainable()]
    assert len(set(names)) == len(names)
    assert names == [name for name, _ in policy.trainable()]


def test_sampling_changes_neither_the_weights_nor_their_gradients(policy: Policy, case: Case) -> None:
    weights = dict(whole(policy).named_parameters())
    wanted_before = {name: parameter.requires_grad for name, parameter in weights.items()}
    digest = policy.digest()
    drawn = sample(policy, requests(case.prompts, 1), View(guidance=3.0), seed=13)
    policy.encode(policy.decode(drawn.tokens))
    assert not drawn.logp.requires_grad
    assert {name: parameter.requires_grad for name, parameter in weights.items()} == wanted_before
    assert all(parameter.grad is None for parameter in weights.values())
    assert policy.digest() == digest
    assert torch.is_grad_enabled()


def _elements(policy: Policy, case: Case) -> Iterator[tuple[str, Tensor]]:
    """Yields the first element of every weight, frozen ones too, where the policy does not say they stay."""
    trained = {id(parameter) for _, parameter in policy.trainable()}
    for name, parameter in whole(policy).named_parameters():
        if id(parameter) in trained or not (case.frozen and name.startswith(case.frozen)):
            yield name, parameter.data.view(-1)[:1]


def test_the_digest_changes_with_any_weight_and_comes_back_with_it(policy: Policy, case: Case) -> None:
    digest = policy.digest()
    assert digest == policy.digest() == case.build().digest()
    for name, element in _elements(policy, case):
        before = element.clone()
        element += 1e-3 * (1 + before.abs())
        assert policy.digest() != digest, name
        element.copy_(before)
    assert policy.digest() == digest


def test_the_digest_is_the_same_in_another_process(policy: Policy, case_name: str) -> None:
    """With another hash seed, so that nothing hangs on the order of a set."""
    code = f"from tests.contracts.policies import CASES; print(CASES[{case_name!r}].build().digest())"
    output = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": f"{REPO / 'src'}{os.pathsep}{REPO}", "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.strip() == policy.digest()
