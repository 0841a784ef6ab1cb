"""Weights in DeepSeek's own layout compute, once converted, what they compute as they are."""

import pytest
import torch

from tessera.errors import CheckpointError
from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.official import official_model, official_weights
from tessera.policies.janus.policy import JanusPolicy
from tests.contracts.janus import SLOTS, letters, tiny_sizes
from tests.parity.janus_official import State, codes_of, image_logits, official_state, picture, tower

PROMPTS = ("a star", "a photo of two red circles")


def _policy(state: State) -> JanusPolicy:
    model = official_model(state, tiny_sizes(), "here", dtype=torch.float32)
    return JanusPolicy(model, letters(), JanusConfig(dtype="float32", text_slots=SLOTS))


def test_logits_of_image_codes_are_those_of_the_official_layout() -> None:
    """Of prompts and null prompts of several lengths, each by itself and without padding."""
    state = official_state()
    policy = _policy(state)
    text = policy.tokenize(PROMPTS)
    text = text.cat(policy.null_like(text))
    tokens_BT = torch.randint(64, (len(text), 16))
    with torch.no_grad():
        ours = policy.head(policy.features(text, tokens_BT))
    for row, (ids, mask) in enumerate(zip(text.ids, text.mask, strict=True)):
        words = [*ids[mask].tolist(), policy.prompts.begin_of_image]
        expected = image_logits(state, words, tokens_BT[row].tolist())
        assert torch.allclose(ours[row], expected, atol=1e-4)
    assert ours.std() > 0.3


def test_pictures_of_codes_are_those_of_the_official_layout() -> None:
    state = official_state()
    policy = _policy(state)
    tokens_BT = torch.randint(64, (3, 16))
    images = torch.from_numpy(policy.decode(tokens_BT))
    for row, codes in enumerate(tokens_BT.tolist()):
        levels = ((picture(state, codes) + 1) / 2 * 255).clamp(0, 255).permute(1, 2, 0)
        assert (images[row] - levels).abs().max() <= 0.5 + 1e-3
        assert levels.std() > 10


def test_codes_of_pictures_are_those_of_the_official_layout() -> None:
    """Two entries are equally near, to rounding, with chance about 1e-5 per code."""
    state = official_state()
    policy = _policy(state)
    images = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8)
    ours = policy.encode(images.numpy()).tolist()
    assert ours == [codes_of(state, image.permute(2, 0, 1) / 255 * 2 - 1) for image in images]
    assert len({code for row in ours for code in row}) > 8


def test_the_tower_that_reads_pictures_is_converted_too() -> None:
    state = official_state()
    image = torch.randn(3, 8, 8)
    with torch.no_grad():
        ours = _policy(state).model.model.vision_model(image[None]).last_hidden_state[0]
    assert torch.allclose(ours, tower(state, image), atol=1e-4)


def test_every_tensor_is_placed_or_left_out_by_name() -> None:
    state = official_state()
    converted = official_weights(state)
    left_out = {name for name in state if "codebook_used" in name or "attn_pool" in name}
    assert len(left_out) == 3
    assert len(converted) == len(state) - len(left_out) + 4  # q, k and v, weight and bias, from one each
    model = official_model(state, tiny_sizes(), "here")
    assert set(converted) == set(model.state_dict())


@pytest.mark.parametrize("name", ["gen_head.vision_head.bias", "gen_vision_model.decoder.mid.0.conv1.weight"])
def test_a_missing_tensor_is_an_error(name: str) -> None:
    state = official_state()
    del state[name]
    with pytest.raises(CheckpointError, match="the weights of another model"):
        official_model(state, tiny_sizes(), "here")


def test_a_tensor_that_has_no_place_is_an_error() -> None:
    state = {**official_state(), "gen_flow.weight": torch.zeros(3)}
    with pytest.raises(CheckpointError, match="gen_flow"):
        official_model(state, tiny_sizes(), "here")


def test_weights_of_another_size_are_an_error() -> None:
    state = official_state()
    state["gen_head.vision_head.weight"] = torch.zeros(128, 32)
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        official_model(state, tiny_sizes(), "here")
