"""What of Emu3 trains, where the ends of rows lie, and what its sizes say."""

import pytest
import torch
from torch import Tensor

from tessera.errors import CheckpointError, UserError
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.emu3.published import byte_tokenizer
from tessera.policies.lora import LoRAConfig, LoRAPolicy
from tessera.policies.reference import frozen_copy
from tessera.sampling.replay import replay_logp
from tessera.tensors import TextBatch
from tessera.types import View
from tests.contracts.emu3 import CODEBOOK, tiny_emu3, tiny_model, tiny_settings


def _names(policy: Emu3Policy) -> set[str]:
    return {name for name, _ in policy.trainable()}


def test_training_the_language_model_leaves_the_table_and_the_head() -> None:
    language, everything = _names(tiny_emu3(train="language")), _names(tiny_emu3(train="all"))
    assert all(name.startswith(("language.layers.", "language.norm.")) for name in language)
    assert everything - language == {"language.embed_tokens.weight", "codes.weight"}


@pytest.mark.parametrize("train", ["language", "all"])
def test_what_trains_is_what_takes_a_gradient_and_what_the_units_hold(train: str) -> None:
    policy = tiny_emu3(train=train)
    inside = {id(parameter) for _, parameter in policy.trainable()}
    assert {id(each) for each in policy.parameters() if each.requires_grad} == inside
    *layers, whole = policy.units()
    assert len(layers) == 2
    assert {id(each) for each in whole.parameters()} == inside
    assert all(id(each) in inside for layer in layers for each in layer.parameters())


@pytest.mark.parametrize("train", ["language", "all"])
def test_gradients_reach_what_trains(train: str) -> None:
    policy = tiny_emu3(train=train)
    tokens_BT = torch.randint(CODEBOOK, (1, 15))
    replay_logp(policy, policy.tokenize(["a star"]), tokens_BT, View()).sum().backward()
    assert all(parameter.grad is not None for _, parameter in policy.trainable())


def test_an_adapter_on_the_head_is_heard() -> None:
    """The head is a layer of its own; a slice of a larger one would read past its adapter."""
    policy = LoRAPolicy(tiny_emu3(), LoRAConfig(rank=2, layers=("codes",)), seed=0)
    features = torch.randn(3, 32)
    before = policy.head(features)
    with torch.no_grad():
        for _, parameter in policy.trainable():
            parameter.normal_()
    assert not torch.allclose(policy.head(features), before, atol=1e-2)


def test_an_adapter_sits_on_the_layers_alone_by_default() -> None:
    policy = LoRAPolicy(tiny_emu3(train="language"), LoRAConfig(rank=2), seed=0)
    names = [name for name, _ in policy.trainable()]
    assert len(names) == 2 * 7 * 2  # layers, linear layers of each, A and B
    assert all("language.layers." in name for name in names)


def test_a_merged_adapter_is_the_policy_with_it() -> None:
    policy = LoRAPolicy(tiny_emu3(), LoRAConfig(rank=2), seed=0)
    with torch.no_grad():
        for name, parameter in policy.trainable():
            if ".lora_B." in name:
                parameter.normal_(std=0.1)
    merged = tiny_emu3(seed=1)
    merged.load_state_dict(policy.merged())
    text, tokens_BT = policy.tokenize(["a star"]), torch.randint(CODEBOOK, (1, 15))
    with torch.no_grad():
        expected = policy.features(text, tokens_BT)
        assert torch.allclose(merged.features(text, tokens_BT), expected, atol=1e-5)
        assert not torch.allclose(tiny_emu3().features(text, tokens_BT), expected, atol=1e-3)


def test_a_frozen_copy_is_the_policy_and_shares_nothing() -> None:
    policy = tiny_emu3()
    reference, digest = frozen_copy(policy), policy.digest()
    assert reference.digest() == digest
    with torch.no_grad():
        next(parameter for _, parameter in policy.trainable()).add_(1)
    assert reference.digest() == digest != policy.digest()


def test_words_and_codes_of_the_head_are_all_of_it() -> None:
    head, policy = tiny_model().lm_head.weight, tiny_emu3()
    first = policy.prompts.first_code
    assert torch.equal(policy.codes.weight, head[first : first + CODEBOOK])
    assert torch.equal(torch.cat([policy.words[:first], policy.codes.weight, policy.words[first:]]), head)
    assert len(policy.words) == len(head) - CODEBOOK > first  # some words come after the codes


