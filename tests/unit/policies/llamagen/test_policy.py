"""LlamaGen's policy beyond the contract: padding, the null prompt, copies, sizes, fresh weights."""

import pytest
import torch

from tessera.config import from_plain, to_plain
from tessera.errors import UserError
from tessera.policies.llamagen.config import (
    SIZES,
    VIEWS,
    Captions,
    Classes,
    Kind,
    LlamaGenConfig,
    SizeName,
    condition_of,
)
from tessera.policies.llamagen.load import random_llamagen
from tessera.policies.llamagen.policy import LlamaGenPolicy
from tessera.policies.llamagen.untrained import random_encoder
from tessera.policies.reference import frozen_copy
from tessera.tensors import TextBatch
from tests.contracts.llamagen import CAPTION_PROMPTS, CAPTIONS, TINY_VQ, tiny_c2i, tiny_t2i


def tokens(rows: int) -> torch.Tensor:
    return torch.randint(TINY_VQ.codebook, (rows, 16))


@torch.no_grad()
def stepped(policy: LlamaGenPolicy, text: TextBatch, tokens_BT: torch.Tensor) -> torch.Tensor:
    """Returns the features of all codes, by cached steps, with the cache's rows in another order first."""
    spec, order = policy.spec, torch.arange(len(text)).flip(0)
    prefix = policy.new_cache(len(text), spec.prefix)
    first = policy.prefill(text.rows(order), prefix)[order]
    cache = policy.new_cache(len(text), spec.prefix + spec.tokens - 1)
    cache.fan_out(prefix, order, spec.prefix)
    rest = [policy.step(tokens_BT[:, index], index, cache) for index in range(spec.tokens - 1)]
    return torch.stack([first, *rest], dim=1)


@torch.no_grad()
def test_padding_moves_with_its_row_through_the_cache() -> None:
    policy = tiny_t2i()
    text = policy.tokenize(CAPTION_PROMPTS)
    text, tokens_BT = text.cat(policy.null_like(text)), tokens(6)
    expected = policy.features(text, tokens_BT)
    torch.testing.assert_close(stepped(policy, text, tokens_BT), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_what_stands_in_padding_slots_does_not_matter() -> None:
    policy = tiny_t2i()
    text, tokens_BT = policy.tokenize(CAPTION_PROMPTS), tokens(3)
    strange = TextBatch(ids=torch.where(text.mask, text.ids, 7), mask=text.mask)
    assert torch.equal(policy.features(strange, tokens_BT), policy.features(text, tokens_BT))


@torch.no_grad()
def test_the_null_caption_is_as_long_as_the_caption_beside_it() -> None:
    """As in LlamaGen's generate: one mask for both branches. Its words say nothing, its length does."""
    policy = tiny_t2i()
    text = policy.tokenize(["two cats", "red moon", "x"])  # eight letters, eight, one
    null = policy.null_like(text)
    assert torch.equal(null.mask, text.mask)
    assert (null.ids == -1).all()
    eight, also, one = policy.features(null, tokens(1).expand(3, -1))
    torch.testing.assert_close(eight, also, rtol=0, atol=1e-6)
    assert (eight - one).abs().mean() > 0.01


@torch.no_grad()
def test_a_caption_that_fills_its_slots_is_padded_nowhere() -> None:
    policy = tiny_t2i()
    text, tokens_BT = policy.tokenize(["x" * 23, "x"]), tokens(2)
    assert text.mask.sum(1).tolist() == [24, 2]
    expected = policy.features(text, tokens_BT)
    torch.testing.assert_close(stepped(policy, text, tokens_BT), expected, rtol=0, atol=1e-5)


def test_a_copy_shares_the_encoder_which_is_no_part_of_the_weights() -> None:
    policy = tiny_t2i()
    reference = frozen_copy(policy)
    assert reference._encoder is policy._encoder
    assert reference.digest() == policy.digest()
    assert all(name.startswith(("transformer.", "tokenizer.")) for name in policy.state_dict())
    assert all(name != "condition.null" for name, _ in policy.trainable())
    assert "transformer.condition.null" in policy.state_dict()


def test_the_digest_knows_encoder_and_settings_but_not_where_the_encoder_lies() -> None:
    policy = tiny_t2i()

    def other(encoder: Captions, seed: int) -> str:
        made = LlamaGenPolicy(
            LlamaGenConfig(
                layers=2,
                width=32,
                heads=2,
                grid=4,
                condition=encoder,
                default_view=policy.config.default_view,
                vq=TINY_VQ,
            ),
            random_encoder(encoder, seed),
        )
        made.load_state_dict(policy.state_dict())
        return made.digest()

    moved = Captions(slots=24, width=16, dtype="float32", encoder="elsewhere")
    assert other(CAPTIONS, 21) == other(moved, 21) == policy.digest()
    assert other(CAPTIONS, 22) != policy.digest()
    halved = Captions(slots=24, width=16, dtype="bfloat16")
    assert other(halved, 21) != policy.digest()


def test_rotations_stay_in_float32_when_the_weights_are_halved() -> None:
    policy = tiny_t2i().to(torch.bfloat16)
    text, tokens_BT = policy.tokenize(CAPTION_PROMPTS), tokens(3)
    with torch.no_grad():
        assert policy.features(text, tokens_BT).dtype == torch.bfloat16
    assert policy.transformer._turns.dtype == torch.float32
    assert {each.dtype for each in policy.new_cache(1, 3).tensors} == {torch.bfloat16}


def test_captions_without_an_encoder_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="captions need a text encoder"):
        LlamaGenPolicy(tiny_t2i().config, None)
    with pytest.raises(ValueError, match="classes have none"):
        LlamaGenPolicy(tiny_c2i().config, random_encoder(CAPTIONS, 1))


