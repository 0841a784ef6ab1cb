"""The template, the window and the null prompt, by hand."""

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from tessera.errors import CheckpointError, PromptError, UserError
from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.prompts import Prompts
from tests.contracts.janus import SPECIAL, letters

BEGIN, PAD = 256, 258  # behind the 256 bytes


def _prompts(slots: int = 40) -> Prompts:
    return Prompts(letters(), slots=slots)


def _text(prompts: Prompts, ids: list[int]) -> str:
    return prompts.tokenizer.decode(ids, skip_special_tokens=False)


def test_a_prompt_stands_in_the_template_of_the_official_script() -> None:
    prompts = _prompts()
    batch = prompts.batch(["  a red star\n"])
    expected = "<｜begin▁of▁sentence｜><|User|>: a red star\n\n<|Assistant|>:"
    assert _text(prompts, batch.ids[0][batch.mask[0]].tolist()) == expected


def test_a_short_prompt_stands_at_the_right_end_behind_masked_padding() -> None:
    batch = _prompts(slots=40).batch(["ab", "abcdef"])
    # begin, user, ":", " ", prompt, two line ends, assistant, ":"
    assert batch.mask.sum(1).tolist() == [10, 14]
    assert batch.mask[0].tolist() == [False] * 30 + [True] * 10
    assert set(batch.ids[0, :30].tolist()) == {PAD}
    assert batch.ids[0, 30] == batch.ids[1, 26] == BEGIN


def test_the_null_prompt_is_begin_of_text_and_as_much_padding_as_there_was_text() -> None:
    prompts = _prompts(slots=12)
    text = prompts.batch(["a", "abc"])
    null = prompts.null(text)
    assert null.ids.tolist() == [[PAD] * 3 + [BEGIN] + [PAD] * 8, [PAD] + [BEGIN] + [PAD] * 10]
    assert torch.equal(null.mask, text.mask)


def test_a_prompt_that_does_not_fit_is_refused_with_the_limit() -> None:
    prompts = _prompts(slots=20)
    assert prompts.batch(["x" * 12]).mask.all()
    with pytest.raises(PromptError, match=r"21 tokens .* at most 20 \(janus.text_slots\)"):
        prompts.batch(["x" * 13])


@pytest.mark.parametrize("token", [each for each in SPECIAL if each])
def test_a_prompt_cannot_hold_a_token_of_the_template(token: str) -> None:
    with pytest.raises(PromptError, match="reserves"):
        _prompts(slots=60).batch([f"a star {token}"])


def test_an_added_letter_is_a_letter() -> None:
    assert _prompts().batch(["a gürtel"]).mask.any()


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(PromptError, match="empty"):
        _prompts().batch([prompt])


@pytest.mark.parametrize("lacking", ["<begin_of_image>", "<｜begin▁of▁sentence｜>", "<｜▁pad▁｜>"])
def test_a_tokenizer_without_the_tokens_of_janus_is_refused(lacking: str) -> None:
    tokenizer = letters(tuple(each for each in SPECIAL if each != lacking))
    with pytest.raises(CheckpointError, match="is not that of a Janus-Pro model"):
        Prompts(tokenizer, slots=40)


def test_the_roles_may_be_plain_text_and_are_refused_in_a_prompt_all_the_same() -> None:
    tokenizer = letters(tuple(each for each in SPECIAL if each != "<|User|>"))
    prompts = Prompts(tokenizer, slots=40)
    batch = prompts.batch(["a"])
    assert _text(prompts, batch.ids[0][batch.mask[0]].tolist()).endswith("<|User|>: a\n\n<|Assistant|>:")
    with pytest.raises(PromptError, match="reserves"):
        prompts.batch(["<|User|>"])


def test_what_a_tokenizer_file_says_of_padding_cutting_and_begin_of_text_changes_nothing() -> None:
    tokenizer = letters()
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(max_length=3)
    tokenizer.post_processor = TemplateProcessing(single="<x> $A", special_tokens=[("<x>", 7)])
    other = Prompts(tokenizer, slots=40).batch(["a star"])
    assert other.ids.tolist() == _prompts().batch(["a star"]).ids.tolist()


def test_the_digest_knows_the_tokenizer_and_not_the_window() -> None:
    digest = _prompts().digest()
    assert digest == _prompts().digest() == _prompts(slots=50).digest()
    assert digest != Prompts(letters((*SPECIAL, "<more>")), slots=40).digest()


@pytest.mark.parametrize("wrong", [{"text_slots": 7}, {"vq_batch": 0}])
def test_impossible_lengths_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"janus\."):
        JanusConfig(**wrong)  # pyright: ignore[reportArgumentType] - from a mapping