@pytest.mark.parametrize("grid", [(3, 5), (4, 1), (1, 6)])
def test_the_cache_has_a_place_for_each_end_of_a_row_and_the_last_place_is_written(
    grid: tuple[int, int],
) -> None:
    policy = tiny_emu3(grid=grid)
    spec = policy.spec
    cache = policy.new_cache(1, spec.prefix + spec.tokens - 1)
    ends = grid[0] - 1  # the last row's is never read
    assert cache.length == spec.prefix + spec.tokens - 1 + ends
    keys, _ = cache.store.tensors
    keys.fill_(torch.nan)
    with torch.no_grad():
        policy.prefill(policy.tokenize(["a star"]), cache)
        for index in range(spec.tokens - 1):
            policy.step(torch.tensor([index]), index, cache)
    blank = int(cache.blank_B)
    assert keys[:, :, :, blank:].isfinite().all()
    assert keys[:, :, :, :blank].isnan().all()  # no slot that all rows leave blank is computed


def test_what_stands_in_blank_slots_and_in_the_cache_before_changes_nothing() -> None:
    policy = tiny_emu3()
    text = policy.tokenize(["a star", "a photo of two red circles"])
    other = policy.tokenize(["a star", "a photo of two red circles"])
    other.ids[~other.mask] = 77
    results = [_seventh(policy, text, 0.0), _seventh(policy, other, torch.nan)]
    assert text.mask[0].sum() < text.mask[1].sum()
    assert torch.equal(results[0], results[1])


def _seventh(policy: Emu3Policy, text: TextBatch, before: float) -> Tensor:
    """Returns the features of the code behind six others, past the end of a row; the cache held something."""
    cache = policy.new_cache(len(text), policy.spec.prefix + policy.spec.tokens - 1)
    for half in cache.store.tensors:
        half.fill_(before)
    with torch.no_grad():
        policy.prefill(text, cache)
        return [policy.step(torch.tensor([3, 9]), index, cache) for index in range(6)][-1]


def test_the_spec_is_that_of_the_settings_and_the_official_view() -> None:
    spec = tiny_emu3().spec
    assert (spec.tokens, spec.codebook, spec.grid, spec.image_size) == (15, 64, (3, 5), (6, 10))
    assert spec.prefix == 40 + 5  # image start, 3, *, 5, image token
    assert spec.default_view == View(guidance=3.0, temperature=1.0, top_k=2048)


def test_pictures_beyond_the_models_positions_are_refused() -> None:
    """Text 40, preamble 7, 20 x 22 codes but the last, 19 ends of rows: 505 of 512. 20 more do not fit."""
    assert tiny_emu3(grid=(20, 22)).spec.tokens == 440
    with pytest.raises(UserError, match=r"525 tokens, the model has 512 positions"):
        tiny_emu3(grid=(20, 23))


def test_a_tokenizer_whose_ids_are_not_the_models_is_refused() -> None:
    other = byte_tokenizer(CODEBOOK)
    other.add_special_tokens([f"<{number}>" for number in range(20)])
    with pytest.raises(CheckpointError, match="do not belong together"):
        Emu3Policy(tiny_model(), other, tiny_settings())
    model = tiny_model()
    told = model.config.vocabulary_map
    assert told is not None
    told["<|extra_200|>"] += 1
    with pytest.raises(CheckpointError, match=r"has <\|extra_200\|> where the model has something else"):
        Emu3Policy(model, byte_tokenizer(CODEBOOK), tiny_settings())


def test_a_tied_head_is_refused() -> None:
    model = tiny_model()
    model.config.tie_word_embeddings = True
    with pytest.raises(CheckpointError, match="tied"):
        Emu3Policy(model, byte_tokenizer(CODEBOOK), tiny_settings())


def test_half_precision_stays_finite_and_close_and_leaves_the_vq_model_alone() -> None:
    """The same pictures' log-probabilities to two digits: bfloat16 has eight bits."""
    exact = tiny_emu3()
    model = tiny_model()
    model.to(dtype=torch.bfloat16)  # pyright: ignore[reportCallIssue] - a decorator hides the signature
    half = Emu3Policy(model, byte_tokenizer(CODEBOOK), tiny_settings())
    text, tokens_BT = exact.tokenize(["a star", "two red circles"]), torch.randint(CODEBOOK, (2, 15))
    with torch.no_grad():
        expected = exact.head(exact.features(text, tokens_BT))
        ours = half.head(half.features(text, tokens_BT))
        cache = half.new_cache(2, half.spec.prefix)
        first = half.prefill(text, cache)
    assert {each.dtype for each in (ours, first, *cache.store.tensors)} == {torch.bfloat16}
    assert (ours.float() - expected).abs().mean() < 0.1 * expected.abs().mean()
    assert half.vq.dtype == torch.float32
    assert half.decode(tokens_BT).shape == (2, 6, 10, 3)