# --- sizes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "millions", "mlp"),
    [
        ("B", "c2i", 111, 2048),
        ("L", "c2i", 343, 2816),
        ("XL", "c2i", 775, 3584),
        ("XL", "t2i", 775, 3584),
        ("XXL", "c2i", 1411, 4096),
        ("3B", "c2i", 3096, 8704),
    ],
)
def test_published_sizes_have_the_parameters_of_the_readme(
    name: SizeName, kind: Kind, millions: int, mlp: int
) -> None:
    """It says 111 M, 343 M, 775 M, 1.4 B and 3.1 B; the caption's MLP stands in place of 1001 classes."""
    size = SIZES[name]
    settings = LlamaGenConfig(
        layers=size.layers,
        width=size.width,
        heads=size.heads,
        grid=16,
        condition=condition_of(kind),
        default_view=VIEWS[kind],
    )
    assert settings.mlp_width == mlp
    with torch.device("meta"):
        encoder = random_encoder(settings.condition, 1) if isinstance(settings.condition, Captions) else None
        policy = LlamaGenPolicy(settings, encoder)
    count = sum(parameter.numel() for _, parameter in policy.trainable())
    assert count / 1e6 == pytest.approx(millions, rel=0.005)
    assert policy.spec.prefix == (1 if kind == "c2i" else 120)
    assert (policy.spec.tokens, policy.spec.image_size) == (256, (256, 256))


@pytest.mark.parametrize("condition", [Classes(), Captions()])
def test_settings_come_back_from_plain_data(condition: Classes | Captions) -> None:
    settings = LlamaGenConfig(
        layers=2, width=64, heads=4, grid=24, condition=condition, default_view=VIEWS["t2i"]
    )
    assert from_plain(LlamaGenConfig, to_plain(settings), where="here") == settings


def test_heads_that_cannot_turn_by_row_and_column_are_refused() -> None:
    with pytest.raises(UserError, match="a width of 40 cannot be split among 4 heads"):
        LlamaGenConfig(
            layers=1, width=40, heads=4, grid=4, condition=Classes(), default_view=VIEWS["c2i"], vq=TINY_VQ
        )


def test_the_default_views_are_those_of_the_sampling_scripts() -> None:
    assert (VIEWS["c2i"].guidance, VIEWS["c2i"].top_k) == (4.0, 2000)
    assert (VIEWS["t2i"].guidance, VIEWS["t2i"].top_k) == (7.5, 1000)


@pytest.mark.slow
def test_a_random_policy_of_a_real_size_reads_draws_and_is_the_same_again() -> None:
    policy = random_llamagen("t2i", "B", seed=5)
    text = policy.tokenize(["a photo of a red circle", "two blue stars"])
    with torch.no_grad():
        cache = policy.new_cache(2, policy.spec.prefix + 1)
        first = policy.head(policy.prefill(text, cache))
        second = policy.head(policy.step(first.argmax(-1), 0, cache))
    assert first.shape == second.shape == (2, 16384)
    assert (first[0] - first[1]).abs().mean() > 0.01
    assert policy.decode(torch.randint(16384, (1, 256))).std() > 5
    assert random_llamagen("t2i", "B", seed=5).digest() == policy.digest()
