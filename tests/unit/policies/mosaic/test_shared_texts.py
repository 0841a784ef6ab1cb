"""Texts that are read once: the same features and gradients as rows that each read their own."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tessera.policies.mosaic.activation import squared_relu
from tessera.policies.mosaic.attention import attention
from tessera.policies.mosaic.groups import Columns, group_width
from tests.contracts.policies import random_tokens, tiny_mosaic

PROMPTS = ("a star", "a photo of two red circles", "a large blue heart drawn on paper")
# Equal groups, one group, uneven groups, no two neighbours of one text, each its own, in another order.
ROWS = [[0, 0, 1, 1, 2, 2], [1, 1, 1, 1], [0, 0, 0, 1, 2, 2], [0, 1, 0, 1], [0, 1, 2], [2, 0, 1]]


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# --- groups -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "width"), list(zip(ROWS, [2, 4, 1, 1, 1, 1], strict=True)))
def test_groups_are_as_wide_as_rows_of_one_text_allow(rows: list[int], width: int) -> None:
    assert group_width(torch.tensor(rows)) == width


def test_groups_of_two_sizes_have_the_largest_common_width() -> None:
    """Guidance: 8 prompts of 8 rows each and 64 rows of the null prompt; then runs of 4 and 6."""
    assert group_width(_guided()) == 8
    assert group_width(torch.tensor([0] * 4 + [1] * 6)) == 2


def _guided() -> Tensor:
    return torch.cat([torch.arange(8).repeat_interleave(8), torch.full((64,), 8)])


def test_columns_of_guided_groups_are_a_quarter_fewer() -> None:
    """64 rows of 8 prompts with guidance: 128 x 63 codes and 9 texts of 25 slots, in place of 128 x 88."""
    assert sum(Columns.of(9, 25, _guided(), 63).sizes) == 8289


# --- attention ----------------------------------------------------------------------------------------------


def _by_hand(qkv_NE: Tensor, columns: Columns, text_R: list[int], heads: int) -> Tensor:
    """Returns what torch's own attention finds, row by row."""
    texts, codes = columns.split(qkv_NE)
    found: list[Tensor] = []
    wholes = [*texts, *(torch.cat([texts[text], row]) for text, row in zip(text_R, codes, strict=True))]
    for number, whole in enumerate(wholes):
        q, k, v = whole.unflatten(1, (3, heads, -1)).permute(1, 2, 0, 3)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(1)
        found.append(mixed if number < columns.texts else mixed[columns.prefix :])
    return torch.cat(found)


@pytest.mark.parametrize("rows", ROWS)
def test_attention_and_its_gradient_are_those_of_every_row_by_itself(rows: list[int]) -> None:
    columns, heads = Columns.of(3, 4, torch.tensor(rows), 5), 2
    qkv_NE = _noise(sum(columns.sizes), 3 * 6).requires_grad_()
    weight_ND = _noise(len(qkv_NE), 6, seed=1)
    results = [attention(qkv_NE, columns, heads), _by_hand(qkv_NE, columns, rows, heads)]
    gradients = [torch.autograd.grad((found * weight_ND).sum(), qkv_NE)[0] for found in results]
    assert torch.allclose(*results, atol=1e-12, rtol=0)
    assert torch.allclose(*gradients, atol=1e-12, rtol=0)


def test_the_gradient_of_attention_is_its_finite_difference() -> None:
    columns = Columns.of(2, 2, torch.tensor([0, 0, 1, 1]), 3)
    qkv_NE = _noise(sum(columns.sizes), 3 * 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: attention(x, columns, 2), (qkv_NE,))


def test_one_head_and_one_row_leave_their_input_as_it_was() -> None:
    """Where sizes are 1 a copy may turn out to be a view, and scaled queries would then be scaled input."""
    columns = Columns.of(1, 1, torch.tensor([0]), 1)
    qkv_NE = _noise(2, 3 * 4)
    before = qkv_NE.clone()
    attention(qkv_NE, columns, 1)
    assert torch.equal(qkv_NE, before)


def test_the_gradient_of_squared_relu_is_its_finite_difference() -> None:
    x = _noise(4, 5).requires_grad_()
    assert torch.autograd.gradcheck(squared_relu, (x,))
    with torch.no_grad():
        assert torch.equal(squared_relu(x), x.clamp(min=0).square())


# --- the policy ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("rows", ROWS)
def test_features_and_gradients_are_those_of_texts_read_for_every_row(
    rows: list[int], recompute: bool
) -> None:
    policy = tiny_mosaic().double()
    policy.recompute(recompute)
    text = policy.tokenize(PROMPTS).rows(torch.tensor(rows))
    tokens_BT = random_tokens(policy, len(rows))
    shared = policy.features(text, tokens_BT)
    apart = policy.transformer.features(text.ids, torch.arange(len(rows)), tokens_BT)
    weight_BTD = _noise(*shared.shape)
    parameters = [parameter for name, parameter in policy.trainable() if "head" not in name]
    gradients = [torch.autograd.grad((each * weight_BTD).sum(), parameters) for each in (shared, apart)]
    assert torch.allclose(shared, apart, atol=1e-10, rtol=0)
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-8 * float(other.abs().max()), rtol=0)


def test_each_text_passes_the_layers_once() -> None:
    policy = tiny_mosaic()
    seen: list[int] = []
    layer = policy.transformer.layers[0]
    assert isinstance(layer, nn.Module)
    layer.register_forward_hook(lambda module, arguments, result: seen.append(len(arguments[0])))
    text = policy.tokenize(PROMPTS).rows(torch.tensor([0, 0, 1, 1, 2, 2]))
    policy.features(text, random_tokens(policy, 6))
    assert seen == [3 * policy.spec.prefix + 6 * (policy.spec.tokens - 1)]


def test_gradients_of_shared_texts_are_the_same_every_time() -> None:
    """Bit for bit, under autocast too."""
    policy = tiny_mosaic()
    text = policy.tokenize(PROMPTS).rows(torch.tensor([0, 0, 0, 1, 2, 2]))
    parameters = [parameter for name, parameter in policy.trainable() if "head" not in name]
    for autocast in (False, True):
        results: list[tuple[Tensor, ...]] = []
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                features_BTD = policy.features(text, random_tokens(policy, 6))
            results.append(torch.autograd.grad(features_BTD.float().square().sum(), parameters))
        assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
