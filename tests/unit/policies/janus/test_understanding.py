"""A Janus policy reads pictures as transformers' own forward pass and processor do, at tiny size."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor
from transformers import JanusImageProcessorPil

from tessera.errors import CheckpointError, PromptError
from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.janus.understanding import SYSTEM, JanusReader, squared
from tests.contracts.janus import SPECIAL, letters, tiny_janus, tiny_model

QUESTION = "What is it?"
CHOICES = ("a cup", "cat", "two red circles")


def picture(height: int = 8, width: int = 8, seed: int = 0) -> UInt8[ndarray, "H W 3"]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@torch.no_grad()
def official(policy: JanusPolicy, image: ndarray, question: str, said: list[int]) -> Tensor:
    """Returns the logits after the template and what was said, by transformers, from whole text and pixels.

    The picture's tokens stand where the processor of transformers puts them.
    """
    model: Any = policy.model
    seen = f"<begin_of_image>{'<image_placeholder>' * 16}<end_of_image>"
    text = f"{SPECIAL[0]}{SYSTEM}\n\n<|User|>: {seen}\n{question}\n\n<|Assistant|>:"
    ids = policy.prompts.tokenizer.encode(text, add_special_tokens=False).ids
    pixels = torch.from_numpy(processed(image, 8))[None]
    return model(input_ids=torch.tensor([[*ids, *said]]), pixel_values=pixels).logits[0, len(ids) - 1 :]


def processed(image: ndarray, size: int) -> ndarray:
    """Returns what transformers' processor makes of a picture."""
    half, sides = [0.5] * 3, {"height": size, "width": size}
    least = min(14, size)  # which a tiny model has no room for
    processor: Any = JanusImageProcessorPil(image_mean=half, image_std=half, size=sides, min_size=least)
    return processor.preprocess(image, return_tensors="np")["pixel_values"][0]


@pytest.mark.parametrize(("height", "width"), [(384, 384), (500, 211), (90, 333), (1000, 3)])
def test_pixels_are_those_of_transformers_processor(height: int, width: int) -> None:
    image = picture(height, width)
    assert np.allclose(squared(image, 384)[0].numpy(), processed(image, 384), atol=1e-6)


def test_the_likelihood_of_a_choice_is_the_mean_of_transformers_log_probabilities() -> None:
    policy = tiny_janus()
    found = JanusReader(policy).weigh(picture(), QUESTION, CHOICES)
    for choice, value in zip(CHOICES, found, strict=True):
        ids = policy.prompts.tokenizer.encode(f" {choice}").ids
        logp = official(policy, picture(), QUESTION, ids[:-1]).double().log_softmax(-1)
        by_hand = sum(float(logp[place, token]) for place, token in enumerate(ids)) / len(ids)
        assert value == pytest.approx(by_hand, abs=1e-5)
    assert len({round(value, 3) for value in found}) == 3


def test_a_choice_is_as_likely_beside_other_choices_as_alone() -> None:
    reader = JanusReader(tiny_janus())
    alone = [reader.weigh(picture(), QUESTION, [each])[0] for each in CHOICES]
    assert reader.weigh(picture(), QUESTION, CHOICES) == pytest.approx(alone, abs=1e-5)


def test_picture_and_question_both_matter() -> None:
    reader = JanusReader(tiny_janus())
    found = reader.weigh(picture(), QUESTION, ["a cup"])
    assert reader.weigh(picture(seed=1), QUESTION, ["a cup"]) != pytest.approx(found, abs=1e-3)
    assert reader.weigh(picture(), "Is it day?", ["a cup"]) != pytest.approx(found, abs=1e-3)


def test_an_answer_is_the_greedy_one_of_transformers_forward_pass() -> None:
    """Two logits within rounding would part them: chance about 1e-4 per token, decided once by the seed."""
    policy = tiny_janus()
    said: list[int] = []
    for _ in range(6):
        said.append(int(official(policy, picture(), QUESTION, said)[-1].argmax()))
    end = policy.prompts.tokenizer.token_to_id("<｜end▁of▁sentence｜>")
    assert end not in said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bytes that are no text
        expected = policy.prompts.tokenizer.decode(said, skip_special_tokens=True).strip()
    assert JanusReader(policy).answer(picture(), QUESTION, 6) == expected
    assert len(set(said)) > 1


def test_an_answer_ends_with_the_end_of_the_text() -> None:
    policy = tiny_janus()
    end = policy.prompts.tokenizer.token_to_id("<｜end▁of▁sentence｜>")
    with torch.no_grad():  # the end is likelier than any other token
        first = official(policy, picture(), QUESTION, [])[-1].argmax()
        policy.model.lm_head.weight[end] = 2 * policy.model.lm_head.weight[first]
    assert JanusReader(policy).answer(picture(), QUESTION, 6) == ""


def test_reading_changes_nothing_in_the_policy() -> None:
    policy = tiny_janus()
    before = policy.digest()
    JanusReader(policy).answer(picture(), QUESTION, 2)
    assert policy.digest() == before


def test_reserved_tokens_and_blanks_are_refused() -> None:
    reader = JanusReader(tiny_janus())
    with pytest.raises(PromptError, match=r"question .* holds '<image_placeholder>'"):
        reader.answer(picture(), "<image_placeholder> what?", 2)
    with pytest.raises(PromptError, match="choice ' ' is empty"):
        reader.weigh(picture(), QUESTION, ["yes", " "])


def test_a_tokenizer_that_cannot_read_pictures_is_refused() -> None:
    words = letters(tuple(each for each in SPECIAL if each != "<end_of_image>"))
    with pytest.raises(CheckpointError, match="no token <end_of_image>"):
        JanusReader(JanusPolicy(tiny_model(), words, JanusConfig(dtype="float32")))
