"""What of Janus trains, and what its sizes say."""

import pytest
import torch

from tessera.errors import CheckpointError
from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.policies.reference import frozen_copy
from tessera.types import View
from tests.contracts.janus import SPECIAL, letters, tiny_janus, tiny_model

PARTS = ("generation_embeddings", "generation_aligner", "generation_head")


def _names(policy: JanusPolicy) -> set[str]:
    return {name for name, _ in policy.trainable()}


def test_training_the_language_model_freezes_what_the_siblings_freeze() -> None:
    language, everything = _names(tiny_janus(train="language")), _names(tiny_janus(train="all"))
    assert all(name.startswith("model.language_model.") for name in language)
    others = everything - language
    assert {name.split(".")[1] for name in others} == set(PARTS)
    assert {f"model.language_model.{name}" for name in ("norm.weight", "embed_tokens.weight")} < language


@pytest.mark.parametrize("train", ["language", "all"])
def test_what_trains_is_what_takes_a_gradient(train: str) -> None:
    policy = tiny_janus(train=train)
    inside = {id(parameter) for _, parameter in policy.trainable()}
    assert {id(each) for each in policy.parameters() if each.requires_grad} == inside
    frozen = {name for name, each in policy.model.named_parameters() if not each.requires_grad}
    assert {"lm_head.weight", "model.vqmodel.quantize.embedding.weight"} < frozen


@pytest.mark.parametrize("train", ["language", "all"])
def test_the_units_are_the_layers_and_one_that_holds_just_what_trains(train: str) -> None:
    policy = tiny_janus(train=train)
    *layers, whole = policy.units()
    assert len(layers) == 2
    assert {id(each) for each in whole.parameters()} == {id(each) for _, each in policy.trainable()}
    assert all(
        id(each) in {id(p) for p in whole.parameters()} for layer in layers for each in layer.parameters()
    )


def test_tied_words_train_once_and_the_text_head_with_them() -> None:
    model = tiny_model()
    model.lm_head.weight = model.model.language_model.embed_tokens.weight
    policy = JanusPolicy(model, letters(), JanusConfig(dtype="float32"))
    assert "model.language_model.embed_tokens.weight" in _names(policy)
    assert "lm_head.weight" not in _names(policy)


def test_an_adapter_sits_on_the_language_models_layers_alone() -> None:
    policy = LoRAPolicy(tiny_janus(), LoRAConfig(rank=2), seed=0)
    names = [name for name, _ in policy.trainable()]
    assert len(names) == 2 * 7 * 2  # layers, linear layers of each, A and B
    assert all(".language_model.layers." in name for name in names)


def test_a_merged_adapter_is_the_policy_with_it() -> None:
    policy = LoRAPolicy(tiny_janus(), LoRAConfig(rank=2), seed=0)
    with torch.no_grad():
        for name, parameter in policy.trainable():
            if ".lora_B." in name:
                parameter.normal_(std=0.1)
    merged = tiny_janus(seed=1)
    merged.load_state_dict(policy.merged())
    text, tokens_BT = policy.tokenize(["a star"]), torch.randint(64, (1, 16))
    with torch.no_grad():
        expected = policy.features(text, tokens_BT)
        assert torch.allclose(merged.features(text, tokens_BT), expected, atol=1e-5)
        assert not torch.allclose(tiny_janus().features(text, tokens_BT), expected, atol=1e-3)


def test_a_frozen_copy_is_the_policy_and_shares_nothing() -> None:
    policy = tiny_janus()
    reference, digest = frozen_copy(policy), policy.digest()
    assert reference.digest() == digest
    with torch.no_grad():
        next(parameter for _, parameter in policy.trainable()).add_(1)
    assert reference.digest() == digest != policy.digest()
    assert reference.tokenize(["a star"]).ids.tolist() == policy.tokenize(["a star"]).ids.tolist()


def test_the_spec_is_that_of_the_models_sizes_and_the_official_view() -> None:
    spec = tiny_janus().spec
    assert (spec.tokens, spec.codebook, spec.grid, spec.image_size) == (16, 64, (4, 4), (8, 8))
    assert (spec.prefix, spec.default_view) == (57, View(guidance=5.0, temperature=1.0))


def test_a_tokenizer_with_more_ids_than_the_model_has_words_is_refused() -> None:
    more = letters((*SPECIAL, *(f"<{number}>" for number in range(20))))
    with pytest.raises(CheckpointError, match="do not belong together"):
        JanusPolicy(tiny_model(), more, JanusConfig(dtype="float32"))


def test_half_precision_stays_finite_and_close() -> None:
    """The same pictures' log-probabilities to two digits: bfloat16 has eight bits."""
    exact, half = tiny_janus(), tiny_janus()
    half.to(torch.bfloat16)
    text, tokens_BT = exact.tokenize(["a star", "two red circles"]), torch.randint(64, (2, 16))
    with torch.no_grad():
        expected = exact.head(exact.features(text, tokens_BT))
        ours = half.head(half.features(text, tokens_BT))
        cache = half.new_cache(2, half.spec.prefix)
        first = half.prefill(text, cache)
    assert {each.dtype for each in (ours, first, *cache.store.tensors)} == {torch.bfloat16}
    assert (ours.float() - expected).abs().mean() < 0.1 * expected.abs().mean()
