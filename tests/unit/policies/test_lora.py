"""LoRA: nothing at the start, the base when off, one policy when merged; a reference that may move."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tessera.errors import UserError
from tessera.policies.lora import REFERENCE, LoRAConfig, LoRAPolicy, LoRAReference
from tessera.policies.reference import move
from tessera.policies.saved import read_saved, save_policy
from tessera.protocols import Policy
from tessera.sampling.replay import replay_distribution, replay_logp
from tessera.types import View
from tests.contracts.policies import tiny_lora, tiny_mosaic

VIEW = View(guidance=2.0)
PROMPTS = ("a star", "a photo of two red circles")


def fresh(**changes: bool) -> LoRAPolicy:
    """Returns the tiny policy with an adapter that has not been trained."""
    return LoRAPolicy(tiny_mosaic(), LoRAConfig(rank=4), seed=3, **changes)


def tokens() -> Tensor:
    return torch.randint(64, (2, 64), generator=torch.Generator().manual_seed(5))


def distribution(policy: Policy) -> Tensor:
    with torch.no_grad():
        return replay_distribution(policy, policy.tokenize(PROMPTS), tokens(), VIEW)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_an_untrained_adapter_changes_no_bit(precision: torch.dtype) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        expected = distribution(tiny_mosaic())
        assert torch.equal(distribution(fresh()), expected)
        assert torch.equal(distribution(fresh().reference()), expected)
    assert fresh().digest() == fresh().reference().digest() == tiny_mosaic().digest()


def test_switched_off_it_is_the_base_and_switched_back_it_is_itself() -> None:
    policy = tiny_lora()
    before, digest = distribution(policy), policy.digest()
    reference = policy.reference()
    assert torch.equal(distribution(reference), distribution(tiny_mosaic()))
    assert reference.digest() == tiny_mosaic().digest() != digest
    assert torch.equal(distribution(policy), before)
    assert (before - distribution(reference)).abs().mean() > 0.01  # the adapter does something


def test_it_is_switched_back_after_an_error_too() -> None:
    policy = tiny_lora()
    before = distribution(policy)
    with pytest.raises(ZeroDivisionError), policy.showing(None):
        raise ZeroDivisionError
    assert torch.equal(distribution(policy), before)
    assert all(parameter.requires_grad for _, parameter in policy.trainable())


@pytest.mark.parametrize("recompute", [False, True])
def test_backward_finds_the_adapter_though_the_reference_spoke_in_between(recompute: bool) -> None:
    gradients = []
    for ask in (False, True):
        policy = tiny_lora()
        policy.recompute(recompute)
        text = policy.tokenize(PROMPTS)
        logp_BT = replay_logp(policy, text, tokens(), VIEW)
        if ask:
            assert not replay_logp(policy.reference(), text, tokens(), VIEW).requires_grad
        logp_BT.square().sum().backward()
        gradients.append([parameter.grad for _, parameter in policy.trainable()])
    for alone, asked in zip(*gradients, strict=True):
        assert alone is not None
        assert asked is not None
        assert torch.equal(alone, asked)


def test_merged_weights_are_the_same_policy_to_rounding_and_a_policy_folder(tmp_path: Path) -> None:
    policy = tiny_lora()
    save_policy(policy, tmp_path, torch.float32)
    merged = read_saved(tmp_path)
    torch.testing.assert_close(distribution(merged), distribution(policy), atol=2e-5, rtol=1e-5)
    by_hand = tiny_mosaic().state_dict()
    adapter = dict(policy.trainable())
    with torch.no_grad():
        for name in by_hand:
            if "layers" in name and "norm" not in name:
                up, down = (adapter[name.replace("weight", f"lora_{which}.weight")] for which in "BA")
                by_hand[name] += 8.0 * up @ down  # alpha 32 / rank 4
    for name, weight in merged.state_dict().items():
        torch.testing.assert_close(weight, by_hand[name], atol=1e-6, rtol=1e-6)


def test_the_start_depends_on_the_seed_alone_and_leaves_the_global_generator_alone() -> None:
    base = tiny_mosaic()
    before = torch.get_rng_state()
    one = dict(LoRAPolicy(base, LoRAConfig(rank=4), seed=3).trainable())
    assert torch.equal(torch.get_rng_state(), before)
    same = dict(fresh().trainable())
    other = dict(LoRAPolicy(tiny_mosaic(), LoRAConfig(rank=4), seed=4).trainable())
    assert all(torch.equal(tensor, same[name]) for name, tensor in one.items())
    assert not any(torch.equal(tensor, other[name]) for name, tensor in one.items() if "lora_A" in name)


def test_a_reference_that_was_to_move_becomes_the_policy_and_stays_when_the_policy_goes_on() -> None:
    policy = fresh(reference_moves=True)
    reference = policy.reference()
    assert torch.equal(distribution(reference), distribution(tiny_mosaic()))
    train(policy)
    assert torch.equal(distribution(reference), distribution(tiny_mosaic()))
    move(reference, policy, 1.0)
    there, digest = distribution(policy), policy.digest()
    assert torch.equal(distribution(reference), there)
    assert reference.digest() == digest
    train(policy)
    assert torch.equal(distribution(reference), there)
    assert (distribution(policy) - there).abs().max() > 0.01
    assert not any(parameter.requires_grad for _, parameter in policy.adapter(REFERENCE))


def test_half_a_move_is_half_of_each_matrix() -> None:
    policy = fresh(reference_moves=True)
    reference = policy.reference()
    old = {name: tensor.clone() for name, tensor in reference.trainable()}
    train(policy)
    move(reference, policy, 0.5)
    new = dict(policy.trainable())
    for name, tensor in reference.trainable():
        torch.testing.assert_close(tensor, (old[name] + new[name]) / 2)


def train(policy: LoRAPolicy) -> None:
    """Takes one step of plain descent, large enough to be seen."""
    optimizer = torch.optim.SGD([parameter for _, parameter in policy.trainable()], lr=1e-3)
    replay_logp(policy, policy.tokenize(PROMPTS), tokens(), VIEW).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_only_the_layers_asked_for_are_adapted() -> None:
    policy = LoRAPolicy(tiny_mosaic(), LoRAConfig(layers=("*.qkv", "transformer.head")), seed=0)
    names = {name for name, _ in policy.trainable()}
    assert names == {
        f"transformer.{layer}.lora_{which}.weight"
        for layer in ("layers.0.qkv", "layers.1.qkv", "head")
        for which in "AB"
    }


def test_layers_that_do_not_exist_are_refused_with_those_that_do() -> None:
    with pytest.raises(UserError, match=r"q_proj.*it has transformer\.layers\.0\.qkv"):
        LoRAPolicy(tiny_mosaic(), LoRAConfig(layers=("*.q_proj",)), seed=0)


@pytest.mark.parametrize(("field", "value"), [("rank", 0), ("alpha", 0), ("layers", ())])
def test_adapters_of_no_size_are_refused(field: str, value: object) -> None:
    with pytest.raises(UserError, match=f"adapter.{field}"):
        LoRAConfig(**{field: value})  # pyright: ignore[reportArgumentType] - one field of three


def test_the_reference_is_a_policy() -> None:
    assert isinstance(tiny_lora().reference(), Policy)
    assert isinstance(tiny_lora().reference(), LoRAReference)
